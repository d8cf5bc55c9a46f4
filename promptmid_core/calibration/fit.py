"""The likelihood under which what happened was most probable."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from promptmid_core.arrays import Float64, Mask
from promptmid_core.calibration.looks import START, Look
from promptmid_core.descriptors.likelihood import Likelihood
from promptmid_core.localization.belief import Cells

MISLABELLED, CHANCE = 0.02, 1e-3  # share of looks whose truth is not what it is said to be, and how probable that is then
PULL = 1e-3  # towards where the fit begins, of parts that no look tells of
HIGH, THIN = 2.0, 64  # below this score one cell stands for so many that are about as probable by the prior
STEP, ITERATIONS, DECIMALS = 1e-3, 40, 3
LEAST_RISE, MOST_RISE = 0.05, 12.0  # nats from one score to the next
BOUNDS = ((-12.0, 0.0), *[(float(np.log(LEAST_RISE)), float(np.log(MOST_RISE)))] * (len(START.scores) - 1),
          (0.0, 2.0), (0.0, 5.0), (-5.0, 10.0))
Indices = NDArray[np.int64]


@dataclass(frozen=True)
class Pool:
    """The cells of many looks in one row: `cells`, `past` (n,) of them by the prior, times how many each stands for, `near` (n,),
    `first` (looks,) of each look; of each look what else is `left`, which nothing is told of, and whether it is `true`."""

    cells: Cells
    past: Float64
    near: Mask
    first: Indices
    left: Float64
    true: Mask

    @staticmethod
    def of(looks: Sequence[Look]) -> Pool:
        """Return the pool of looks; of low scores, of which there are thousands a look, some stand for all."""
        picked = [_picked(look) for look in looks]
        pairs = list(zip(looks, picked, strict=True))

        def joined(name: str, kind: type = float) -> Any:
            return np.concatenate([np.broadcast_to(getattr(look.cells, name), look.near.shape).ravel()[rows].astype(kind)
                                   for look, (rows, _) in pairs])

        cells = Cells(joined("scores"), joined("peaks"), joined("inside", bool), joined("agreed"), joined("surplus"),
                      joined("among"))
        return Pool(
            cells, np.concatenate([_past(look).ravel()[rows] * stands for look, (rows, stands) in pairs]),
            np.concatenate([look.near.ravel()[rows] for look, (rows, _) in pairs]),
            np.cumsum([0, *(len(rows) for rows, _ in picked[:-1])]),
            np.array([float(_past(look)[~(look.cells.inside | look.near)].sum()) for look in looks]),
            np.array([look.true for look in looks]))

    def score(self, likelihood: Likelihood) -> float:
        """Return the mean natural logarithm of how probable the truth of a look was: its place, or that it is none of the cells',
        which is as probable beforehand as all of them; true looks and decoys count as much, however many they are."""
        weight = self.past * np.exp(self.cells.told(likelihood))
        total = np.add.reduceat(weight, self.first) + self.left + 1
        held = np.where(self.true, np.add.reduceat(weight * self.near, self.first), 1) / total
        scores = np.log((1 - MISLABELLED) * held + MISLABELLED * CHANCE)
        return float(scores[self.true].mean() + scores[~self.true].mean()) / 2


def fit(looks: Sequence[Look]) -> Likelihood:
    """Return the likelihood that gives the truth of the looks the highest mean logarithm of its probability."""
    pool = Pool.of(looks)
    start = np.array([START.nats[0], *np.log(np.diff(START.nats)), START.flank, START.surplus, START.surplus_even])

    def loss(at: Float64) -> float:
        return PULL * float(((at - start) ** 2).sum()) - pool.score(_likelihood(at))

    found = minimize(loss, start, method="L-BFGS-B", bounds=BOUNDS, options={"eps": STEP, "maxiter": ITERATIONS})
    return _likelihood(found.x, DECIMALS)


def _likelihood(at: Float64, decimals: int = 12) -> Likelihood:
    knots = len(START.scores)
    nats = at[0] + np.concatenate([[0.0], np.cumsum(np.exp(at[1:knots]))])
    flank, surplus, even = np.round(at[knots:], decimals).tolist()
    return Likelihood(START.scores, tuple(np.round(nats, decimals).tolist()), flank, surplus, even)


def _past(look: Look) -> Float64:
    return look.belief.past / float(look.belief.past.sum())


def _picked(look: Look) -> tuple[Indices, Float64]:
    """The cells (n,) of a look that are counted, and how many each stands for."""
    cells = look.cells
    low = (cells.inside & (cells.scores < HIGH) & ~look.near).ravel()
    every = np.flatnonzero(low)
    ordered = every[np.argsort(look.belief.past.ravel()[every], kind="stable")]
    step = min(THIN, max(len(ordered), 1))
    some = ordered[step // 2::step]
    rest = np.flatnonzero((cells.inside | look.near).ravel() & ~low)
    # the same weight by the prior as all of them
    share = float(look.belief.past.ravel()[every].sum()) / max(float(look.belief.past.ravel()[some].sum()), 1e-300)
    return np.concatenate([rest, some]), np.concatenate([np.ones(len(rest)), np.full(len(some), share)])
