"""A frame looked for on the whole map: coarsely everywhere, then closely where that says."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from promptmid_core.arrays import Float64
from promptmid_core.errors import InputError, Refusal
from promptmid_core.geometry import Bounds, DeadReckoning, DescriptorMap, Patch
from promptmid_core.geometry.terrain import Terrain
from promptmid_core.localization.closely import LEAST_SCALE, Closely, Closeup, Seen
from promptmid_core.localization.fix import Frame
from promptmid_core.localization.footprint import footprint
from promptmid_core.localization.lie import Lie, common, ground_of
from promptmid_core.localization.likeliest import Likeliest
from promptmid_core.localization.lost import Step, Whereabouts
from promptmid_core.localization.options import Options
from promptmid_core.localization.quest import Anywhere, Quest, Search, Sought
from promptmid_core.localization.reach import level_of, swing_of
from promptmid_core.localization.stopwatch import Stopwatch
from promptmid_core.matching.overview import MOST_CELLS, Overview
from promptmid_core.matching.survey import Layer, headings_within, layers, step_for
from promptmid_core.prompts.prompt import Modality, Prompt
from promptmid_core.reasons import Reason
from promptmid_core.refmap import ReferenceMap

CELLS_PX = {4: 1.0, 8: 1.5, 16: 1.5}  # sides of a cell, finest first, and the swing of headings for them
LARGE_PX = 400  # a footprint that needs no cells finer than 8 px
MOST_LOOKS = 9_000_000  # cells times headings at which a frame is looked for: 0.7 s of processor time
MOST_FINE = 14_000_000  # of these as many as cells finer than 8 px may have
MOST_HELD = 30_000_000  # cells times headings of a belief: 0.15 GB, twice while a frame is taken in
MOST_SCALES = 9
MOST_REACH = 0.6  # by which share the scale may be another
# probability of a place from which on its scale is taken for that of the ground, down to which it stays so, and how surely
LIKELY, STILL, SURE = 0.3, 0.03, 0.9
FORGOTTEN = 0.01  # share of the risk that any frame leaves for the place being any other


@dataclass(frozen=True)
class Seeker:
    """Looks for frames on all of the map; depends on nothing but what it is given."""

    reference: ReferenceMap
    terrain: Terrain
    options: Options
    closely: Closely

    def seek(self, frame: Frame, anywhere: Anywhere, clock: Stopwatch) -> tuple[Sought, Closeup | None]:
        """Return what a frame adds to a quest, and the close look at the likeliest place, None where no place could be.

        Raises Refusal where it cannot be looked for: VIEW_NOT_DOWN, FOOTPRINT_SMALL, LOW_TEXTURE, PRIOR_OUTSIDE_MAP, and
        PRIOR_TOO_UNCERTAIN where the tilt may take the view anywhere, and where the map is larger than what can be searched.
        """
        quest, prior = anywhere.quest.doubted, anywhere.prior
        with clock("orthorectify"):
            ground = ground_of(self.reference, self.terrain, self.options.track, quest.bounds(0.0))
            lie = Lie.of(frame, quest.pose(prior), prior, ground)
            if quest.any_height:
                lie = replace(lie, sigma=max(lie.sigma, MOST_REACH / self.options.search.sigmas * lie.height))
            level = self.level(frame, lie, quest.search)
            swing_of(prior, lie.height, level, self.reference, self.options)
            patch, place = footprint(frame, lie.pose, Terrain.flat(lie.ground), level.gsd, self.options)
        with clock("describe"):
            described = self.closely.descriptor.oriented.describe(patch, Prompt(Modality.OPTICAL))
        with clock("map"):
            search = quest.search or self.begun(quest, described, patch, lie, level, prior.way)
        with clock("search"):
            search, width, new = self._looked(search, prior.way, described, patch, lie, place)
        seen = Seen(frame, prior, lie, search.scale, width, self.reference.has_dem and not quest.any_height)
        whereabouts, found = self.closely.look(seen, search.whereabouts, search.level, clock)
        places = self.closely.places(seen, whereabouts, found)
        likely = LIKELY if search.known_scale is None else STILL
        search = replace(search, whereabouts=whereabouts, known_scale=None)
        if not found:
            return Sought(replace(quest, search=search), 0.0, places), None
        best = max(found, key=lambda each: (each.best.match is not None, whereabouts.probability(each.place)))
        probability = whereabouts.probability(best.place)
        if probability >= likely:
            search = replace(search, known_scale=self.closely.scale(seen, best))
        pose = lie.pose if best.best.match is None else best.best.match.solution.pose
        standing = Likeliest(pose, prior.way.pose, patch.area).after(search.standing, new, 3 * whereabouts.grid.gsd)
        search = replace(search, standing=standing)
        return Sought(replace(quest, search=search), probability * best.share, places, standing.ground / patch.area), best

    def level(self, frame: Frame, lie: Lie, search: Search | None) -> ReferenceMap:
        return self.reference.at(search.level) if search else level_of(frame, lie.pose, self.reference, Terrain.flat(lie.ground))

    def begun(self, quest: Quest, described: DescriptorMap, patch: Patch, lie: Lie, level: ReferenceMap,
               motion: DeadReckoning) -> Search:
        """A search before its first frame is looked at."""
        quest = quest.seen_from(lie.place - lie.pose.position[:2])
        rim = float(np.hypot(patch.grid.width, patch.grid.height)) * patch.grid.gsd / 2
        bounds = common(quest.bounds(rim), level.grid.bounds)
        if bounds is None:
            raise Refusal(Reason.PRIOR_OUTSIDE_MAP, "no ground of the map lies where the aircraft may be; give a first position "
                                                    "on the map")
        cell_px, turns = self._cells(quest.reach, described, bounds, level)
        try:
            overview = Overview.of(level, cell_px, bounds)
            weights = quest.weights(overview.grid)
        except InputError as error:
            raise Refusal(Reason.PRIOR_TOO_UNCERTAIN, str(error)) from error
        whereabouts = Whereabouts.begin(overview.grid, turns, quest.reach >= np.pi, weights)
        return Search(whereabouts, overview, level.level, motion.flown, motion, lie.place)

    def _cells(self, reach: float, described: DescriptorMap, bounds: Bounds, level: ReferenceMap) -> tuple[int, Float64]:
        """The side of the cells that the map is searched in, in pixels, and the headings; coarser where there is more of both."""
        west, south, east, north = bounds
        area = (east - west) * (north - south)
        # of an image three by four
        side = float(np.sqrt(0.75 * described.valid.sum())) * described.stride
        for cell_px, swing in CELLS_PX.items():
            if cell_px % level.stride or (cell_px < 8 and side >= LARGE_PX):
                continue
            turns = headings_within(reach, step_for(described, cell_px * level.gsd, swing))
            cells = area / (cell_px * level.gsd) ** 2
            if cells <= MOST_CELLS and cells * len(turns) <= (MOST_FINE if cell_px < 8 else MOST_HELD):
                return cell_px, turns
        millions = area / level.gsd ** 2 / 1e6
        raise Refusal(Reason.PRIOR_TOO_UNCERTAIN, f"the {millions:.0f} million pixels of the map where the aircraft may be are "
                                                  "more than can be searched; give a first position on the map")

    def _looked(self, search: Search, motion: DeadReckoning, described: DescriptorMap, patch: Patch, lie: Lie,
                place: tuple[float, float]) -> tuple[Search, float, float]:
        """The search after a coarse look everywhere, by which share the scale of that may be wrong, and what of the ground in
        view is new."""
        ground = search.whereabouts.ground.copy()
        new = ground.see(patch, np.zeros(2))
        if search.frames:
            whereabouts = search.whereabouts.moved(self._step(search, motion, lie.place - search.place, new), ground)
        else:
            whereabouts = replace(search.whereabouts, ground=ground)
        scales, shares, width = self.scales(described, search, lie)
        tried = search.tried if len(search.tried) == len(scales) else (0,) * len(scales)
        turns = whereabouts.turns
        # where there are too many headings for a frame, the next ones have the rest, at the same scale
        parts = math.ceil(len(turns) * search.overview.grid.width * search.overview.grid.height / MOST_LOOKS)
        count = math.ceil(len(turns) / min(parts, len(turns)))
        begun = search.frames * count % len(turns)
        indices = (np.arange(count) + begun) % len(turns)
        if begun < count:
            chosen = int(np.argmax(shares / (np.array(tried) + 1)))
            tried = tuple(n + (i == chosen) for i, n in enumerate(tried))
            again = abs(float(scales[chosen]) - search.scale) <= LEAST_SCALE
        else:
            chosen, again = int(np.argmin(np.abs(scales - search.scale))), search.again
        scale = float(scales[chosen])

        def looks() -> Iterator[tuple[int, Layer]]:
            found = layers(described, search.overview, turns[indices], place=place, scale=scale, rests=whereabouts.rest[indices])
            yield from zip(indices.tolist(), found, strict=True)

        whereabouts = whereabouts.looked(looks(), float(shares[chosen]), again)
        return replace(search, whereabouts=whereabouts, motion=motion, place=lie.place, tried=tried, scale=scale, again=again,
                       frames=search.frames + 1), width, new

    def _step(self, search: Search, motion: DeadReckoning, move: Float64, new: float) -> Step:
        track, before, whereabouts = self.options.track, search.motion, search.whereabouts
        flown = max(motion.flown - search.begun_m, 0.0)
        way = min(max(motion.flown - before.flown, 0.0), flown)
        # errors of the way and of the heading go on in their direction, so that they grow with the way, not with its root
        share2 = track.odometry_drift ** 2 + (whereabouts.step ** 2 / 12 if len(whereabouts.turns) > 1 else 0.0)
        spread2 = share2 * (flown ** 2 - (flown - way) ** 2)
        spread2 += (motion.loose - before.loose) ** 2 + motion.unsure_since(before) ** 2
        return Step(move, float(np.sqrt(spread2)), float(np.deg2rad(track.yaw_drift_deg_per_km) * way / 1e3), new,
                    FORGOTTEN * track.risk)

    def scales(self, described: DescriptorMap, search: Search, lie: Lie) -> tuple[Float64, Float64, float]:
        """How many times larger the ground may be than it seems, how likely each is, and how far from each is looked."""
        if search.known_scale is not None:
            return np.array([search.known_scale]), np.array([SURE]), LEAST_SCALE
        sigmas = self.options.search.sigmas
        reach = min(sigmas * lie.sigma / max(lie.height, 1.0), MOST_REACH)
        step = step_for(described, search.overview.grid.gsd, CELLS_PX[search.overview.cell_px])
        count = min(2 * round(0.75 * reach / step) + 1, MOST_SCALES)
        scales = headings_within(reach, 2 * reach / count) if count > 1 else np.zeros(1)
        shares = np.exp(-(scales * sigmas / max(reach, 1e-9)) ** 2 / 2)
        return 1 + scales, shares / shares.sum(), max(reach / count, LEAST_SCALE)
