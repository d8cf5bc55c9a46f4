"""What fixes and odometry are wrong by beside the camera, and how alike that is from fix to fix: fitted by its likelihood."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from promptmid_core.arrays import Float64
from promptmid_core.calibration.camera.model import ROWS, Observations, by_pose, by_unknowns, residuals

ANYWHERE_M = 3e3  # by which odometry's first position may be wrong
PLACE, HEIGHT, TILT, YAW = [0, 1], [2], [3, 4], [5]
GROUND_ROWS, HEADING_ROW, SCALE_ROW = [0, 1], [2], [3]
LOOSE = 1.5  # standard deviation of what is thought beforehand of the logarithms of a noise's figures
EVALUATIONS, STRIDE, CLOSE = 160, 0.7, 0.03  # of the search for the likeliest noise, in logarithms
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
    """A flight linearised at some unknowns: `residual` (N * ROWS,) were these all zero, `jacobian` (N * ROWS, 5), `by_error`
    (N * ROWS, 6); `told` (N * ROWS,): which rows are told at all; `weight` (N,): of each fix."""

    flight: Observations
    residual: Float64
    jacobian: Float64
    by_error: Float64
    told: Float64
    weight: Float64

    @staticmethod
    def of(flight: Observations, unknowns: Float64, weight: Float64) -> Linear:
        """Return a flight linearised at `unknowns` (5,)."""
        jacobian = by_unknowns(flight, unknowns).reshape(-1, len(unknowns))
        residual = residuals(flight, unknowns).ravel() + jacobian @ unknowns
        told = np.ones((len(flight), ROWS), bool)
        told[:, 2], told[:, 3] = np.isfinite(flight.heading_variance), np.isfinite(flight.scale_variance)
        return Linear(flight, residual, jacobian, by_pose(flight, unknowns).reshape(-1, 6), told.ravel(), weight)

    def rows(self, kinds: Sequence[int]) -> Float64:
        """Return the indices of what is told of some kinds of rows."""
        return np.flatnonzero(self.told & np.isin(np.arange(len(self.told)) % ROWS, kinds))

    def covariance(self, noise: Noise, rows: Float64) -> Float64:
        """Return the covariance (R, R) of what is seen in some rows."""
        flight, of = self.flight, rows // ROWS
        apart = np.abs(flight.times[of, None] - flight.times[None, of])
        flown = flight.flown[of] - flight.flown.min()
        height = flight.height
        kernels = ((PLACE, ANYWHERE_M ** 2 + noise.drift ** 2 * wandered(flown, noise.drift_m)),
                   (HEIGHT, flight.height_sigma ** 2 + (noise.height * height) ** 2 * np.exp(-apart / noise.height_s)),
                   (TILT, noise.tilt ** 2 * np.exp(-apart / noise.tilt_s)), (YAW, noise.yaw ** 2 * np.exp(-apart / noise.yaw_s)))
        covariance = np.zeros((len(rows), len(rows)))
        for axes, kernel in kernels:
            by = self.by_error[np.ix_(rows, axes)]
            covariance += kernel * (by @ by.T)
        return covariance + self._white(noise)[np.ix_(rows, rows)] + LEAST_SHARE * np.diag(covariance.diagonal())

    def _white(self, noise: Noise) -> Float64:
        flight = self.flight
        blocks = np.zeros((len(flight), ROWS, ROWS))
        blocks[:, :2, :2] = noise.ground ** 2 * flight.ground_covariance
        blocks[:, 2, 2] = noise.heading ** 2 * np.where(np.isfinite(flight.heading_variance), flight.heading_variance, 1.0)
        blocks[:, 3, 3] = noise.scale ** 2 * np.where(np.isfinite(flight.scale_variance), flight.scale_variance, 1.0)
        blocks /= self.weight[:, None, None]
        whole = np.zeros((len(flight), ROWS, len(flight), ROWS))
        whole[np.arange(len(flight)), :, np.arange(len(flight))] = blocks
        return whole.reshape(len(flight) * ROWS, -1)


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

    def tried(logs: Float64) -> Noise:
        return replace(noise, **dict(zip(names, np.exp(logs).tolist(), strict=True)))

    def surprise(logs: Float64) -> float:
        told = sum(_surprise(flight, tried(logs), kinds, before) for flight in flights)
        return told + float((((logs - middle) / LOOSE) ** 2).sum()) / 2

    simplex = begun + STRIDE * np.eye(len(names) + 1, len(names))
    best = minimize(surprise, begun, method="Nelder-Mead",
                    options={"maxfev": EVALUATIONS, "xatol": CLOSE, "fatol": CLOSE, "initial_simplex": simplex})
    return tried(best.x)


def _surprise(flight: Linear, noise: Noise, kinds: Sequence[int], before: Float64) -> float:
    """The negative logarithm of the likelihood of a flight's rows of some kinds."""
    from scipy.linalg import solve_triangular

    rows = flight.rows(kinds)
    if not len(rows):
        return 0.0
    jacobian = flight.jacobian[rows]
    covariance = flight.covariance(noise, rows) + jacobian @ before @ jacobian.T
    try:
        root = np.linalg.cholesky(covariance)
    except np.linalg.LinAlgError:
        return 1e12
    white = solve_triangular(root, flight.residual[rows], lower=True, check_finite=False)
    return float(white @ white / 2 + np.log(root.diagonal()).sum())
