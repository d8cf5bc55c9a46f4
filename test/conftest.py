"""What tests of several files share."""

import gc
import logging
import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

# each process of a run has a domain of its own, so that no node meets the namesake of another process; those from 215 on have
# ports beyond the ephemeral ones
os.environ.setdefault("ROS_DOMAIN_ID", str(215 + int(os.environ.get("PYTEST_XDIST_WORKER", "gw0")[2:]) % 18))
os.environ.setdefault("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST")

# before any logger of the package is made: launch's pytest plugin, where it is installed, sets a class whose loggers hand nothing
# on, so that caplog stays empty
logging.setLoggerClass(logging.Logger)

import finite  # noqa: E402
from field_rasters import los_angeles_rasters  # noqa: E402
from shared import shared  # noqa: E402
from simulated import Flown, Scene, fly, make_scene  # noqa: E402
from small_maps import BoxMean, rasters  # noqa: E402

from promptmid_core.refmap.build import BuildOptions, Sources, build_map  # noqa: E402

OVER_DDS = re.compile(r"rclpy|harness|launched|rehearsal")


def pytest_configure(config: pytest.Config) -> None:
    finite.SHORT = "not long" in config.option.markexpr


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Iterator[None]:
    """What is imported and collected lives as long as the run, and is not searched for garbage as it grows."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.enable()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Slow files first, so that the quick ones fill the end of a run by several processes; those that wait among those that
    compute, so that no core is idle."""
    # discovery and delivery over DDS depend on what else the machine does: those tests have three tries, and a run tells at its
    # end which of them needed more than one
    over_dds = {path for path in {item.path for item in items} if OVER_DDS.search(path.read_text())}
    for item in items:
        if item.path in over_dds:
            item.add_marker(pytest.mark.flaky(reruns=2))
    groups: dict[str, dict[Path, list[pytest.Item]]] = {"waits": {}, "slow": {}, "": {}}
    for item in items:
        kind = next((mark for mark in ("waits", "slow") if item.get_closest_marker(mark)), "")
        groups[kind].setdefault(item.path, []).append(item)
    # and the longest of all, which has the real images, at once
    real = {item.path for item in items if item.get_closest_marker("real_data")}
    slow = sorted((-1.0 if path in real else number / len(files), kind != "waits", path) for kind in ("waits", "slow")
                  for files in [groups[kind]] for number, path in enumerate(files))
    order = [groups["slow" if computes else "waits"][path] for _, computes, path in slow]
    items[:] = [item for tests in (*order, *groups[""].values()) for item in tests]


@pytest.fixture(scope="session")
def data_folder() -> Path:
    """The folder of real images, for tests that are marked `real_data`; without one they are skipped."""
    named = os.environ.get("PROMPTMID_DATA")
    if not named:
        pytest.skip("PROMPTMID_DATA does not name a folder of real images")
    folder = Path(named)
    assert folder.is_dir(), f"PROMPTMID_DATA={named} is not a folder"
    return folder


@pytest.fixture(scope="session")
def map_inputs(tmp_path_factory: Any) -> dict[str, Path]:
    return rasters(tmp_path_factory.mktemp("map_inputs"))


@pytest.fixture(scope="session")
def built_map(map_inputs: dict[str, Path], tmp_path_factory: Any) -> Path:
    out: Path = tmp_path_factory.mktemp("maps") / "map"
    build_map(Sources(**map_inputs), out, BuildOptions(BoxMean()))
    return out


@pytest.fixture
def copied_map(built_map: Path, tmp_path: Path) -> Path:
    """A map that a test may break."""
    return Path(shutil.copytree(built_map, tmp_path / "map"))


@pytest.fixture(scope="session")
def los_angeles(tmp_path_factory: Any) -> dict[str, dict[str, Path]]:
    """Rasters of one place by the turn of their longitudes and by what they hold; no test writes to them."""
    return los_angeles_rasters(tmp_path_factory.mktemp("longitudes"))


@pytest.fixture(scope="session")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Scene:
    return Scene(shared(tmp_path_factory, "scene", make_scene))


@pytest.fixture(scope="session")
def flown(scene: Scene) -> Flown:
    return fly(scene)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that the tests of a file share."""
    return tmp_path_factory.mktemp("shared")


@pytest.fixture(scope="session")
def spots(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Any]:
    """A raster of bright spots, and their pixel coordinates."""
    from spots import blobs, write_raster

    image, at = blobs(600)
    return write_raster(tmp_path_factory.mktemp("spots") / "spots.tif", image), at
