"""A shard's file as Zarr v3 defines it: inner chunks, zstd and crc32c, then an index of where each lies.

Any Zarr reader reads these files. zarr itself takes several times the processor time to write them, and to read them again for
the coarser levels, since it runs each inner chunk of each array through its event loop; a build makes thousands.
"""

from __future__ import annotations

from os import SEEK_END
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from promptmid_core.folders import put

NOWHERE = 2 ** 64 - 1  # offset and length of a chunk that the shard does not hold
CHECKSUM_BYTES = 4
ZSTD_LEVEL = 1


def write(file: Path, within: Path, values: NDArray[np.generic], chunk: int, across: int, fill: float | int) -> None:
    """Write a shard of `across` x `across` chunks of `chunk` x `chunk` elements, whose upper left part is `values` (..., H, W).

    What a chunk holds beyond `values` is `fill`; chunks that lie wholly beyond are left out. The file appears at once and whole,
    in the map `within`, below which no link is followed.
    """
    from numcodecs.zstd import Zstd

    zstd = Zstd(level=ZSTD_LEVEL)
    index = np.full((across, across, 2), NOWHERE, "<u8")
    parts, offset = [], 0
    for row in range(-(-values.shape[-2] // chunk)):
        for col in range(-(-values.shape[-1] // chunk)):
            inner = values[..., row * chunk:(row + 1) * chunk, col * chunk:(col + 1) * chunk]
            whole = np.full((*inner.shape[:-2], chunk, chunk), fill, values.dtype.newbyteorder("<"))
            whole[..., :inner.shape[-2], :inner.shape[-1]] = inner
            parts.append(_checked(bytes(zstd.encode(whole))))
            index[row, col] = offset, len(parts[-1])
            offset += len(parts[-1])
    # a build that a power cut ends finds by their hashes which shards are whole
    put(file, b"".join([*parts, _checked(index.tobytes())]), within, lasting=False)


def read(file: Path, row: int, col: int, shape: tuple[int, ...], across: int, dtype: str) -> NDArray[np.generic]:
    """Return the chunk (..., H, W) at `row` and `col` of a shard of `across` x `across` chunks. Raises ValueError where it is
    damaged."""
    from numcodecs.zstd import Zstd

    with file.open("rb") as shard:
        size = across * across * 16 + CHECKSUM_BYTES
        shard.seek(-size, SEEK_END)
        index = np.frombuffer(_sound(shard.read(size), file), "<u8").reshape(across, across, 2)
        offset, length = (int(number) for number in index[row, col])
        shard.seek(offset)
        content = _sound(shard.read(length), file)
    return np.frombuffer(Zstd().decode(content), np.dtype(dtype).newbyteorder("<")).reshape(shape)


def _sound(content: bytes, file: Path) -> bytes:
    if _checked(content[:-CHECKSUM_BYTES]) != content:
        raise ValueError(f"{file} is damaged")
    return content[:-CHECKSUM_BYTES]


def _checked(content: bytes) -> bytes:
    """With its crc32c behind it."""
    import google_crc32c

    return content + int(google_crc32c.value(content)).to_bytes(CHECKSUM_BYTES, "little")
