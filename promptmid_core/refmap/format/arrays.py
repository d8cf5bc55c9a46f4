"""The arrays of a map on disk: one Zarr v3 group, sharded, with a crc32c on every inner chunk."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from promptmid_core.errors import InputError
from promptmid_core.prompts import KINDS
from promptmid_core.refmap.format import shard
from promptmid_core.refmap.format.header import CHUNKS_PER_TILE, Header
from promptmid_core.refmap.format.quantisation import scales
from promptmid_core.refmap.format.sealed import read_object
from promptmid_core.refmap.tile import Tile
from promptmid_core.zarrfiles import zarr_files

if TYPE_CHECKING:
    from zarr.storage import MemoryStore

UNKNOWN_CLASS = 65535
UNKNOWN_HEIGHT = -32768.0
NO_SCENE = {"uint8": 255, "uint16": 65535}
ROUNDING_M = 0.1  # by which a height that was interpolated may lie beyond those that it comes from
METADATA = "zarr.json"
CURE = "copy or build the map again; 'promptmid map verify' names all that is damaged"


@dataclass(frozen=True)
class ArrayPlan:
    """An array of a level: its element type, dimensions, size, and the level pixels that one element covers.

    `unknown` is the value of elements without data, where that is not told by a mask of its own; all others lie within `span`,
    where there is one.
    """

    dtype: str
    dimensions: tuple[str, ...]
    shape: tuple[int, ...]
    stride: int
    unknown: float | int | None = None
    span: tuple[float, float] | None = None

    def side(self, header: Header) -> int:
        """Return the elements along one side of a chunk."""
        return header.chunk_px // self.stride


def plan(header: Header, level: int) -> dict[str, ArrayPlan]:
    """Return the arrays of a level by name; above level 0 `sar` is the amplitude; heights and what blocks tell of land use are
    stored once. In a mosaic `scene` is the index of the scene that a pixel comes from."""
    cells, pixels, identity = header.cells(level), header.pixels(level), header.descriptor
    stride, described = identity.stride, (identity.channels, *cells.shape)
    arrays = {
        "descriptors": ArrayPlan(header.store, ("channel", "cell_y", "cell_x"), described, stride),
        "descriptors_valid": ArrayPlan("bool", ("cell_y", "cell_x"), cells.shape, stride),
        "sar": ArrayPlan("float16" if level else header.sar_dtype, ("y", "x"), pixels.shape, 1),
        "sar_valid": ArrayPlan("bool", ("y", "x"), pixels.shape, 1),
    }
    if header.scenes:
        indexes = "uint8" if len(header.scenes) < NO_SCENE["uint8"] else "uint16"
        arrays["scene"] = ArrayPlan(indexes, ("y", "x"), pixels.shape, 1, NO_SCENE[indexes])
    if header.has_landuse:
        blocks, step = header.blocks.shape, header.block_px
        arrays["landuse"] = ArrayPlan("uint16", ("y", "x"), pixels.shape, 1, UNKNOWN_CLASS)
        if not level:
            arrays["landuse_mix"] = ArrayPlan("uint16", ("prompt", "block_y", "block_x"), (KINDS, *blocks), step)
            arrays["prompt"] = ArrayPlan("uint8", ("block_y", "block_x"), blocks, step)
    if header.dem_stride and not level:
        lowest, highest = header.dem_range
        arrays["dem"] = ArrayPlan("float32", ("dem_y", "dem_x"), header.dem_grid.shape, header.dem_stride, UNKNOWN_HEIGHT,
                                  (lowest - ROUNDING_M, highest + ROUNDING_M))
    return arrays


def create(path: Path, header: Header, only: frozenset[str] | None = None) -> None:
    """Write the metadata of a map, and the coordinates of its pixels, or `only` some of those files, relative to the map.

    Raises OSError where one cannot be written.
    """
    import zarr

    with zarr_files(path, path, only) as store:
        zarr.create_group(store, zarr_format=3, attributes=header.to_dict())
        for level in range(header.levels):
            _create_level(store, header, level)


def _create_level(store: MemoryStore, header: Header, level: int) -> None:
    import zarr
    from zarr.codecs import Crc32cCodec, ZstdCodec

    grid = header.pixels(level)
    zarr.create_group(store, path=str(level), zarr_format=3, attributes={
        "crs": header.frame.crs, "gsd_m": grid.gsd, "transform": list(grid.to_transform(header.frame.origin))})
    codecs = [ZstdCodec(level=shard.ZSTD_LEVEL), Crc32cCodec()]
    for name, array in plan(header, level).items():
        chunk = array.side(header)
        depth = array.shape[:-2]
        zarr.create_array(
            store, name=f"{level}/{name}", shape=array.shape, dtype=array.dtype, chunks=(*depth, chunk, chunk),
            shards=(*depth, chunk * CHUNKS_PER_TILE, chunk * CHUNKS_PER_TILE), compressors=codecs, filters=None,
            fill_value=array.unknown or 0, dimension_names=array.dimensions, zarr_format=3,
            attributes={} if array.unknown is None else {"missing_value": array.unknown},
        )
    for name, (dimension, values, attributes) in _coordinates(header, level).items():
        axis = zarr.create_array(store, name=f"{level}/{name}", shape=values.shape, dtype=values.dtype,
                                 chunks=(max(len(values), 1),), compressors=codecs, filters=None, fill_value=0,
                                 dimension_names=(dimension,), zarr_format=3, attributes=attributes)
        axis[:] = values


def metadata_files(header: Header) -> list[Path]:
    """Return what `create` writes, relative to the map."""
    files = [Path(METADATA)]
    for level in range(header.levels):
        folder, coordinates = Path(str(level)), _coordinates(header, level)
        files += [folder / METADATA, *(folder / name / METADATA for name in (*plan(header, level), *coordinates))]
        files += [folder / name / "c" / "0" for name in coordinates]
    return files


def shard_files(header: Header, tile: Tile) -> dict[str, Path]:
    """Return the files of a tile by the name of their array, relative to the map."""
    files = {}
    for name, array in plan(header, tile.level).items():
        # a rest of less than a cell at the map's edge has none
        if array.shape[-2] * array.stride > tile.row and array.shape[-1] * array.stride > tile.col:
            part = shard_file(len(array.shape), tile.row // header.tile_px, tile.col // header.tile_px)
            files[name] = Path(str(tile.level), name) / part
    return files


def write_tile(path: Path, header: Header, tile: Tile, values: dict[str, NDArray[np.generic]],
               only: frozenset[str] | None = None) -> list[Path]:
    """Write one tile, one whole shard an array, each by way of a temporary file; returns the files, relative to the map.

    Where `only` is given, no other files are written.
    """
    arrays, written = plan(header, tile.level), []
    for name, file in shard_files(header, tile).items():
        if only is not None and file.as_posix() not in only:
            continue
        write_shard(path, file, header, arrays[name], values[name])
        written.append(file)
    return written


def write_shard(path: Path, file: Path, header: Header, array: ArrayPlan, values: NDArray[np.generic]) -> None:
    """Write one whole shard of an array, `file` relative to the map."""
    shard.write(path / file, path, values.astype(array.dtype, copy=False), array.side(header), CHUNKS_PER_TILE,
                array.unknown or 0)


def read_window(path: Path, header: Header, name: str, window: Tile) -> NDArray[np.generic]:
    """Return a window of an array (H, W) of one element a pixel, while the map is being built."""
    array, side = plan(header, window.level)[name], header.chunk_px
    values = np.zeros((window.height, window.width), array.dtype)
    for row in range(window.row // side, -(-(window.row + window.height) // side)):
        for col in range(window.col // side, -(-(window.col + window.width) // side)):
            file = path / str(window.level) / name / shard_file(2, row // CHUNKS_PER_TILE, col // CHUNKS_PER_TILE)
            chunk = shard.read(file, row % CHUNKS_PER_TILE, col % CHUNKS_PER_TILE, (side, side), CHUNKS_PER_TILE, array.dtype)
            top, left = row * side - window.row, col * side - window.col
            rows, cols = slice(max(top, 0), top + side), slice(max(left, 0), left + side)
            into = values[rows, cols]
            into[...] = chunk[rows.start - top:, cols.start - left:][:into.shape[0], :into.shape[1]]
    return values


def shard_file(dimensions: int, row: int, col: int) -> Path:
    """Return the file of a shard, relative to its array."""
    return Path("c", *["0"] * (dimensions - 2), str(row), str(col))


def check_arrays(path: Path, header: Header, level: int) -> None:
    """Raise InputError where the metadata of an array of a level are not what the header says."""
    for name, array in plan(header, level).items():
        file = path / str(level) / name / METADATA
        if not _is_told(read_object(file, CURE), array, array.side(header)):
            raise InputError(f"{file} does not tell the {array.dtype} array of {' x '.join(map(str, array.shape))} that its map "
                             f"has there; {CURE}")


def _is_told(told: dict[str, Any], array: ArrayPlan, side: int) -> bool:
    """Whether array metadata of Zarr are those of an array whose chunks have `side` elements a side."""
    depth = list(array.shape[:-2])
    try:
        (codec,) = told["codecs"]
        within = codec["configuration"]
        return (
            (told["zarr_format"], told["node_type"], told["data_type"]) == (3, "array", array.dtype)
            and told["shape"] == list(array.shape)
            and told["chunk_grid"] == {
                "name": "regular", "configuration": {"chunk_shape": [*depth, side * CHUNKS_PER_TILE, side * CHUNKS_PER_TILE]}}
            and told["chunk_key_encoding"] == {"name": "default", "configuration": {"separator": "/"}}
            and codec["name"] == "sharding_indexed" and within["chunk_shape"] == [*depth, side, side]
            and _named(within["codecs"]) == ["bytes", "zstd", "crc32c"] and _named(within["index_codecs"]) == ["bytes", "crc32c"]
            and within.get("index_location", "end") == "end" and not told.get("storage_transformers")
        )
    except (KeyError, TypeError, ValueError, AttributeError):
        return False


def _named(codecs: list[dict[str, Any]]) -> list[str]:
    """The names of codecs; ValueError where one has another order of bytes than shards have."""
    if any(codec.get("configuration", {}).get("endian", "little") != "little" for codec in codecs):
        raise ValueError("it is big-endian")
    return [codec["name"] for codec in codecs]


def _coordinates(header: Header, level: int) -> dict[str, tuple[str, NDArray[np.generic], dict[str, Any]]]:
    """By name the dimension, values and attributes: easting and northing of columns and rows, the scale of stored bytes."""
    grids = {("x", "y"): header.pixels(level), ("cell_x", "cell_y"): header.cells(level)}
    if header.dem_stride and not level:
        grids["dem_x", "dem_y"] = header.dem_grid
    if header.has_landuse and not level:
        grids["block_x", "block_y"] = header.blocks
    east, north = header.frame.origin
    found: dict[str, tuple[str, NDArray[np.generic], dict[str, Any]]] = {}
    for (across, down), grid in grids.items():
        x, y = grid.axes()
        found |= {across: (across, x + east, {"units": "m"}), down: (down, y + north, {"units": "m"})}
    if header.store == "int8":
        found["channel_scale"] = ("channel", scales(header.descriptor.groups), {})
    return found
