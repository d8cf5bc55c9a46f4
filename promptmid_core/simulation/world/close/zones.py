"""How land is used from zone to zone, and the roads between zones."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

import cv2
import numpy as np
from numpy.typing import NDArray

from promptmid_core.arrays import Float32
from promptmid_core.simulation.world.noise import Keys, fractal, mixed
from promptmid_core.simulation.world.parcels import districts

ZONE_M = 240.0
ROAD_M, LANE_M = 8.5, 4.0  # width between zones that are built on, and between others


class Use(IntEnum):
    """What a zone is used for."""

    HOUSES = 0
    CENTRE = 1
    HALLS = 2
    PARK = 3
    FIELDS = 4
    WOOD = 5


BUILT = Use.HOUSES, Use.CENTRE, Use.HALLS


@dataclass(frozen=True)
class Zones:
    """Fields (H, W): `use` of the zone, its `key`, and `axis` radians anticlockwise from east of its streets; `road_m` metres
    from the middle of the road between it and its neighbours, `kerb_m` from the side of that road.
    """

    use: NDArray[np.int32]
    key: Keys
    axis: Float32
    road_m: Float32
    kerb_m: Float32

    def along(self, gsd_m: float) -> tuple[Float32, Float32]:
        """Return coordinates (H, W) in metres along and across the streets of each zone."""
        size = len(self.axis)
        east = np.arange(size, dtype=np.float32)[None] * np.float32(gsd_m)
        north = -np.arange(size, dtype=np.float32)[:, None] * np.float32(gsd_m)
        cos, sin = np.cos(self.axis), np.sin(self.axis)
        return east * cos + north * sin, north * cos - east * sin


def zones(rng: np.random.Generator, size: int, gsd_m: float, salt: int) -> Zones:
    """Return a town's edge: a centre, houses and halls around it, then parks, fields and woods."""
    bend = fractal(rng, size, 400 / gsd_m, 60 / gsd_m, 1.8) * np.float32(14 / gsd_m)
    division = districts(rng, size, ZONE_M / gsd_m, (bend, bend[::-1]))
    at = np.clip(division.seeds.astype(int), 0, size - 1)
    dense = fractal(rng, size, 1800 / gsd_m, 300 / gsd_m, 1.5)[at[:, 0], at[:, 1]] + 0.35 * rng.standard_normal(len(at))
    rank = np.argsort(np.argsort(dense)) / max(len(dense) - 1, 1)
    dice = rng.random(len(at))
    use = np.select([rank > 0.88, rank > 0.42], [np.full(len(at), Use.CENTRE), np.full(len(at), Use.HOUSES)], Use.FIELDS)
    use = np.where((use == Use.HOUSES) & (dice < 0.16), Use.HALLS, use)
    use = np.where((use == Use.HOUSES) & (dice > 0.88), Use.PARK, use)
    use = np.where((use == Use.FIELDS) & (dice < 0.42), Use.WOOD, use)
    axis = rng.uniform(0, np.pi, len(at)).astype(np.float32)
    between = cv2.distanceTransform((division.borders() == 0).astype(np.uint8), cv2.DIST_L2, 5)
    road_m = cv2.GaussianBlur(np.maximum(np.asarray(between, np.float32) - 1, 0), (0, 0), 1.2 / gsd_m) * np.float32(gsd_m)
    label = division.label
    uses = use[label].astype(np.int32)
    road_m = np.asarray(road_m, np.float32)
    half = np.where(np.isin(uses, BUILT), np.float32(ROAD_M / 2), np.float32(LANE_M / 2))
    return Zones(uses, mixed(salt, label, 301), axis[label], road_m, road_m - half)
