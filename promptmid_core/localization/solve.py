"""Pose and covariance from tie points: robust least squares with the geometry's nuisances carried along."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from promptmid_core.arrays import Float64
from promptmid_core.errors import Refusal
from promptmid_core.geometry import Camera, Pose, Prior
from promptmid_core.geometry.covariance import information_of
from promptmid_core.geometry.pose import skew
from promptmid_core.geometry.terrain import Terrain
from promptmid_core.localization.fix import UNOBSERVED_VARIANCE, X_Y_YAW, TiePoints
from promptmid_core.localization.parts import ErrorBudget, Parts
from promptmid_core.localization.separation import Separation
from promptmid_core.matching.joint import Joint
from promptmid_core.matching.ties import BlockMatches
from promptmid_core.reasons import Reason

ITERATIONS = 12
KERNEL = 3.0  # residual scales at which a tie point's weight has fallen to a quarter
OBSERVED = ("x", "y", "yaw")
NUISANCES = [2, 3, 4]  # z, roll, pitch
# of the balanced information, which has 1 on its diagonal: rounding leaves a thousandth of this where an unknown is not held
RIDGE = 1e-12
IDENTITY = np.eye(6)
WHITE = 0.05  # share of what the tie points leave open that is new with each image: measured, docs/integration.md tells how
LEVEL = -1e-3  # the boresight's downward part, at least
LEAST_INFORMATION = 1e-18  # of a variance of a billion squared, the most that a prior may have


@dataclass(frozen=True)
class Solution:
    """`pose`; `covariance` (6, 6) of what is `observed`, with the rest unobserved; `place`: its parts that are east and north;
    `ground`: the same of where the boresight meets the ground; `lever` (2, 2): metres that the place moves by, for each radian
    that the prior's attitude turns about the map's x and y; `height_variance` in m2, of z, by ties and prior; `weight` (N,)
    robust weights, 0 to 1; `residual` (N,) metres on the ground; `sigma` metres, robust scale of the residuals of one axis."""

    pose: Pose
    covariance: Float64
    place: Parts
    ground: Parts
    lever: Float64
    height_variance: float
    weight: Float64
    residual: Float64
    sigma: float
    observed: tuple[str, ...] = OBSERVED

    @property
    def holds_heading(self) -> bool:
        return "yaw" in self.observed

    def wider(self, spread: Float64) -> Solution:
        """Return the solution with a covariance (2, 2) more, of what the ground it was matched by may be wrong by."""
        place, covariance = self.place.wider(spread), self.covariance.copy()
        covariance[:2, :2] = place.total
        return replace(self, place=place, ground=self.ground.wider(spread), covariance=covariance)


def solve(ties: TiePoints, camera: Camera, start: Pose, prior: Prior, budget: ErrorBudget) -> Solution:
    """Correct `start` so that the camera sees the ties' `seen` directions at their `found` places.

    The prior informs z, roll and pitch alone: they move the image much as x and y do, so their uncertainty, and that of the
    mount, stays in the covariance of x, y and yaw (consider parameters, Schmidt 1966). Of x, y and yaw themselves it says
    nothing, else the filter that receives the fix would count its own prior twice. Weights are Geman-McClure's, its scale the
    residuals' own.

    Raises Refusal TIE_POINTS_CLUSTERED where the ties do not hold x, y and yaw.
    """
    observed = _directions(ties.seen, camera, start)
    mounted = np.diag([0.0, budget.tilt ** 2, budget.tilt ** 2])
    told = prior.covariance[np.ix_(NUISANCES, NUISANCES)]
    nuisance = _nuisance(prior, budget)
    pull = prior.pose.correction_from(start)
    whiten = _whitening(ties, camera, start)
    weight, delta, sigma = np.ones(len(ties.seen)), np.zeros(6), np.inf
    for _ in range(ITERATIONS):
        residual, jacobian = _residuals(ties.found, observed, camera, start.corrected(delta), whiten)
        seen, downhill, weight, sigma = _normal_equations(residual, jacobian, budget)
        information = seen + nuisance
        step = _step(information, downhill + nuisance @ (delta - pull))
        delta = delta + step
        if np.abs(step[:2]).max() < 1e-4 and abs(step[5]) < 1e-8:
            break
    pose = start.corrected(delta)
    residual, jacobian = _residuals(ties.found, observed, camera, pose)
    full = _covariance(information)
    by_prior = (full @ nuisance)[:, NUISANCES]
    by_ties, by_told, by_mount = full @ seen @ full, by_prior @ told @ by_prior.T, by_prior @ mounted @ by_prior.T
    shares = (budget.refined * by_ties, by_told, by_mount)
    late = budget.delay * prior.velocity
    place = _parts(np.eye(2, 6), shares, budget.floor, late)
    ground = _parts(ground_jacobian(camera, pose, float(np.median(ties.found[:, 2]))), shares, budget.floor, late)
    # the patch as a whole refines the place and not the heading
    left = np.sqrt([budget.refined, budget.refined, 1.0])
    observed = np.outer(left, left) * by_ties[np.ix_(X_Y_YAW, X_Y_YAW)] + (by_told + by_mount)[np.ix_(X_Y_YAW, X_Y_YAW)]
    covariance = np.diag(np.full(6, UNOBSERVED_VARIANCE))
    covariance[np.ix_(X_Y_YAW, X_Y_YAW)] = (observed + observed.T) / 2
    covariance[:2, :2] = place.total
    covariance[5, 5] += budget.turn ** 2
    return Solution(pose, covariance, place, ground, by_prior[:2, 1:], float(full[2, 2]), weight,
                    np.linalg.norm(residual, axis=1), sigma)


def parted(ties: TiePoints, camera: Camera, start: Pose, solution: Solution, prior: Prior, budget: ErrorBudget) -> Separation:
    """Return where some tie points by themselves put the boresight's ground, from where a `solution` by all of them has it: by
    one step of what `solve` does, since they lie near."""
    seen_from = _directions(ties.seen, camera, start)
    residual, jacobian = _residuals(ties.found, seen_from, camera, solution.pose, _whitening(ties, camera, start))
    seen, downhill, _, _ = _normal_equations(residual, jacobian, budget)
    nuisance = _nuisance(prior, budget)
    information = seen + nuisance
    step = _step(information, downhill - nuisance @ prior.pose.correction_from(solution.pose))
    on_ground = ground_jacobian(camera, solution.pose, float(np.median(ties.found[:, 2])))
    full = _covariance(information)
    return Separation(on_ground @ step, on_ground @ full @ seen @ full @ on_ground.T + budget.floor ** 2 * np.eye(2))


def solve_jointly(joint: Joint, own: TiePoints, camera: Camera, start: Pose, prior: Prior, *, terrain: Terrain,
                  budget: ErrorBudget) -> Solution:
    """Correct `start` by where all blocks lie together; the residuals are those of their `own` ties.

    The heading stays unobserved, as what was known of it has had a part in this. The covariance is that of the joint place, and
    of what the prior's nuisances add.
    """
    ties = ties_on_ground(BlockMatches(joint.seen, joint.found, np.broadcast_to(np.eye(2), (len(joint.seen), 2, 2)),
                                       np.ones(len(joint.seen)), 1.0),
                          terrain.height(*joint.seen.T), terrain.height(*joint.found.T))
    exact = solve(ties, camera, start, prior, replace(budget, correlation=1.0, refined=1.0))
    # a turn and a scale about the middle of the blocks move the position, which does not lie there
    ahead = start.position[:2] - joint.middle
    lever = np.array([[1.0, 0.0, -ahead[1], ahead[0]], [0.0, 1.0, ahead[0], ahead[1]]])
    place = replace(exact.place, ground=exact.place.ground + lever @ joint.covariance @ lever.T)
    covariance = np.diag(np.full(6, UNOBSERVED_VARIANCE))
    covariance[:2, :2] = place.total
    right, up = _boresight_on(camera, exact.pose, float(np.median(ties.found[:, 2])))[:2] - joint.middle
    there = np.array([[1.0, 0.0, -up, right], [0.0, 1.0, right, up]])
    ground = replace(exact.ground, ground=exact.ground.ground + there @ joint.covariance @ there.T)
    height = float(start.position[2] - terrain.height(*joint.middle))
    residual, _ = _residuals(own.found, _directions(own.seen, camera, start), camera, exact.pose)
    return Solution(exact.pose, covariance, place, ground, exact.lever, height ** 2 * float(joint.covariance[3, 3]),
                    np.ones(len(own.seen)), np.linalg.norm(residual, axis=1), _scale(residual) if len(residual) else 0.0,
                    OBSERVED[:2])


def _nuisance(prior: Prior, budget: ErrorBudget) -> Float64:
    """What the prior and the mount tell of z, roll and pitch: information (6, 6)."""
    nuisance, mounted = np.zeros((6, 6)), np.diag([0.0, budget.tilt ** 2, budget.tilt ** 2])
    nuisance[np.ix_(NUISANCES, NUISANCES)] = information_of(prior.covariance[np.ix_(NUISANCES, NUISANCES)] + mounted)
    return nuisance


def _normal_equations(residual: Float64, jacobian: Float64, budget: ErrorBudget) -> tuple[Float64, Float64, Float64, float]:
    """The information (6, 6) and the gradient (6,) of residuals (N, 2) by a correction, their robust weights (N,) and scale."""
    sigma = _scale(residual)
    squared = (residual ** 2).sum(axis=1) / (KERNEL * sigma) ** 2
    weight = 1 / (1 + squared) ** 2
    noise = budget.correlation * sigma ** 2
    weighted = (jacobian * (weight / noise)[:, None, None]).reshape(-1, 6).T
    return weighted @ jacobian.reshape(-1, 6), weighted @ residual.ravel(), weight, sigma


def _step(information: Float64, gradient: Float64) -> Float64:
    balanced, unit = _balanced(information)
    step: Float64 = -unit * np.linalg.solve(balanced + RIDGE * IDENTITY, unit * gradient)
    return step


def _parts(moved: Float64, shares: tuple[Float64, Float64, Float64], floor: float, late: Float64) -> Parts:
    """The parts of a place that moves with the pose as the Jacobian `moved` (2, 6) says; `shares` (6, 6): what of the pose's
    covariance is by the ties, by the prior's attitude and height, and by the mount; `late` (2,): metres, of the delay."""
    seen, told, mount = (moved @ share @ moved.T for share in shares)
    return Parts(WHITE * seen, (1 - WHITE) * seen + floor ** 2 * np.eye(2), told, mount + np.outer(late, late))


def moved_ground(points: Float64, camera: Camera, start: Pose, pose: Pose) -> Float64:
    """Return ground points (N, 3) seen from `start`, and where (N, 3), at the same heights, `pose` sees what looks the same."""
    before, after = start @ camera.mount, pose @ camera.mount
    rays = (points - before.position) @ before.rotation @ after.rotation.T
    reach = (points[:, 2] - after.position[2]) / rays[:, 2]
    moved: Float64 = after.position + reach[:, None] * rays
    return moved


def ties_on_ground(matches: BlockMatches, heights_seen: Float64, heights_found: Float64) -> TiePoints:
    """Block matches lifted to the terrain, their covariance scaled so that the median block has 1 m2 per axis."""
    trace = np.einsum("nii->n", matches.spread) / 2
    scale = float(np.median(trace)) if len(trace) else 1.0
    # a block surface's curvature is itself noisy: within a factor of four of the median it is believed
    limit = np.clip(trace / scale, 0.25, 4.0) / (trace / scale) if len(trace) else trace
    covariance = matches.spread * (limit / scale)[:, None, None] if len(trace) else matches.spread
    return TiePoints(np.column_stack([matches.seen, heights_seen]), np.column_stack([matches.found, heights_found]),
                     covariance, np.ones(len(matches)))


def ground_jacobian(camera: Camera, pose: Pose, height: float) -> Float64:
    """Return how the place (2,) where the boresight meets level ground at a `height` moves with a correction (6,) of the pose:
    (2, 6), metres by metres and radians."""
    point, ray = _boresight_on(camera, pose, height), _boresight(camera, pose)
    # what moves along the ray leaves the place where it is
    along = np.eye(3) - np.outer(ray, [0.0, 0.0, 1.0]) / ray[2]
    jacobian: Float64 = (along @ np.hstack([np.eye(3), -skew(point - pose.position)]))[:2]
    return jacobian


def _boresight_on(camera: Camera, pose: Pose, height: float) -> Float64:
    """Where the boresight meets level ground at a height (3,)."""
    eye, ray = pose @ camera.mount, _boresight(camera, pose)
    point: Float64 = eye.position + ray * ((height - eye.position[2]) / ray[2])
    return point


def _boresight(camera: Camera, pose: Pose) -> Float64:
    """Where the boresight looks (3,); one that looks level, or up, looks down a little."""
    ray: Float64 = (pose @ camera.mount).rotation @ camera.boresight()
    ray[2] = min(ray[2], LEVEL)
    return ray


def _directions(points: Float64, camera: Camera, pose: Pose) -> Float64:
    """Normalised image coordinates (N, 2) of ground points."""
    eye = pose @ camera.mount
    p = (points - eye.position) @ eye.rotation
    directions: Float64 = p[:, :2] / p[:, 2:]
    return directions


def _residuals(found: Float64, observed: Float64, camera: Camera, pose: Pose,
               whiten: Float64 | None = None) -> tuple[Float64, Float64]:
    """Residuals (N, 2) in metres at the ground's distance, and their Jacobian (N, 2, 6) by the correction of `pose`; both times
    `whiten` (N, 2, 2)."""
    eye = pose @ camera.mount
    axes = eye.rotation.T
    # a residual is this times the point, seen from the eye: how far the point lies beside the ray that was observed
    beside = axes[None, :2] - observed[:, :, None] * axes[2]
    if whiten is not None:
        beside = whiten @ beside
    residual = (beside * (found - eye.position)[:, None]).sum(axis=2)
    # a shift of the pose moves the point by -axes, a turn by axes [m]x, m from the pose; and h [m]x = h x m
    (a, b, c), (x, y, z) = beside.transpose(2, 0, 1), (found - pose.position).T[:, :, None]
    jacobian = np.stack([-a, -b, -c, b * z - c * y, c * x - a * z, a * y - b * x], axis=2)
    return residual, jacobian


def _whitening(ties: TiePoints, camera: Camera, pose: Pose) -> Float64:
    """Square roots (N, 2, 2) of the ties' information, in the axes of the residuals."""
    eye = pose @ camera.mount
    observed = _directions(ties.seen, camera, pose)
    onto = eye.rotation.T[:, :2]
    ground = onto[None, :2] - observed[:, :, None] * onto[2:][None]
    covariance = ground @ ties.covariance @ ground.transpose(0, 2, 1)
    values, vectors = np.linalg.eigh(covariance)
    whiten: Float64 = np.einsum("nij,nj,nkj->nik", vectors, 1 / np.sqrt(np.maximum(values, 1e-9)), vectors)
    return whiten


def _balanced(information: Float64) -> tuple[Float64, Float64]:
    """Information (6, 6) in units (6,) in which each unknown alone has 1: metres and radians differ by orders of magnitude."""
    unit = 1 / np.sqrt(np.maximum(np.diag(information), LEAST_INFORMATION))
    return information * unit * unit[:, None], unit


def _covariance(information: Float64) -> Float64:
    """The inverse (6, 6) of information that holds every unknown. Raises Refusal TIE_POINTS_CLUSTERED where it does not."""
    balanced, unit = _balanced(information)
    values, vectors = np.linalg.eigh(balanced)
    if values[0] < RIDGE:
        raise Refusal(Reason.TIE_POINTS_CLUSTERED, "the tie points lie so close together that place and heading do not follow "
                                                   "from them")
    covariance: Float64 = (vectors / values) @ vectors.T * unit * unit[:, None]
    return (covariance + covariance.T) / 2


def _scale(residual: Float64) -> float:
    """Robust standard deviation of one axis, from the median length (Rayleigh: median = 1.1774 sigma)."""
    lengths = np.sort(np.hypot(*residual.T))
    return max(float(lengths[(len(lengths) - 1) // 2] + lengths[len(lengths) // 2]) / 2 / 1.1774, 1e-3)
