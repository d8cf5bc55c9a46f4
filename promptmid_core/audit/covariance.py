"""How alike the errors of two places are, by the distance between them."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

import numpy as np

from promptmid_core.arrays import Float64
from promptmid_core.audit.places import Places

RANGES = (1.0, 1.5, 2.0, 3.0, 4.0, 6.0, 8.0, 12.0, 16.0)  # cells
NOISES = (0.02, 0.05, 0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4)  # variance of a look over that of the field
BLOCK, MOST_BLOCKS, LEAST_IN_BLOCK = 16, 16, 8  # cells to a side of the blocks that are looked at, and how many of them
LONGEST = 3.0  # median lengths, beyond which an error is cut: a block found at a wrong place is no error of the map


@dataclass(frozen=True)
class Covariance:
    """Two places at a distance d share `variance` exp(-d / `range_m`) in m2 per axis, and a look adds noise of the variance
    `noise`."""

    variance: float
    range_m: float
    noise: float

    def between(self, one: Float64, other: Float64) -> Float64:
        """Return the covariance (N, M) of the field at places (N, 2) and (M, 2)."""
        apart = np.hypot(one[:, None, 0] - other[None, :, 0], one[:, None, 1] - other[None, :, 1])
        return np.asarray(self.variance * np.exp(-apart / self.range_m), np.float64)


def fitted(places: Places, cell_m: float) -> Covariance:
    """Return the covariance under which the errors of places are likeliest, about a mean of zero.

    By the likelihood of blocks of places taken for independent of each other (composite likelihood; Vecchia, J. R. Stat. Soc. B
    50, 1988), on a grid of ranges and shares of noise.
    """
    blocks = _blocks(places)
    error = cut(places.error)
    best, found = -np.inf, Covariance(1.0, cell_m, 1.0)
    for reach, noise in product(RANGES, NOISES):
        unit, squares, logs, count = Covariance(1.0, reach * cell_m, noise), 0.0, 0.0, 0
        for block in blocks:
            some = places.pick(block)
            lower = np.linalg.cholesky(unit.between(some.at, some.at) + np.diag(noise / some.looks))
            squares += float((np.linalg.solve(lower, error[block]) ** 2).sum())
            logs += 4 * float(np.log(np.diag(lower)).sum())
            count += 2 * len(block)
        variance = max(squares / count, 1e-9)
        likelihood = -(count * np.log(variance) + logs) / 2
        if likelihood > best:
            best, found = likelihood, Covariance(variance, unit.range_m, noise * variance)
    return found


def cut(errors: Float64) -> Float64:
    """Return errors (N, 2), none of them longer than LONGEST median ones."""
    length = np.hypot(*errors.T)
    longest = LONGEST * max(float(np.median(length)), 1e-9)
    return np.asarray(errors * np.minimum(1.0, longest / np.maximum(length, 1e-9))[:, None], np.float64)


def _blocks(places: Places) -> list[np.ndarray]:
    """Indices of the places in some blocks, evenly taken from all that have enough."""
    _, block = np.unique(places.cells // BLOCK, axis=0, return_inverse=True)
    groups = [np.flatnonzero(block == which) for which in range(int(block.max()) + 1)]
    enough = [group for group in groups if len(group) >= LEAST_IN_BLOCK] or groups
    return enough[::-(-len(enough) // MOST_BLOCKS)]
