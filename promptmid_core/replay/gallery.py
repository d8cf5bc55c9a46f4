"""The matches that the page of a flight shows at full size."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from promptmid_core.pages.page import percent
from promptmid_core.refmap import ReferenceMap
from promptmid_core.replay import figures
from promptmid_core.replay.facts import time_of
from promptmid_core.replay.metrics import Summary
from promptmid_core.replay.pictures import match_pictures
from promptmid_core.replay.run import Flight, ReplayedFrame

# how many places are shown of a frame, and from which probability on
PLACES, LEAST_PROBABILITY = 4, 0.001


def gallery(flight: Flight, reference: ReferenceMap) -> list[dict[str, Any]]:
    shown = []
    for example in flight.examples:
        frame = flight.frames[example.index]
        pictures = match_pictures(example, reference)
        if pictures is None:
            continue
        place = f"frame {frame.index} at {time_of(flight, frame)}"
        if frame.fix.accepted:
            known = f", ground error {frame.ground_error_px:.2f} px" if frame.ground_error_px is not None else ""
            text = f"{place}{known}, 95 % radius {figures.radius95_px(frame, flight.gsd_m):.2f} px"
            caption = "SAR map where the fix puts the frame"
        else:
            text = f"{place}: {frame.fix.sentence}"
            caption = f"SAR map where the {'prior' if example.candidate.pose is None else 'match'} puts the frame"
        ties = example.candidate.ties
        if ties is not None:
            text += f"; {len(ties.weight)} tie points"
        title = example.title.capitalize() if frame.fix.accepted else example.title
        shown.append({"title": title, "text": text, "places": _places(frame), "sar_caption": caption, **asdict(pictures)})
    return shown


def gallery_text(summary: Summary) -> str:
    if not summary["fixes"]:
        return "The first frame of each of the most frequent reasons."
    order = "ground error" if summary["judged"] else "their own sigma"
    return f"Accepted frames in the order of {order}: at 10 %, in the middle, and the worst."


def _places(frame: ReplayedFrame) -> str:
    """The most probable places after a frame; those of a probability that rounds to nothing are left out."""
    told = [f"x {pose.position[0]:.0f}, y {pose.position[1]:.0f} ({percent(probability)})"
            for pose, probability in frame.fix.places[:PLACES] if probability >= LEAST_PROBABILITY]
    return f"Most probable: {'; '.join(told)}." if told else ""
