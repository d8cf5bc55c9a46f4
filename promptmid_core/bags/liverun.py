"""The folder of a live run: what the node published, what it printed, and what was sent to it."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from promptmid_core.documents import parsed_json
from promptmid_core.errors import InputError
from promptmid_core.files import make_folder, read_regular, write_json

OUTPUTS, RUN, LOG = "outputs", "live.json", "localizer.log"
MOST_BYTES = 64 * 2**20  # of what a live run says of itself: more than a million images


@dataclass(frozen=True)
class LiveRun:
    """A flight that was flown live: `bag` over `map` at `rate` times real time.

    `exit_code` is that of the node; `sent` and `received` count messages by topic; `late_ms` is how late the latest message was
    sent; `images` are (stamp, wall clock when it was sent) of each image, in ns.
    """

    bag: str
    map: str
    rate: float
    image_transport: str
    exit_code: int
    sent: dict[str, int]
    received: dict[str, int]
    late_ms: float
    images: tuple[tuple[int, int], ...]

    def to_dict(self) -> dict[str, Any]:
        """Return the run as JSON values."""
        return asdict(self)

    @staticmethod
    def from_dict(values: dict[str, Any]) -> LiveRun:
        """Read a run from JSON values. Raises ValueError where one is missing or makes no sense."""
        rate = float(_given(values, "rate", (int, float)))
        if not 0 < rate < float("inf"):
            raise ValueError(f"rate is {rate:g}")
        images = _given(values, "images", list)
        if not all(isinstance(image, list) and [type(time) for time in image] == [int, int] for image in images):
            raise ValueError("images are not pairs of times in ns")
        return LiveRun(
            _given(values, "bag", str), _given(values, "map", str), rate, _given(values, "image_transport", str),
            _given(values, "exit_code", int), _counts(values, "sent"), _counts(values, "received"),
            float(_given(values, "late_ms", (int, float))), tuple((stamp, wall) for stamp, wall in images))


@dataclass(frozen=True)
class NotRun:
    """Why a flight was not flown live, as the end of a sentence."""

    why: str

    def to_dict(self) -> dict[str, Any]:
        """Return the reason as JSON values."""
        return {"not_run": self.why}


def write_run(folder: Path, run: LiveRun | NotRun) -> None:
    """Write what a live run says of itself into its folder, which is made. Raises InputError where it cannot be written."""
    make_folder(folder)
    write_json(folder / RUN, run.to_dict(), folder, indent=None)


def read_run(folder: Path) -> LiveRun | NotRun:
    """Read what a live run says of itself. Raises InputError where the folder is none of a live run, or a damaged one."""
    try:
        content = read_regular(folder / RUN, MOST_BYTES, "name the folder that promptmid_ros.rehearsal.live wrote")
    except InputError as error:
        raise InputError(f"{folder} is no live run: {error}") from error
    try:
        values = parsed_json(content)
        if not isinstance(values, dict):
            raise ValueError("it is not a table of values")
        return NotRun(_given(values, "not_run", str)) if "not_run" in values else LiveRun.from_dict(values)
    except ValueError as error:
        raise InputError(f"{folder / RUN} is damaged ({error}); run it again") from error


def _given(values: dict[str, Any], name: str, kinds: type | tuple[type, ...]) -> Any:
    if name not in values:
        raise ValueError(f"{name} is missing")
    if isinstance(values[name], bool) or not isinstance(values[name], kinds):
        raise ValueError(f"{name} is {values[name]!r:.60}")
    return values[name]


def _counts(values: dict[str, Any], name: str) -> dict[str, int]:
    found = _given(values, name, dict)
    return {topic: _given(found, topic, int) for topic in found}
