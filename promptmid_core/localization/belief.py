"""The belief over a flight: how likely each correction of the odometry is, by all frames so far."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import cv2
import numpy as np

from promptmid_core.arrays import Float64, Mask
from promptmid_core.descriptors.likelihood import Likelihood

HALF = 64  # cells from the middle to the rim
TAIL = 2.0  # degrees of freedom of Student's distribution: a prior's stated covariance is not trusted far out
ELSEWHERE = 0.01  # share of a new belief for the place not being among the cells at all
PLACE = 2.3  # cells around a point that are one place: a peak's own width
SPOT = 1.6  # cells around a point that are the very same
LEAST_WEIGHT = 1e-5  # of a cell that is worth telling of
WILD, WILDER = 0.3, 3.0
SURE = 50.0  # nats, beyond which no frame is any surer
LESSER, ALIKE = 3.0, 1.0  # by which a score is lower than that of a place where tie points agree to be another, or much the same
FLANK = 9  # cells across, within which a higher score is that of the same peak
LEAST_RATIO = 1e-9  # of likelihoods, as rounding may leave them
NEAR = 3  # cells across, whose joint weight tells where the most is


@dataclass(frozen=True)
class Agreement:
    """The correction `east`, `north` in metres that tie points came to, and how many more of them agree on it than by chance, in
    standard deviations."""

    east: float
    north: float
    surplus: float


@dataclass(frozen=True)
class Surface:
    """The scores (n,) of a frame, in standard deviations of those of other places, at corrections `east`, `north` (n,) of the
    position, in metres. It is the best of `among` surfaces, one for each heading and height that was tried. `agreement`: what the
    frame's tie points came to, None where there are too few; `own`: the share of its ground that the surfaces before it, of the
    same frame, do not tell of."""

    scores: Float64
    east: Float64
    north: Float64
    among: int = 1
    agreement: Agreement | None = None
    own: float = 1.0

    def from_reckoned(self, correction: Float64) -> Surface:
        """Return the surface with its corrections counted from elsewhere, by a correction (2,) that was made before."""
        east, north = correction.tolist()
        agreed = self.agreement
        if agreed is not None:
            agreed = replace(agreed, east=agreed.east + east, north=agreed.north + north)
        return replace(self, east=self.east + east, north=self.north + north, agreement=agreed)


@dataclass(frozen=True)
class Cells:
    """What a frame says of cells, in arrays of one shape: the highest of its `scores` in each, the highest at its place and near
    by in `peaks`, whether it says anything `inside` it, and how far, from 0 to 1, its tie points `agreed` on it. They did
    with a `surplus`, and its surface is the best of `among`, both one number or one for each cell."""

    scores: Float64
    peaks: Float64
    inside: Mask
    agreed: Float64
    surplus: Float64
    among: Float64

    def told(self, likelihood: Likelihood) -> Float64:
        """Return the log-likelihood ratios of being the true place."""
        less = np.log(self.among) / likelihood.slope
        told = likelihood.log_ratio(self.scores - less, self.peaks - less) + self.agreed * likelihood.of_ties(self.surplus)
        return np.where(self.inside, np.minimum(told, SURE), 0.0)


@dataclass(frozen=True)
class Spot:
    """A correction `east`, `north` in metres and how probable it is that the true one is near it."""

    east: float
    north: float
    probability: float


@dataclass(frozen=True)
class Belief:
    """Probabilities of the corrections east and north that take a dead-reckoned position to the true one.

    `past` (n, n), rows running south: by the prior and by the ground that has left the view; `beyond`: that the true correction
    is none of these. `told` (n, n): log-likelihood ratios by the ground in view, of the last frame that looked there. So ground
    that is seen again and again counts once, by its newest look. `cell` metres; `middle` (2,): the correction of the cell in the
    middle.
    """

    past: Float64
    beyond: float
    told: Float64
    cell: float
    middle: Float64

    @staticmethod
    def of(covariance: Float64, cell: float) -> Belief:
        """Return the belief of a prior with this covariance (2, 2) in m2: Student's distribution about no correction."""
        east, north = _axes(cell)
        at = np.stack(np.broadcast_arrays(east, north[:, None]), axis=-1)
        spread = covariance + np.eye(2) * cell ** 2 / 4
        # by axes of their own: the inverse of a narrow ellipse has no sign to trust
        values, vectors = np.linalg.eigh(spread)
        distance2 = ((at @ vectors) ** 2 / np.maximum(values, cell ** 2 / 4)).sum(axis=-1)
        past = 1 / (1 + distance2 / TAIL) ** (TAIL / 2 + 1)
        # what the distribution has beyond the rim
        rim = float((1 + (HALF * cell) ** 2 / values[-1] / TAIL) ** -(TAIL / 2))
        beyond = 1 - (1 - ELSEWHERE) * (1 - rim)
        return Belief(past * ((1 - beyond) / past.sum()), beyond, np.zeros(past.shape), cell, np.zeros(2))

    @staticmethod
    def at(correction: Float64, probability: float, cell: float) -> Belief:
        """Return the belief in one correction (2,) in metres, as wide as a place."""
        east, north = _axes(cell)
        past = np.exp(-2 * (((east - correction[0]) / cell) ** 2 + ((north[:, None] - correction[1]) / cell) ** 2))
        return Belief(past * (probability / past.sum()), 1 - probability, np.zeros(past.shape), cell, np.zeros(2))

    @cached_property
    def weights(self) -> Float64:
        """The probabilities (n, n) by all frames so far."""
        weights = self.past * np.exp(self.told)
        return np.asarray(weights / (float(weights.sum()) + self.beyond), np.float64)

    @property
    def elsewhere(self) -> float:
        """The probability that the true correction is none of the cells'."""
        return 1 - float(self.weights.sum())

    def spread(self, sigma: float) -> Belief:
        """Return the belief after the odometry has drifted by `sigma` metres on each axis, one standard deviation."""
        if sigma <= self.cell or not self.told.any():
            past = _drifted(self.past, sigma / self.cell)
            return replace(self, past=past, beyond=max(1 - float(past.sum()), 0.0))
        # over more than a cell what was told of the ground in view blurs with the rest; it stays apart all the same, since that
        # ground is still in view, and counts once
        weights = _drifted(self.weights, sigma / self.cell)
        told = np.log1p(np.maximum(_drifted(np.expm1(self.told), sigma / self.cell), LEAST_RATIO - 1))
        past, beyond = weights * np.exp(-told), max(1 - float(weights.sum()), 0.0)
        total = float(past.sum()) + beyond
        return replace(self, past=past / total, beyond=beyond / total, told=told)

    def doubted(self, metres: float) -> Belief:
        """Return the belief where the way since may be wrong by so much."""
        best = self.best
        wide = Belief.of(np.eye(2) * metres ** 2, self.cell)
        return self.settled.mixed(replace(wide, middle=np.array([best.east, best.north])), 0.5)

    def mixed(self, other: Belief, share: float) -> Belief:
        """Return the belief of which a share is another one's."""
        other = other.around(self.middle, self.cell)
        return replace(self, past=(1 - share) * self.past + share * other.past,
                       beyond=(1 - share) * self.beyond + share * other.beyond)

    @property
    def settled(self) -> Belief:
        """The belief with all that the ground in view tells taken for past."""
        return replace(self, past=self.weights, beyond=self.elsewhere, told=np.zeros(self.told.shape))

    def seen(self, surfaces: Sequence[Surface], new: float, likelihood: Likelihood) -> Belief:
        """Return the belief after a frame of whose ground the share `new` was not in view before."""
        told, inside = np.zeros(self.told.shape), np.zeros(self.told.shape, bool)
        for surface in surfaces:
            cells = self.cells(surface)
            told, inside = told + surface.own * cells.told(likelihood), inside | cells.inside
        past = self.past * np.exp(new * self.told)
        total = float(past.sum()) + self.beyond
        return replace(self, past=past / total, beyond=self.beyond / total, told=np.where(inside, told, (1 - new) * self.told))

    def floored(self, least: float) -> Belief:
        """Return the belief whose past leaves at least so much beyond the cells: nothing is ever sure for good."""
        if self.beyond >= least:
            return self
        return replace(self, past=self.past * ((1 - least) / max(float(self.past.sum()), 1e-300)), beyond=least)

    def around(self, middle: Float64, cell: float) -> Belief:
        """Return the belief on cells of another size around another correction; what falls off the rim is beyond."""
        across, down = (middle - self.middle) / self.cell * (1, -1)
        if cell == self.cell and not across and not down:
            return self
        if cell != self.cell or across != round(across) or down != round(down):
            # probabilities can be shared out between cells, what was told of one cell cannot
            return self.settled._shared(middle, cell)
        return self._laid(self.past, self.told, middle, cell)

    def _shared(self, middle: Float64, cell: float) -> Belief:
        # a larger cell holds more than what lies at its middle: shares that add up to one, as those of a triangle do
        spread = np.sqrt(max((cell / self.cell) ** 2 - 1, 0.0) / 6)
        return self._laid(_blurred(self.past, float(spread)), self.told, middle, cell)

    def _laid(self, past: Float64, told: Float64, middle: Float64, cell: float) -> Belief:
        across, down = (middle - self.middle) / self.cell * (1, -1)
        scale = cell / self.cell
        # pixel p of the new grid lies at scale * (p - HALF) + HALF + shift of the old one
        matrix = np.array([[scale, 0, HALF * (1 - scale) + across], [0, scale, HALF * (1 - scale) + down]])
        past, told = (np.asarray(cv2.warpAffine(array, matrix, array.shape, flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP),
                                 np.float64) for array in (past, told))
        total = float(past.sum()) * scale ** 2
        inside = min(total, 1 - self.beyond)
        return Belief(past * (scale ** 2 * inside / max(total, 1e-300)), 1 - inside, told, cell, np.asarray(middle, np.float64))

    def probability(self, east: float, north: float) -> float:
        """Return how probable it is that the true correction lies at this place, in metres."""
        return float(self.weights[self.near(east, north)].sum())

    @property
    def best(self) -> Spot:
        """The most probable place: the middle of the heaviest cells near one another."""
        row, col = np.unravel_index(int(np.argmax(_box(self.weights))), self.weights.shape)
        return self._place(int(row), int(col), self.weights)

    def spot(self, place: Spot) -> float:
        """Return how much of what is believed of a place, and all around it, lies at this very spot of it."""
        spot, around = (float(self.weights[self._within(place.east, place.north, cells)].sum()) for cells in (SPOT, 2 * PLACE))
        return spot / max(around, 1e-300)

    def places(self, most: int) -> list[Spot]:
        """Return the most probable places, best first, each at least a place's width from the others."""
        left, found = self.weights.copy(), []
        for _ in range(most):
            row, col = np.unravel_index(int(np.argmax(left)), left.shape)
            if left[row, col] <= LEAST_WEIGHT:
                break
            place = self._place(int(row), int(col), left)
            found.append(place)
            left[self.near(place.east, place.north)] = 0
        return sorted(found, key=lambda place: -place.probability)

    def radius(self, place: Spot, but: float) -> float:
        """Return within how many metres of a place all of the cells' weight lies but this share of it."""
        east, north = _axes(self.cell)
        distance = np.hypot(east + self.middle[0] - place.east, (north + self.middle[1] - place.north)[:, None]).ravel()
        weights = self.weights.ravel()
        # ring by ring, of which the one that matters is put in order
        rings = (distance / self.cell).astype(int)
        held = np.cumsum(np.bincount(rings, weights))
        wanted = (1 - but) * held[-1]
        ring = min(max(int(np.searchsorted(held, wanted)), int(rings.min())), len(held) - 1)
        within = np.flatnonzero(rings == ring)
        order = within[np.argsort(distance[within])]
        inner = np.cumsum(weights[order]) + (held[ring - 1] if ring else 0.0)
        return float(distance[order[min(int(np.searchsorted(inner, wanted)), len(order) - 1)]])

    def cells(self, surface: Surface) -> Cells:
        """Return what a surface says of each cell (n, n): the highest of the scores in a cell counts."""
        size = 2 * HALF + 1
        cols = np.floor((surface.east - self.middle[0]) / self.cell + HALF + 0.5).astype(int)
        rows = np.floor((self.middle[1] - surface.north) / self.cell + HALF + 0.5).astype(int)
        use = (cols >= 0) & (cols < size) & (rows >= 0) & (rows < size)
        highest = np.full((size, size), -np.inf)
        np.maximum.at(highest.ravel(), rows[use] * size + cols[use], surface.scores[use])
        inside = np.isfinite(highest)
        peaks = np.asarray(cv2.dilate(highest, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (FLANK, FLANK))), np.float64)
        scores, peaks = (np.where(inside, each, 0.0) for each in (highest, peaks))
        agreed, surplus = np.zeros((size, size)), 0.0
        if surface.agreement is not None:
            at = self.near(surface.agreement.east, surface.agreement.north)
            least = float(scores[at & inside].max(initial=-np.inf)) - LESSER
            # where the score is as high, as many tie points would agree: they were only not asked
            agreed, surplus = np.clip((scores - least) / (LESSER - ALIKE), 0.0, 1.0), surface.agreement.surplus
        return Cells(scores, peaks, inside, agreed, np.array(surplus), np.array(float(surface.among)))

    def near(self, east: float, north: float) -> Mask:
        """Return which cells (n, n) are one place with this correction, in metres."""
        return self._within(east, north, PLACE)

    def _within(self, east: float, north: float, cells: float) -> Mask:
        """Which cells (n, n) lie so many cells around a correction, in metres."""
        across, down = _axes(self.cell)
        # the root would cost ten times the rest
        near: Mask = (across + self.middle[0] - east) ** 2 + ((down + self.middle[1] - north) ** 2)[:, None] <= (
            cells * self.cell) ** 2
        return near

    def _place(self, row: int, col: int, weights: Float64) -> Spot:
        east, north = (axis + at for axis, at in zip(_axes(self.cell), self.middle, strict=True))
        rows, cols = (np.arange(max(at - 1, 0), min(at + 2, len(east))) for at in (row, col))
        held = weights[np.ix_(rows, cols)]
        total = max(float(held.sum()), 1e-300)
        at_east, at_north = (float((held.sum(axis=axis) * along).sum() / total)
                             for axis, along in ((0, east[cols]), (1, north[rows])))
        return Spot(at_east, at_north, float(weights[self.near(at_east, at_north)].sum()))


def _axes(cell: float) -> tuple[Float64, Float64]:
    """East of the columns and north of the rows, from the cell in the middle."""
    steps = np.arange(-HALF, HALF + 1) * cell
    return np.asarray(steps, np.float64), np.asarray(-steps, np.float64)


def _box(array: Float64) -> Float64:
    # not a box filter, whose running sums carry the rounding of large values on to small ones
    ones = np.ones(NEAR)
    return np.asarray(cv2.sepFilter2D(array, cv2.CV_64F, ones, ones, borderType=cv2.BORDER_CONSTANT), np.float64)


def _drifted(array: Float64, sigma: float) -> Float64:
    """Blurred by a drift of `sigma` cells, which now and then is far more than usual."""
    return (1 - WILD) * _blurred(array, sigma) + WILD * _blurred(array, WILDER * sigma)


def _blurred(array: Float64, sigma: float) -> Float64:
    """Blurred by a normal distribution of `sigma` cells; what leaves the grid is lost to the cells."""
    if sigma > HALF:
        # all is spread beyond the rim; so little of it lies within
        return _blurred(array, HALF) * (HALF / sigma) ** 2
    while sigma > 0:
        # three taps of the right variance up to the sigma where a sampled bell is one
        part = min(sigma, 0.8)
        if sigma > 4:
            return np.asarray(cv2.GaussianBlur(array, (0, 0), sigma, borderType=cv2.BORDER_CONSTANT), np.float64)
        side = part ** 2 / 2
        taps = np.array([side, 1 - 2 * side, side])
        array = np.asarray(cv2.sepFilter2D(array, cv2.CV_64F, taps, taps, borderType=cv2.BORDER_CONSTANT), np.float64)
        sigma = float(np.sqrt(max(sigma ** 2 - part ** 2, 0.0)))
    return array
