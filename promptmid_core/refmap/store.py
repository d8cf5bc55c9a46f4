"""The map on disk: one Zarr v3 group, sharded, with a crc32c on every inner chunk."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from promptmid_core.landuse import KINDS
from promptmid_core.refmap.header import CHUNKS_PER_TILE, LEVEL, Header, Tile

if TYPE_CHECKING:
    import zarr

UNKNOWN_CLASS = 65535
UNKNOWN_HEIGHT = -32768.0
ZSTD_LEVEL = 3


@dataclass(frozen=True)
class ArrayPlan:
    """An array of a level: its element type, dimensions, size, and the level pixels that one element covers.

    `unknown` is the value of elements without data, where that is not told by a mask of its own.
    """

    dtype: str
    dimensions: tuple[str, ...]
    shape: tuple[int, ...]
    stride: int
    unknown: float | int | None = None


def plan(header: Header) -> dict[str, ArrayPlan]:
    """The arrays of a map by name."""
    cells, pixels, stride = header.cells, header.grid, header.descriptor.stride
    arrays = {
        "descriptors": ArrayPlan("float16", ("channel", "cell_y", "cell_x"), (header.descriptor.channels, *cells.shape), stride),
        "descriptors_valid": ArrayPlan("bool", ("cell_y", "cell_x"), cells.shape, stride),
        "sar": ArrayPlan(header.sar_dtype, ("y", "x"), pixels.shape, 1),
        "sar_valid": ArrayPlan("bool", ("y", "x"), pixels.shape, 1),
    }
    if header.has_landuse:
        blocks, step = header.blocks.shape, header.block_px
        arrays["landuse"] = ArrayPlan("uint16", ("y", "x"), pixels.shape, 1, UNKNOWN_CLASS)
        arrays["landuse_mix"] = ArrayPlan("uint16", ("prompt", "block_y", "block_x"), (KINDS, *blocks), step)
        arrays["prompt"] = ArrayPlan("uint8", ("block_y", "block_x"), blocks, step)
    if header.dem_stride:
        arrays["dem"] = ArrayPlan("float32", ("dem_y", "dem_x"), header.dem_grid.shape, header.dem_stride, UNKNOWN_HEIGHT)
    return arrays


def create(path: Path, header: Header) -> None:
    """Write the metadata of a map, and the coordinates of its pixels; what is there already stays."""
    import zarr
    from zarr.codecs import Crc32cCodec, ZstdCodec

    if not (path / "zarr.json").exists():
        zarr.create_group(path, zarr_format=3, attributes=header.attributes())
    level = path / LEVEL
    if not (level / "zarr.json").exists():
        zarr.create_group(level, zarr_format=3)
    codecs = [ZstdCodec(level=ZSTD_LEVEL), Crc32cCodec()]
    for name, array in plan(header).items():
        if not (level / name / "zarr.json").exists():
            chunk = header.chunk_px // array.stride
            depth = array.shape[:-2]
            zarr.create_array(
                level / name, shape=array.shape, dtype=array.dtype, chunks=(*depth, chunk, chunk),
                shards=(*depth, chunk * CHUNKS_PER_TILE, chunk * CHUNKS_PER_TILE), compressors=codecs, filters=None,
                fill_value=array.unknown or 0, dimension_names=array.dimensions, zarr_format=3,
                attributes={} if array.unknown is None else {"missing_value": array.unknown},
            )
    for names, grid in _axes(header).items():
        for name, values in zip(names, grid, strict=True):
            # always written: small, and a kill may have come between metadata and values
            axis = zarr.create_array(level / name, shape=values.shape, dtype="float64", chunks=(max(len(values), 1),),
                                     compressors=codecs, filters=None, fill_value=0, dimension_names=(name,), zarr_format=3,
                                     attributes={"units": "m"}, overwrite=True)
            axis[:] = values


def metadata_files(header: Header) -> list[Path]:
    """What `create` writes, relative to the map."""
    axes = [name for names in _axes(header) for name in names]
    nodes = [Path(), Path(LEVEL), *(Path(LEVEL, name) for name in (*plan(header), *axes))]
    return [node / "zarr.json" for node in nodes] + [Path(LEVEL, name, "c", "0") for name in axes]


def write_tile(path: Path, header: Header, tile: Tile, values: dict[str, NDArray[np.generic]]) -> list[Path]:
    """Write one tile, one whole shard an array, each by way of a temporary file; returns the files, relative to the map."""
    import zarr

    written = []
    for name, array in plan(header).items():
        down, across = values[name].shape[-2:]
        if not down or not across:
            continue
        file = Path(LEVEL, name) / shard_file(len(array.shape), tile.row // header.tile_px, tile.col // header.tile_px)
        # zarr would read a shard that is there before writing it, and what a kill left may not be readable
        (path / file).unlink(missing_ok=True)
        # empty chunks are written too, so that a file that is missing is always a file that was lost
        target = zarr.open_array(path / LEVEL / name, mode="r+", zarr_format=3).with_config({"write_empty_chunks": True})
        row, col = tile.row // array.stride, tile.col // array.stride
        target[..., row:row + down, col:col + across] = values[name]
        written.append(file)
    return written


def shard_file(dimensions: int, row: int, col: int) -> Path:
    """The file of a shard, relative to its array."""
    return Path("c", *["0"] * (dimensions - 2), str(row), str(col))


def open_arrays(path: Path, header: Header) -> dict[str, zarr.Array[Any]]:
    """The arrays of a map for reading; ValueError where one is not what the header says."""
    import zarr

    arrays = {}
    for name, array in plan(header).items():
        opened = zarr.open_array(path / LEVEL / name, mode="r", zarr_format=3)
        if opened.shape != array.shape or opened.dtype != np.dtype(array.dtype):
            raise ValueError(f"{name} is {opened.dtype} {opened.shape}")
        arrays[name] = opened
    return arrays


def _axes(header: Header) -> dict[tuple[str, str], tuple[NDArray[np.float64], NDArray[np.float64]]]:
    """Easting and northing of the columns and rows, by their dimensions' names."""
    grids = {("x", "y"): header.grid, ("cell_x", "cell_y"): header.cells}
    if header.dem_stride:
        grids["dem_x", "dem_y"] = header.dem_grid
    if header.has_landuse:
        grids["block_x", "block_y"] = header.blocks
    east, north = header.frame.origin
    return {names: (grid.axes()[0] + east, grid.axes()[1] + north) for names, grid in grids.items()}
