"""A frame looked for on the whole map: coarsely everywhere, then finely where that says."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from promptmid_core.arrays import Float64
from promptmid_core.descriptors import Descriptor
from promptmid_core.errors import InputError, Refusal
from promptmid_core.geometry import Bounds, DeadReckoning, DescriptorMap, Patch, Pose, Prior, boresight_point
from promptmid_core.geometry.pose import rotation_rpy
from promptmid_core.geometry.terrain import Terrain
from promptmid_core.localization.belief import Belief
from promptmid_core.localization.expectation import Expectation
from promptmid_core.localization.fix import Frame
from promptmid_core.localization.footprint import footprint
from promptmid_core.localization.hypothesis import FrameMatcher, Hypothesis
from promptmid_core.localization.lost import FineLook, Step, Whereabout, Whereabouts
from promptmid_core.localization.options import Options
from promptmid_core.localization.quest import PATIENCE, Anywhere, Quest, Sought
from promptmid_core.localization.reach import Scope, level_of, scope_of
from promptmid_core.localization.stopwatch import Stopwatch
from promptmid_core.matching.overview import MOST_CELLS, Overview
from promptmid_core.matching.survey import Layer, headings_within, layers, step_for
from promptmid_core.matching.window import COARSE_FACTOR
from promptmid_core.prompts.prompt import Modality, Prompt
from promptmid_core.reasons import Reason
from promptmid_core.refmap import ReferenceMap

CELLS_PX = {4: 1.0, 8: 1.5, 16: 1.5}  # sides of a cell, finest first, and the swing of headings for them
FINE_PX = 400  # a larger footprint needs no finer cells than 8 px
MOST_LOOKS = 26_000_000  # cells times headings that a frame is looked for at: about a second of two cores
MOST_FINE_LOOKS = 14_000_000  # of these as many as finer cells may have
MOST_HELD = 42_000_000  # cells times headings of a belief: 0.2 GB, twice while a frame is taken in
MOST_SCALES = 9
FINE, MOST_FINE, WORTH = 2, 4, 0.01  # places of a frame that are looked at finely: so many, and more that hold at least so much
LEAST_WORTH = 1e-5
LEAST_TURN, MOST_TURN = np.deg2rad(2.0), np.deg2rad(6.0)
LEAST_SCALE = 0.03
LIKELY, SURE_SCALE = 0.3, 0.9  # probability of a place from which on its scale is taken for that of the ground, and how surely
TOLD_YAW = np.deg2rad(3.0)  # the heading of dead reckoning is known from a fix on
FORGOTTEN = 0.01  # share of the risk that any frame leaves for the place being any other
SAMPLES = 48  # a side, at which the ground's height is asked for


@dataclass(frozen=True)
class Sighting:
    """What a frame has come to: what was `sought`; the `best` of the places that were looked at finely, where it was `expected`
    and in which `scope`, None where none could be."""

    sought: Sought
    expected: Expectation | None = None
    best: Hypothesis | None = None
    scope: Scope | None = None


@dataclass(frozen=True)
class Lie:
    """How a frame lies: its `pose` as believed, the boresight's `place` (2,) by that, the ground's height and how far that may be
    wrong, and the `height` above it; metres."""

    pose: Pose
    place: Float64
    ground: float
    sigma: float
    height: float

    def at(self, x: float, y: float, turn: float, ground: float, height: float) -> Pose:
        """The pose that is turned about the vertical and sees a place from a height above its ground."""
        c, s = np.cos(turn), np.sin(turn)
        lever = np.array([[c, -s], [s, c]]) @ (self.place - self.pose.position[:2]) * (height / self.height)
        return Pose(np.array([x - lever[0], y - lever[1], ground + height]), rotation_rpy(0.0, 0.0, turn) @ self.pose.rotation)


@dataclass(frozen=True)
class Seeker:
    """Looks for frames on all of the map; depends on nothing but what it is given."""

    reference: ReferenceMap
    terrain: Terrain
    descriptor: Descriptor
    options: Options
    matcher: FrameMatcher

    def seek(self, frame: Frame, anywhere: Anywhere, clock: Stopwatch) -> Sighting:
        """Return what a frame adds to a quest.

        Raises Refusal where it cannot be looked for: VIEW_NOT_DOWN, FOOTPRINT_SMALL, LOW_TEXTURE, PRIOR_OUTSIDE_MAP, and
        PRIOR_TOO_UNCERTAIN where the map is larger than what can be searched.
        """
        quest, prior = anywhere.quest, anywhere.prior
        if quest.frames >= PATIENCE and not quest.firm:
            quest = quest.doubted
        with clock("orthorectify"):
            lie = self._lie(frame, quest.pose(prior), quest, prior)
            level = self._level(frame, lie, quest)
            patch, place = footprint(frame, lie.pose, Terrain.flat(lie.ground), level.gsd, self.options)
        with clock("describe"):
            described = self.descriptor.oriented.describe(patch, Prompt(Modality.OPTICAL))
        with clock("map"):
            quest = self._begun(quest, described, patch, lie, level)
        with clock("search"):
            quest, scale, width = self._looked(quest, prior, described, patch, lie, place)
        return self._finely(frame, quest, prior, lie, scale, width, clock)

    def _lie(self, frame: Frame, pose: Pose, quest: Quest, prior: Prior) -> Lie:
        ground, sigma = self._ground(quest)
        place = boresight_point(frame.camera, pose, Terrain.flat(ground))[:2]
        height = float(pose.position[2]) - ground
        return Lie(pose, place, ground, float(np.hypot(sigma, np.sqrt(prior.covariance[2, 2]))), height)

    def _ground(self, quest: Quest) -> tuple[float, float]:
        """The height of the ground, and how far it may be another, one standard deviation: with a DEM the median where the
        search looks, and the hills around it."""
        if not self.reference.has_dem:
            return self.options.track.ground_height_m, self.options.track.ground_sigma_m
        west, south, east, north = self.reference.grid.bounds
        bounds = quest.bounds(0.0)
        if bounds is not None and _meet(bounds, self.reference.grid.bounds):
            west, south, east, north = max(west, bounds[0]), max(south, bounds[1]), min(east, bounds[2]), min(north, bounds[3])
        x, y = np.meshgrid(np.linspace(west, east, SAMPLES), np.linspace(south, north, SAMPLES))
        low, middle, high = np.percentile(self.terrain.height(x, y), (2.5, 50, 97.5))
        return float(middle), float(max(high - middle, middle - low)) / 2

    def _level(self, frame: Frame, lie: Lie, quest: Quest) -> ReferenceMap:
        if quest.whereabouts is not None:
            return self.reference.at(quest.level)
        return level_of(frame, lie.pose, self.reference, Terrain.flat(lie.ground))

    def _begun(self, quest: Quest, described: DescriptorMap, patch: Patch, lie: Lie, level: ReferenceMap) -> Quest:
        """The quest with an overview and a belief on it, the one that it has or a first one."""
        if quest.whereabouts is not None:
            return quest
        lever = lie.place - lie.pose.position[:2]
        if quest.reach < 0.5:
            quest = replace(quest, middle=quest.middle + lever)
        else:
            # nobody knows which way the camera looks
            aside = float(np.hypot(*lever))
            quest = replace(quest, sigma=quest.sigma + aside / 2, within=quest.within + aside)
        bounds = quest.bounds(float(np.hypot(patch.grid.width, patch.grid.height)) * patch.grid.gsd / 2)
        if bounds is not None and not _meet(bounds, level.grid.bounds):
            raise Refusal(Reason.PRIOR_OUTSIDE_MAP, "no ground of the map lies where the aircraft may be; give a first position on "
                                                    "the map")
        west, south, east, north = level.grid.bounds if bounds is None else bounds
        own = level.grid.bounds
        area = (min(east, own[2]) - max(west, own[0])) * (min(north, own[3]) - max(south, own[1]))
        for cell_px, swing in CELLS_PX.items():
            turns = headings_within(quest.reach, step_for(described, cell_px * level.gsd, swing))
            cells = area / (cell_px * level.gsd) ** 2
            large = np.sqrt(patch.valid.sum() * 0.75) >= FINE_PX
            most = MOST_FINE_LOOKS if cell_px < 8 else MOST_HELD
            if cells <= MOST_CELLS and cells * len(turns) <= most and not (large and cell_px < 8) and cell_px % level.stride == 0:
                break
        else:
            raise Refusal(Reason.PRIOR_TOO_UNCERTAIN, f"the map's {area / level.gsd ** 2 / 1e6:.0f} million pixels are more than can "
                                                      "be searched for a place; give a first position on the map")
        try:
            overview = Overview.of(level, cell_px, bounds)
            weights = quest.weights(overview.grid, turns)
        except InputError as error:
            raise Refusal(Reason.PRIOR_TOO_UNCERTAIN, str(error)) from error
        whereabouts = Whereabouts.begin(overview.grid, turns, quest.reach >= np.pi, weights)
        return replace(quest, overview=overview, whereabouts=whereabouts, level=level.level, motion=None, tried=())

    def _looked(self, quest: Quest, prior: Prior, described: DescriptorMap, patch: Patch, lie: Lie,
                place: tuple[float, float]) -> tuple[Quest, float, float]:
        """The quest after a coarse look everywhere, the scale of that, and by which share that may be wrong."""
        assert quest.whereabouts is not None and quest.overview is not None
        motion = prior.motion or DeadReckoning(prior.pose, 0.0)
        ground = quest.whereabouts.ground.copy()
        new = ground.see(patch, np.zeros(2))
        if quest.motion is None or quest.place is None:
            quest = replace(quest, begun_m=motion.flown)
            whereabouts = replace(quest.whereabouts, ground=ground)
        else:
            step = self._step(quest, quest.motion, motion, lie.place - quest.place, new)
            whereabouts = quest.whereabouts.moved(step, ground)
        scales, shares, width = self._scales(described, quest.overview, lie, quest.known_scale)
        tried = quest.tried if len(quest.tried) == len(scales) else (0,) * len(scales)
        chosen = int(np.argmax(shares / (np.array(tried) + 1)))
        scale = float(scales[chosen])
        count = min(len(whereabouts.turns), max(MOST_LOOKS // (quest.overview.grid.width * quest.overview.grid.height), 1))
        indices = (np.arange(count) + quest.frames * count) % len(whereabouts.turns)

        def looks() -> Iterator[tuple[int, Layer]]:
            found = layers(described, quest.overview, whereabouts.turns[indices], place=place, scale=scale)
            yield from zip(indices.tolist(), found, strict=True)

        whereabouts = whereabouts.looked(looks(), float(shares[chosen]), scale == quest.scale)
        tried = tuple(n + (i == chosen) for i, n in enumerate(tried))
        return replace(quest, whereabouts=whereabouts, motion=motion, place=lie.place, tried=tried, scale=scale,
                       frames=quest.frames + 1), scale, width

    def _step(self, quest: Quest, before: DeadReckoning, motion: DeadReckoning, move: Float64, new: float) -> Step:
        assert quest.whereabouts is not None
        track = self.options.track
        flown = max(motion.flown - quest.begun_m, 0.0)
        way = min(max(motion.flown - before.flown, 0.0), flown)
        # errors of the way and of the heading go on in their direction, so that they grow with the way, not with its root
        share2 = track.odometry_drift ** 2 + (quest.whereabouts.step ** 2 / 12 if len(quest.whereabouts.turns) > 1 else 0.0)
        spread2 = share2 * (flown ** 2 - (flown - way) ** 2) + (motion.loose - before.loose) ** 2 + (motion.doubt - before.doubt) ** 2
        return Step(move, float(np.sqrt(spread2)), float(np.deg2rad(track.yaw_drift_deg_per_km) * way / 1e3), new,
                    FORGOTTEN * track.risk)

    def _scales(self, described: DescriptorMap, overview: Overview, lie: Lie, known: float | None) -> tuple[Float64, Float64, float]:
        """How many times larger the ground may be than it seems, how likely each is, and how far from each is looked."""
        if known is not None:
            return np.array([known]), np.array([SURE_SCALE]), LEAST_SCALE
        reach = min(self.options.search.sigmas * lie.sigma / max(lie.height, 1.0), 0.6)
        step = step_for(described, overview.grid.gsd, CELLS_PX[overview.cell_px])
        count = min(2 * round(0.75 * reach / step) + 1, MOST_SCALES)
        scales = headings_within(reach, 2 * reach / count)
        shares = np.exp(-(scales * self.options.search.sigmas / max(reach, 1e-9)) ** 2 / 2)
        return 1 + scales, shares / shares.sum(), max(reach / count, LEAST_SCALE)

    def _finely(self, frame: Frame, quest: Quest, prior: Prior, lie: Lie, scale: float, width: float,
                clock: Stopwatch) -> Sighting:
        """The quest after a fine look at the likeliest places."""
        whereabouts = quest.whereabouts
        assert whereabouts is not None
        looked: list[Whereabout] = []
        found: list[tuple[Whereabout, Expectation, Hypothesis, Scope]] = []
        while len(looked) < MOST_FINE:
            left = [place for place in whereabouts.places(MOST_FINE + 1) if not any(_same(place, other, whereabouts) for other in looked)]
            if not left or (len(looked) >= FINE and left[0].probability < WORTH) or (looked and left[0].probability < LEAST_WORTH):
                break
            at = left[0]
            looked.append(at)
            expected = self._expected(at, quest, prior, lie, scale, width)
            try:
                scope = scope_of(frame, expected, self.reference, self.terrain, self.options)
                best = self.matcher.best(frame, expected, scope, clock)
            except Refusal:
                continue  # the rim of the map, or a hole of it: nothing is told of this place
            place = self._place(frame, best, at, lie)
            whereabouts = whereabouts.seen_finely(at, self._told(best, at, place), expected.yaw)
            found.append((place, expected, best, scope))
        quest = replace(quest, whereabouts=whereabouts)
        places = tuple(self._pose_of(place, found, lie, scale, whereabouts) for place in whereabouts.places(16, 1e-4))
        if not found:
            return Sighting(Sought(quest, 0.0, places))
        at, expected, best, scope = max(found, key=lambda each: (each[2].match is not None, whereabouts.probability(each[0])))
        probability = whereabouts.probability(at)
        known = None
        if best.match is not None and probability >= LIKELY and not self.reference.has_dem:
            ground = float(self.terrain.height(np.array([at.x]), np.array([at.y]))[0])
            known = (float(best.match.solution.pose.position[2]) - ground) / lie.height
        return Sighting(Sought(replace(quest, known_scale=known), probability, places), expected, best, scope)

    def _expected(self, at: Whereabout, quest: Quest, prior: Prior, lie: Lie, scale: float, width: float) -> Expectation:
        """Where a frame is looked for finely, around a place."""
        assert quest.whereabouts is not None
        ground = float(self.terrain.height(np.array([at.x]), np.array([at.y]))[0])
        dem = self.reference.has_dem
        height = float(lie.pose.position[2]) - ground if dem else scale * lie.height
        pose = lie.at(at.x, at.y, at.turn, ground, max(height, 1.0))
        cell = quest.whereabouts.grid.gsd
        yaw = float(np.clip(quest.whereabouts.step, LEAST_TURN, MOST_TURN))
        sigma = float(np.sqrt(prior.covariance[2, 2]))
        share = max(self.options.search.sigmas * sigma / max(height, 1.0), LEAST_SCALE) if dem else width
        covariance = prior.covariance.copy()
        covariance[:2, :] = covariance[:, :2] = covariance[5, :] = covariance[:, 5] = 0.0
        covariance[[0, 1], [0, 1]] = cell ** 2
        covariance[5, 5] = min(prior.covariance[5, 5], TOLD_YAW ** 2)
        covariance[2, 2] = sigma ** 2 if dem else lie.sigma ** 2
        fine = COARSE_FACTOR * self.reference.stride * self.reference.at(quest.level).gsd
        return Expectation(replace(prior, pose=pose, covariance=covariance), pose, 1.5 * cell, yaw, share * height, pose.position[:2],
                           Belief.of(np.eye(2) * cell ** 2, fine))

    def _place(self, frame: Frame, best: Hypothesis, at: Whereabout, lie: Lie) -> Whereabout:
        """The place that a fine look has found; where it has found none that which it looked at."""
        if best.match is None:
            return at
        pose = best.match.solution.pose
        try:
            x, y, _ = boresight_point(frame.camera, pose, self.terrain).tolist()
        except Refusal:
            return at
        turn = pose.yaw - lie.pose.yaw
        return Whereabout(x, y, float(np.arctan2(np.sin(turn), np.cos(turn))), 0.0)

    def _told(self, best: Hypothesis, at: Whereabout, place: Whereabout) -> FineLook:
        """What a fine look around `at`, which has found a place, tells of all places around."""
        surface, likelihood = best.surface, self.descriptor.likelihood
        moved = np.zeros(2) if best.match is None else (best.match.solution.pose.position - best.start.position)[:2]
        nats = likelihood.log_ratio(surface.scores - np.log(surface.among) / likelihood.slope)
        return FineLook(at, place.x + surface.east - moved[0], place.y + surface.north - moved[1], nats, place)

    def _pose_of(self, place: Whereabout, found: list[tuple[Whereabout, Expectation, Hypothesis, Scope]], lie: Lie, scale: float,
                 whereabouts: Whereabouts) -> tuple[Pose, float]:
        """The pose of a place: that of the fine look at it, where there was one."""
        for at, _, best, _ in found:
            if best.match is not None and _same(at, place, whereabouts):
                return best.match.solution.pose, whereabouts.probability(at)
        ground = float(self.terrain.height(np.array([place.x]), np.array([place.y]))[0])
        height = float(lie.pose.position[2]) - ground if self.reference.has_dem else scale * lie.height
        return lie.at(place.x, place.y, place.turn, ground, max(height, 1.0)), place.probability


def _same(one: Whereabout, other: Whereabout, whereabouts: Whereabouts) -> bool:
    turn = abs((one.turn - other.turn + np.pi) % (2 * np.pi) - np.pi)
    return bool(np.hypot(one.x - other.x, one.y - other.y) <= 3 * whereabouts.grid.gsd and turn <= max(3 * whereabouts.step, MOST_TURN))


def _meet(one: Bounds, other: Bounds) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]
