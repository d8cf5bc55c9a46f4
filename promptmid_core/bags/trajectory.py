"""A trajectory in a file, as messages: TUM (stamp x y z qx qy qz qw) or CSV with named columns."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from promptmid_core.bags import telemetry
from promptmid_core.bags.messages import NAVSAT_FIX, POSE_TYPES
from promptmid_core.bags.table import CURE, TextTable, numbers_of, pose_of, stamp_of, text_of
from promptmid_core.bags.topics import POINT
from promptmid_core.errors import InputError

CSV, TUM = (".csv",), (".tum", ".txt")
POSE = POSE_TYPES[-1]
UNKNOWN = np.zeros((3, 3))


def read_trajectory(path: Path) -> tuple[str, list[tuple[int, Any]]]:
    """Return the type of messages and (stamp in ns, message) that a file holds: PoseStamped in `map`, PointStamped in `map` where
    it has no attitude, NavSatFix where it has latitude and longitude.

    Raises InputError where it is neither TUM nor CSV with these columns, and where a line of it is wrong.
    """
    return _of_table(TextTable.read(path)) if path.suffix in CSV else (POSE, _of_tum(path))


def _of_tum(path: Path) -> list[tuple[int, Any]]:
    entries: list[tuple[int, Any]] = []
    for line, text in enumerate(text_of(path).splitlines(), 1):
        cells = text.split("#")[0].split()
        if not cells:
            continue
        if len(cells) != 8:
            raise InputError(f"{path}, line {line}: it has {len(cells)} numbers in place of the eight of TUM, stamp x y z qx qy "
                             f"qz qw; {CURE}")
        stamp = stamp_of(path, line, cells[0])
        entries.append((stamp, telemetry.pose(stamp, pose_of(path, line, numbers_of(path, line, cells[1:])))))
    if not entries:
        raise InputError(f"{path} has no poses; {CURE}")
    return entries


def _of_table(table: TextTable) -> tuple[str, list[tuple[int, Any]]]:
    stamps = table.stamps()
    if table.has("latitude", "longitude"):
        heights = table.numbers("altitude") if table.has("altitude") else [float("nan")] * len(stamps)
        places = zip(table.numbers("latitude"), table.numbers("longitude"), heights, strict=True)
        return NAVSAT_FIX, [(stamp, telemetry.navsat_fix(stamp, place, UNKNOWN))
                            for stamp, place in zip(stamps, places, strict=True)]
    attitude = table.attitude()
    heights = table.numbers("z") if attitude is not None or table.has("z") else [float("nan")] * len(stamps)
    places = zip(table.numbers("x"), table.numbers("y"), heights, strict=True)
    if attitude is None:
        return POINT, [(stamp, telemetry.point(stamp, place)) for stamp, place in zip(stamps, places, strict=True)]
    return POSE, [(stamp, telemetry.pose(stamp, replace(attitude(row), position=np.array(place))))
                  for row, (stamp, place) in enumerate(zip(stamps, places, strict=True))]
