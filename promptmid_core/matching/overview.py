"""A whole level of the map at a glance: the few channels that find a place and can be turned, in coarse cells."""

from __future__ import annotations

from typing import Protocol

import numpy as np

from promptmid_core.descriptors import gradients
from promptmid_core.errors import InputError
from promptmid_core.geometry import Bounds, DescriptorMap, Grid
from promptmid_core.matching.correlation import Size, Spectra, centred, spectrum
from promptmid_core.matching.pool import pooled

ORDER = 2  # of the harmonics that are kept: a fourth of the work of all, nearly all of what they tell
CELL_PX = 8  # pixels of the level a side: finer cells bear less of a wrong heading, and take five times as long
MOST_CELLS = 1_500_000  # what a search of as many holds takes 0.2 GB
STRIP_PX = 256


class MapLevel(Protocol):
    """What is read of a level of a reference map."""

    @property
    def grid(self) -> Grid: ...
    @property
    def stride(self) -> int: ...

    def descriptors(self, col: int, row: int, width: int, height: int) -> DescriptorMap: ...


class Overview:
    """`described`: the kept channels (C, rows, cols) of a level, or of a part of it, in cells of `described.stride` pixels.

    What a search makes of it is kept for the next frame of about the same size.
    """

    def __init__(self, described: DescriptorMap) -> None:
        self.described = described
        self._kept: tuple[int, Spectra] | None = None

    @staticmethod
    def of(level: MapLevel, cell_px: int = CELL_PX, bounds: Bounds | None = None) -> Overview:
        """Read a level in strips; only what of it lies within `bounds`, metres in `map`, where there are such.

        Raises InputError where there are more than MOST_CELLS, where nothing of the level lies within the bounds, and where the
        descriptors have no channels that can be turned. Raises ValueError where a cell is not in multiples of the stride.
        """
        factor, rest = divmod(cell_px, level.stride)
        if rest or not factor:
            raise ValueError(f"cells of {cell_px} px are not in multiples of the stride {level.stride}")
        col, row, width, height = _window(level.grid, bounds, cell_px)
        if width * height > MOST_CELLS * cell_px ** 2:
            raise InputError(f"a search over {width}x{height} px is one over {width * height / cell_px ** 2:.3g} cells of "
                             f"{cell_px} px, more than {MOST_CELLS}; give a first position")
        step = max(STRIP_PX // cell_px, 1) * cell_px
        strips = [_coarse(level.descriptors(col, top, width, min(step, row + height - top)), factor)
                  for top in range(row, row + height, step)]
        array = np.concatenate([strip.array for strip in strips], axis=1)
        valid = np.concatenate([strip.valid for strip in strips])
        return Overview(DescriptorMap(array, valid, level.grid.cut(col, row, width, height).every(cell_px), cell_px,
                                      strips[0].groups))

    def coarser(self) -> Overview:
        """Return the same in cells of twice the side."""
        return Overview(pooled(self.described, 2))

    @property
    def grid(self) -> Grid:
        return self.described.grid

    @property
    def cell_px(self) -> int:
        return self.described.stride

    def spectra(self, margin: int) -> Spectra:
        """Return what a correlation needs, with `margin` empty cells to the north and west, for patches of 2 margin + 1 cells.

        Those to the south and east are the same ones: the transform goes round.
        """
        if self._kept is None or self._kept[0] != margin:
            self._kept = margin, self._spectra(margin)
        return self._kept[1]

    def _spectra(self, margin: int) -> Spectra:
        size: Size = (self.grid.height + margin, self.grid.width + margin)
        array = centred(self.described.array, self.described.valid)
        around = ((margin, 0), (margin, 0))
        energy = np.einsum("cij,cij->ij", array, array)
        return Spectra(size, spectrum(np.pad(array, ((0, 0), *around))[None], size), spectrum(np.pad(energy, around)[None], size),
                       spectrum(np.pad(self.described.valid, around)[None], size))


def turnable(described: DescriptorMap) -> DescriptorMap:
    """Return the channels of a descriptor map that an overview keeps. Raises InputError where it has none."""
    parts = described.parts(gradients.GROUP)
    if not parts:
        raise InputError(f"the descriptors have no channels called {gradients.GROUP}, so no place is found without a prior; "
                         "build the map with the descriptor promptmid or structural")
    (group, channels), = parts
    orders = gradients.ORDERS * (group.channels // len(gradients.ORDERS))
    kept = np.asarray(channels[[order == ORDER for order in orders]], np.float32)
    return DescriptorMap(kept, described.valid, described.grid, described.stride)


def _coarse(described: DescriptorMap, factor: int) -> DescriptorMap:
    kept = turnable(described)
    return pooled(kept, factor) if factor > 1 else kept


def _window(grid: Grid, bounds: Bounds | None, cell: int) -> tuple[int, int, int, int]:
    """Column, row, width and height of the whole cells that lie within bounds."""
    left, top, right, bottom = 0.0, 0.0, float(grid.width), float(grid.height)
    if bounds is not None:
        (west, east), (north, south) = grid.to_pixel([bounds[0], bounds[2]], [bounds[3], bounds[1]])
        left, top, right, bottom = max(left, west), max(top, north), min(right, east + 1), min(bottom, south + 1)
    col, row = int(left) // cell * cell, int(top) // cell * cell
    width, height = int(right - col) // cell * cell, int(bottom - row) // cell * cell
    if width <= 0 or height <= 0:
        raise InputError("no ground of the map lies where the search is to look; give a first position on the map")
    return col, row, width, height

