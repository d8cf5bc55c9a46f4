"""The node's topics as a replay has them, in a bag."""

from __future__ import annotations

from pathlib import Path

from promptmid_core.bags.filled import filled
from promptmid_core.bags.writer import BagWriter
from promptmid_core.georaster.geodetic import Geodetic
from promptmid_core.outputs import contents
from promptmid_core.outputs.health_keys import HEALTH
from promptmid_core.outputs.match_keys import Judged
from promptmid_core.outputs.publication import Publication
from promptmid_core.outputs.topics import DIAGNOSTICS, HEALTH_TOPIC, TOPICS
from promptmid_core.refmap import ReferenceMap
from promptmid_core.replay.health import HealthEntry
from promptmid_core.replay.run import Flight

NODE = "localizer"


def _write_health(bag: BagWriter, entry: HealthEntry) -> None:
    summary = str(entry.values["state"])
    content = contents.diagnostics(entry.bag_ns, f"{NODE}: health", "", summary, HEALTH, entry.values)
    bag.write(HEALTH_TOPIC, filled(DIAGNOSTICS, content), entry.bag_ns)


def write_topics(path: Path, flight: Flight, reference: ReferenceMap, base_frame: str) -> None:
    """Write the rosbag2 folder `path`: what the node would have published for each image, at the time when that was recorded.

    Raises InputError where it cannot be written.
    """
    publication = Publication(Geodetic(reference.frame, reference.vertical_datum), base_frame, NODE)
    with BagWriter(path) as bag:
        health = list(flight.health[::-1])
        for frame in flight.frames:
            while health and health[-1].bag_ns <= frame.bag_ns:
                _write_health(bag, health.pop())
            judged = Judged(frame.fix.stamp_ns, frame.fix, frame.latency_ms, north=publication.north(frame.fix))
            for name, content in publication.of(judged, lambda _: True):
                bag.write(f"/{NODE}/{name}", filled(TOPICS[name].kind, content), frame.bag_ns)
