"""How likely a score is at the true place, against how likely it is anywhere else."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from promptmid_core.arrays import Float64


@dataclass(frozen=True)
class Likelihood:
    """What the scores of a descriptor say of a place.

    A score is in standard deviations of those of other places nearby. The log-likelihood ratio of being the true place is
    `slope` nats for each that the score lies above `even`. With probability `void` a frame tells nothing at all, as under
    cloud, over water or where the place has changed.
    """

    slope: float
    even: float
    void: float

    def log_ratio(self, scores: Float64, peaks: Float64 | None = None) -> Float64:
        """Return ln p(score | true place) / p(score | other place) for scores of any shape.

        `peaks`: for each the highest score near by. Places apart err each in its own way, and so does the ground that repeats
        itself: hence the slope. On the flank of one peak all err together, and there the ratio of two scores is that of a known
        signal in noise: half the difference of their squares.
        """
        told = self.slope * (scores - self.even)
        if peaks is not None:
            told = told - (peaks - scores) * np.maximum((peaks + scores) / 2 - self.slope, 0.0)
        ratio: Float64 = np.logaddexp(np.log(self.void), np.log(1 - self.void) + told)
        return ratio
