"""The folder of a replay's results."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from promptmid_core.files import writing
from promptmid_core.folders import scratch
from promptmid_core.refmap import ReferenceMap
from promptmid_core.replay.results.globe import write_globe
from promptmid_core.replay.results.tables import write_tables
from promptmid_core.replay.results.topics import write_topics
from promptmid_core.replay.results.trajectories import write_trajectories
from promptmid_core.replay.run import Flight

SUMMARY, OUTPUTS = "summary.json", "outputs"
CURE = "name another folder, where there is room"


def write_results(path: Path, flight: Flight, told: dict[str, Any], reference: ReferenceMap,
                  base_frame: str = "base_link") -> None:
    """Write the folder of a replayed flight, which appears when it is complete; `told` is what the JSON of a replay has, and
    `base_frame` the frame of the aircraft.

    `check_new_bag` of `path` is to be asked before the work. Raises InputError where it cannot be written.
    """
    with writing(path, CURE):
        path.absolute().parent.mkdir(parents=True, exist_ok=True)
        with scratch(path.absolute()) as beside:
            folder = beside / path.name
            folder.mkdir()
            (folder / SUMMARY).write_text(json.dumps(told, indent=2) + "\n", encoding="utf-8", errors="surrogateescape")
            write_tables(folder, flight)
            write_trajectories(folder, flight)
            write_globe(folder, flight, reference)
            write_topics(folder / OUTPUTS, flight, reference, base_frame)
            folder.replace(path)
