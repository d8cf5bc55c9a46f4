"""What happened in a closed loop."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Log:
    """In seconds of the flight: `states` once a second, errors (2,) in metres and covariances (2, 2) of the place; `jumps` at
    each update, metres and the longer sigma that was stated before; `reasons` of the images."""

    states: list[tuple[float, Any, Any]] = field(default_factory=list)
    jumps: list[tuple[float, float, float]] = field(default_factory=list)
    reasons: list[tuple[float, str]] = field(default_factory=list)

    def counts(self) -> dict[str, int]:
        return dict(Counter(reason for _, reason in self.reasons).most_common())
