"""Real Sentinel-1 maps and flights over real Sentinel-2 orthophotos: the bars that the README states."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio

from promptmid_core.descriptors import load
from promptmid_core.localization.localizer import Localizer
from promptmid_core.refmap.build import BuildOptions, Sources, build_map
from promptmid_core.replay.metrics import summarise
from promptmid_core.replay.run import replay
from promptmid_core.simulation.flight.options import FlightOptions
from promptmid_core.simulation.flight.simulate import simulate_flight

pytestmark = [pytest.mark.real_data, pytest.mark.slow]


@pytest.fixture(scope="module")
def orange_county(data_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`sar.tif` and `optical.tif` of Orange County."""
    folder = tmp_path_factory.mktemp("orange_county")
    tool = data_folder / "tools" / "make_geotiffs.py"
    source = data_folder / "data" / "eval" / "s1s2-orange-county"
    subprocess.run([sys.executable, tool, source, folder], check=True, capture_output=True)
    return folder


def flown(sar: Path, out: Path, frames: int) -> dict[str, Any]:
    simulate_flight(sar.with_name("optical.tif"), out / "bag", FlightOptions.of(frames=frames, seed=5, footprint_px=512,
                    drift_px=40, yaw_error_deg=3, altitude_error_percent=2, image_size=(960, 720)))
    reference = build_map(Sources(sar), out / "map", BuildOptions(load("structural")))
    return summarise(replay(out / "bag", Localizer(reference, load("structural")), reference))


@pytest.mark.parametrize("frames", [30, pytest.param(60, marks=pytest.mark.long)])
def test_a_flight_over_orange_county_is_localized(orange_county: Path, tmp_path: Path, frames: int) -> None:
    summary = flown(orange_county / "sar.tif", tmp_path, frames)
    assert summary["fix_rate"] >= 0.93  # of 30 frames the first two may await confirmation
    assert summary["false_fixes"] == 0
    assert summary["ground_error_px"]["median"] <= 1.0
    assert summary["ground_error_px"]["p95"] <= 2.5


# every frame is looked for on the whole map, which takes two seconds
@pytest.mark.parametrize("frames", [3, pytest.param(60, marks=pytest.mark.long)])
def test_no_fix_is_accepted_on_a_mirrored_map(orange_county: Path, tmp_path: Path, frames: int) -> None:
    with rasterio.open(orange_county / "sar.tif") as source:
        image, profile = source.read(1), source.profile
    with rasterio.open(orange_county / "mirrored.tif", "w", **profile) as target:
        target.write(np.ascontiguousarray(image[:, ::-1]), 1)
    summary = flown(orange_county / "mirrored.tif", tmp_path, frames)
    assert (summary["frames"], summary["fixes"]) == (frames, 0)
