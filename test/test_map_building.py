"""Building a map by many workers: the same bytes whoever makes the tiles, and however often the build is cut off."""

from __future__ import annotations

import errno
import json
import os
import platform
import shutil
import signal
import subprocess
import sys
import threading
import tracemalloc
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from small_maps import BoxMean, contents, write

from promptmid_core.descriptors import load
from promptmid_core.errors import InputError
from promptmid_core.geometry import DescriptorMap, Patch
from promptmid_core.georaster import check_raster
from promptmid_core.prompts.prompt import Prompt
from promptmid_core.refmap import verify_map
from promptmid_core.refmap.build import BuildOptions, Crew, Sources, build_map, repair_map
from promptmid_core.refmap.format.lock import LOCK_FILE, locked
from promptmid_core.refmap.format.manifest import JOURNAL_FILE

pytestmark = pytest.mark.slow

SIDE = 1100  # three tiles each way, the last of them narrow, and a second level of two


@pytest.fixture(scope="module")
def sar(tmp_path_factory: pytest.TempPathFactory) -> Path:
    speckle = np.random.default_rng(1).gamma(4, 25, (SIDE, SIDE))
    pixels = np.clip(cv2.GaussianBlur(speckle, (0, 0), 1.5), 1, 255).astype(np.uint8)
    return write(tmp_path_factory.mktemp("inputs") / "sar.tif", pixels, nodata=0)


@pytest.fixture(scope="module")
def built(sar: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The undisturbed map."""
    out = tmp_path_factory.mktemp("built") / "map"
    build_map(Sources(sar), out, BuildOptions(BoxMean()), Crew(workers=1))
    return out


def files(path: Path) -> dict[str, str]:
    """The manifest's files, and nothing but them lies in the folder."""
    named: dict[str, str] = json.loads((path / "manifest.json").read_bytes())["files"]
    assert contents(path).keys() - {"manifest.json"} == named.keys()
    return named


def test_threads_give_the_same_bytes_and_leave_the_settings_as_they_were(sar: Path, built: Path, tmp_path: Path) -> None:
    before = cv2.getNumThreads()
    descriptor = BoxMean()
    build_map(Sources(sar), tmp_path / "map", BuildOptions(descriptor), Crew(workers=4))
    assert files(tmp_path / "map") == files(built)
    assert len(descriptor.seen) == 9 + 4
    assert cv2.getNumThreads() == before


@dataclass(frozen=True)
class CacheWatch(BoxMean):
    """Fails where GDAL may keep more blocks than the docs say while tiles are made."""

    def describe(self, patch: Patch, prompt: Prompt) -> DescriptorMap:
        from rasterio.env import get_gdal_config

        assert int(get_gdal_config("GDAL_CACHEMAX")) == 64 * 2**20
        return super().describe(patch, prompt)


@pytest.mark.parametrize("scheduler", ["threads", "processes"])
def test_few_blocks_of_the_raster_are_kept_while_tiles_are_made(sar: Path, tmp_path: Path, scheduler: str) -> None:
    from rasterio.env import get_gdal_config

    before = get_gdal_config("GDAL_CACHEMAX")
    built = build_map(Sources(sar), tmp_path / "map", BuildOptions(CacheWatch()), Crew(scheduler=scheduler, workers=2))
    (built.path / "0/descriptors/c/0/0/0").write_bytes(b"hurt")
    assert repair_map(built.path, Sources(sar), CacheWatch(), Crew(workers=2))
    assert get_gdal_config("GDAL_CACHEMAX") == before


def test_cluster_of_processes_gives_the_same_bytes_as_threads_and_may_be_lost(sar: Path, tmp_path: Path) -> None:
    from distributed import LocalCluster

    build_map(Sources(sar), tmp_path / "threads", BuildOptions(load("structural")), Crew(workers=2))
    with LocalCluster(n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None) as cluster:
        build_map(Sources(sar), tmp_path / "cluster", BuildOptions(load("structural")), Crew(scheduler=cluster.scheduler_address))

        def lose(done: int, total: int) -> None:
            if done == 2:
                cluster.close()

        with pytest.raises(InputError, match=r"was lost.*same command again"):
            build_map(Sources(sar), tmp_path / "lost", BuildOptions(load("structural")),
                      Crew(scheduler=cluster.scheduler_address, progress=lose))
    build_map(Sources(sar), tmp_path / "lost", BuildOptions(load("structural")), Crew(workers=2))
    assert files(tmp_path / "lost") == files(tmp_path / "threads")
    assert files(tmp_path / "cluster") == files(tmp_path / "threads")


@pytest.mark.parametrize(("options", "named"), [
    ({"scheduler": "slurm"}, "'slurm' is no scheduler"),
    ({"workers": 0}, "0 workers"),
    ({"scheduler": "tcp://127.0.0.1:1", "workers": 2}, "its own workers"),
    ({"scheduler": "tcp://127.0.0.1:1"}, "no Dask scheduler .* tcp://127.0.0.1:1"),
])
def test_scheduler_that_cannot_be_used_is_refused(sar: Path, tmp_path: Path, options: dict[str, Any], named: str,
                                                  monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("promptmid_core.refmap.build.workers.CONNECT_S", 0.5)
    with pytest.raises(InputError, match=named):
        build_map(Sources(sar), tmp_path / "map", BuildOptions(BoxMean()), Crew(**options))


def test_checking_a_raster_keeps_none_of_its_pixels(tmp_path: Path) -> None:
    large = write(tmp_path / "large.tif", np.full((4000, 4000), 9, np.uint8))
    tracemalloc.start()
    try:
        check_raster(large, "sar")
        assert tracemalloc.get_traced_memory()[1] < 16e6  # a tenth of them is 6 MB, all of them as float32 64 MB
    finally:
        tracemalloc.stop()


FAULT = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from faults import die_after
from small_maps import BoxMean
from promptmid_core.refmap.build import BuildOptions, Crew, Sources, build_map

die_after(int(sys.argv[4]))
build_map(Sources(sys.argv[2]), sys.argv[3], BuildOptions(BoxMean()), Crew(workers=2))
"""


def test_kill_after_each_of_the_first_shards_and_resume(sar: Path, built: Path, tmp_path: Path) -> None:
    out, kills = tmp_path / "map", 0
    for shards in (1, 2, 3, 5, 8):
        command = [sys.executable, "-c", FAULT, str(Path(__file__).parent), str(sar), str(out), str(shards)]
        kills += subprocess.run(command, check=False).returncode == -signal.SIGKILL
        assert (out / LOCK_FILE).exists()  # that of a process that is no more
    assert kills == 5
    build_map(Sources(sar), out, BuildOptions(BoxMean()), Crew(workers=2))
    assert files(out) == files(built)


def test_kill_just_after_the_manifest_leaves_a_whole_map(sar: Path, built: Path, tmp_path: Path) -> None:
    out = Path(shutil.copytree(built, tmp_path / "map"))
    (out / JOURNAL_FILE).write_text("{}\n")
    (out / LOCK_FILE).write_text(json.dumps({"pid": 999_999_999, "host": platform.node()}))
    descriptor = BoxMean()
    build_map(Sources(sar), out, BuildOptions(descriptor))
    assert not descriptor.seen
    assert verify_map(out) == []
    assert files(out) == files(built)


class Waiting(BoxMean):
    """Stops in its first tile until it is let go."""

    def __init__(self) -> None:
        super().__init__()
        object.__setattr__(self, "begun", threading.Event())
        object.__setattr__(self, "go", threading.Event())

    def describe(self, patch: Any, prompt: Any) -> Any:
        self.begun.set()
        assert self.go.wait(30)
        return super().describe(patch, prompt)


@pytest.fixture
def at_work(sar: Path, tmp_path: Path) -> Iterator[Path]:
    """A map that another builder is at."""
    descriptor, out = Waiting(), tmp_path / "map"
    builder = threading.Thread(target=lambda: build_map(Sources(sar), out, BuildOptions(descriptor), Crew(workers=1)))
    builder.start()
    assert descriptor.begun.wait(30)
    yield out
    descriptor.go.set()
    builder.join()
    assert verify_map(out) == []


def test_second_builder_is_told_who_is_at_work(sar: Path, at_work: Path) -> None:
    with pytest.raises(InputError, match=f"being built by process {os.getpid()} on {platform.node()}"):
        build_map(Sources(sar), at_work, BuildOptions(BoxMean()))


def test_lock_of_the_dead_is_taken_and_that_of_another_host_is_not(tmp_path: Path) -> None:
    lock = tmp_path / LOCK_FILE
    for left in (json.dumps({"pid": 999_999_999, "host": platform.node()}), "", '{"pid": 1'):
        lock.write_text(left)
        with locked(tmp_path):
            assert json.loads(lock.read_text())["pid"] == os.getpid()
        assert not lock.exists()
    lock.write_text(json.dumps({"pid": 12, "host": "elsewhere"}))
    with pytest.raises(InputError, match=f"process 12 on elsewhere.* remove {lock}"), locked(tmp_path):
        pass
    assert lock.exists()


@pytest.mark.parametrize(("code", "named"), [(errno.ENOSPC, "No space left"), (errno.EROFS, "Read-only")])
def test_disk_that_cannot_be_written_is_told_and_the_build_goes_on_later(
        sar: Path, built: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int, named: str) -> None:
    from promptmid_core.refmap.format import arrays

    write_shard: Callable[..., None] = arrays.write_shard
    calls = []

    def full(*args: Any) -> None:
        calls.append(args)
        if len(calls) > 10:
            raise OSError(code, os.strerror(code))
        write_shard(*args)

    with monkeypatch.context() as patched:
        patched.setattr(arrays, "write_shard", full)
        with pytest.raises(InputError, match=f"map cannot be written \\({named}.*same command again"):
            build_map(Sources(sar), tmp_path / "map", BuildOptions(BoxMean()), Crew(workers=2))
    build_map(Sources(sar), tmp_path / "map", BuildOptions(BoxMean()), Crew(workers=2))
    assert files(tmp_path / "map") == files(built)


def test_interrupt_leaves_a_map_that_the_same_command_finishes(sar: Path, built: Path, tmp_path: Path) -> None:
    def interrupt(done: int, total: int) -> None:
        if done == 8:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        build_map(Sources(sar), tmp_path / "map", BuildOptions(BoxMean()), Crew(workers=2, progress=interrupt))
    assert not (tmp_path / "map" / LOCK_FILE).exists()
    descriptor = BoxMean()
    build_map(Sources(sar), tmp_path / "map", BuildOptions(descriptor), Crew(workers=2))
    assert len(descriptor.seen) <= 13 - 8
    assert files(tmp_path / "map") == files(built)
