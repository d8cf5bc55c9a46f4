"""A target run on case after case: what it takes, what it refuses, and what it must never do."""

from __future__ import annotations

import signal
import time
import traceback
import warnings
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import count
from random import Random
from types import FrameType
from typing import Protocol

from promptmid_core.errors import LONGEST, InputError, Refusal

WAITS = 12  # other programs may be at work as well
MOST_FAILURES = 20


CLOCKS = {signal.ITIMER_PROF: signal.SIGPROF, signal.ITIMER_REAL: signal.SIGALRM}


class Target(Protocol):
    """What is fuzzed; a case that takes more than `hang_s` seconds of processor time, or WAITS times as long in all, hangs."""

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


def fuzz(target: Target, seed: int, seconds: float | None = None, cases: Iterable[int] | None = None) -> Tally:
    """Run a target for so long, or on the cases of these numbers. A case depends on the seed and its number alone."""
    tally, kinds = Tally(target.name), set()
    until = time.monotonic() + seconds if seconds is not None else None
    before = [signal.signal(which, _hang) for which in CLOCKS.values()]
    warnings.simplefilter("error", RuntimeWarning)  # of NumPy: an overflow is no figure
    try:
        for number in count() if cases is None else cases:
            if (until is not None and time.monotonic() > until) or len(kinds) >= MOST_FAILURES:
                break
            tally.executions += 1
            _set_clocks(target.hang_s)
            try:
                tally.outcomes[target.run(Random(f"{seed} {number}"))] += 1
            except (InputError, Refusal) as error:
                tally.outcomes[str(getattr(error, "reason", "refused"))] += 1
                if "\n" in str(error) or len(str(error)) > LONGEST or not str(error):
                    _note(tally, kinds, number, f"a refusal that is no sentence: {str(error)[:200]!r}", "sentence")
            except (Exception, Hang) as error:
                place = traceback.extract_tb(error.__traceback__)[-1]
                _note(tally, kinds, number, traceback.format_exc(), f"{type(error).__name__} {place.filename}:{place.lineno}")
            finally:
                _set_clocks(0)
    finally:
        for which, handler in zip(CLOCKS.values(), before, strict=True):
            signal.signal(which, handler)
    return tally


def _note(tally: Tally, kinds: set[str], number: int, text: str, kind: str) -> None:
    tally.failed += 1
    if kind not in kinds:
        kinds.add(kind)
        tally.failures[number] = text


def _set_clocks(seconds: int) -> None:
    signal.setitimer(signal.ITIMER_PROF, seconds)
    signal.setitimer(signal.ITIMER_REAL, seconds * WAITS)


def _hang(_: int, frame: FrameType | None) -> None:
    raise Hang
