"""What files tell in place of a bag's topics: messages with their times, under a name of their own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from promptmid_core.bags.camerafile import read_camera_info
from promptmid_core.bags.topics import CAMERA_INFO, Topics
from promptmid_core.bags.trajectory import read_trajectory


@dataclass(frozen=True)
class Given:
    """Messages of one type: their number, when the first and the last were recorded, and what yields (log time in ns, message)
    in the order of recording."""

    kind: str
    count: int
    first_ns: int
    last_ns: int
    read: Callable[[], Iterator[tuple[int, Any]]]

    def messages(self, name: str) -> Iterator[tuple[str, int, Any]]:
        """Yield (name, log time in ns, message)."""
        for log_ns, content in self.read():
            yield name, log_ns, content

    @staticmethod
    def of(kind: str, entries: list[tuple[int, Any]]) -> Given:
        """Return messages that are held whole."""
        ordered = sorted(entries, key=lambda entry: entry[0])
        return Given(kind, len(ordered), ordered[0][0], ordered[-1][0], lambda: iter(ordered))


def given_instead(names: Topics) -> dict[str, Given]:
    """Return what the files among the names of topics hold. Raises InputError where one cannot be read."""
    given: dict[str, Given] = {}
    if isinstance(names.camera_info, Path):
        given[str(names.camera_info)] = Given.of(CAMERA_INFO, [(0, read_camera_info(names.camera_info))])
    if isinstance(names.ground_truth, Path):
        given[str(names.ground_truth)] = Given.of(*read_trajectory(names.ground_truth))
    return given
