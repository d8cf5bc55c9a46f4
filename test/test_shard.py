"""Shards as this project writes them against zarr, which has to read the same from them."""

from __future__ import annotations

import os
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr
from numcodecs.zstd import Zstd
from zarr.codecs import Crc32cCodec, ZstdCodec

from promptmid_core.refmap.format import shard

CHUNK, ACROSS = 8, 2


def array_of(folder: Path, dtype: str, depth: tuple[int, ...], fill: float) -> zarr.Array:
    return zarr.create_array(folder, shape=(*depth, 30, 27), dtype=dtype, chunks=(*depth, CHUNK, CHUNK), filters=None,
                             shards=(*depth, CHUNK * ACROSS, CHUNK * ACROSS), compressors=[ZstdCodec(level=1), Crc32cCodec()],
                             fill_value=fill, zarr_format=3)


@pytest.mark.parametrize(("dtype", "depth", "fill"), [
    ("float16", (3,), 0), ("int8", (5,), 0), ("bool", (), False), ("uint16", (), 65535), ("float32", (), -32768.0)])
def test_zarr_reads_what_is_written(tmp_path: Path, dtype: str, depth: tuple[int, ...], fill: float) -> None:
    values = np.random.default_rng(0).integers(0, 2 if dtype == "bool" else 100, (*depth, 30, 27)).astype(dtype)
    array = array_of(tmp_path / "array", dtype, depth, fill)
    side = CHUNK * ACROSS
    for row in (0, 1):
        for col in (0, 1):
            part = values[..., row * side:(row + 1) * side, col * side:(col + 1) * side]
            file = tmp_path / "array" / Path("c", *["0"] * len(depth), str(row), str(col))
            shard.write(file, tmp_path, part, CHUNK, ACROSS, fill)
            np.testing.assert_array_equal(
                shard.read(file, 0, 1, (*depth, CHUNK, CHUNK), ACROSS, dtype)[..., :part.shape[-2], :part.shape[-1] - CHUNK],
                part[..., :CHUNK, CHUNK:2 * CHUNK])
    np.testing.assert_array_equal(array[:], values)
    assert not list(tmp_path.rglob("*.partial"))


def test_shards_are_as_long_as_those_of_zarr(tmp_path: Path) -> None:
    values = np.random.default_rng(0).integers(0, 9, (30, 27)).astype("uint16")
    array_of(tmp_path / "zarr", "uint16", (), 7)[:] = values
    for name in ("0/0", "0/1", "1/0", "1/1"):
        row, col = (16 * int(i) for i in name.split("/"))
        shard.write(tmp_path / name, tmp_path, values[row:row + 16, col:col + 16], CHUNK, ACROSS, 7)
        assert (tmp_path / name).stat().st_size == (tmp_path / "zarr/c" / name).stat().st_size


def test_any_flipped_byte_of_a_chunk_or_of_the_index_is_noticed(tmp_path: Path) -> None:
    values, file = np.arange(64, dtype="uint16").reshape(8, 8), tmp_path / "0"
    shard.write(file, tmp_path, values, CHUNK, ACROSS, 0)
    sound = file.read_bytes()
    for place in range(len(sound)):
        file.write_bytes(sound[:place] + bytes([sound[place] ^ 4]) + sound[place + 1:])
        with pytest.raises(ValueError, match="damaged"):
            shard.read(file, 0, 0, (8, 8), ACROSS, "uint16")


def crafted(file: Path, content: bytes, offset: int | None = None, length: int | None = None) -> Path:
    """A shard whose checksums hold, of one chunk that is anything."""
    index = np.full((ACROSS, ACROSS, 2), shard.NOWHERE, "<u8")
    chunk = shard._checked(content)
    index[0, 0] = 0 if offset is None else offset, len(chunk) if length is None else length
    file.write_bytes(chunk + shard._checked(index.tobytes()))
    return file


def frame(size: int, content: bytes = b"") -> bytes:
    """The beginning of a zstd frame that says it holds so many bytes."""
    return shard.ZSTD_MAGIC + bytes([0b11100000]) + size.to_bytes(8, "little") + content


BOMB = bytes(Zstd(level=19).encode(bytes(2**28)))
CRAFTED: dict[str, dict[str, Any]] = {
    "a bomb": {"content": BOMB}, "a size beyond all memory": {"content": frame(2**62)}, "nothing": {"content": b""},
    "half a header": {"content": shard.ZSTD_MAGIC}, "the right size and nothing more": {"content": frame(128)},
    "less than a chunk": {"content": bytes(Zstd().encode(bytes(127)))},
    "more than a chunk": {"content": bytes(Zstd().encode(bytes(129)))},
    "two frames": {"content": bytes(Zstd().encode(bytes(128))) * 2}, "no frame": {"content": bytes(64)},
    "a place beyond the file": {"content": b"x", "offset": 2**63}, "a length beyond the file": {"content": b"x", "length": 2**63},
    "an overflow": {"content": b"x", "offset": 2**63, "length": 2**63}, "a length of nothing": {"content": b"x", "length": 0},
    "nowhere": {"content": b"x", "offset": shard.NOWHERE, "length": shard.NOWHERE},
}


@pytest.mark.parametrize("how", CRAFTED)
def test_a_shard_that_was_made_to_harm_is_damaged(tmp_path: Path, how: str) -> None:
    assert len(BOMB) < 20_000
    file = crafted(tmp_path / "0", **CRAFTED[how])
    tracemalloc.start()
    with pytest.raises(ValueError):
        shard.read(file, 0, 0, (8, 8), ACROSS, "uint16")
    assert tracemalloc.get_traced_memory()[1] < 10**6
    tracemalloc.stop()


def test_what_is_no_file_or_has_no_end_is_damaged(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "folder").mkdir()
    with (tmp_path / "sparse").open("wb") as file:
        file.truncate(2**40)
    (tmp_path / "short").write_bytes(b"123")
    for name in ("pipe", "folder", "sparse", "short", "none", "/dev/zero"):
        with pytest.raises(ValueError):
            shard.read(tmp_path / name, 0, 0, (8, 8), ACROSS, "uint16")


def test_a_byte_that_is_no_bool_is_true(tmp_path: Path) -> None:
    file = crafted(tmp_path / "0", bytes(Zstd().encode(bytes([0, 1, 2, 255] * 16))))
    values = shard.read(file, 0, 0, (8, 8), ACROSS, "bool")
    assert values.ravel()[:4].tolist() == [False, True, True, True] and (values & np.ones((8, 8), bool)).sum() == 48
