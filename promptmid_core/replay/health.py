"""The health of the node as a replay has it: what `/diagnostics` would have told each second, by the times of recording."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from promptmid_core.localization.fix import Fix
from promptmid_core.localization.intake import Intake
from promptmid_core.localization.localizer import Localizer
from promptmid_core.outputs.health_keys import HEALTH, Active, Configured, Health
from promptmid_core.outputs.keys import Value, values_of
from promptmid_core.outputs.match_keys import Judged
from promptmid_core.outputs.rates import Rate, StampGaps, Verdicts
from promptmid_core.refmap.age import EPOCH, day_of

EVERY_NS = 1_000_000_000
OF_THE_PROCESS = {"memory_mb"}  # that replays, which tells nothing of a node


@dataclass(frozen=True)
class HealthEntry:
    """The values of HEALTH as they stood at a time of recording."""

    bag_ns: int
    values: dict[str, Value]


class HealthLog:
    """Takes what `/diagnostics` would have told, of the first image of each second of a flight with a localizer."""

    def __init__(self, localizer: Localizer) -> None:
        self.entries: list[HealthEntry] = []
        self._localizer, self._gaps, self._now_ns, self._heard, self._received = localizer, StampGaps(), 0, 0, 0

    def add(self, bag_ns: int, fix: Fix, latency_ms: float, intake: Intake, heard: int) -> None:
        """Take the verdict on an image that was recorded at `bag_ns`, when `heard` messages of the prior had been."""
        self._now_ns = bag_ns
        if not self._received:
            self._images, self._odometry, self._verdicts = Rate(self._clock), Rate(self._clock), Verdicts(self._clock)
        self._received += 1
        self._images.count()
        for _ in range(heard - self._heard):
            self._odometry.count()
        self._heard = heard
        self._gaps.add(fix.stamp_ns)
        self._verdicts.add(str(fix.reason), fix.accepted, latency_ms, None)
        if not self.entries or bag_ns >= self.entries[-1].bag_ns + EVERY_NS:
            self.entries.append(HealthEntry(bag_ns, self._values(fix, latency_ms, intake)))

    def _clock(self) -> float:
        return self._now_ns * 1e-9

    def _values(self, fix: Fix, latency_ms: float, intake: Intake) -> dict[str, Value]:
        today: date = day_of(fix.stamp_ns) or EPOCH
        active = Active(intake, self._images, self._gaps, self._odometry, self._verdicts.values(),
                        Judged(fix.stamp_ns, fix, latency_ms), self._received, 0)
        keys = {name: key for name, key in HEALTH.items() if name not in OF_THE_PROCESS}
        return values_of(keys, Health("active", Configured.of(self._localizer, today), active))
