"""The measurements of `make scale`, in small: they run, and their bars hold where a small machine can tell."""

import re
from pathlib import Path

import numpy as np
import pytest

from benchmarks.mapscale import (
    GIB,
    QUERY_PX,
    build_rate,
    flipped_bits,
    peak_memory,
    query_costs,
    random_kills,
    simulated_sar,
    sizes,
    sparse,
)
from promptmid_core.descriptors import load
from promptmid_core.refmap import ReferenceMap
from promptmid_core.refmap.build import BuildOptions, Sources, build_map

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def sar(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return simulated_sar(tmp_path_factory.mktemp("inputs") / "sar.tif", 1100)


def bytes_read() -> int:
    """What this process has read from files so far, by Linux's own count."""
    return int(re.search(r"^rchar: (\d+)$", Path("/proc/self/io").read_text(), re.MULTILINE)[1])  # type: ignore[index]


def test_a_query_reads_the_same_of_a_small_map_and_of_a_large_one(sar: Path, tmp_path: Path) -> None:
    read: list[tuple[int, int, int]] = []
    for tiles in (10, 10_000):
        path, places = sparse(sar, tmp_path / f"sparse_{tiles}", tiles)
        tile = places[0]
        moments = [bytes_read()]
        reference = ReferenceMap.open(path)
        moments.append(bytes_read())
        for _ in range(2):
            assert reference.descriptors(tile.col, tile.row, QUERY_PX, QUERY_PX).valid.all()
            moments.append(bytes_read())
        read.append(tuple(np.diff(moments).tolist()))
    small, large = read
    assert small[1] > 100_000
    for part in range(3):
        assert large[part] < 1.2 * small[part] + 2000
    assert large[2] < 2000, "what was read is kept"


def test_query_costs_are_measured(sar: Path, tmp_path: Path) -> None:
    small, large = query_costs(sar, tmp_path, (10, 20), repeats=2)
    assert min(small.open, small.cold, small.warm, large.open, large.cold, large.warm) > 0


@pytest.mark.long
def test_random_kills_change_no_byte(sar: Path, tmp_path: Path) -> None:
    assert random_kills(sar, tmp_path, kills=2, workers=2) == (2, True)


def test_build_is_measured(sar: Path, tmp_path: Path) -> None:
    rate = build_rate(sar, tmp_path, workers=2, repeats=1)
    assert rate.mpx == pytest.approx(1.2, abs=0.1)
    assert 0 < rate.describe < rate.processor


def test_memory_of_a_build_is_measured(sar: Path, tmp_path: Path) -> None:
    assert 0.05 * GIB < peak_memory(sar, tmp_path / "map", workers=2) < 1.4 * GIB


def test_flipped_bits_are_found(sar: Path, tmp_path: Path) -> None:
    build_map(Sources(sar), tmp_path / "map", BuildOptions(load("structural")))
    assert flipped_bits(tmp_path / "map", 10) == 10


def test_bytes_take_the_room_that_is_promised(sar: Path, tmp_path: Path) -> None:
    half, byte = sizes(sar, tmp_path, workers=2)
    assert (half.store, byte.store) == ("float16", "int8")
    # per pixel, as in MB per square kilometre of pixels of 1 m; sixteen channels of a byte on every fourth pixel are 4
    assert 16 * byte.channel < 4
    assert byte.descriptors < 0.6 * half.descriptors < half.total
