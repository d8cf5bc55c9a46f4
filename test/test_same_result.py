"""The same frames give the same bits: with one thread and two, in any process, in any order, beside another localizer."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import cv2
import pytest
from places import Flown, flown_over
from threadpoolctl import threadpool_limits
from verdicts import verdicts

from promptmid_core.descriptors import load
from promptmid_core.refmap import ReferenceMap
from promptmid_core.refmap.build import BuildOptions, Crew, Sources, build_map
from promptmid_core.simulation.world.options import WorldOptions
from promptmid_core.simulation.world.simulate import World, simulate_world

pytestmark = pytest.mark.slow

DESCRIPTORS = ("structural", "promptmid")
HERE = Path(__file__).parent


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    return simulate_world(tmp_path_factory.mktemp("world"), WorldOptions.of(seed=3, size_px=512))


@pytest.fixture(scope="module", params=DESCRIPTORS)
def flight(request: pytest.FixtureRequest, world: World, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path, Flown]:
    folder = tmp_path_factory.mktemp(request.param)
    return request.param, folder, flown_over(world, folder, descriptor=request.param)


def in_a_process(folder: Path, descriptor: str, threads: int, seed: int) -> dict[str, Any]:
    numbers = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), str(threads)) | {"PYTHONHASHSEED": str(seed)}
    path = os.pathsep.join([str(HERE), str(HERE.parent)])
    done = subprocess.run([sys.executable, "-m", "verdicts", str(folder), descriptor, str(threads)], capture_output=True,
                          text=True, env=os.environ | numbers | {"PYTHONPATH": path}, timeout=300)
    assert done.returncode == 0, done.stderr
    told: dict[str, Any] = json.loads(done.stdout)
    assert told["opencv"] == threads and told["algebra"] == [min(threads, os.cpu_count() or 1)]
    return told


def test_one_thread_here_and_two_in_another_process_give_the_same(flight: tuple[str, Path, Flown]) -> None:
    descriptor, folder, flown = flight
    before = cv2.getNumThreads()
    cv2.setNumThreads(1)
    with threadpool_limits(1):
        here = verdicts(flown, flown.localizer(descriptor, threads=1))
    cv2.setNumThreads(before)
    assert all(verdict.startswith("fix ") for verdict in here)
    assert in_a_process(folder, descriptor, threads=2, seed=4321)["verdicts"] == here


def test_a_frame_is_matched_alike_whatever_was_matched_before(flight: tuple[str, Path, Flown]) -> None:
    descriptor, _, flown = flight
    localizer = flown.localizer(descriptor)
    once = verdicts(flown, localizer)
    assert len(set(once)) == len(once)
    assert verdicts(flown, localizer, order=-1) == once


@pytest.mark.parametrize("shared", [True, False])
def test_two_localizers_at_once_do_not_disturb_each_other(flight: tuple[str, Path, Flown], shared: bool) -> None:
    """Of one map with its cache, or each with its own."""
    descriptor, folder, flown = flight
    other = flown if shared else Flown.read(folder)
    alone = verdicts(flown, flown.localizer(descriptor))
    with ThreadPoolExecutor(2) as pool:
        first, second = (pool.submit(verdicts, each, each.localizer(descriptor), order)
                         for each, order in ((flown, 1), (other, -1)))
    assert first.result() == second.result() == alone


@pytest.mark.parametrize("descriptor", DESCRIPTORS)
def test_one_worker_and_two_build_the_same_map(world: World, tmp_path: Path, descriptor: str) -> None:
    files = []
    for count in (1, 2):
        built: ReferenceMap = build_map(
            Sources(world.sar, landcover=world.landcover, dem=world.dem), tmp_path / str(count),
            BuildOptions(load(descriptor, threads=count), levels=1), Crew(workers=count))
        files.append(json.loads((built.path / "manifest.json").read_bytes())["files"])
    assert files[0] == files[1] and len(files[0]) > 10
