"""The camera from what fixes say: generalised least squares over flights, and what of it the flights have shown."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from promptmid_core.arrays import Float64, Mask
from promptmid_core.calibration.camera.model import ROWS, UNKNOWNS, Observations
from promptmid_core.calibration.camera.noise import Indices, Linear, Noise, fitted
from promptmid_core.errors import InputError
from promptmid_core.localization.camera_calibration import CameraCalibration

# what is thought beforehand, and the most that an observed one may be unsure by: degrees, seconds, share of the focal length
BEFORE = np.array([3.0, 3.0, 3.0, 0.3, 0.03])
BOUND = np.array([0.3, 0.3, 1.0, 0.1, 0.01])
SHARE = 1 / 3  # of what was thought beforehand, that an observed one is unsure by at most
# what no flight tells apart: a constant tilt of the attitude source from the mount, the shutter from the delay, the lens from the
# focal length
BESIDE = np.array([0.05, 0.05, 0.05, 0.003, 0.001])
LEAST_FIXES = 20
ROUNDS, REFITS = 8, 3
SETTLED = 1e-3  # of what was thought beforehand: a step so small is the last
UNLIKE = 0.05  # weight below which a fix is told as unlike the rest
KERNEL = 3.0  # standard deviations at which a fix's weight has fallen to a quarter
LEAST_WEIGHT = 1e-4
LEAST_REAL = 1e-6  # share of the information of a delay that is not made up by noise
UNITS = np.array([np.pi / 180] * 3 + [1.0, 1.0])
PRIOR = (BEFORE * UNITS) ** 2


@dataclass(frozen=True)
class Estimate:
    """The unknowns in the order and units of `CameraCalibration`: `values` (5,), `sigmas` (5,), `observed` (5,) whether the
    flights have shown them; `information` (5, 5) of the flights alone, in the units of BEFORE; `noise` as fitted; `rejected`:
    fixes that were given next to no weight; `fixes` in all."""

    values: Float64
    sigmas: Float64
    observed: Mask
    information: Float64
    noise: Noise
    rejected: int
    fixes: int

    @property
    def calibration(self) -> CameraCalibration:
        """The best of all values, observed or not: together they explain these flights."""
        return CameraCalibration(**dict(zip(UNKNOWNS, self.values.tolist(), strict=True)))


@dataclass(frozen=True)
class _Step:
    """The unknowns (5,) in radians, seconds and a logarithm; the `information` (5, 5) of the flights, in units of BEFORE; for
    each flight the errors (N, 6) of its odometry and the weights (N,) of its fixes."""

    unknowns: Float64
    information: Float64
    wrong: list[Float64]
    weights: list[Float64]


def estimate(flights: Sequence[Observations]) -> Estimate:
    """Return the camera that explains the fixes of all flights.

    Errors of odometry are latent, with covariances over the whole flight: of its place a random walk along the way from a first
    place that is not known, of tilt, heading and height such as stay alike for a time. What they amount to is fitted, so that a
    fix whose error repeats counts as little as it should. Fixes have the weights of Geman and McClure by how far each lies from
    what the others say of it.
    Raises InputError where there are too few fixes.
    """
    fixes = sum(map(len, flights))
    if fixes < LEAST_FIXES:
        raise InputError(f"{fixes} fixes are too few to calibrate a camera by, which takes {LEAST_FIXES}; fly longer, or over "
                         "ground that matches")
    noise = Noise()
    step = _Step(np.zeros(len(UNKNOWNS)), np.zeros((len(UNKNOWNS), len(UNKNOWNS))),
                 [np.zeros((len(flight), 6)) for flight in flights], [np.ones(len(flight)) for flight in flights])
    for turn in range(ROUNDS):
        linear = [Linear.of(flight, step.unknowns, wrong, weight)
                  for flight, wrong, weight in zip(flights, step.wrong, step.weights, strict=True)]
        if turn < REFITS:
            noise = fitted(linear, noise, np.diag(PRIOR))
        before, step = step.unknowns, _step(linear, noise)
        if turn >= REFITS and (np.abs(step.unknowns - before) < SETTLED * np.sqrt(PRIOR)).all():
            break
    covariance = np.linalg.inv(step.information + np.eye(len(UNKNOWNS))) * np.outer(BEFORE, BEFORE)
    sigmas = np.hypot(np.sqrt(covariance.diagonal()), BESIDE)
    values = step.unknowns / UNITS
    values[4] = np.exp(values[4])
    rejected = int(sum((weight < UNLIKE).sum() for weight in step.weights))
    return Estimate(values, sigmas, is_observed(sigmas), step.information, noise, rejected, fixes)


def is_observed(sigmas: Float64) -> Mask:
    """Return which of the unknowns (5,) are known well enough, by their standard deviations."""
    known: Mask = (sigmas < BOUND) & (sigmas < SHARE * BEFORE)
    return known


def _step(flights: Sequence[Linear], noise: Noise) -> _Step:
    """The unknowns by flights that are linearised."""
    information, pull = np.diag(1 / PRIOR), np.zeros(len(UNKNOWNS))
    made_up, inverses = 0.0, []
    for flight in flights:
        rows = flight.rows(range(ROWS))
        inverse = np.asarray(np.linalg.inv(flight.covariance(noise, rows)), np.float64)
        jacobian = flight.jacobian[rows]
        information = information + jacobian.T @ inverse @ jacobian
        pull = pull + jacobian.T @ inverse @ flight.residual[rows]
        made_up += flight.jitter(noise, inverse, rows)
        inverses.append(inverse)
    unknowns = np.asarray(np.linalg.solve(information, pull), np.float64)
    wrong, weights = [], []
    for flight, inverse in zip(flights, inverses, strict=True):
        rows = flight.rows(range(ROWS))
        left = np.asarray(inverse @ (flight.residual - flight.jacobian @ unknowns)[rows], np.float64)
        wrong.append(flight.errors(noise, rows, left))
        weights.append(_weights(flight, rows, inverse, left))
    own = information - np.diag(1 / PRIOR)
    scale, delay = np.sqrt(PRIOR), UNKNOWNS.index("delay_s")
    scale[delay] *= np.sqrt(max(1 - made_up / own[delay, delay], LEAST_REAL))
    return _Step(unknowns, own * np.outer(scale, scale), wrong, weights)


def _weights(flight: Linear, rows: Indices, inverse: Float64, left: Float64) -> Float64:
    """The weight of each fix, by the worst of its rows beside what all the other rows say of it."""
    # of a row beside all others: its residual by its standard deviation
    apart = np.abs(left) / np.sqrt(inverse.diagonal())
    worst = np.zeros(len(flight.flight))
    np.maximum.at(worst, rows // ROWS, apart)
    # what was given little weight before has a large variance of its own: measured by that of a whole one
    worst = worst / np.sqrt(flight.weight)
    weights: Float64 = np.maximum(1 / (1 + (np.maximum(worst - 1.0, 0.0) / KERNEL) ** 2) ** 2, LEAST_WEIGHT)
    return weights
