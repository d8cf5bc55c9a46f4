"""Whether a flight passes: held against criteria, its user's or the usual ones."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from promptmid_core.replay.criteria import CRITERIA, Course, Criteria, Standing

# one flight in a hundred with an honest covariance has a share as far from 95 %, and one from 50 %
LEAST_CHANCE, LEAST_RATE = 0.01, 0.8
USUAL = Criteria({"misleading_most": 0, "fix_rate_least": LEAST_RATE, "coverage95_chance_least": LEAST_CHANCE,
                  "coverage50_chance_least": LEAST_CHANCE})


@dataclass(frozen=True)
class Ruling:
    """How a flight stands against each of its criteria; `asked`: these are its user's, and not the usual ones."""

    standings: tuple[Standing, ...]
    asked: bool

    @property
    def passed(self) -> bool | None:
        """Whether all are met; None where the usual ones are met as far as the flight tells, which has no truth. What its user
        asks for and nothing tells is not met."""
        known = [standing for standing in self.standings if self.asked or standing.value is not None]
        if not all(standing.passed for standing in known):
            return False
        return True if len(known) == len(self.standings) else None

    @property
    def word(self) -> str:
        return {True: "PASS", False: "FAIL", None: "NOT JUDGED"}[self.passed]

    @property
    def by(self) -> str:
        return "the criteria that were given" if self.asked else "the usual criteria"

    def to_dict(self) -> dict[str, Any]:
        return {"passed": self.passed, "asked": self.asked, "criteria": [asdict(standing) for standing in self.standings]}


def judged(course: Course, criteria: Criteria | None = None) -> Ruling:
    """Return the verdict on a flight by `criteria`, or by the usual ones."""
    held = criteria or USUAL
    return Ruling((*held.judge(course), *held.judge(course, of_all=True)), criteria is not None)


def lines(verdict: Ruling) -> list[str]:
    """Return the verdict as aligned plain text, a criterion a line."""
    rows = [(standing.name, told(standing.value), f"{bound(standing)} {told(standing.limit)}", word(standing))
            for standing in verdict.standings]
    wide = max(len(row[0]) for row in rows)
    return [f"verdict  {verdict.word} by {verdict.by}",
            *(f"  {name:{wide}}  {value:>10}  {limit:18}  {each}" for name, value, limit, each in rows)]


def bound(standing: Standing) -> str:
    """Return on which side of its limit a value has to be."""
    return "at least" if CRITERIA[standing.name].is_least else "at most"


def word(standing: Standing) -> str:
    """Return how one criterion ended."""
    return "not known" if standing.value is None else "met" if standing.passed else "missed"


def told(value: float | None) -> str:
    """Return a value or a limit as people read it, a dash where it is not known."""
    return "-" if value is None else "< 0.001" if 0 < value < 0.001 else f"{value:.4g}"
