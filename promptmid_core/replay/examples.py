"""Which frames of a flight are shown as pictures."""

from __future__ import annotations

from dataclasses import dataclass

from promptmid_core.localization.fix import Candidate

KEPT = 64


@dataclass(frozen=True)
class Example:
    """A frame whose match is shown: `index` among the frames, what it is an example of, and the candidate with its patch.

    `rank` is what accepted frames were ordered by; None for refused ones.
    """

    index: int
    title: str
    rank: float | None
    candidate: Candidate


class Album:
    """Keeps candidates with their patches for a good, a median and the worst accepted frame, in bounded memory.

    Of a long flight an even subset of at most KEPT accepted frames is held, thinned as the flight grows; the worst is exact. Of
    refused frames the first of each reason is held.
    """

    def __init__(self) -> None:
        self._sample: list[Example] = []
        self._step = 1
        self._accepted = 0
        self._worst: Example | None = None
        self._refused: dict[str, Example] = {}
        self._counts: dict[str, int] = {}

    def add(self, index: int, candidate: Candidate, reason: str, rank: float | None) -> None:
        """Offer a frame: `rank` (the smaller the better) where it was accepted, None where it was refused for `reason`."""
        if rank is None:
            self._counts[reason] = self._counts.get(reason, 0) + 1
        if candidate.patch is None:
            return
        if rank is None:
            if reason not in self._refused:
                self._refused[reason] = Example(index, reason, None, candidate)
            return
        if self._worst is None or self._worst.rank is None or rank > self._worst.rank:
            self._worst = Example(index, "worst", rank, candidate)
        if self._accepted % self._step == 0:
            self._sample.append(Example(index, "", rank, candidate))
            if len(self._sample) > KEPT:
                self._sample = self._sample[::2]
                self._step *= 2
        self._accepted += 1

    def chosen(self) -> tuple[Example, ...]:
        """Good (10th percentile), median and worst accepted frame; where none was accepted, the most frequent three reasons."""
        if self._worst is None:
            by_count = sorted(self._refused, key=lambda reason: -self._counts[reason])
            return tuple(self._refused[reason] for reason in by_count[:3])
        ordered = sorted(self._sample, key=lambda example: (example.rank or 0.0, example.index))
        chosen = {self._worst.index: self._worst}
        for title, share in (("median", 0.5), ("good", 0.1)):
            example = ordered[round(share * (len(ordered) - 1))]
            chosen.setdefault(example.index, Example(example.index, title, example.rank, example.candidate))
        order = ("good", "median", "worst")
        return tuple(sorted(chosen.values(), key=lambda example: order.index(example.title)))
