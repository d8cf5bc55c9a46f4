"""What fixes and odometry are wrong by beside the camera, and how alike that is from fix to fix: fitted by its likelihood."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from promptmid_core.arrays import Float64, Mask
from promptmid_core.calibration.camera.model import ROWS, STEPS, UNKNOWNS, Observations, by_pose, by_unknowns, residuals

Indices = NDArray[np.intp]
Kernel = Callable[[Observations, "Noise"], Float64]

ANYWHERE_M = 3e3  # by which odometry's first position may be wrong
PLACE, HEIGHT, TILT, YAW = [0, 1], [2], [3, 4], [5]
GROUND_ROWS, HEADING_ROW, SCALE_ROW = [0, 1], [2], [3]
LOOSE = 1.5  # standard deviation of what is thought beforehand of the logarithms of a noise's figures
EVALUATIONS, STRIDE, CLOSE = 160, 0.7, 0.03  # of the search for the likeliest noise, in logarithms
DELAY_SPAN_S = 2 * float(STEPS[UNKNOWNS.index("delay_s")])
LEAST_SHARE = 1e-9  # of a covariance's diagonal, which rounding leaves


@dataclass(frozen=True)
class Noise:
    """`drift`: metres for each root of a metre flown, along each axis, its rate alike over `drift_m` metres; tilt and yaw in
    radians, heights as a share of the height above ground, each with the seconds over which it stays alike; `ground`, `heading`,
    `scale`: factors on the standard deviations that fixes state."""

    drift: float = 1.0
    drift_m: float = 500.0
    tilt: float = 2e-3
    tilt_s: float = 5.0
    yaw: float = 1e-2
    yaw_s: float = 20.0
    height: float = 5e-3
    height_s: float = 20.0
    ground: float = 1.0
    heading: float = 1.0
    scale: float = 1.0


# what is fitted to which rows of the fixes; each after the ones before
PARTS = ((HEADING_ROW, ("yaw", "yaw_s", "heading")), (SCALE_ROW, ("height", "height_s", "scale")),
         (GROUND_ROWS, ("drift", "drift_m", "tilt", "tilt_s", "ground")))


@dataclass(frozen=True)
class Linear:
    """A flight linearised at some unknowns and errors of odometry: `residual` (N * ROWS,) were these all zero, `jacobian`
    (N * ROWS, 5), `by_error` (N * ROWS, 6); `told` (N * ROWS,): which rows are told at all; `weight` (N,): of each fix."""

    flight: Observations
    residual: Float64
    jacobian: Float64
    by_error: Float64
    told: Mask
    weight: Float64

    @staticmethod
    def of(flight: Observations, unknowns: Float64, wrong: Float64, weight: Float64) -> Linear:
        """Return a flight linearised at `unknowns` (5,) and at errors (N, 6) of odometry, as `residuals` takes them.

        What the unknowns do depends on where the aircraft truly was: were odometry's noise left in it, that would look like
        something which the flight shows.
        """
        jacobian = by_unknowns(flight, unknowns, wrong).reshape(-1, len(unknowns))
        by_error = by_pose(flight, unknowns, wrong)
        residual = residuals(flight, unknowns, wrong) + (by_error @ wrong[:, :, None])[:, :, 0]
        told = np.ones((len(flight), ROWS), bool)
        told[:, 2], told[:, 3] = np.isfinite(flight.heading_variance), np.isfinite(flight.scale_variance)
        return Linear(flight, residual.ravel() + jacobian @ unknowns, jacobian, by_error.reshape(-1, 6), told.ravel(), weight)

    def rows(self, kinds: Sequence[int]) -> Indices:
        """Return the indices of what is told of some kinds of rows."""
        return np.flatnonzero(self.told & np.isin(np.arange(len(self.told)) % ROWS, kinds))

    def covariance(self, noise: Noise, rows: Indices) -> Float64:
        """Return the covariance (R, R) of what is seen in some rows."""
        return Rows.of(self, rows).covariance(noise)

    def errors(self, noise: Noise, rows: Indices, left: Float64) -> Float64:
        """Return the likeliest errors (N, 6) of odometry; `left` (R,): the residuals of some rows by the inverse of their
        covariance."""
        errors = np.zeros((len(self.flight), 6))
        for axes, kernel in KERNELS:
            errors[:, axes] = kernel(self.flight, noise)[:, rows // ROWS] @ (self.by_error[rows][:, axes] * left[:, None])
        return errors

    def jitter(self, noise: Noise, inverse: Float64, rows: Indices) -> float:
        """Return how much of what the flight seems to say of the delay is motion that odometry's noise has made up; `inverse`
        (R, R): of the covariance of some rows."""
        speed = float(np.ptp(self.flight.flown) / max(np.ptp(self.flight.times), 1.0))
        moved = noise.drift ** 2 * wandered(np.array([DELAY_SPAN_S * speed]), noise.drift_m)[0, 0]
        share = noise.height * self.flight.height
        turned = [2 * sigma ** 2 * (1 - np.exp(-DELAY_SPAN_S / seconds)) for sigma, seconds in (
            (share, noise.height_s), (noise.tilt, noise.tilt_s), (noise.yaw, noise.yaw_s))]
        rates = np.array([moved, moved, *np.take(turned, [0, 1, 1, 2])]) / DELAY_SPAN_S ** 2
        by = self.by_error[rows]
        beside = rows[:, None] // ROWS == rows[None] // ROWS
        return float((inverse * beside * ((by * rates) @ by.T)).sum())

    def stated(self, rows: Indices) -> Float64:
        """Return the covariance (R, R) that the fixes themselves state of some rows, by their weights."""
        flight = self.flight
        blocks = np.zeros((len(flight), ROWS, ROWS))
        blocks[:, :2, :2] = flight.ground_covariance
        for row, variance in zip((*HEADING_ROW, *SCALE_ROW), (flight.heading_variance, flight.scale_variance), strict=True):
            blocks[:, row, row] = np.where(np.isfinite(variance), variance, 1.0)
        blocks /= self.weight[:, None, None]
        fix, kind = np.divmod(rows, ROWS)
        return np.where(fix[:, None] == fix, blocks[fix[:, None], kind[:, None], kind], 0.0)


@dataclass(frozen=True)
class Rows:
    """Some rows of a flight, with what of their covariance is the same under any noise, as many are tried: the `fix` (R,) and the
    `kind` (R,) of each, the products (R, R) of its derivatives by those errors of odometry that move it at all, and what is
    `stated` (R, R) by the fixes."""

    flight: Observations
    fix: Indices
    kind: Indices
    products: list[tuple[Kernel, Float64]]
    stated: Float64

    @staticmethod
    def of(linear: Linear, rows: Indices) -> Rows:
        """Return some rows of a linearised flight by their indices."""
        fix, kind = np.divmod(rows, ROWS)
        moved = [(kernel, linear.by_error[rows][:, axes]) for axes, kernel in KERNELS]
        return Rows(linear.flight, fix, kind, [(kernel, by @ by.T) for kernel, by in moved if by.any()], linear.stated(rows))

    def covariance(self, noise: Noise) -> Float64:
        """Return the covariance (R, R) of what is seen."""
        covariance = np.zeros(self.stated.shape)
        for kernel, product in self.products:
            covariance += kernel(self.flight, noise)[self.fix[:, None], self.fix] * product
        covariance.flat[::len(covariance) + 1] *= 1 + LEAST_SHARE
        factors = np.array([noise.ground, noise.ground, noise.heading, noise.scale]) ** 2
        covariance += factors[self.kind, None] * self.stated
        return covariance


def _place(flight: Observations, noise: Noise) -> Float64:
    return ANYWHERE_M ** 2 + noise.drift ** 2 * wandered(flight.flown - flight.flown.min(), noise.drift_m)


def _height(flight: Observations, noise: Noise) -> Float64:
    return flight.height_sigma ** 2 + (noise.height * flight.height) ** 2 * _alike(flight, noise.height_s)


def _tilt(flight: Observations, noise: Noise) -> Float64:
    return noise.tilt ** 2 * _alike(flight, noise.tilt_s)


def _yaw(flight: Observations, noise: Noise) -> Float64:
    return flight.heading_sigma ** 2 + noise.yaw ** 2 * _alike(flight, noise.yaw_s)


def _alike(flight: Observations, seconds: float) -> Float64:
    alike: Float64 = np.exp(-np.abs(flight.times[:, None] - flight.times) / seconds)
    return alike


# how errors of odometry at two fixes go together (N, N), for each group of its axes
KERNELS: tuple[tuple[list[int], Kernel], ...] = ((PLACE, _place), (HEIGHT, _height), (TILT, _tilt), (YAW, _yaw))


def wandered(flown: Float64, alike: float) -> Float64:
    """Return the covariance (N, N) of a walk along a way, at places (N,) of it, whose rate has a length over which it stays
    `alike`: the integral of an Ornstein-Uhlenbeck process, and where that length is nothing a random walk."""
    way = flown / alike
    started = np.exp(-way)
    since = np.exp(-np.abs(way[:, None] - way[None]))
    walked = 2 * np.minimum(way[:, None], way[None]) + started[:, None] + started[None] - 1 - since
    covariance: Float64 = alike / 2 * walked
    return covariance


def fitted(flights: Sequence[Linear], noise: Noise, before: Float64) -> Noise:
    """Return the noise that explains the residuals of all flights best, the unknowns being known as `before` (5, 5) says."""
    for kinds, names in PARTS:
        noise = _likeliest(flights, noise, kinds, names, before)
    return noise


def _likeliest(flights: Sequence[Linear], noise: Noise, kinds: Sequence[int], names: Sequence[str], before: Float64) -> Noise:
    """The noise with those of its figures changed that `names` says, so that rows of some kinds are likeliest."""
    from scipy.optimize import minimize

    middle, begun = (np.log([getattr(each, name) for name in names]) for each in (Noise(), noise))
    parts = [(Rows.of(flight, rows), flight.residual[rows], flight.jacobian[rows] @ before @ flight.jacobian[rows].T)
             for flight, rows in ((flight, flight.rows(kinds)) for flight in flights) if len(rows)]

    def tried(logs: Float64) -> Noise:
        return replace(noise, **dict(zip(names, np.exp(logs).tolist(), strict=True)))

    def surprise(logs: Float64) -> float:
        told = sum(_surprise(rows.covariance(tried(logs)) + known, residual) for rows, residual, known in parts)
        return told + float((((logs - middle) / LOOSE) ** 2).sum()) / 2

    simplex = begun + STRIDE * np.eye(len(names) + 1, len(names))
    best = minimize(surprise, begun, method="Nelder-Mead",
                    options={"maxfev": EVALUATIONS, "xatol": CLOSE, "fatol": CLOSE, "initial_simplex": simplex})
    return tried(best.x)


def _surprise(covariance: Float64, residual: Float64) -> float:
    """The negative logarithm of the likelihood of a residual (R,)."""
    from scipy.linalg import solve_triangular

    try:
        root = np.linalg.cholesky(covariance)
    except np.linalg.LinAlgError:
        return 1e12
    white = solve_triangular(root, residual, lower=True, check_finite=False)
    return float(white @ white / 2 + np.log(root.diagonal()).sum())
