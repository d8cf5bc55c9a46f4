"""All frames of a flight as a table and as lines of JSON."""

from __future__ import annotations

import csv
import json
from pathlib import Path

from promptmid_core.replay.results.row import flat, row_of
from promptmid_core.replay.run import Flight


def write_tables(folder: Path, flight: Flight) -> None:
    """Write `frames.csv`, whose cells are empty where nothing is known, and `frames.jsonl`, an object a line. Raises OSError
    where they cannot be written."""
    names: dict[str, None] = {}
    with (folder / "frames.jsonl").open("w", encoding="utf-8") as file:
        for frame in flight.frames:
            row = row_of(frame, flight.gsd_m)
            names |= dict.fromkeys(flat(row))
            file.write(json.dumps(row, allow_nan=False) + "\n")
    with (folder / "frames.csv").open("w", encoding="utf-8", errors="surrogateescape", newline="") as file:
        table = csv.DictWriter(file, list(names), restval="")
        table.writeheader()
        table.writerows(flat(row_of(frame, flight.gsd_m)) for frame in flight.frames)
