"""Where an aircraft that is lost may be, before a frame is looked at."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from promptmid_core.arrays import Float32, Float64
from promptmid_core.errors import InputError
from promptmid_core.geometry import Bounds, DeadReckoning, Grid, Pose, Prior
from promptmid_core.localization.likeliest import Likeliest
from promptmid_core.localization.lost import Whereabouts
from promptmid_core.matching.overview import Overview

LEAST_REACH = float(np.deg2rad(10.0))  # of headings: what states less may be wrong
LEAST_KNOWN = 0.5  # radians up to which a heading tells where the camera looks
DOUBTED = 4.0  # times the headings that were stated
PATIENCE = 20  # frames looked at after which what was stated of place and heading is doubted
TAIL = 2.0  # of Student's distribution, as a belief's
SIGMAS = 4.0  # of the place that are searched
LIKELY = 0.5  # share for the place that was believed in before


@dataclass(frozen=True)
class Start:
    """How a flight begins: `lost`, so that odometry tells its motion alone; then `within_m` metres around its first place, None
    for the whole map, and with the heading known to `heading_known_deg` degrees, 3 sigma, None where it is unknown."""

    lost: bool = False
    within_m: float | None = None
    heading_known_deg: float | None = None

    def __post_init__(self) -> None:
        """Raises InputError where a value cannot be."""
        if not self.lost and (self.within_m is not None or self.heading_known_deg is not None):
            raise InputError("a distance or a heading to search within is given for a flight that does not begin lost; leave it "
                             "out or let the flight begin lost")
        if self.within_m is not None and not 0 < self.within_m < np.inf:
            raise InputError(f"the search is to be within {self.within_m:g} m of the first place; give a distance above 0 m")
        if self.heading_known_deg is not None and not 0 < self.heading_known_deg <= 180:
            raise InputError(f"the heading is said to be known to {self.heading_known_deg:g} degrees; give above 0 and up to 180")


@dataclass(frozen=True)
class Search:
    """What frames have told: `whereabouts` on the `overview` of a `level` of the map; `begun_m` flown when it began; `motion` and
    `place` (2,) of the last frame: its dead reckoning, and where its boresight was believed to be; `frames` that were looked at;
    `tried`: how often each scale of the ground was, `scale` the last one, `again` whether it is the one before too; `known_scale`
    that of a likely place; `standing`: the likeliest place that was found, None before the first."""

    whereabouts: Whereabouts
    overview: Overview
    level: int
    begun_m: float
    motion: DeadReckoning
    place: Float64
    frames: int = 0
    tried: tuple[int, ...] = ()
    scale: float = 0.0
    again: bool = False
    known_scale: float | None = None
    standing: Likeliest | None = None


@dataclass(frozen=True)
class Quest:
    """What an aircraft that is lost knows.

    `map_from_motion`: where the frame of dead reckoning is believed to lie in `map`, from which places and headings are counted;
    `middle` (2,) and `sigma` metres: of its place, `sigma` infinite where that is unknown; `within` metres that it is surely in;
    `reach` radians of the heading to both sides; `lean`: whether the middle is only likelier than the rest of the map; `firm`:
    that all this was given, so that it is not doubted; `any_height`: that what is stated of the height is doubted too;
    `search`: by the frames so far, None before the first.
    """

    map_from_motion: Pose
    middle: Float64
    sigma: float
    reach: float
    within: float = np.inf
    lean: bool = False
    firm: bool = False
    any_height: bool = False
    search: Search | None = None

    @staticmethod
    def of(prior: Prior, sigmas: float) -> Quest:
        """Return what a prior alone tells."""
        sigma = float(np.sqrt(np.linalg.eigvalsh(prior.covariance[:2, :2])[-1]))
        return Quest(prior.map_from_motion, prior.pose.position[:2], sigma, reach_of(prior, sigmas))

    @staticmethod
    def anywhere(prior: Prior, start: Start) -> Quest:
        """Return what is known where nothing but the motion is."""
        within = np.inf if start.within_m is None else start.within_m
        reach = np.pi if start.heading_known_deg is None else np.deg2rad(start.heading_known_deg)
        return Quest(prior.map_from_motion, prior.pose.position[:2], np.inf, float(reach), within, firm=True)

    @property
    def doubted(self) -> Quest:
        """The quest; begun anew on the whole map and at headings and heights far around, where what was stated of them has long
        led nowhere.

        Not at all headings where odometry tells its own: a place where the aircraft flies backwards is another map's."""
        if self.firm or self.search is None or self.search.frames < PATIENCE:
            return self
        sigma, reach = self.sigma if self.lean else np.inf, min(DOUBTED * self.reach, np.pi)
        return replace(self, sigma=sigma, reach=reach, firm=True, any_height=True, search=None)

    def seen_from(self, lever: Float64) -> Quest:
        """The quest for the place that is looked at, which lies a lever (2,) off the position by the believed heading."""
        if self.reach < LEAST_KNOWN:
            return replace(self, middle=self.middle + lever)
        # nobody knows which way the camera looks
        aside = float(np.hypot(*lever))
        return replace(self, sigma=self.sigma + aside / 2, within=self.within + aside)

    def pose(self, prior: Prior) -> Pose:
        """The pose that a frame is believed to have, of which the place need not be right."""
        reckoned = self.map_from_motion @ prior.way.pose
        return Pose(np.array([*reckoned.position[:2], prior.pose.position[2]]), prior.headed(reckoned.yaw).rotation)

    def bounds(self, rim: float) -> Bounds | None:
        """The ground that may be in view, whose rim lies so many metres from its middle; None for the whole map."""
        reach = min(np.inf if self.lean else SIGMAS * self.sigma, self.within)
        if not np.isfinite(reach):
            return None
        x, y = self.middle.tolist()
        return x - reach - rim, y - reach - rim, x + reach + rim, y + reach + rim

    def weights(self, grid: Grid) -> Float32:
        """How likely (rows, cols) the places are before any frame. Raises InputError where none can be."""
        rows, cols = np.mgrid[:grid.height, :grid.width]
        x, y = grid.to_map(cols, rows)
        distance = np.hypot(x - self.middle[0], y - self.middle[1])
        near = np.asarray(1.0 * (distance <= self.within + 2 * grid.gsd), np.float64)
        if np.isfinite(self.sigma):
            bell = (1 + (distance / max(self.sigma, grid.gsd)) ** 2 / TAIL) ** -(TAIL / 2 + 1)
            near = (1 - LIKELY) * near / near.sum() + LIKELY * bell / bell.sum() if self.lean else near * bell
        if not near.sum() > 0:
            raise InputError("no ground of the map lies where the search is to look; give a first position on the map")
        return np.asarray(near / near.sum(), np.float32)


@dataclass(frozen=True)
class Anywhere:
    """That a frame is looked for by a `quest`, with the odometry's `prior`."""

    prior: Prior
    quest: Quest


@dataclass(frozen=True)
class Sought:
    """What a search comes to with a frame: the `quest` after it, the `probability` of the place that was found finely, and the
    likeliest `places`, as poses of `base_link` in `map`; `footprints`: how much ground was seen as long as that place is
    the likeliest."""

    quest: Quest
    probability: float
    places: tuple[tuple[Pose, float], ...]
    footprints: float = 0.0


def reach_of(prior: Prior, sigmas: float) -> float:
    """Return how far from the prior's heading is looked, in radians to each side."""
    return float(np.clip(sigmas * np.sqrt(prior.covariance[5, 5]), LEAST_REACH, np.pi))
