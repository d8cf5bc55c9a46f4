"""The embeddings of a map's prompts on disk: one Zarr v3 array of one chunk."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from promptmid_core.arrays import Float32
from promptmid_core.errors import InputError
from promptmid_core.files import read_regular
from promptmid_core.refmap.format import shard
from promptmid_core.refmap.format.sealed import read_object
from promptmid_core.zarrfiles import zarr_files

FOLDER = "embeddings"
METADATA = Path(FOLDER, "zarr.json")
MOST_OVERHEAD = 4096
CURE = "copy or build the map again"


def files(shape: tuple[int, ...] | None) -> list[Path]:
    """Return what `write` writes, relative to the map, of embeddings of this shape; nothing where there are none."""
    return [METADATA, _chunk(shape)] if shape else []


def write(path: Path, embeddings: Float32 | None) -> None:
    """Write the embeddings into a map. Raises OSError where that cannot be written."""
    if embeddings is None:
        return
    import zarr
    from zarr.codecs import Crc32cCodec, ZstdCodec

    shape = embeddings.shape
    with zarr_files(path / FOLDER, path) as store:
        array = zarr.create_array(store, shape=shape, dtype="float32", chunks=shape, filters=None, fill_value=0,
                                  compressors=[ZstdCodec(level=3), Crc32cCodec()], zarr_format=3,
                                  dimension_names=("modality", "prompt", *("token", "feature")[4 - len(shape):]))
        array[...] = embeddings


def read(path: Path, shape: tuple[int, ...]) -> Float32:
    """Return the embeddings of a map, which have this shape. Raises InputError where they are damaged."""
    told = read_object(path / METADATA, CURE)
    file = path / _chunk(shape)
    content = read_regular(file, 8 * int(np.prod(shape)) + MOST_OVERHEAD, CURE)
    try:
        if (told.get("shape"), told.get("data_type")) != (list(shape), "float32"):
            raise ValueError("the metadata tell another array")
        values = shard.unpacked(shard.sound(content, file), np.dtype("<f4"), shape)
        if not np.isfinite(values).all():
            raise ValueError("some are not finite")
    except ValueError as error:
        raise InputError(f"{path / FOLDER} is damaged ({error}); {CURE}") from error
    return np.asarray(values, np.float32)


def _chunk(shape: tuple[int, ...]) -> Path:
    return Path(FOLDER, "c", *["0"] * len(shape))
