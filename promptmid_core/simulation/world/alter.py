"""Rasters that are wrong: parts shifted, replaced by other ground, turned, mirrored or shuffled."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from promptmid_core.errors import InputError
from promptmid_core.files import cannot_write, replacing
from promptmid_core.georaster import check_raster
from promptmid_core.simulation.world.alterations import AlterationOptions

Pixels = NDArray[Any]  # (bands, H, W)


def alter_raster(source: Path, out: Path, options: AlterationOptions, other: Path | None = None) -> None:
    """Write a GeoTIFF of the same grid, type and tags as `source`, its pixels altered; it appears whole or not at all.

    `other` is where ground that replaces some comes from, a raster of the same bands and type; without it that is the same
    raster, mirrored, from elsewhere. Raises InputError where a raster cannot be read or altered so, or `out` cannot be written.
    """
    import rasterio

    check_raster(source, "sar")
    with rasterio.open(source) as file:
        pixels, profile, tags = file.read(), file.profile, file.tags()
    foreign = pixels[..., ::-1]
    if other is not None:
        check_raster(other, "sar")
        with rasterio.open(other) as file:
            foreign = file.read()
        if foreign.shape[0] != pixels.shape[0] or foreign.dtype != pixels.dtype:
            raise InputError(f"{other} has {foreign.shape[0]} bands of {foreign.dtype}, {source} {pixels.shape[0]} of "
                             f"{pixels.dtype}; give rasters of one kind.")
    try:
        altered = altered_pixels(pixels, options, foreign)
    except ValueError as error:
        raise InputError(f"{source} cannot be altered so: {error}") from error
    profile["driver"] = "GTiff"
    try:
        with replacing(out, out.parent) as partial, rasterio.open(partial, "w", **profile) as file:
            file.write(altered)
            file.update_tags(**tags)
    except (OSError, rasterio.errors.RasterioError) as error:
        raise cannot_write(out, error, "name another file, where there is room") from error


def altered_pixels(pixels: Pixels, options: AlterationOptions, foreign: Pixels) -> Pixels:
    """Return pixels (bands, H, W) altered as the options say; `foreign` (bands, h, w) is other ground.

    Raises ValueError where they cannot be.
    """
    rows, cols = pixels.shape[1:]
    part = {"all": np.s_[:, :, :], "left": np.s_[:, :, :cols // 2], "right": np.s_[:, :, cols // 2:],
            "upper": np.s_[:, :rows // 2], "lower": np.s_[:, rows // 2:]}[options.part]
    out = pixels.copy()
    rng = np.random.default_rng(options.seed)
    if options.way == "shift":
        right, down = (int(px) for px in options.shift_px)
        out[part] = _shifted(pixels, right, down)[part]
    elif options.way == "mirror":
        out[part] = pixels[part][..., ::-1]
    elif options.way == "turn":
        turned = np.rot90(pixels[part], options.quarters, axes=(1, 2))
        if turned.shape != out[part].shape:
            raise ValueError(f"a part of {pixels[part].shape[2]}x{pixels[part].shape[1]} pixels does not fit its place after "
                             f"{options.quarters} quarter turns; give 2 quarters")
        out[part] = turned
    elif options.way == "replace":
        out[part] = _replaced(rng, pixels[part], foreign, options)
    else:
        out[part] = _shuffled(rng, pixels[part], options.tile_px)
    return out


def _shifted(pixels: Pixels, right: int, down: int) -> Pixels:
    """The pixels moved; at the rim they are mirrored into what is uncovered."""
    rows, cols = pixels.shape[1:]
    return pixels[:, _mirrored(np.arange(rows) - down, rows)[:, None], _mirrored(np.arange(cols) - right, cols)]


def _mirrored(at: NDArray[np.int64], size: int) -> NDArray[np.int64]:
    at = np.abs(at) % (2 * size)
    return np.minimum(at, 2 * size - 1 - at)


def _corners(shape: tuple[int, ...], tile: int) -> NDArray[np.int64]:
    """Rows and columns (N, 2) of the tiles that fit."""
    rows, cols = np.mgrid[:shape[1] // tile, :shape[2] // tile] * tile
    if rows.size < 2:
        raise ValueError(f"tiles of {tile} px do not fit into {shape[2]}x{shape[1]} pixels; give a smaller tile_px")
    return np.column_stack([rows.ravel(), cols.ravel()])


def _replaced(rng: np.random.Generator, pixels: Pixels, foreign: Pixels, options: AlterationOptions) -> Pixels:
    tile = options.tile_px
    corners, sources = _corners(pixels.shape, tile), _corners(foreign.shape, tile)
    out = pixels.copy()
    for row, col in rng.permutation(corners)[:round(options.share_percent / 100 * len(corners))]:
        r, c = sources[rng.integers(len(sources))]
        out[:, row:row + tile, col:col + tile] = foreign[:, r:r + tile, c:c + tile]
    return out


def _shuffled(rng: np.random.Generator, pixels: Pixels, tile: int) -> Pixels:
    """Each tile in the place of another: none stays."""
    corners = rng.permutation(_corners(pixels.shape, tile))
    out = pixels.copy()
    for (row, col), (r, c) in zip(corners, np.roll(corners, 1, axis=0), strict=True):
        out[:, row:row + tile, col:col + tile] = pixels[:, r:r + tile, c:c + tile]
    return out
