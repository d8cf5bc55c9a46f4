"""Methods over trials: what each answered, how far off, and how long it took."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from time import perf_counter

import cv2
import numpy as np

from promptmid_core import __version__
from promptmid_core.bench.journal import BenchJournal
from promptmid_core.bench.matchers import Answer, Matcher
from promptmid_core.bench.pairs import Pair
from promptmid_core.bench.trials import Setting, Trial, cut
from promptmid_core.errors import InputError

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Result:
    """One method on one trial: its answer, or None where it had none, and the seconds that it took."""

    method: str
    trial: Trial
    answer: Answer | None
    seconds: float

    @property
    def error_px(self) -> float:
        """Distance in SAR px between the answer and the truth; infinite without an answer."""
        if self.answer is None:
            return float("inf")
        # the truth lies where the prior does, less the shift
        return float(np.hypot(self.answer.x + self.trial.shift[0], self.answer.y + self.trial.shift[1]))


def run(pairs: Sequence[Pair], trials: Sequence[Trial], matchers: Sequence[Matcher], setting: Setting, *,
        journal: Path | None = None, progress: Progress | None = None) -> list[Result]:
    """Run every method on every trial, on one thread; the methods take turns, so that what else the machine does hits all
    alike.

    With a `journal` each result is written down at once, and a run with the same journal, trials, setting and methods goes on
    after the last of them. Raises InputError where the journal belongs to another run, or where a method fails.
    """
    known = {(pair.source, pair.id): pair for pair in pairs}
    log = BenchJournal(journal, _fingerprint(pairs, trials, matchers, setting)) if journal else None
    done = log.read() if log else {}
    results = []
    threads = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        for number, trial in enumerate(trials):
            pending = [matcher for matcher in matchers if (number, matcher.name) not in done]
            if pending:
                patch, window = cut(known[trial.source, trial.pair], trial, setting)
            for matcher in pending:
                started = perf_counter()
                try:
                    answer = matcher.locate(patch, window, setting.reach)
                except InputError:
                    raise
                except Exception as error:
                    raise InputError(
                        f"method {matcher.name} failed on trial {number + 1} (pair '{trial.pair}' of {trial.source}) with "
                        f"{type(error).__name__}: {error}; mend it or leave it out of --methods") from error
                seconds = perf_counter() - started
                done[number, matcher.name] = answer, seconds
                if log:
                    log.write(number, matcher.name, answer, seconds)
            for matcher in matchers:
                results.append(Result(matcher.name, trial, *done[number, matcher.name]))
            if progress:
                progress(len(results), len(trials) * len(matchers))
    finally:
        cv2.setNumThreads(threads)
        if log:
            log.close()
    return results


def _fingerprint(pairs: Sequence[Pair], trials: Sequence[Trial], matchers: Sequence[Matcher], setting: Setting) -> str:
    """Changes whenever results of one run may not be taken over by another."""
    text = repr((__version__, asdict(setting), [(str(pair.optical.resolve()), str(pair.sar.resolve())) for pair in pairs],
                 list(trials), [(matcher.name, matcher.gate) for matcher in matchers]))
    return hashlib.sha256(text.encode()).hexdigest()
