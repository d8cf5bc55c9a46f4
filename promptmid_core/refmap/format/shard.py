"""A shard's file as Zarr v3 defines it: inner chunks, zstd and crc32c, then an index of where each lies.

Any Zarr reader reads these files. zarr itself takes several times the processor time to write and to read them, since it runs
each inner chunk of each array through its event loop, and it reads and unpacks whatever a file says that it holds.
"""

from __future__ import annotations

from math import prod
from os import SEEK_END
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from promptmid_core.errors import InputError
from promptmid_core.files import open_regular
from promptmid_core.folders import put

NOWHERE = 2 ** 64 - 1  # offset and length of a chunk that the shard does not hold
CHECKSUM_BYTES = 4
ZSTD_LEVEL = 1
MOST_OVERHEAD = 1024  # bytes of a chunk that cannot be made smaller, beyond its content
ZSTD_MAGIC = (0xFD2FB528).to_bytes(4, "little")


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
    """Return the chunk (..., H, W) at `row` and `col` of a shard of `across` x `across` chunks.

    Raises ValueError where it is damaged, not there, or not of that size; no more is read or unpacked than a chunk can be.
    """
    kind, size = np.dtype(dtype).newbyteorder("<"), across * across * 16 + CHECKSUM_BYTES
    room = prod(shape) * kind.itemsize
    try:
        with open_regular(file) as shard:
            end = shard.seek(0, SEEK_END) - size
            shard.seek(max(end, 0))
            index = np.frombuffer(sound(shard.read(size), file), "<u8").reshape(across, across, 2)
            offset, length = (int(number) for number in index[row, col])
            if offset + length > end or length > 2 * room + MOST_OVERHEAD:
                raise ValueError(f"{file} is damaged")
            shard.seek(offset)
            content = sound(shard.read(length), file)
    except (OSError, InputError) as error:
        raise ValueError(f"{file} cannot be read") from error
    return unpacked(content, kind, shape)


def unpacked(content: bytes, kind: np.dtype[Any], shape: tuple[int, ...]) -> NDArray[np.generic]:
    """Return the array of a zstd frame. Raises ValueError where it is none of just that size."""
    from numcodecs.zstd import Zstd

    array = np.empty(prod(shape) * kind.itemsize, np.uint8)
    if _size_of(content) not in (None, array.size):
        raise ValueError("the content has another size")
    try:
        Zstd().decode(content, array)
    except RuntimeError as error:
        raise ValueError("it is no zstd frame") from error
    # a byte that is neither 0 nor 1 would be a bool that is neither false nor true
    return ((array != 0) if kind == np.bool_ else array.view(kind)).reshape(shape)


def _size_of(frame: bytes) -> int | None:
    """The size that the header of a zstd frame gives its content, None where it gives none (RFC 8878, 3.1.1.1)."""
    if len(frame) < 5 or frame[:4] != ZSTD_MAGIC:
        raise ValueError("it is no zstd frame")
    single, flag = frame[4] >> 5 & 1, frame[4] >> 6
    field = (single, 2, 4, 8)[flag]
    start = 5 + (1 - single) + (0, 1, 2, 4)[frame[4] & 3]
    if not field:
        return None
    return int.from_bytes(frame[start:start + field], "little") + (256 if field == 2 else 0)


def sound(content: bytes, file: Path) -> bytes:
    """Return the content of a file, or a part of one, that its crc32c ends. Raises ValueError where that does not hold."""
    if len(content) < CHECKSUM_BYTES or _checked(content[:-CHECKSUM_BYTES]) != content:
        raise ValueError(f"{file} is damaged")
    return content[:-CHECKSUM_BYTES]


def _checked(content: bytes) -> bytes:
    """With its crc32c behind it."""
    import google_crc32c

    return content + int(google_crc32c.value(content)).to_bytes(CHECKSUM_BYTES, "little")
