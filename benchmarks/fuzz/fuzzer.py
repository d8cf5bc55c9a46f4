"""A target run on case after case: what it takes, what it refuses, and what it must never do."""

from __future__ import annotations

import signal
import time
import traceback
import warnings
from collections import Counter
from dataclasses import dataclass, field
from itertools import count
from random import Random
from types import FrameType
from typing import Protocol

from promptmid_core.errors import InputError, Refusal

MOST_FAILURES = 20


class Target(Protocol):
    """What is fuzzed; a case that takes longer than `hang_s` seconds hangs."""

    name: str
    hang_s: int

    def run(self, rng: Random) -> str:
        """Make a case and run it; returns what came of it in a word.

        Raises InputError or Refusal where the case is refused, and anything else where the program is at fault.
        """
        ...

    def close(self) -> None:
        """Let go of what was made for the cases."""
        ...


class Hang(BaseException):
    """A case took longer than it may."""


@dataclass
class Tally:
    """What came of the cases of a target; `failures` are the first of each kind, by the number of their case."""

    name: str
    executions: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)
    failures: dict[int, str] = field(default_factory=dict)
    failed: int = 0


def fuzz(target: Target, seed: int, seconds: float | None = None, cases: range | None = None) -> Tally:
    """Run a target for so long, or on the cases of these numbers. A case depends on the seed and its number alone."""
    tally, kinds = Tally(target.name), set()
    until = time.monotonic() + seconds if seconds is not None else None
    before = signal.signal(signal.SIGALRM, _hang)
    warnings.simplefilter("error", RuntimeWarning)  # of NumPy: an overflow is no figure
    try:
        for number in cases or count():
            if (until is not None and time.monotonic() > until) or len(kinds) >= MOST_FAILURES:
                break
            tally.executions += 1
            signal.setitimer(signal.ITIMER_REAL, target.hang_s)
            try:
                tally.outcomes[target.run(Random(f"{seed} {number}"))] += 1
            except (InputError, Refusal) as error:
                tally.outcomes[str(getattr(error, "reason", "refused"))] += 1
                if "\n" in str(error) or len(str(error)) > 1000 or not str(error):
                    _note(tally, kinds, number, f"a refusal that is no sentence: {str(error)[:200]!r}", "sentence")
            except (Exception, Hang) as error:
                place = traceback.extract_tb(error.__traceback__)[-1]
                _note(tally, kinds, number, traceback.format_exc(), f"{type(error).__name__} {place.filename}:{place.lineno}")
            finally:
                signal.setitimer(signal.ITIMER_REAL, 0)
    finally:
        signal.signal(signal.SIGALRM, before)
    return tally


def _note(tally: Tally, kinds: set[str], number: int, text: str, kind: str) -> None:
    tally.failed += 1
    if kind not in kinds:
        kinds.add(kind)
        tally.failures[number] = text


def _hang(_: int, frame: FrameType | None) -> None:
    raise Hang
