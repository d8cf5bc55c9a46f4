"""A flight whose frames are score surfaces of known truth: what a track is given, without images and maps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import numpy as np
from judged import parts_of

from promptmid_core.descriptors.likelihood import Likelihood
from promptmid_core.geometry import Camera, Grid, Patch, Pose, Prior, Terrain
from promptmid_core.localization.apart import Apart
from promptmid_core.localization.belief import Surface
from promptmid_core.localization.expectation import Expectation
from promptmid_core.localization.fix import Candidate, Fix, Frame, GroundPoint
from promptmid_core.localization.options import Options
from promptmid_core.localization.quest import Anywhere
from promptmid_core.localization.reckoning import Reckoner, Twist
from promptmid_core.localization.track import Track
from promptmid_core.reasons import Reason

GSD = 10.0
CELL = 4 * GSD
SIGMA_M = 50.0 ** 0.5
SECOND = 1_000_000_000
START = 1_700_000_000 * SECOND
LIKELIHOOD = Likelihood.line(2.0, 1.3, 0.3)
CAMERA = Camera(480, 360, np.array([[400.0, 0, 239.5], [0, 400.0, 179.5], [0, 0, 1]]))
CLEAR, WEAK = 12.0, 5.5
HIGH = 2000.0
HERE = (0.0, 0.0)
SIGMAS = (60.0, 60.0, 20.0, 1e-3, 1e-3, 0.01)
REFERENCE: Any = SimpleNamespace(has_dem=True, stride=2, levels=2, gsd=GSD,
                                 at=lambda level: SimpleNamespace(gsd=GSD * 2 ** level))


def track(reference: Any = REFERENCE, **options: float) -> Track:
    return Track(Options.of(**options), reference, Terrain.flat(), LIKELIHOOD)


@dataclass
class Sightings:
    """An aircraft that flies east, a frame a second; odometry ten times a second, with its twist where `stated`.

    `off` (2,) metres and `turned` radians: what the filter's estimate is off by; `drift` (2,) m/s: by how much more each second,
    which the twist has too; `height` metres.
    """

    track: Track
    speed: float = 250.0
    sigmas: tuple[float, ...] = SIGMAS
    off: Any = HERE
    drift: Any = HERE
    turned: float = 0.0
    height: float = HIGH
    stated: bool = True
    moving: bool = True
    second: int = 0
    flown: float = 0.0
    slid: Any = field(default_factory=lambda: np.zeros(2))
    reckoner: Reckoner = field(default_factory=Reckoner)
    rng: Any = field(default_factory=lambda: np.random.default_rng(0))

    @property
    def truth(self) -> Pose:
        return Pose(np.array([self.flown, 0.0, self.height]), np.eye(3))

    @property
    def stamp_ns(self) -> int:
        return START + self.second * SECOND

    def later(self, seconds: int = 1, silent: bool = False) -> None:
        """Fly on; odometry is `silent` or not."""
        for tenth in range(10 * seconds):
            self.flown += self.speed / 10
            self.slid = self.slid + np.array(self.drift) / 10
            if not silent:
                self._odometry(self.stamp_ns + (tenth + 1) * SECOND // 10)
        self.second += seconds

    def _odometry(self, stamp_ns: int) -> Prior:
        pose = self.truth
        pose = Pose(pose.position + np.array([*(np.array(self.off) + self.slid), 0.0]), pose.rotation)
        pose = pose.corrected(np.array([0, 0, 0, 0, 0, self.turned]))
        velocity = pose.rotation.T @ np.array([self.speed + self.drift[0], self.drift[1], 0.0])
        prior = Prior(stamp_ns, pose, np.diag(np.square(self.sigmas)))
        motion = self.reckoner.add(prior, Twist(velocity, np.array([0, 0, 1e-9])) if self.stated else None)
        return Prior(stamp_ns, pose, prior.covariance, motion if self.moving else None)

    def prior(self) -> Prior:
        return self._odometry(self.stamp_ns)

    def expected(self) -> Expectation:
        expected = self.track.expect(self.frame(), self.prior())
        assert isinstance(expected, Expectation)
        return expected

    def frame(self) -> Frame:
        return Frame(self.stamp_ns, np.zeros((360, 480), np.uint8), CAMERA)

    def candidate(self, *peaks: tuple[float, float, float], reason: Reason = Reason.FIX, parts: tuple[float, float] | None = None,
                  found: Sequence[float] = (0.0,) * 6, evidence: float = 5.0) -> Candidate:
        """A frame whose surface has peaks (east, north, height) in metres from the truth; the one that is found is that of the
        highest score and belief together. `parts`: where another part of it lies; `found` (6,): what the pose is corrected by
        beside that; `evidence`: log-odds of the match by itself."""
        prior = self.prior()
        expected = self.track.expect(self.frame(), prior)
        if isinstance(expected, Anywhere):
            return Candidate(self.stamp_ns, prior, Reason.AMBIGUOUS, "the whole map is searched, of which there is none here")
        reach = min(expected.radius, 256 * GSD)
        axis = np.arange(-reach, reach + 1, CELL / 2)
        east, north = (each.ravel() for each in np.meshgrid(axis, axis))
        true = (self.truth.position - expected.pose.position)[:2]
        scores = self.rng.standard_normal(east.shape)
        for x, y, height in peaks:
            distance2 = (east - true[0] - x) ** 2 + (north - true[1] - y) ** 2
            scores = np.maximum(scores, height * np.exp(-distance2 / (2 * (0.7 * CELL) ** 2)))
        likely = np.argsort(scores)[-6:]
        weight = [LIKELIHOOD.slope * scores[i] + expected.log_weight(np.array([east[i], north[i]])) for i in likely]
        best = likely[int(np.argmax(weight))]
        place = np.array([east[best], north[best]])
        for x, y, _ in peaks:
            # what ties make of a peak
            if np.hypot(*(true + np.array([x, y]) - place)) < CELL:
                place = true + np.array([x, y])
        pose = expected.pose.corrected(np.array([*place, 0, 0, 0, 0])).corrected(np.array(found))
        grid = Grid(pose.position[0] - 128 * GSD, pose.position[1] + 128 * GSD, GSD, 256, 256)
        seen = None if reason is Reason.LOW_TEXTURE else Surface(scores, east, north)
        return Candidate(
            prior.stamp_ns, prior, reason, "" if reason is Reason.FIX else "as the test wants",
            pose if reason is Reason.FIX else None, np.diag([SIGMA_M ** 2, SIGMA_M ** 2, 1e6, 1e6, 1e6, 1e-5]),
            parts=parts_of(SIGMA_M), ground=GroundPoint(np.append(pose.position[:2], 0.0), parts_of(SIGMA_M), -np.eye(3)[2]),
            observed=("x", "y", "yaw"), height=(float(found[2]), 25.0), expected=expected, surface=seen,
            apart=Apart(np.array(parts), 2.0) if parts else None, scores={"evidence": evidence},
            patch=Patch(np.zeros((256, 256), np.uint8), np.ones((256, 256), bool), grid))

    def show(self, *peaks: tuple[float, float, float], **candidate: Any) -> Fix:
        """The verdict on a frame; then a second passes."""
        fix = self.track.judge(self.candidate(*peaks, **candidate))
        self.last = self.truth
        self.later()
        return fix

    def clear(self, frames: int = 1, **candidate: Any) -> list[Fix]:
        return [self.show((0.0, 0.0, CLEAR), **candidate) for _ in range(frames)]

    def nothing(self, frames: int = 1, reason: Reason = Reason.LOW_TEXTURE) -> list[Fix]:
        return [self.show(reason=reason) for _ in range(frames)]

    def error(self, fix: Fix) -> float:
        """Metres from a fix to the truth of the second before now."""
        assert fix.pose is not None
        return float(np.hypot(*(fix.pose.position - self.last.position)[:2]))


def reasons(fixes: list[Fix]) -> list[str]:
    return [str(fix.reason) for fix in fixes]


def flight(**settings: Any) -> Sightings:
    return Sightings(track(), **settings)


def until_fixed(flown: Sightings, *peaks: tuple[float, float, float], most: int = 60) -> int:
    """How many frames it takes to a fix, which is right."""
    for frame in range(1, most + 1):
        fix = flown.show(*(peaks or ((0.0, 0.0, CLEAR),)))
        if fix.accepted:
            assert flown.error(fix) < CELL
            return frame
    raise AssertionError(f"no fix in {most} frames: {fix.sentence}")
