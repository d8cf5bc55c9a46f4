"""Built-up land: districts with a street grid of their own, blocks, and buildings with a height and a colour key."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

import cv2
import numpy as np
from numpy.typing import NDArray

from promptmid_core.arrays import Float32, Float64, Mask
from promptmid_core.simulation.world.noise import Keys, enlarged, fractal, mixed, normal, shrunk, uniform
from promptmid_core.simulation.world.parcels import Rectangles, cells, districts, intervals
from promptmid_core.simulation.world.roads import Roads, Site
from promptmid_core.simulation.world.terrain import COARSE, Landform

DISTRICT_M = 480.0
RAGGED = 0.35  # how far, in town radii, single blocks reach out of a town or stay empty


class Quarter(IntEnum):
    """The kinds of district; the value is the row in QUARTERS."""

    HOUSES = 0
    TERRACES = 1
    CENTRE = 2
    INDUSTRY = 3
    PARK = 4
    SITE = 5


# block length and width, street width, setback of the building line, depth of a row, lot length, gap between buildings;
# all metres. In industry, depth 0 stands for halls that fill their lot.
QUARTERS = np.array([
    [190.0, 76.0, 9.0, 7.0, 11.0, 21.0, 7.0],
    [150.0, 68.0, 10.0, 4.0, 13.0, 30.0, 3.0],
    [105.0, 80.0, 12.0, 1.0, 19.0, 26.0, 0.0],
    [300.0, 190.0, 14.0, 10.0, 0.0, 85.0, 16.0],
    [260.0, 200.0, 4.0, 0.0, 0.0, 1e4, 1e4],
    [240.0, 160.0, 8.0, 0.0, 0.0, 1e4, 1e4],
], np.float32)  # fmt: skip


@dataclass(frozen=True)
class Settlement:
    """Built-up land of a landscape. `inside` (H, W) bool; the other arrays hold one value for each inside pixel, in row order.

    `quarter` Quarter; `axis` radians anticlockwise from east of the streets; `lot` key of the lot; `street`, `roof`,
    `trees` shares of the pixel; `height_m` of buildings.
    """

    inside: Mask
    quarter: NDArray[np.int32]
    axis: Float32
    lot: Keys
    street: Float32
    roof: Float32
    trees: Float32
    height_m: Float32


def settlement(rng: np.random.Generator, ground: Landform, settled: list[Site], network: Roads, salt: int) -> Settlement:
    """Build the places: centres dense, outskirts loose, halls at the rim of towns; streets follow the nearest main road."""
    size, gsd_m = ground.size, ground.gsd_m
    core = _core(rng, ground, settled, network)
    candidate = (core > -RAGGED / 2) & (ground.water < 0.3) & (ground.gravel < 0.3)
    rows, cols = np.nonzero(candidate)

    small_bend = fractal(rng, size, 600 / gsd_m, 80 / gsd_m, 1.5) * (20 / gsd_m)
    division = districts(rng, size, DISTRICT_M / gsd_m, (small_bend, small_bend[::-1]))
    quarter_of, axis_of = _character(rng, division.seeds, core, network, settled, gsd_m)
    blocks = _blocks(rows, cols, gsd_m, division.label[rows, cols], quarter_of, axis_of, salt)
    # land is built on block by block, so a town ends along its streets
    built = core[rows, cols] + RAGGED * (uniform(blocks.key, 35) - 0.5) > 0
    rows, cols = rows[built], cols[built]
    inside = np.zeros_like(candidate)
    inside[rows, cols] = True
    label = division.label[rows, cols]
    quarter, axis = quarter_of[label], axis_of[label]
    block = blocks.only(built)
    _, _, street_m, setback, depth, lot_m, gap = QUARTERS[quarter].T

    def share(inner: Float32) -> Float32:
        """Return how much of a pixel lies inside an outline that is `inner` metres away."""
        return np.asarray(np.clip(inner * np.float32(1 / gsd_m) + np.float32(0.5), 0, 1), np.float32)

    border = division.borders()[rows, cols]
    street = np.maximum(share(street_m / 2 - block.edge), 0.8 * (border > 0))
    street *= np.where(quarter == Quarter.PARK, np.float32(0.35), np.float32(1))

    # lots: along the street in rows that back on each other, or a grid of halls
    halls = quarter == Quarter.INDUSTRY
    inner_v = np.minimum(block.low_v, block.high_v) - street_m / 2
    row = mixed(block.key, block.low_v < block.high_v)
    number, low, high = intervals(block.low_u, lot_m, row)
    row_house = share(np.minimum(inner_v - setback, setback + depth - inner_v))
    row_house = np.minimum(row_house, share(np.minimum(low, high) - gap / 2))
    plot = cells(block.low_u, block.low_v, 1.4 * lot_m, 0.8 * lot_m, block.key)
    lot = np.where(halls, plot.key, mixed(row, number))
    # closed blocks have buildings on all four sides
    inner = np.minimum(np.minimum(block.low_u, block.high_u) - street_m / 2, inner_v)
    closed = share(np.minimum(inner - setback, setback + depth - inner))
    hall = np.minimum(share(plot.edge - gap / 2), share(inner - setback))
    roof = np.select([halls, quarter == Quarter.CENTRE], [hall, closed], row_house)
    vacant = np.array([0.08, 0.06, 0.05, 0.3, 1.0, 1.0], np.float32)[quarter]
    roof = roof * (uniform(lot, 31) >= vacant) * (1 - street)

    mean = np.array([6.0, 9.0, 15.0, 9.0, 0.0, 0.0], np.float32)[quarter]
    spread = np.array([1.0, 2.0, 4.0, 2.5, 0.0, 0.0], np.float32)[quarter]
    height = np.clip(mean + spread * normal(lot, 32), 3.0, None)
    height = np.where((quarter == Quarter.CENTRE) & (uniform(block.key, 33) < 0.04), height * np.float32(2.2), height)

    leafy = np.array([0.34, 0.2, 0.08, 0.04, 0.55, 0.03], np.float32)[quarter] * (0.4 + 1.2 * uniform(block.key, 34))
    grain = fractal(rng, size, 60 / gsd_m, 2.0, 0.7)[rows, cols]
    trees = np.clip(leafy + 0.3 * grain * np.sqrt(leafy), 0, 0.9) * (1 - street) * (1 - roof)
    shares = (street, roof.astype(np.float32), trees.astype(np.float32))
    return Settlement(inside, quarter, axis, lot, *shares, height.astype(np.float32))


def _blocks(
    rows: NDArray[np.int64],
    cols: NDArray[np.int64],
    gsd_m: float,
    label: NDArray[np.int32],
    quarter_of: NDArray[np.int32],
    axis_of: Float32,
    salt: int,
) -> Rectangles:
    """The block of each pixel: streets run straight through their district."""
    axis = axis_of[label]
    east, north = cols.astype(np.float32) * np.float32(gsd_m), -rows.astype(np.float32) * np.float32(gsd_m)
    u = east * np.cos(axis) + north * np.sin(axis)
    v = north * np.cos(axis) - east * np.sin(axis)
    length, width = QUARTERS[quarter_of[label], :2].T
    return cells(u, v, length, width, mixed(salt, label), crossing=True)


def _core(rng: np.random.Generator, ground: Landform, settled: list[Site], network: Roads) -> Float32:
    """(H, W) how deep in a settlement: 1 in its centre, 0 at its rim, negative outside; it reaches out along the roads."""
    size, gsd_m = ground.size, ground.gsd_m
    n = size // COARSE
    road = np.ones((n, n), np.uint8)
    road[shrunk(network.paved, n) > 0.12] = 0
    from_road = cv2.distanceTransform(road, cv2.DIST_L2, 5) * np.float32(gsd_m * COARSE)
    wobble = shrunk(fractal(rng, size, 2500 / gsd_m, 100 / gsd_m, 1.1), n)
    steep = shrunk(ground.steepness(), n)
    rows, cols = np.mgrid[:n, :n].astype(np.float32) * COARSE
    depth = np.full((n, n), -1.0, np.float32)
    for place in settled:
        reach = int(2.2 * place.radius_m / gsd_m / COARSE) + 2
        r, c = int(place.row / COARSE), int(place.col / COARSE)
        window = np.s_[max(0, r - reach) : r + reach + 1, max(0, c - reach) : c + reach + 1]
        away = np.hypot(rows[window] - place.row, cols[window] - place.col) * np.float32(gsd_m / place.radius_m)
        if place.radius_m > 100:
            ribbon = 0.45 * np.exp(-from_road[window] / 160)
            away = away * (1 - ribbon) + 0.2 * wobble[window] + 2.5 * np.maximum(steep[window] - 0.08, 0)
        depth[window] = np.maximum(depth[window], 1 - away)
    return enlarged(depth, size)


def _character(
    rng: np.random.Generator, seeds: Float64, core: Float32, network: Roads, settled: list[Site], gsd_m: float
) -> tuple[NDArray[np.int32], Float32]:
    """Quarter (N,) and street direction (N,) of each district."""
    from scipy.spatial import cKDTree

    size = len(core)
    at = np.clip(seeds.astype(int), 0, size - 1)
    depth = core[at[:, 0], at[:, 1]]
    centres = np.array([(place.row, place.col) for place in settled])
    radius = np.array([place.radius_m for place in settled])[cKDTree(centres).query(seeds)[1]]
    dice = rng.random(len(seeds))
    town = radius > 400
    quarter = np.full(len(seeds), Quarter.HOUSES, np.int32)
    quarter[dice > 0.6] = Quarter.TERRACES
    quarter[town & (depth < 0.6) & (dice < 0.24)] = Quarter.INDUSTRY
    quarter[town & (depth > 0.58) & (dice > 0.1)] = Quarter.CENTRE
    quarter[town & (dice > 0.93)] = Quarter.PARK
    quarter[town & (depth < 0.5) & (dice > 0.90) & (dice < 0.93)] = Quarter.SITE

    points = np.vstack([0.5 * (line[1:] + line[:-1]) for line in network.lines])
    along = np.vstack([np.diff(line, axis=0) for line in network.lines])
    heading = np.arctan2(-along[:, 0], along[:, 1])
    away, nearest = cKDTree(points).query(seeds)
    free = rng.random(len(seeds)) < np.clip(away * gsd_m / 1500, 0.15, 1)
    axis = np.where(free, rng.uniform(0, np.pi, len(seeds)), heading[nearest])
    return quarter, axis.astype(np.float32)
