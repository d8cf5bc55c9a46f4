"""The ground of a scenario divided into cells that share none of it, so that flights are independent."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from promptmid_core.errors import InputError
from promptmid_core.files import cannot_write
from promptmid_core.georaster.source import opened

if TYPE_CHECKING:
    from rasterio.windows import Window

CELL_FIELDS = {
    "side_px": "Side of a cell, in pixels of the optical raster.",
    "margin_px": "How far beyond its cell a flight may see, in the same pixels; default: 0. Where cells are to be independent, "
                 "this much they share.",
    "most": "So many cells at most, spread evenly over all; default: all.",
}
LEAST_KNOWN = 0.95  # share of what a flight in a cell may see that the raster has to show


@dataclass(frozen=True)
class Division:
    """A division of the optical raster into squares of `side_px` of its pixels. A flight in one sees `margin_px` beyond it, and
    `most` of them are flown over, spread evenly; None: all."""

    side_px: int
    margin_px: int = 0
    most: int | None = None

    def cells(self, optical: Path) -> list[tuple[int, int]]:
        """Return column and row of each cell that the raster shows. Raises InputError where there is none."""
        side = self.side_px
        with opened(optical) as source:
            found = [(col, row) for row in range(source.height // side) for col in range(source.width // side)
                     if (source.dataset_mask(window=self._window(source, (col, row))) > 0).mean() >= LEAST_KNOWN]
            size = f"{source.width} x {source.height}"
        if not found:
            raise InputError(f"{optical} of {size} px has no cell of {side} px that it shows whole; give a smaller side_px")
        if self.most is None or self.most >= len(found):
            return found
        return [found[index] for index in np.linspace(0, len(found) - 1, self.most).round().astype(int)]

    def cut(self, optical: Path, cell: tuple[int, int], out: Path) -> None:
        """Write the part of a raster that a flight in a cell may see."""
        import rasterio
        from rasterio.errors import RasterioError

        with opened(optical) as source:
            window = self._window(source, cell)
            corner = source.transform @ source.transform.translation(window.col_off, window.row_off)
            profile = {**source.profile, "driver": "GTiff", "width": window.width, "height": window.height, "transform": corner,
                       "tiled": False, "compress": "deflate"}
            for name in ("blockxsize", "blockysize"):
                profile.pop(name, None)
            try:
                with rasterio.open(out, "w", **profile) as target:
                    target.write(source.read(window=window))
            except (OSError, RasterioError) as error:
                raise cannot_write(out, error, "free the place or name another folder") from error

    def _window(self, source: Any, cell: tuple[int, int]) -> Window:
        """What a flight in a cell may see of a raster."""
        from rasterio.windows import Window

        left, top = (max(0, at * self.side_px - self.margin_px) for at in cell)
        right, bottom = (min(size, (at + 1) * self.side_px + self.margin_px)
                         for at, size in zip(cell, (source.width, source.height), strict=True))
        return Window(left, top, right - left, bottom - top)
