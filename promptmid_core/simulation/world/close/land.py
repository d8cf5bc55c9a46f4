"""A landscape of pixels of a metre or so, as a town's edge looks from near."""

from __future__ import annotations

import numpy as np

from promptmid_core.arrays import Float32, UInt8
from promptmid_core.simulation.world.close.crowns import Crowns, Trees, crowns
from promptmid_core.simulation.world.close.town import CAR_M, Builder, Townscape
from promptmid_core.simulation.world.close.zones import BUILT, Use, Zones, zones
from promptmid_core.simulation.world.landscape import COVER, Ground, Landscape, Paint
from promptmid_core.simulation.world.lines import curved, painted
from promptmid_core.simulation.world.noise import Keys, blurred, fractal, mixed, ramp, uniform
from promptmid_core.simulation.world.parcels import cells

GARDEN_TREES = Trees(7.5, (1.4, 3.8), (3.0, 10.0))
WOOD_TREES = Trees(5.0, (2.4, 4.2), (12.0, 20.0))
BUSHES = Trees(2.6, (0.5, 1.2), (1.0, 2.2))
RELIEF_M = 9.0
STREAM_M = 9.0
PAVEMENT, LINES = np.array([0.205, 0.2, 0.19], np.float32), np.array([0.36, 0.36, 0.35], np.float32)
CARS = np.array([[0.42, 0.42, 0.43], [0.05, 0.05, 0.055], [0.25, 0.26, 0.27], [0.2, 0.03, 0.025], [0.04, 0.07, 0.16],
                 [0.12, 0.12, 0.125]], np.float32)


def close_landscape(rng: np.random.Generator, size: int, gsd_m: float, salt: int) -> Landscape:
    """Return a land of `size` x `size` pixels of less than 5 m, with single houses, trees and cars."""
    dem = np.float32(RELIEF_M) * fractal(rng, size, 1100 / gsd_m, 30 / gsd_m, 2.0)
    where = zones(rng, size, gsd_m, salt)
    water = _stream(rng, size, gsd_m)
    dem -= np.float32(2.5) * blurred(water, 4 / gsd_m)
    dry = 1 - np.clip(blurred(water, 8 / gsd_m) * 4, 0, 1)
    built = Builder(where, gsd_m, dry > 0.5).built()
    kind, parcel, axis, edge = _fields(where, gsd_m)
    path = _paths(rng, where, gsd_m)
    kind[where.use == Use.HOUSES], kind[where.use == Use.CENTRE] = Ground.GARDEN, Ground.GARDEN
    kind[where.use == Use.PARK], kind[where.use == Use.WOOD] = Ground.MEADOW, Ground.FOREST
    kind[where.use == Use.HALLS] = Ground.YARD
    town = np.isin(where.use, BUILT)
    parcel = np.where(town, built.key, np.where(where.use == Use.FIELDS, parcel, where.key))

    roof, roof_m = built.roof, built.roof_m
    car = built.car * (1 - roof)
    paved = np.maximum(built.street, np.maximum(0.9 * path, 0.95 * built.yard * (1 - roof)))
    paved = np.maximum(paved, built.pavement)
    trees = _trees(rng, where, built, edge, dry, gsd_m)
    free = (1 - roof) * (1 - car) * (1 - water)
    # crowns reach over gardens and pavements, not over houses; streets are mostly kept free
    canopy = trees.share * free * (1 - 0.8 * built.street) * (1 - 0.9 * path)
    canopy_m = trees.height_m
    hedge = built.hedge * free * (canopy < 0.3)
    canopy, canopy_m = np.maximum(canopy, hedge), np.where(hedge > 0.2, np.float32(1.7), canopy_m)
    paved = paved * (1 - canopy * (built.street < 0.5))
    water = water * (1 - built.street)

    parcel = np.where(canopy > 0.5, mixed(trees.key, 13), parcel)
    parcel = np.where(car > 0.3, mixed(built.car_key, 17), parcel)
    kind = np.where(water > 0.5, np.uint8(Ground.WATER), kind).astype(np.uint8)
    roof_m = np.where(car > roof, np.float32(CAR_M[2]), roof_m)
    cover = COVER[kind]
    cover[(canopy > 0.5) & (where.use != Use.CENTRE)] = 10
    cover[(paved > 0.5) | (roof > 0.5)] = 50
    conifer = np.clip(1.8 * uniform(parcel, 19) - 0.9 + 0.5 * (where.use == Use.WOOD) * uniform(where.key, 21), 0, 1)
    paint = _paint(built, car, canopy)
    return Landscape(gsd_m, dem, cover, kind, parcel, np.zeros(kind.shape, np.uint8), axis, water,
                     (paved * (1 - roof) * (1 - car)).astype(np.float32), np.maximum(roof, car).astype(np.float32),
                     roof_m.astype(np.float32), canopy.astype(np.float32), canopy_m.astype(np.float32),
                     conifer.astype(np.float32), paint)


def _stream(rng: np.random.Generator, size: int, gsd_m: float) -> Float32:
    """Share of a pixel under a stream that winds from one side of the land to the other."""
    begin, end = (float(at) * size for at in rng.uniform(0.15, 0.85, 2))
    along = np.linspace(-0.05 * size, 1.05 * size, max(50, int(size * gsd_m / 8)))
    line = np.column_stack([np.linspace(begin, end, len(along)), along])
    if rng.random() < 0.5:
        line = line[:, ::-1]
    line = curved(rng, line, 45 / gsd_m, 220 / gsd_m)
    wide = STREAM_M * (1 + 0.25 * np.sin(np.linspace(0, 25, len(line))))
    return painted(size, [line], [wide / gsd_m])


def _fields(where: Zones, gsd_m: float) -> tuple[UInt8, Keys, Float32, Float32]:
    """Ground, parcel key and furrow direction of fields, and metres to a field's border."""
    u, v = where.along(gsd_m)
    shape = u.shape
    flat = cells(v.ravel(), u.ravel(), np.full(u.size, 62, np.float32), np.full(u.size, 150, np.float32), where.key.ravel())
    key, edge = flat.key.reshape(shape), flat.edge.reshape(shape)
    use = uniform(key, 1)
    kind = np.select([use < 0.45, use < 0.6, use < 0.9], [np.uint8(Ground.CROP), np.uint8(Ground.SOIL), np.uint8(Ground.MEADOW)],
                     np.uint8(Ground.FALLOW)).astype(np.uint8)
    return kind, key, where.axis, np.minimum(edge, np.maximum(where.kerb_m - 1, 0))


def _paths(rng: np.random.Generator, where: Zones, gsd_m: float) -> Float32:
    """Share of a pixel under the paths of parks and woods, which wind along the levels of a smooth field."""
    field = fractal(rng, len(where.axis), 160 / gsd_m, 70 / gsd_m, 2.0)
    steep = np.hypot(*np.gradient(field)) / np.float32(gsd_m)
    away = np.abs(field) / np.maximum(steep, 1e-4)
    share = np.clip((np.float32(1.3) - away) / np.float32(gsd_m) + np.float32(0.5), 0, 1)
    return np.asarray(share * np.isin(where.use, (Use.PARK, Use.WOOD)), np.float32)


def _trees(rng: np.random.Generator, where: Zones, built: Townscape, edge: Float32, dry: Float32,
           gsd_m: float) -> Crowns:
    size, salt = len(where.axis), int(rng.integers(2**32))
    ragged = fractal(rng, size, 9 / gsd_m, max(2.0, 1.2 / gsd_m), 0.6)
    patchy = fractal(rng, size, 120 / gsd_m, 10 / gsd_m, 1.2)
    leafy = np.array([0.42, 0.25, 0.05, 0.34, 0.0, 0.0], np.float32)[where.use]
    sparse = leafy * np.clip(1 + 0.8 * patchy, 0, 2.2)
    # a tree is planted where its trunk has room
    sparse = sparse * (built.street < 0.05) * (built.roof < 0.05) * (1 - built.yard * np.float32(0.6)) * (built.car < 0.05)
    rows = (where.use == Use.FIELDS) * ramp(edge, 3.0, 1.0) * (uniform(mixed(where.key, (edge < 30).astype(int)), 7) < 0.6)
    banks = ramp(dry, 1.0, 0.6) * np.float32(0.7) * (built.street < 0.05) * (built.roof < 0.05)
    garden = crowns(np.maximum(np.maximum(sparse, 0.55 * rows), banks), gsd_m, GARDEN_TREES, salt ^ 0x51, ragged)
    gaps = ramp(patchy, -1.6, -0.9) * (built.street < 0.3)
    wood = crowns(((where.use == Use.WOOD) * np.float32(0.93) * gaps).astype(np.float32), gsd_m, WOOD_TREES, salt ^ 0x52, ragged)
    bushes = crowns((0.07 * built.garden + 0.05 * (where.use == Use.PARK) + 0.6 * rows).astype(np.float32), gsd_m, BUSHES,
                    salt ^ 0x53, ragged)
    return wood.over(garden).over(bushes)


def _paint(built: Townscape, car: Float32, canopy: Float32) -> Paint:
    """What has a colour of its own: pavements, lines on roads, cars."""
    colour = np.empty((*car.shape, 3), np.float32)
    colour[:] = PAVEMENT
    share = built.pavement * np.float32(0.85)
    colour[built.marking > 0] = LINES
    share = np.maximum(share, built.marking)
    parked = car > 0
    colour[parked] = CARS[(uniform(built.car_key[parked], 121) ** 1.2 * len(CARS)).astype(int)]
    share = np.where(parked, car, share) * (1 - canopy)
    return Paint(share.astype(np.float32), colour)
