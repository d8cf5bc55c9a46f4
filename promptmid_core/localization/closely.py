"""A frame that is looked for on the whole map, looked at closely where that says."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from promptmid_core.descriptors import Descriptor
from promptmid_core.descriptors.likelihood import Likelihood
from promptmid_core.errors import Refusal
from promptmid_core.geometry import Pose, Prior, boresight_point
from promptmid_core.geometry.terrain import Terrain
from promptmid_core.localization.belief import Belief
from promptmid_core.localization.expectation import Expectation
from promptmid_core.localization.fix import Frame
from promptmid_core.localization.hypothesis import FrameMatcher, Hypothesis
from promptmid_core.localization.lie import Lie
from promptmid_core.localization.lost import FineLook, Whereabout, Whereabouts
from promptmid_core.localization.options import Options
from promptmid_core.localization.reach import Scope, scope_of
from promptmid_core.localization.stopwatch import Stopwatch
from promptmid_core.matching.sought import COARSE_FACTOR
from promptmid_core.refmap import ReferenceMap

# places of a frame that are looked at: so many that hold something, and more that hold much
FEW, MOST, SOMETHING, MUCH = 4, 5, 1e-5, 0.01
TOLD, LEAST_TOLD = 16, 1e-4  # places that are told of
LEAST_TURN, MOST_TURN = np.deg2rad(2.0), np.deg2rad(6.0)
# what the scores of a close look say beside the coarse one that has chosen the place; and what they say of one spot of the place
# against those around it
CLOSE, SPOT = Likelihood.line(2.7, 5.4, 0.07), Likelihood.line(3.0, 3.6, 0.1)
LEAST_SCALE = 0.03
SAME_PX, PEAK = 8.0, 1.5  # around the very place; and cells of the coarse look that its peak leaves open
TOLD_YAW = np.deg2rad(3.0)  # the heading of dead reckoning is known from a fix on


@dataclass(frozen=True)
class Closeup:
    """What a close look came to: the place that it found, and how much of what is believed around it is of this very spot;
    where it was `expected`, in which `scope`, and what `best` matched."""

    place: Whereabout
    share: float
    expected: Expectation
    scope: Scope
    best: Hypothesis


@dataclass(frozen=True)
class Seen:
    """A `frame` and its `prior`, how it lies, by how much larger the ground is than that says, and how well that is known;
    `dem_tells`: whether the height above the ground of a place follows from the prior's and a DEM."""

    frame: Frame
    prior: Prior
    lie: Lie
    scale: float
    width: float
    dem_tells: bool


@dataclass(frozen=True)
class Closely:
    """Looks at places closely; depends on nothing but what it is given."""

    reference: ReferenceMap
    terrain: Terrain
    descriptor: Descriptor
    options: Options
    matcher: FrameMatcher

    def look(self, seen: Seen, whereabouts: Whereabouts, level: int, clock: Stopwatch) -> tuple[Whereabouts, list[Closeup]]:
        """Return the belief after a close look at its likeliest places, and what each came to."""
        looked: list[Whereabout] = []
        found: list[Closeup] = []
        while len(looked) < MOST:
            left = [place for place in whereabouts.places(MOST + 1)
                    if not any(whereabouts.same(place, other) for other in looked)]
            worth = 0.0 if not looked else SOMETHING if len(looked) < FEW else MUCH
            if not left or left[0].probability < worth:
                break
            at = left[0]
            looked.append(at)
            expected = self.expected(seen, at, whereabouts, level)
            try:
                scope = scope_of(seen.frame, expected, self.reference, self.terrain, self.options)
                best = self.matcher.best(seen.frame, expected, scope, clock)
            except Refusal:
                continue  # the rim of the map, or a hole of it: nothing is told of this place
            place = self.place(seen, best, at)
            told = self.told(best, at, place)
            whereabouts = whereabouts.seen_finely(at, told, expected.yaw)
            spot = replace(told, nats=SPOT.log_ratio(best.surface.scores))
            share = whereabouts.share(spot, SAME_PX * self.reference.gsd, PEAK * whereabouts.grid.gsd)
            found.append(Closeup(place, share, expected, scope, best))
        return whereabouts, found

    def places(self, seen: Seen, whereabouts: Whereabouts, found: list[Closeup]) -> tuple[tuple[Pose, float], ...]:
        """Return the likeliest places, as poses of `base_link` in `map`."""
        return tuple(self._pose(seen, place, found, whereabouts) for place in whereabouts.places(TOLD, LEAST_TOLD))

    def scale(self, seen: Seen, found: Closeup) -> float | None:
        """Return how many times larger the ground is than it was believed to be, by a place; None where a DEM tells that."""
        if seen.dem_tells or found.best.match is None:
            return None
        return (float(found.best.match.solution.pose.position[2]) - self._ground(found.place)) / seen.lie.height

    def _ground(self, place: Whereabout) -> float:
        return float(self.terrain.height(np.array([place.x]), np.array([place.y]))[0])

    def _height(self, seen: Seen, ground: float) -> float:
        """Metres above the ground at a place: a DEM knows its height, without one the scale tells."""
        return max(float(seen.lie.pose.position[2]) - ground, 1.0) if seen.dem_tells else seen.scale * seen.lie.height

    def expected(self, seen: Seen, at: Whereabout, whereabouts: Whereabouts, level: int) -> Expectation:
        """Where a frame is looked for, around a place."""
        ground = self._ground(at)
        height = self._height(seen, ground)
        pose = seen.lie.at((at.x, at.y), at.turn, ground, height)
        cell, told = whereabouts.grid.gsd, seen.prior.covariance
        sigma = float(np.sqrt(told[2, 2])) if seen.dem_tells else seen.lie.sigma
        share = max(self.options.search.sigmas * sigma / height, LEAST_SCALE) if seen.dem_tells else seen.width
        covariance = told.copy()
        known = [0, 1, 2, 5]
        covariance[known, :] = covariance[:, known] = 0.0
        covariance[known, known] = cell ** 2, cell ** 2, sigma ** 2, min(told[5, 5], TOLD_YAW ** 2)
        fine = COARSE_FACTOR * self.reference.stride * self.reference.at(level).gsd
        yaw = float(np.clip(whereabouts.step, LEAST_TURN, MOST_TURN))
        return Expectation(replace(seen.prior, pose=pose, covariance=covariance), pose, 1.5 * cell, yaw, share * height,
                           pose.position[:2], Belief.of(np.eye(2) * cell ** 2, fine))

    def place(self, seen: Seen, best: Hypothesis, at: Whereabout) -> Whereabout:
        """The place that a look has found; where it has found none that which it looked at."""
        if best.match is None:
            return at
        pose = best.match.solution.pose
        try:
            x, y, _ = boresight_point(seen.frame.camera, pose, self.terrain).tolist()
        except Refusal:
            return at
        turn = pose.yaw - seen.lie.pose.yaw
        return Whereabout(x, y, float(np.arctan2(np.sin(turn), np.cos(turn))), 0.0)

    def told(self, best: Hypothesis, at: Whereabout, place: Whereabout) -> FineLook:
        """What a look around `at`, which has found a place, tells of all places around."""
        surface = best.surface
        moved = np.zeros(2) if best.match is None else (best.match.solution.pose.position - best.start.position)[:2]
        nats = CLOSE.log_ratio(surface.scores - np.log(surface.among) / CLOSE.slope)
        return FineLook(at, place.x + surface.east - moved[0], place.y + surface.north - moved[1], nats, place)

    def _pose(self, seen: Seen, place: Whereabout, found: list[Closeup], whereabouts: Whereabouts) -> tuple[Pose, float]:
        """The pose of a place: that of the look at it, where there was one."""
        for closeup in found:
            if closeup.best.match is not None and whereabouts.same(closeup.place, place):
                return closeup.best.match.solution.pose, whereabouts.probability(closeup.place)
        ground = self._ground(place)
        return seen.lie.at((place.x, place.y), place.turn, ground, self._height(seen, ground)), place.probability
