"""What is built: streets between blocks, houses on lots, closed blocks, halls among parked cars."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np

from promptmid_core.arrays import Float32, Mask
from promptmid_core.simulation.world.close.zones import BUILT, Use, Zones
from promptmid_core.simulation.world.noise import Keys, mixed, normal, uniform
from promptmid_core.simulation.world.parcels import Rectangles, cells, intervals

# block length and width, and street width, in metres, by Use; no streets where they are 0
BLOCKS = np.array([[125, 66, 8], [95, 74, 12], [150, 110, 9], [1e4, 1e4, 0], [1e4, 1e4, 0], [1e4, 1e4, 0]], np.float32)
PAVEMENT_M = 2.0
LOT_M = 18.5
BAY_M, BAY_DEPTH_M, AISLE_M = 2.7, 5.0, 6.5  # of parked cars
SLOT_M = 6.4  # of a car along a street
CAR_M = 4.4, 1.85, 1.5


@dataclass(frozen=True)
class Townscape:
    """Shares (H, W) of a pixel: `street`, `pavement`, `roof`, `car`, `marking`, `hedge`, `garden`, and `yard` around halls;
    `roof_m` height; `key` of the building or lot, `car_key` of the car.
    """

    street: Float32
    pavement: Float32
    roof: Float32
    roof_m: Float32
    car: Float32
    marking: Float32
    hedge: Float32
    garden: Float32
    yard: Float32
    key: Keys
    car_key: Keys


class Builder:
    """Builds on zones of pixels of `gsd_m` metres, where the ground is `free` (H, W)."""

    def __init__(self, where: Zones, gsd_m: float, free: Mask) -> None:
        self._where, self._gsd_m, self._free = where, gsd_m, free
        u, v = where.along(gsd_m)
        length, width, self._street_m = BLOCKS[where.use].transpose(2, 0, 1)
        shape = u.shape
        flat = cells(u.ravel(), v.ravel(), length.ravel(), width.ravel(), where.key.ravel(), crossing=True)
        self._block = Rectangles(*(getattr(flat, field.name).reshape(shape) for field in fields(Rectangles)))

    def share(self, inner: Float32) -> Float32:
        """Return how much of a pixel lies inside an outline that is `inner` metres away."""
        return np.asarray(np.clip(inner / np.float32(self._gsd_m) + np.float32(0.5), 0, 1), np.float32)

    def built(self) -> Townscape:
        """Return all that is built."""
        where, block, street_m = self._where, self._block, self._street_m
        has = street_m > 0
        street = np.maximum(self.share(street_m / 2 - block.edge) * has, self.share(-where.kerb_m))
        pavement = np.maximum(self.share(street_m / 2 + PAVEMENT_M - block.edge) * has, self.share(PAVEMENT_M - where.kerb_m))
        pavement = pavement * np.isin(where.use, (Use.HOUSES, Use.CENTRE)) * (1 - street)
        marking = self.share(0.1 - where.road_m) * np.isin(where.use, BUILT)

        roof, roof_m, key, hedge = self._houses()
        for use, made in ((Use.CENTRE, self._closed()), (Use.HALLS, self._halls())):
            here = where.use == use
            roof, roof_m, key = (np.where(here, new, old) for new, old in zip(made, (roof, roof_m, key), strict=True))
        # nothing stands on a road or its pavement, nor is any house cut by one
        clear = self.share(where.kerb_m - 4.0)
        roof = roof * (1 - street)
        roof = roof * ~_touching(key, (roof > 0) & ~(self._free & (clear == 1) & np.isin(where.use, BUILT)))
        yard = ((where.use == Use.HALLS) * clear * (1 - roof)).astype(np.float32)
        car, car_key, bays = self._parked(yard)
        kerbside, kerbside_key = self._kerbside(street)
        car, car_key = np.maximum(car, kerbside), np.where(kerbside > car, kerbside_key, car_key)
        lines = np.maximum(marking, bays * yard).astype(np.float32)
        garden = (where.use == Use.HOUSES) * (1 - roof) * (1 - street) * (1 - pavement)
        hedge = hedge * (where.use == Use.HOUSES) * clear * (1 - roof) * (1 - street)
        return Townscape(street, pavement.astype(np.float32), roof.astype(np.float32), roof_m.astype(np.float32), car, lines,
                     hedge.astype(np.float32), garden.astype(np.float32), yard, key, car_key)

    def _houses(self) -> tuple[Float32, Float32, Keys, Float32]:
        """Roof share, height and key of detached houses with wings and sheds, and the hedges between lots."""
        block = self._block
        inner = np.minimum(block.low_v, block.high_v) - self._street_m / 2
        row = mixed(block.key, block.low_v < block.high_v)
        number, low, high = intervals(block.low_u, np.full_like(inner, LOT_M), row)
        lot = mixed(row, number)
        wide, deep = 8.5 + 5 * uniform(lot, 61), 8.0 + 4 * uniform(lot, 62)
        setback = 4.0 + 4 * uniform(lot, 63)
        aside = (low - high) / 2 - 2.5 * (uniform(lot, 64) - 0.5)
        back = inner - setback - deep / 2
        wide = np.minimum(wide, low + high - 4.0)
        main = np.minimum(wide / 2 - np.abs(aside), deep / 2 - np.abs(back))
        turn = np.where(uniform(lot, 65) < 0.5, np.float32(1), np.float32(-1))
        wing = np.minimum(2.6 - np.abs(aside - turn * (wide / 2 - 2.6)), 3.2 - np.abs(back - deep / 2 - 2.0))
        wing = np.where(uniform(lot, 66) < 0.45, wing, np.float32(-9))
        shed = np.minimum(1.9 - np.abs(aside - turn * 5.0), 1.6 - np.abs(inner - setback - deep - 10 * uniform(lot, 67) - 6.0))
        shed = np.where(uniform(lot, 68) < 0.5, shed, np.float32(-9))
        # ends of a row, where a street crosses
        ends = np.minimum(block.low_u, block.high_u) - self._street_m / 2 - 3.0
        outline = np.minimum(np.maximum(main, wing), ends)
        there = (low + high > 11.0) & (uniform(lot, 69) > 0.05)
        roof = np.maximum(self.share(outline), self.share(np.minimum(shed, ends))) * there
        eaves = 3.0 + 2.8 * (uniform(lot, 70) > 0.55)
        # hipped roofs, or gables with the ridge along the street
        slope = np.where(uniform(lot, 71) < 0.5, outline, np.minimum(deep / 2 - np.abs(back), outline + 1.5))
        height = np.where(outline > -0.7, eaves + 0.75 * np.maximum(slope, 0), np.float32(2.4))
        hedge = self.share(np.float32(0.5) - np.minimum(low, high)) * (uniform(lot, 72) < 0.45) * (inner > 1.5)
        key = np.where(roof > 0.3, mixed(lot, 5), lot)
        return roof.astype(np.float32), height.astype(np.float32), key, hedge.astype(np.float32)

    def _closed(self) -> tuple[Float32, Float32, Keys]:
        """Roof share, height and key of blocks that are closed around a yard, house by house."""
        block = self._block
        edge_u, edge_v = (np.minimum(a, b) - self._street_m / 2 - PAVEMENT_M for a, b in
                          ((block.low_u, block.high_u), (block.low_v, block.high_v)))
        near_u = edge_u < edge_v
        inner = np.minimum(edge_u, edge_v)
        along = np.where(near_u, block.low_v, block.low_u)
        row = mixed(block.key, near_u, np.where(near_u, block.low_u < block.high_u, block.low_v < block.high_v))
        number, low, high = intervals(along, np.full_like(inner, 21.0), row)
        lot = mixed(row, number, 7)
        deep = 11.0 + 6 * uniform(lot, 81)
        outline = np.minimum(inner, deep - inner)
        built = uniform(lot, 82) > 0.08
        flat = uniform(lot, 83) < 0.55
        height = np.clip(12 + 4.5 * normal(lot, 84), 6, 34)
        height = height + np.where(flat, np.float32(0), 0.7 * np.maximum(np.minimum(inner, deep - inner), 0))
        # parapets, and shafts on flat roofs
        place = mixed(lot, (along / 4).astype(np.int32), (inner / 4).astype(np.int32))
        shaft = (uniform(place, 85) < 0.12) & flat & (outline > 2)
        height = height + np.where(shaft, np.float32(2.5), np.where(flat & (outline < 1.0), np.float32(0.8), np.float32(0)))
        height = np.where(np.minimum(low, high) < 0.5, height - np.float32(0.5), height)
        return (self.share(outline) * built).astype(np.float32), height.astype(np.float32), lot

    def _halls(self) -> tuple[Float32, Float32, Keys]:
        """Roof share, height and key of halls, one or two to a block, amid their yards."""
        block = self._block
        number, low, high = intervals(block.low_u, np.full_like(block.low_u, 75.0), block.key)
        lot = mixed(block.key, number, 9)
        gap_u, gap_v = 12 + 16 * uniform(lot, 91), 11 + 14 * uniform(lot, 92)
        inner = np.minimum(np.minimum(low, high) - gap_u / 2,
                           np.minimum(np.minimum(block.low_v, block.high_v), np.minimum(block.low_u, block.high_u)) - gap_v)
        there = (uniform(lot, 93) > 0.06) & (low + high > 34)
        height = 6.0 + 7 * uniform(lot, 94) + 0.12 * np.clip(inner, 0, 8)
        # bands of skylights and machines on the roof
        band = np.abs((low % 9.0) - 4.5) < 0.6
        machine = (uniform(mixed(lot, (low / 5).astype(np.int32), (block.low_v / 5).astype(np.int32)), 95) < 0.05) & (inner > 3)
        height = height + 0.5 * band * (inner > 2) + 1.8 * machine
        return (self.share(inner) * there).astype(np.float32), height.astype(np.float32), np.where(band, mixed(lot, 11), lot)

    def _parked(self, yard: Float32) -> tuple[Float32, Keys, Float32]:
        """Share and key of cars in the bays of yards, and share of the lines between bays."""
        block = self._block
        period = 2 * BAY_DEPTH_M + AISLE_M
        across = block.low_v % period
        lane = (block.low_v / period).astype(np.int32)
        second = across > BAY_DEPTH_M
        depth = np.where(second, across - BAY_DEPTH_M, across)
        bay = (block.low_u / BAY_M).astype(np.int32)
        aside = np.asarray(block.low_u - (bay + np.float32(0.5)) * np.float32(BAY_M), np.float32)
        key = mixed(block.key, bay, lane, second)
        used = uniform(mixed(block.key, lane), 101) < 0.55
        in_bay = (across < 2 * BAY_DEPTH_M) & used
        outline = np.minimum(CAR_M[1] / 2 - np.abs(aside), CAR_M[0] / 2 - np.abs(depth - BAY_DEPTH_M / 2))
        car = self.share(outline) * in_bay * (uniform(key, 102) < 0.62) * (yard > 0.95)
        lines = self.share(np.abs(aside) - np.float32(BAY_M / 2 - 0.06)) * in_bay
        return car.astype(np.float32), key, lines.astype(np.float32)

    def _kerbside(self, street: Float32) -> tuple[Float32, Keys]:
        """Share and key of cars that stand along the streets of houses and centres."""
        block = self._block
        near_u = np.minimum(block.low_u, block.high_u) < np.minimum(block.low_v, block.high_v)
        along = np.where(near_u, block.low_v, block.low_u)
        other = np.where(near_u, np.minimum(block.low_v, block.high_v), np.minimum(block.low_u, block.high_u))
        slot = (along / SLOT_M).astype(np.int32)
        key = mixed(block.side, block.key, slot)
        outline = np.minimum(CAR_M[1] / 2 - np.abs(block.edge - self._street_m / 2 + 1.1),
                             CAR_M[0] / 2 - np.abs(along - (slot + np.float32(0.5)) * np.float32(SLOT_M)))
        there = (uniform(key, 111) < 0.3) & (other > self._street_m) & np.isin(self._where.use, (Use.HOUSES, Use.CENTRE))
        there &= self._where.kerb_m > 2
        return (self.share(outline) * there * (street > 0.4)).astype(np.float32), key


def _touching(key: Keys, bad: Mask) -> Mask:
    """Which pixels (H, W) belong to the same as one of those that are bad."""
    return np.isin(key, np.unique(key[bad]))
