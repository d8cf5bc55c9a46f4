"""What was fitted of a descriptor's scores, as it lies on disk: by fingerprint, with what it was fitted on and how reliable it
is."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from reprlib import repr as shown
from typing import Any

from promptmid_core.descriptors.likelihood import Likelihood
from promptmid_core.descriptors.tail import UNKNOWN, Tail
from promptmid_core.documents import read_json
from promptmid_core.errors import InputError
from promptmid_core.runtime import profile

FILE = "likelihood.json"
STRUCTURAL = profile.SHIPPED / "structural" / FILE
MOST_BYTES, MOST_NAME = 2**20, 400
NAMES = ("fingerprint", "likelihood", "errors", "looks", "reliability", "versions")


@dataclass(frozen=True)
class Calibration:
    """The `likelihood` of the descriptor that has this `fingerprint`, and the tail of its `errors`.

    `looks`: how many, of what, over how many grounds, how well they are explained, and on how many pieces of ground there was a
    fix; `reliability`: how many places were right by how probable they were said to be, on grounds that were held back;
    `versions` of what fitted it.
    """

    fingerprint: str
    likelihood: Likelihood
    errors: Tail = UNKNOWN
    looks: dict[str, float] = field(default_factory=dict)
    reliability: list[dict[str, float]] = field(default_factory=list)
    versions: dict[str, str] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Return what `from_dict` takes, as JSON values."""
        return {name: getattr(self, name) for name in NAMES} | {"likelihood": self.likelihood.to_dict(),
                                                                "errors": list(self.errors.scores)}

    @staticmethod
    def from_dict(values: Any) -> Calibration:
        """Return the calibration of JSON values. Raises ValueError, which says what is wrong, where they are none."""
        if not isinstance(values, dict) or set(values) != set(NAMES):
            raise ValueError(f"it has to state {', '.join(NAMES)} and nothing else")
        fingerprint = values["fingerprint"]
        if not isinstance(fingerprint, str) or not 0 < len(fingerprint) <= MOST_NAME or not fingerprint.isprintable():
            raise ValueError(f"fingerprint is {shown(fingerprint)}, not that of a descriptor")
        for name in ("looks", "versions"):
            if not isinstance(values[name], dict):
                raise ValueError(f"{name} is {shown(values[name])}, not a table")
        rows = values["reliability"]
        if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
            raise ValueError(f"reliability is {shown(rows)}, not a list of tables")
        return Calibration(**values | {"likelihood": Likelihood.from_dict(values["likelihood"]),
                                       "errors": Tail.from_list(values["errors"])})

    @staticmethod
    def read(path: Path) -> Calibration:
        """Read a file. Raises InputError where it cannot be read or is no calibration."""
        cure = f"make it anew with: {made_by(path)}"
        values = read_json(path, MOST_BYTES, cure)
        try:
            return Calibration.from_dict(values)
        except ValueError as error:
            raise InputError(f"{path} is no calibration of a descriptor ({error}); {cure}") from error

    @staticmethod
    def at(path: Path, fingerprint: str) -> Calibration | None:
        """Return what lies at `path` for the descriptor of that fingerprint, None where nothing does.

        Raises InputError where that is another descriptor's, or none at all.
        """
        if not path.exists():
            return None
        found = Calibration.read(path)
        if found.fingerprint != fingerprint:
            raise InputError(f"{path} is the likelihood of another descriptor ({found.fingerprint}) than the one that is to fly "
                             f"({fingerprint}); make its own with: {made_by(path)}")
        return found


def made_by(path: Path) -> str:
    """Return the command that makes the file at `path`."""
    shipped = {STRUCTURAL.parent: "structural", profile.COMPACT: "promptmid"}
    return f"promptmid calibrate descriptor GROUND... --descriptor {shipped.get(path.parent, f'promptmid:{path.parent}')}"


def uncalibrated(path: Path) -> str:
    """Return the sentence about a descriptor whose calibration would lie at `path`, and does not."""
    return ("the descriptor is not calibrated: what its scores say is not known, it flies with a cautious likelihood, and fixes "
            f"come later than they might; fit it with: {made_by(path)}")
