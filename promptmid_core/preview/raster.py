"""A layer of a map as a Cloud Optimized GeoTIFF in the map's CRS, for the tools that read rasters."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from promptmid_core.arrays import Mask
from promptmid_core.errors import InputError
from promptmid_core.files import check_target, replacing, writing
from promptmid_core.geometry import Grid
from promptmid_core.preview.page import COLOURS
from promptmid_core.refmap import ReferenceMap

KINDS = (".tif", ".tiff")
BLOCK = 512
UNKNOWN = 65535  # class code of no land cover
MOST_COLOURED = 256  # codes that a table of colours can hold

Window = tuple[int, int, NDArray[Any], Mask]


@dataclass(frozen=True)
class RasterLayer:
    """One band on a `grid` in the map's frame: `windows` yields columns, rows, values and where these are known; `nodata` stands
    for the others. `colours` by value, and `tags` of the file."""

    grid: Grid
    dtype: str
    nodata: float
    windows: Iterator[Window]
    colours: dict[int, tuple[int, int, int]] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)


def sar_layer(reference: ReferenceMap) -> RasterLayer:
    """Return the SAR pixels in the product's own values, as float32, NaN where there are none."""
    windows = ((col, row, patch.image, patch.valid) for col, row, patch in
               ((*window[:2], reference.image(*window)) for window in _tiles(reference)))
    return RasterLayer(reference.grid, "float32", float("nan"), windows, tags={"layer": "sar"})


def landuse_layer(reference: ReferenceMap) -> RasterLayer:
    """Return the codes of land cover, with colours and with what they mean as tags. Raises InputError where the map has none."""
    table = reference.header.vocabulary.table
    if not reference.has_landuse or table is None:
        raise InputError(f"{reference.path} has no land use, as it was built without land cover; build it with --landcover, or "
                         "ask for --layer sar")

    def windows() -> Iterator[Window]:
        for window in _tiles(reference):
            codes = reference.landuse(*window)
            assert codes is not None
            yield *window[:2], codes.image, codes.valid

    words = {int(code): word for code, word in table.landuse.items() if word}
    small = max(map(int, table.landuse)) < MOST_COLOURED - 1
    return RasterLayer(reference.grid, "uint8" if small else "uint16", MOST_COLOURED - 1 if small else UNKNOWN, windows(),
                 {code: COLOURS[word] for code, word in words.items()} if small else {},
                 {"layer": "landuse", **{f"class_{code}": word for code, word in words.items()}})


def write_layer(path: Path, reference: ReferenceMap, layer: RasterLayer) -> None:
    """Write a layer as a Cloud Optimized GeoTIFF. Raises InputError where `path` is of another kind or cannot be written."""
    import rasterio
    from rasterio.shutil import copy
    from rasterio.windows import Window as Place

    check_target(path, KINDS)
    with writing(path), replacing(path) as beside:
        plain = beside.with_name(f"plain-{beside.name}")
        profile = {"driver": "GTiff", "dtype": layer.dtype, "count": 1, "width": layer.grid.width, "height": layer.grid.height,
                   "crs": reference.frame.crs, "transform": rasterio.Affine(*layer.grid.to_transform(reference.frame.origin)),
                   "nodata": layer.nodata, "tiled": True, "blockxsize": BLOCK, "blockysize": BLOCK, "BIGTIFF": "IF_SAFER"}
        with rasterio.open(plain, "w", **profile) as file:
            if layer.colours:
                file.write_colormap(1, layer.colours)  # before the pixels, or the file is no palette any more
            for col, row, values, known in layer.windows:
                filled = np.where(known, values, layer.nodata).astype(layer.dtype)
                file.write(filled, 1, window=Place(col, row, filled.shape[1], filled.shape[0]))
            file.update_tags(map=reference.path.name, **layer.tags)
            file.set_band_description(1, layer.tags["layer"])
        nearest = "NEAREST" if np.issubdtype(np.dtype(layer.dtype), np.integer) else "AVERAGE"
        copy(plain, beside, driver="COG", compress="DEFLATE", blocksize=BLOCK, overview_resampling=nearest)
        plain.unlink()


def _tiles(reference: ReferenceMap) -> Iterator[tuple[int, int, int, int]]:
    grid, step = reference.grid, reference.header.tile_px
    for row in range(0, grid.height, step):
        for col in range(0, grid.width, step):
            yield col, row, min(step, grid.width - col), min(step, grid.height - row)
