"""The landscape that both sensors see: what the ground is, what stands on it, and how it is divided."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

import numpy as np

from promptmid_core.arrays import Float32, UInt8
from promptmid_core.simulation.world.noise import Keys, blurred, fractal, mixed, normal, ramp, uniform
from promptmid_core.simulation.world.parcels import cells, districts
from promptmid_core.simulation.world.roads import places, roads
from promptmid_core.simulation.world.settlement import Quarter, Settlement, settlement
from promptmid_core.simulation.world.terrain import Landform, terrain

ESTATE_M = 1100.0
STAND_M = 420.0


class Ground(IntEnum):
    """What covers the ground under trees, roofs and roads."""

    WATER = 0
    CROP = 1
    SOIL = 2
    MEADOW = 3
    FALLOW = 4
    REED = 5
    GRAVEL = 6
    FOREST = 7
    GARDEN = 8
    YARD = 9


# class of ESA WorldCover (product user manual v2.0, 2022) that each Ground is mapped as
COVER = np.array([80, 40, 40, 30, 20, 90, 60, 10, 50, 50], np.uint8)


@dataclass(frozen=True)
class Paint:
    """What has a colour of its own: `share` (H, W) of a pixel, and `colour` (H, W, 3) reflectance of red, green and blue."""

    share: Float32
    colour: Float32


@dataclass(frozen=True)
class Landscape:
    """Fields (H, W), north up.

    `dem` metres; `cover` class of ESA WorldCover; `ground` Ground; `parcel` key of the field, stand or building lot; `part`
    quarter of a field (bit 0 across, bit 1 along its length), 0 elsewhere; `axis` radians anticlockwise from east along furrows
    or streets. Shares of a pixel, 0 to 1: `water`, `paved`, `roof`, `canopy`, and `conifer` of that canopy. `roof_m`, `canopy_m`:
    height above the ground. `paint` is what lies on roads and stands on them, where pixels are small enough to show it.
    """

    gsd_m: float
    dem: Float32
    cover: UInt8
    ground: UInt8
    parcel: Keys
    part: UInt8
    axis: Float32
    water: Float32
    paved: Float32
    roof: Float32
    roof_m: Float32
    canopy: Float32
    canopy_m: Float32
    conifer: Float32
    paint: Paint | None = None

    @property
    def size(self) -> int:
        return len(self.dem)

    def worked(self, salt: int, share: float) -> Keys:
        """Return the (H, W) keys of the land as it was worked at one time: `share` of the fields was in halves then, each with a
        key.

        Two images of different days, with a salt each, do not show the same divisions.
        """
        split = uniform(self.parcel, salt)
        half = np.where(split < 0.5 * share, self.part & 1, np.where(split < share, self.part >> 1, 0))
        return np.where(half > 0, mixed(self.parcel, salt), self.parcel)

    def surface(self) -> Float32:
        """Return the (H, W) height of what the sky sees: ground, crowns and roofs, averaged over each pixel."""
        return np.asarray(self.dem + np.maximum(self.roof * self.roof_m, self.canopy * self.canopy_m), np.float32)


def landscape(rng: np.random.Generator, size: int, gsd_m: float, salt: int) -> Landscape:
    """Return a land of `size` x `size` pixels. `salt` separates the hashed parcels of one land from those of another."""
    ground = terrain(rng, size, gsd_m)
    settled = places(rng, ground)
    network = roads(rng, ground, settled)
    towns = settlement(rng, ground, settled, network, salt)
    return _composed(rng, ground, towns, network.paved, salt)


def _composed(rng: np.random.Generator, relief: Landform, towns: Settlement, roads_paved: Float32, salt: int) -> Landscape:
    size, gsd_m = relief.size, relief.gsd_m
    steep = relief.steepness()
    kind, parcel, part, axis, hedge, lanes = _fields(rng, relief, steep, salt)

    # woods: where it is steep and along streams, with a soft rim, and some whole parcels
    wood = fractal(rng, size, 3500 / gsd_m, 40 / gsd_m, 1.35) + 9 * np.minimum(steep, 0.25) - 1.05
    wood += 0.9 * ramp(relief.shore_m, 90, 20) * (relief.flow < 0.9) - 2.0 * ramp(relief.gravel, 0.05, 0.4)
    wood = np.where(towns.inside, np.float32(-3), wood)
    crowns = fractal(rng, size, 90 / gsd_m, 2.0, 0.5)
    forest = ramp(wood + 0.22 * crowns, 0.25, 0.7)
    forest = np.maximum(forest, (kind == Ground.FOREST) * np.float32(0.95))
    stand_bend = fractal(rng, size, 800 / gsd_m, 80 / gsd_m, 1.5) * np.float32(45 / gsd_m)
    stands = districts(rng, size, STAND_M / gsd_m, (stand_bend, stand_bend[::-1]))
    stand = mixed(salt, stands.label, 77)
    felled = (uniform(stand, 1) < 0.07) & (forest > 0.5)
    rides = (stands.borders() > 0) & (uniform(stand, 2) < 0.5)
    conifer = np.clip(0.5 + 0.9 * normal(stand, 3) + 0.5 * crowns, 0, 1)
    tall = np.clip(16 + 5 * normal(stand, 4) + 2.5 * crowns, 4, 32) * (0.55 + 0.45 * forest)
    forest = forest * np.where(felled, np.float32(0.12), np.float32(1)) * np.where(rides, np.float32(0.6), np.float32(1))

    wooded = (forest > 0.5) | felled
    kind = np.where(wooded, np.where(felled, np.uint8(Ground.FALLOW), np.uint8(Ground.FOREST)), kind)
    kind = np.where((kind == Ground.FOREST) & ~wooded, np.uint8(Ground.MEADOW), kind)
    parcel = np.where(wooded, stand, parcel)
    hedge = np.where(wooded, np.float32(0), hedge)
    canopy = np.maximum(forest, hedge)
    canopy_m = np.where(hedge > forest, np.float32(8), tall)

    marsh = ramp(relief.shore_m, 160, 40) * ramp(fractal(rng, size, 1500 / gsd_m, 60 / gsd_m, 1.4), 0.55, 0.8)
    kind = np.where((marsh > 0.5) & (forest < 0.4) & (steep < 0.05), np.uint8(Ground.REED), kind)
    kind = np.where(relief.gravel > 0.5, np.uint8(Ground.GRAVEL), kind)

    roof, roof_m = np.zeros_like(canopy), np.zeros_like(canopy)
    paved = np.maximum(roads_paved, lanes * (1 - forest) * (1 - relief.water))
    inside = towns.inside
    at_home = np.array([Ground.GARDEN, Ground.GARDEN, Ground.YARD, Ground.YARD, Ground.MEADOW, Ground.GRAVEL], np.uint8)
    kind[inside] = at_home[towns.quarter]
    parcel[inside], axis[inside] = towns.lot, towns.axis
    roof[inside], roof_m[inside] = towns.roof, towns.height_m
    canopy[inside], canopy_m[inside], conifer[inside] = towns.trees, 7.0, 0.2
    paved[inside] = np.maximum(towns.street, roads_paved[inside])

    # what is paved carries neither trees nor roofs; bridges run above the water
    clear = 1 - paved
    roof *= clear
    canopy *= clear * (1 - roof)
    water = relief.water * clear
    canopy *= 1 - water
    kind = np.where(relief.water > 0.5, np.uint8(Ground.WATER), kind)
    parcel = np.where(relief.water > 0.5, mixed(salt, 78), parcel)
    part = np.where(np.isin(kind, (Ground.CROP, Ground.SOIL, Ground.MEADOW)), part, np.uint8(0))

    cover = COVER[kind]
    open_land = np.isin(kind, (Ground.CROP, Ground.SOIL, Ground.MEADOW, Ground.FALLOW, Ground.REED, Ground.FOREST))
    cover[open_land & (canopy > 0.5)] = 10
    cover[(kind == Ground.GARDEN) & (canopy > 0.75)] = 10
    cover[(kind == Ground.FOREST) & (canopy <= 0.5)] = 30
    cover[roads_paved > 0.5] = 50
    park = np.zeros_like(inside)
    park[inside] = towns.quarter == Quarter.PARK
    cover[park & (paved > 0.5)] = 50
    return Landscape(
        gsd_m, relief.dem, cover, kind.astype(np.uint8), parcel, part, axis, water, paved, roof, roof_m, canopy, canopy_m, conifer
    )


def _fields(
    rng: np.random.Generator, relief: Landform, steep: Float32, salt: int
) -> tuple[UInt8, Keys, UInt8, Float32, Float32, Float32]:
    """Farmland everywhere: Ground, parcel key, quarter of the parcel, furrow direction, shares of hedges and lanes, each (H, W).

    Estates with a direction and a parcel size of their own; lanes run along many of their borders, hedges and grass strips
    between parcels.
    """
    size, gsd_m = relief.size, relief.gsd_m
    bend = fractal(rng, size, 1500 / gsd_m, 60 / gsd_m, 1.8) * np.float32(60 / gsd_m)
    estates = districts(rng, size, ESTATE_M / gsd_m, (bend, bend[::-1]))
    count = len(estates.seeds)
    turn = rng.uniform(0, np.pi, count).astype(np.float32)
    length = rng.uniform(180, 620, count).astype(np.float32)
    width = (length * rng.uniform(0.25, 0.7, count)).astype(np.float32)
    label = estates.label
    axis = turn[label]
    rows, cols = np.mgrid[:size, :size].astype(np.float32) * np.float32(gsd_m)
    rows += bend * np.float32(0.25 * gsd_m)
    u = cols * np.cos(axis) - rows * np.sin(axis)
    v = -rows * np.cos(axis) - cols * np.sin(axis)
    # rows of parcels share their width, so the cuts of the first coordinate run through
    field = cells(v, u, width[label], length[label], mixed(salt, label, 5))

    use = uniform(field.key, 1) + 1.6 * np.clip(steep - 0.05, 0, 0.2) + 0.12 * ramp(relief.shore_m, 300, 60)
    kind = np.select(
        [use < 0.5, use < 0.63, use < 0.90, use < 0.955],
        [np.uint8(Ground.CROP), np.uint8(Ground.SOIL), np.uint8(Ground.MEADOW), np.uint8(Ground.FALLOW)],
        np.uint8(Ground.FOREST),
    )
    style = uniform(field.side, 2)
    within = np.clip((4.5 - field.edge) / gsd_m + 0.5, 0, 1)
    patchy = uniform(mixed(field.side, (0.05 * field.low_u).astype(np.int32), (0.05 * field.low_v).astype(np.int32)), 3)
    hedge = within * (style < 0.28) * np.where(patchy < 0.75, np.float32(0.9), np.float32(0.2))
    lanes = np.clip((2.5 - field.edge) / gsd_m + 0.5, 0, 1) * ((style > 0.8) & (kind != Ground.FOREST)) * np.float32(0.6)
    border = estates.borders()
    road = ((border > 0) & (uniform(border, 4) < 0.7)).astype(np.float32) * np.float32(0.75)
    part = (field.low_u < field.high_u) + np.uint8(2) * (field.low_v < field.high_v)
    return kind, field.key, part.astype(np.uint8), axis, hedge.astype(np.float32), np.maximum(lanes, blurred(road, 0.5))
