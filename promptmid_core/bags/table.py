"""Tables of text that others write, one row a time: columns found by the names that are in use for them."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from math import isfinite, pi
from pathlib import Path

import numpy as np

from promptmid_core.errors import InputError
from promptmid_core.files import read_regular
from promptmid_core.geometry import Pose

MOST_BYTES = 2**29
CURE = "docs/replay.md says what columns a file may have"
TIMES = ("stamp", "timestamp", "time", "t", "stamp_s", "timestamp_s", "time_s", "stamp_ns", "timestamp_ns", "time_ns")
# seconds since 1970 stay below this for 300 years; a number above is one of nanoseconds
LEAST_NS = 10**13
COLUMNS = {
    "x": ("x", "x_m", "tx", "px", "p_x", "position_x", "p_rs_r_x"),
    "y": ("y", "y_m", "ty", "py", "p_y", "position_y", "p_rs_r_y"),
    "z": ("z", "z_m", "tz", "pz", "p_z", "position_z", "p_rs_r_z"),
    "qx": ("qx", "q_x", "orientation_x", "q_rs_x"), "qy": ("qy", "q_y", "orientation_y", "q_rs_y"),
    "qz": ("qz", "q_z", "orientation_z", "q_rs_z"), "qw": ("qw", "q_w", "orientation_w", "q_rs_w"),
    "latitude": ("latitude", "lat", "latitude_deg", "lat_deg"),
    "longitude": ("longitude", "lon", "lng", "longitude_deg", "lon_deg"),
    "altitude": ("altitude", "alt", "altitude_m", "alt_m", "height", "height_m"),
    "file": ("file", "filename", "image", "image_file", "name", "path"),
}
QUATERNION, ANGLES = ("qx", "qy", "qz", "qw"), ("roll", "pitch", "yaw")


@dataclass(frozen=True)
class TextTable:
    """Rows of a CSV file, each with its line, by the names of its columns in small letters."""

    path: Path
    names: tuple[str, ...]
    rows: tuple[tuple[int, tuple[str, ...]], ...]

    @staticmethod
    def read(path: Path) -> TextTable:
        """Read a CSV file whose first line names the columns. Raises InputError where it is none."""
        lines = text_of(path).splitlines()
        delimiter = max(",;\t", key=lines[0].count) if lines else ","
        try:
            read = [(number, tuple(cell.strip() for cell in row)) for number, row in
                    enumerate(csv.reader(lines, delimiter=delimiter), 1) if any(cell.strip() for cell in row)]
        except csv.Error as error:
            raise InputError(f"{path} is no CSV file ({error}); {CURE}") from error
        if len(read) < 2:
            raise InputError(f"{path} has no rows; its first line names the columns, and {CURE}")
        names = tuple(re.sub(r"[\[(].*", "", name.lstrip("#")).strip().lower() for name in read[0][1])
        for number, row in read[1:]:
            if len(row) != len(names):
                raise InputError(f"{path}, line {number}: it has {len(row)} cells in place of {len(names)}; {CURE}")
        return TextTable(path, names, tuple(read[1:]))

    def column(self, name: str) -> int | None:
        """Return the place of a column, one of COLUMNS or a name itself; None where there is none."""
        return next((self.names.index(known) for known in COLUMNS.get(name, (name,)) if known in self.names), None)

    def has(self, *names: str) -> bool:
        """Return whether all of these columns are there."""
        return all(self.column(name) is not None for name in names)

    def texts(self, name: str) -> list[tuple[int, str]]:
        """Return (line, cell) of a column. Raises InputError where there is none."""
        at = self.column(name)
        if at is None:
            raise InputError(f"{self.path} has no column {name}; it has {', '.join(self.names)}; {CURE}")
        return [(number, row[at]) for number, row in self.rows]

    def numbers(self, name: str, unit: float = 1.0) -> list[float]:
        """Return the finite numbers of a column times `unit`. Raises InputError where a cell is none."""
        return [unit * _number(self.path, number, text) for number, text in self.texts(name)]

    def stamps(self) -> list[int]:
        """Return the stamp of each row in ns: a number of seconds, or of nanoseconds where it is that large."""
        name = next((name for name in TIMES if name in self.names), None)
        if name is None:
            raise InputError(f"{self.path} has no column of times (stamp, timestamp or time); it has "
                             f"{', '.join(self.names)}; {CURE}")
        return [stamp_of(self.path, number, text) for number, text in self.texts(name)]

    def attitude(self) -> Callable[[int], Pose] | None:
        """Return what makes the pose of a row at the origin, by quaternion or by roll, pitch and yaw; None without attitude."""
        if self.has(*QUATERNION):
            turns = list(zip(*(self.numbers(name) for name in QUATERNION), strict=True))
            return lambda row: _turned(self.path, self.rows[row][0], turns[row])
        for suffix, unit in (("", 1.0), ("_rad", 1.0), ("_deg", pi / 180)):
            if self.has(*(angle + suffix for angle in ANGLES)):
                angles = list(zip(*(self.numbers(angle + suffix, unit) for angle in ANGLES), strict=True))
                return lambda row: Pose.from_rpy(np.zeros(3), *angles[row])
        return None


def text_of(path: Path) -> str:
    """Return a file of text. Raises InputError where it is none."""
    try:
        return read_regular(path, MOST_BYTES, CURE).decode("utf-8-sig")
    except ValueError as error:
        raise InputError(f"{path} is no text; {CURE}") from error


def stamp_of(path: Path, line: int, text: str) -> int:
    """Return a time in ns. Raises InputError where a text is none."""
    try:
        value = Decimal(text)
        stamp = int(value) if value >= LEAST_NS else int(value.scaleb(9))
    except (InvalidOperation, ValueError, OverflowError) as error:
        raise InputError(f"{path}, line {line}: {text!r:.60} is no time in seconds or nanoseconds; {CURE}") from error
    if not 0 <= stamp < 2**62:
        raise InputError(f"{path}, line {line}: {text!r:.60} is no time since 1970; {CURE}")
    return stamp


def pose_of(path: Path, line: int, values: tuple[float, ...]) -> Pose:
    """Return the pose of x y z and a quaternion qx qy qz qw. Raises InputError where that is none."""
    return Pose(np.array(values[:3]), _turned(path, line, values[3:]).rotation)


def numbers_of(path: Path, line: int, texts: list[str]) -> tuple[float, ...]:
    """Return finite numbers. Raises InputError where a text is none."""
    return tuple(_number(path, line, text) for text in texts)


def _turned(path: Path, line: int, quaternion: tuple[float, ...]) -> Pose:
    try:
        return Pose.from_quaternion(np.zeros(3), np.array(quaternion))
    except ValueError as error:
        raise InputError(f"{path}, line {line}: {error}; {CURE}") from error


def _number(path: Path, line: int, text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if not isfinite(value):
        raise InputError(f"{path}, line {line}: {text!r:.60} is no number; {CURE}")
    return value
