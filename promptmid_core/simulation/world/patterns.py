"""Land that repeats itself or shows nothing: what differs from field to field is speckle and noise, for want of anything else.

Deserts, woods and water repeat nothing, but have little in them that both sensors see.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from promptmid_core.arrays import Float32, UInt8
from promptmid_core.simulation.world.landscape import COVER, Ground, Landscape
from promptmid_core.simulation.world.noise import Keys, fractal, mixed, normal, ramp, uniform
from promptmid_core.simulation.world.optical import BRIGHT_SALT, CROP_SALT, CROPS, FURROW_SALT
from promptmid_core.simulation.world.options import WorldOptions
from promptmid_core.simulation.world.sar import LEVEL_SALT

MILE_M = 1609.344
SECTION_ROAD_M, QUARTER_TRACK_M = 11.0, 4.0
STREET_M, SETBACK_M, HOUSE_M, GAP_M = 11.0, 6.0, 11.0, 7.0  # of a block: street, front garden, depth of a house, between houses
HOUSE_HEIGHT_M, TREE_HEIGHT_M = 6.5, 7.0
CANDIDATES = 20_000


def pattern_land(rng: np.random.Generator, options: WorldOptions) -> Landscape:
    """Return the land of `options.pattern`, whatever of it is random coming from `rng`."""
    ground = _Ground(rng, options, float(rng.uniform(0, np.pi / 2)))
    makers = {"chequer": ground.chequer, "blocks": ground.blocks, "sections": ground.sections, "desert": ground.desert,
              "forest": ground.forest, "water": ground.water}
    return makers[options.pattern]()


@dataclass(frozen=True)
class _Ground:
    """Makes the land of one pattern after the other; each is called once, as it uses up random numbers."""

    rng: np.random.Generator
    options: WorldOptions
    turn: float  # of a grid against north, clockwise, in radians

    @property
    def axis(self) -> float:
        return -self.turn % np.pi if self.options.pattern in ("chequer", "blocks") else 0.0

    def chequer(self) -> Landscape:
        """Two crops that take turns, field by field; a third where a field is odd. The grid is turned and placed at random."""
        darkest, odd_one, brightest = self._crops(3)
        crops = np.array([darkest, brightest, odd_one], np.uint32)
        u, v = self._turned()
        i, j = (np.floor(a / self.options.pattern_px).astype(np.int32) for a in (u, v))
        which = (i + j) & 1
        if self.options.odd_one_in:
            odd = uniform(mixed(int(self.rng.integers(2**32)), i, j), 1) * self.options.odd_one_in < 1
            which = np.where(odd, 2, which)
        return self._bare(np.full(u.shape, Ground.CROP, np.uint8), crops[which])

    def sections(self) -> Landscape:
        """Square miles between roads, each in four quarters of a crop each, as in the Middle West of the US."""
        crops = self.rng.permutation(self._crops(4))
        gsd_m = float(self.options.gsd)
        phase = self.rng.uniform(0, MILE_M, 2)
        down, right = np.mgrid[:self._size, :self._size].astype(np.float64) * gsd_m
        x, y = (right + phase[0]) % MILE_M, (down + phase[1]) % MILE_M
        quarter = (x > MILE_M / 2) + 2 * (y > MILE_M / 2)
        paved = np.maximum(_line(x, MILE_M, SECTION_ROAD_M, gsd_m), _line(y, MILE_M, SECTION_ROAD_M, gsd_m))
        tracks = np.maximum(_line(x, MILE_M / 2, QUARTER_TRACK_M, gsd_m), _line(y, MILE_M / 2, QUARTER_TRACK_M, gsd_m))
        fields = self._bare(np.full(x.shape, Ground.CROP, np.uint8), crops[quarter])
        return _mapped(replace(fields, paved=np.maximum(paved, np.float32(0.6) * tracks)))

    def blocks(self) -> Landscape:
        """Equal blocks of houses in rows that back on each other, each house like its neighbour."""
        gsd_m = float(self.options.gsd)
        long_m = max(self.options.pattern_px * gsd_m, 2 * STREET_M + 4 * HOUSE_M)
        wide_m = max(0.6 * long_m, STREET_M + 2 * (SETBACK_M + HOUSE_M) + 12)
        u, v = (a * gsd_m for a in self._turned())
        u, v = u % long_m, v % wide_m

        def share(inner: Float32) -> Float32:
            return np.asarray(np.clip(inner / gsd_m + 0.5, 0, 1), np.float32)

        edge_u, edge_v = np.minimum(u, long_m - u), np.minimum(v, wide_m - v)
        street = share(STREET_M / 2 - np.minimum(edge_u, edge_v))
        lot_m = (long_m - STREET_M) / max(2, round((long_m - STREET_M) / 22))
        along = (u - STREET_M / 2) % lot_m
        inner = edge_v - STREET_M / 2
        roof = np.minimum(share(np.minimum(inner - SETBACK_M, SETBACK_M + HOUSE_M - inner)),
                          share(np.minimum(along, lot_m - along) - GAP_M / 2))
        roof = roof * (edge_u > STREET_M / 2) * (1 - street)
        # a tree in the back garden of each lot
        trees = share(4.0 - np.hypot(along - lot_m / 2, wide_m / 2 - edge_v)) * (1 - roof) * (1 - street)
        key = np.full(u.shape, int(self._crops(1)[0]), np.uint32)
        gardens = self._bare(np.full(u.shape, Ground.GARDEN, np.uint8), key)
        return _mapped(replace(gardens, paved=street, roof=np.asarray(roof, np.float32), canopy=np.asarray(trees, np.float32)))

    def desert(self) -> Landscape:
        """Sand in dunes and flats of gravel, with a shrub here and there."""
        size, gsd_m = self._size, float(self.options.gsd)
        long = fractal(self.rng, size, 3000 / gsd_m, 300 / gsd_m, 1.8)
        fine = fractal(self.rng, size, 400 / gsd_m, 40 / gsd_m, 1.6)
        # crests across the wind, bent by the ground
        rows, cols = np.mgrid[:size, :size].astype(np.float32) * np.float32(gsd_m)
        wind = float(self.rng.uniform(0, np.pi))
        phase = (cols * np.cos(wind) + rows * np.sin(wind) + 160 * long + 40 * fine) / np.float32(290)
        wave = phase - np.floor(phase)
        # a long windward slope and a steep lee
        dune = np.where(wave < 0.75, wave / np.float32(0.75), (1 - wave) / np.float32(0.25)).astype(np.float32)
        sand = ramp(long, -0.6, 0.4)
        dem = (np.float32(12) * long + np.float32(9) * dune * sand + fine).astype(np.float32)
        shrubs = np.clip(fractal(self.rng, size, 60 / gsd_m, 2.0, 0.4) - np.float32(1.6), 0, 0.5) * (1 - sand)
        ragged = sand + np.float32(0.3) * fractal(self.rng, size, 250 / gsd_m, 2.0, 1.3)
        kind = np.where(ragged > 0.5, np.uint8(Ground.GRAVEL), np.uint8(Ground.SOIL)).astype(np.uint8)
        keys = self.rng.integers(2**32, size=CANDIDATES, dtype=np.uint32)
        # grains that are neither white nor in furrows
        plain = keys[(np.abs(normal(keys, BRIGHT_SALT) + 1.6) < 0.1) & (uniform(keys, FURROW_SALT) < 0.1)]
        sands = self._bare(kind, np.full((size, size), plain[0], np.uint32))
        return _mapped(replace(sands, dem=dem, canopy=shrubs.astype(np.float32)))

    def forest(self) -> Landscape:
        """Closed wood over hills, with gaps where trees fell."""
        size, gsd_m = self._size, float(self.options.gsd)
        dem = np.float32(45) * fractal(self.rng, size, 2500 / gsd_m, 60 / gsd_m, 1.9)
        crowns = fractal(self.rng, size, 60 / gsd_m, 2.0, 0.4)
        gaps = ramp(fractal(self.rng, size, 300 / gsd_m, 25 / gsd_m, 1.0), 2.2, 2.8)
        canopy = np.clip(np.float32(0.95) + np.float32(0.08) * crowns, 0.3, 1) * (1 - gaps)
        stand = fractal(self.rng, size, 1500 / gsd_m, 200 / gsd_m, 1.5)
        floor = self._bare(np.full((size, size), Ground.FOREST, np.uint8), self._crops(1)[np.zeros((size, size), int)])
        return _mapped(replace(floor, dem=dem, canopy=canopy.astype(np.float32),
                               canopy_m=np.asarray(np.clip(18 + 2.5 * crowns + stand, 6, 30), np.float32),
                               conifer=np.asarray(np.clip(0.5 + 0.25 * stand + 0.2 * crowns, 0, 1), np.float32)))

    def water(self) -> Landscape:
        """Open water from edge to edge."""
        return self._bare(np.full((self._size, self._size), Ground.WATER, np.uint8),
                          self._crops(1)[np.zeros((self._size, self._size), int)])

    @property
    def _size(self) -> int:
        return self.options.size_px

    def _turned(self) -> tuple[Float32, Float32]:
        """Coordinates (H, W) in pixels of a grid that is turned and placed at random, from 0 up."""
        angle = self.turn
        phase = self.rng.uniform(0, 4096, 2) + 2 * self._size
        rows, cols = np.mgrid[:self._size, :self._size].astype(np.float64)
        u, v = cols * np.cos(angle) + rows * np.sin(angle) + phase[0], rows * np.cos(angle) - cols * np.sin(angle) + phase[1]
        return np.asarray(u, np.float32), np.asarray(v, np.float32)

    def _crops(self, count: int) -> Keys:
        """Keys of crops in rows too fine to be seen: other plants each, and the radar sees each brighter than the one before."""
        keys = self.rng.integers(2**32, size=CANDIDATES, dtype=np.uint32)
        keys = keys[uniform(keys, FURROW_SALT) < 0.1]
        plants, levels = (uniform(keys, CROP_SALT) * len(CROPS)).astype(int), normal(keys, LEVEL_SALT)
        order = np.argsort(levels)
        chosen: list[int] = []
        for share in np.linspace(0.1, 0.9, count):
            near = order[max(0, int(share * len(order)) - 20):int(share * len(order)) + 20]
            fresh = [i for i in near if plants[i] not in plants[chosen]]
            chosen.append(int((fresh or list(near))[0]))
        return np.asarray(keys[chosen], np.uint32)

    def _bare(self, kind: UInt8, parcel: Keys) -> Landscape:
        """Level land with nothing on it; what is put there has the height of houses and of garden trees."""
        none = np.zeros(kind.shape, np.float32)
        return Landscape(
            float(self.options.gsd), none, COVER[kind], kind, parcel, np.zeros(kind.shape, np.uint8),
            np.full(kind.shape, self.axis, np.float32), (kind == Ground.WATER).astype(np.float32), none, none,
            np.full_like(none, HOUSE_HEIGHT_M), none, np.full_like(none, TREE_HEIGHT_M), np.full_like(none, 0.3))


def _mapped(land: Landscape) -> Landscape:
    """The land with the cover of what stands on it."""
    cover = land.cover.copy()
    cover[(land.canopy > 0.5) & (land.ground != Ground.GARDEN)] = 10
    cover[land.paved > 0.5] = 50
    return replace(land, cover=cover)


def _line(at: np.ndarray[tuple[int, ...], np.dtype[np.float64]], period_m: float, width_m: float, gsd_m: float) -> Float32:
    """Share of a pixel under a line of some width that runs at every multiple of a period."""
    away = np.minimum(at % period_m, period_m - at % period_m)
    return np.asarray(np.clip((width_m / 2 - away) / gsd_m + 0.5, 0, 1), np.float32)
