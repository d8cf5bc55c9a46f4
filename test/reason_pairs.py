"""Pairs of frames, one that just has a reason code and one that just does not: their list, and how they are found."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from overflight import Overflight

from promptmid_core.localization.fix import Candidate, Fix
from promptmid_core.reasons import Reason

Verdict = Candidate | Fix
Make = Callable[[Overflight], tuple[Verdict, Verdict]]
Judged = TypeVar("Judged", Candidate, Fix)


@dataclass(frozen=True)
class Pair:
    """`make` gives the verdict on a frame that has `reason` and on one that just does not, whose own is `otherwise`."""

    reason: Reason
    otherwise: Reason
    make: Make

    def __str__(self) -> str:
        return f"{self.reason}-{self.make.__name__}"


PAIRS: list[Pair] = []


def pair(reason: Reason, otherwise: Reason = Reason.FIX) -> Callable[[Make], Make]:
    def add(make: Make) -> Make:
        PAIRS.append(Pair(reason, otherwise, make))
        return make

    return add


def flip(reason: Reason, judge: Callable[[float], Judged], has: float, has_not: float, within: float) -> tuple[Judged, Judged]:
    """The verdicts on both sides of where frames that vary by a number begin to have a reason, found by halving."""
    reached, missed = judge(has), judge(has_not)
    assert reached.reason is reason and missed.reason is not reason, (reached.sentence, missed.sentence)
    while abs(has - has_not) > within:
        middle = (has + has_not) / 2
        verdict = judge(middle)
        if verdict.reason is reason:
            has, reached = middle, verdict
        else:
            has_not, missed = middle, verdict
    return reached, missed


def between(value: float, limits: tuple[float, float], within: float) -> None:
    """Hold that two numbers lie on both sides of a limit, and no further apart than this."""
    low, high = sorted(limits)
    assert low <= value <= high and high - low < within, (low, value, high)


def above(value: float) -> float:
    return float(np.nextafter(value, np.inf))


def below(value: float) -> float:
    return float(np.nextafter(value, -np.inf))
