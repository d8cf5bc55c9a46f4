"""A build from other places gives the same map, a killed one goes on, and what makes no map is refused."""

from __future__ import annotations

import json
import logging
import shutil
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
import zarr
from rasterio.transform import from_origin
from small_maps import NORTH, WEST, BoxMean, contents, write

from promptmid_core.errors import InputError
from promptmid_core.georaster import RasterFacts
from promptmid_core.refmap import ReferenceMap, map_info, verify_map
from promptmid_core.refmap.build import BuildOptions, Crew, Sources, build_map
from promptmid_core.refmap.sar.amplitude import AmplitudeScale


def test_equal_inputs_give_equal_bytes_wherever_they_lie(built_map: Path, map_inputs: dict[str, Path], tmp_path: Path) -> None:
    renamed = {name: Path(shutil.copy(path, tmp_path / f"other_{name}.tif")) for name, path in map_inputs.items()}
    build_map(Sources(**renamed), tmp_path / "map", BuildOptions(BoxMean()))
    one, other = contents(built_map), contents(tmp_path / "map")
    manifests = [json.loads(files.pop("manifest.json")) for files in (one, other)]
    assert one == other
    assert manifests[0]["files"] == manifests[1]["files"]
    assert manifests[0]["content"] == manifests[1]["content"]
    assert set(manifests[0]["files"]) == set(one)
    assert verify_map(built_map) == []


KILLED = """
import os, signal, sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from small_maps import BoxMean
from promptmid_core.refmap.build import BuildOptions, Crew, Sources, build_map

class Dying(BoxMean):
    def describe(self, patch, prompt):
        if len(self.seen) == 2:
            os.kill(os.getpid(), signal.SIGKILL)
        return super().describe(patch, prompt)

sar, landcover, dem, out = map(Path, sys.argv[2:])
build_map(Sources(sar, landcover, dem), out, BuildOptions(Dying()), Crew(workers=1))
"""


@pytest.fixture(scope="module")
def killed(map_inputs: dict[str, Path], tmp_path_factory: Any) -> Path:
    """What a build leaves that is killed in its third tile."""
    out: Path = tmp_path_factory.mktemp("killed") / "map"
    paths = [Path(__file__).parent, map_inputs["sar"], map_inputs["landcover"], map_inputs["dem"], out]
    assert subprocess.run([sys.executable, "-c", KILLED, *paths], check=False).returncode == -signal.SIGKILL
    return out


def test_killed_build_is_no_map_until_it_is_finished(killed: Path) -> None:
    for use in (ReferenceMap.open, verify_map, map_info):
        with pytest.raises(InputError, match="unfinished"):
            use(killed)


def test_killed_build_goes_on_where_it_stopped(killed: Path, built_map: Path, map_inputs: dict[str, Path],
                                               tmp_path: Path) -> None:
    out = Path(shutil.copytree(killed, tmp_path / "map"))
    (out / "0/sar/c/0/0.1234.partial").write_bytes(b"half a shard")
    with (out / "building.jsonl").open("a") as journal:
        journal.write('{"tile": {"col"')  # the line that the kill cut short
    descriptor, done = BoxMean(), []
    build_map(Sources(**map_inputs), out, BuildOptions(descriptor),
              Crew(progress=lambda *counts: done.append(counts)))
    assert len(descriptor.seen) == 2
    assert done == [(k, 4) for k in range(2, 5)]
    assert verify_map(out) == []
    assert contents(out).keys() == contents(built_map).keys()
    manifests = [json.loads((path / "manifest.json").read_bytes()) for path in (out, built_map)]
    assert manifests[0]["files"] == manifests[1]["files"]


def test_shard_spoilt_since_the_kill_is_made_again(killed: Path, map_inputs: dict[str, Path], tmp_path: Path) -> None:
    out = Path(shutil.copytree(killed, tmp_path / "map"))
    shard = out / "0/descriptors/c/0/0/1"
    shard.write_bytes(shard.read_bytes()[:1000])
    descriptor = BoxMean()
    build_map(Sources(**map_inputs), out, BuildOptions(descriptor))
    assert len(descriptor.seen) == 3
    assert verify_map(out) == []


def test_unfinished_map_of_other_inputs_is_refused(killed: Path, map_inputs: dict[str, Path]) -> None:
    before = contents(killed)
    with pytest.raises(InputError, match="unfinished map of other inputs"):
        build_map(Sources(map_inputs["sar"]), killed, BuildOptions(BoxMean()))
    assert contents(killed) == before


def test_finished_map_is_left_alone(copied_map: Path, map_inputs: dict[str, Path], caplog: pytest.LogCaptureFixture) -> None:
    before, descriptor = contents(copied_map), BoxMean()
    with caplog.at_level(logging.INFO):
        again = build_map(Sources(**map_inputs), copied_map,
                          BuildOptions(descriptor))
    assert not descriptor.seen
    assert "already built" in caplog.text
    assert again.fingerprint == "boxmean-1"
    sources, options = Sources(**map_inputs), BuildOptions(BoxMean())
    for other in ((sources, replace(options, gsd=20.0)), (sources, replace(options, crs="EPSG:26911")),
                  (sources, BuildOptions(BoxMean(fingerprint="boxmean-2"))), (replace(sources, dem=None), options)):
        with pytest.raises(InputError, match="other inputs"):
            build_map(other[0], copied_map, other[1])
    assert contents(copied_map) == before


def test_folder_that_is_not_ours_is_refused_and_kept(map_inputs: dict[str, Path], tmp_path: Path) -> None:
    photos = tmp_path / "photos"
    photos.mkdir()
    (photos / "holiday.jpg").write_bytes(b"dear to somebody")
    group = tmp_path / "group"
    zarr.create_group(group, attributes={"format": "something else"})
    file = tmp_path / "file"
    file.write_text("text")
    before = contents(tmp_path)
    for taken in (photos, group, file):
        with pytest.raises(InputError, match=str(taken)):
            build_map(Sources(map_inputs["sar"]), taken, BuildOptions(BoxMean()))
    with pytest.raises(InputError, match="cannot be written"):
        build_map(Sources(map_inputs["sar"]), file / "map", BuildOptions(BoxMean()))
    assert contents(tmp_path) == before
    for use in (ReferenceMap.open, verify_map, map_info):
        with pytest.raises(InputError, match="not a map"):
            use(photos)
        with pytest.raises(InputError, match="not a map"):
            use(tmp_path / "nowhere")


def test_map_without_landcover_and_dem_says_so(map_inputs: dict[str, Path], tmp_path: Path) -> None:
    reference = build_map(Sources(map_inputs["sar"]), tmp_path / "map", BuildOptions(BoxMean(), gsd=30.0))
    assert reference.gsd == 30.0
    assert (reference.has_dem, reference.vertical_datum, reference.landuse(0, 0, 8, 8)) == (False, "unknown", None)
    assert reference.terrain().height(np.zeros(3), np.zeros(3)).tolist() == [0, 0, 0]
    assert map_info(tmp_path / "map")["landuse"] == {}


@pytest.mark.parametrize(("which", "options", "named"), [
    ("landcover", {"transform": from_origin(WEST + 1e5, NORTH, 10, 10)}, "does not overlap"),
    ("dem", {"transform": from_origin(WEST, NORTH - 1e5, 10, 10)}, "does not overlap"),
    ("dem", {"crs": None}, "no CRS"),
    ("dem", {"crs": "EPSG:32611+6360"}, "metres"),
    ("sar", {"crs": None}, "no CRS"),
])
def test_input_that_does_not_fit_is_refused_before_any_work(map_inputs: dict[str, Path], tmp_path: Path, which: str,
                                                            options: dict[str, Any], named: str) -> None:
    bad = write(tmp_path / "bad.tif", np.ones((50, 50), np.int16), **options)
    given = {"sar": map_inputs["sar"], which: bad}
    with pytest.raises(InputError, match=named) as refusal:
        build_map(Sources(**given), tmp_path / "map", BuildOptions(BoxMean()))
    assert str(bad) in str(refusal.value)
    assert not (tmp_path / "map").exists()


@pytest.mark.parametrize(("which", "value", "named"), [
    ("sar", 0, "zero"), ("landcover", -4, "class codes"),
])
def test_values_that_make_no_map_are_refused(map_inputs: dict[str, Path], tmp_path: Path, which: str, value: int,
                                             named: str) -> None:
    bad = write(tmp_path / "bad.tif", np.full((50, 50), value, np.int16))
    given = {"sar": map_inputs["sar"], which: bad}
    with pytest.raises(InputError, match=named):
        build_map(Sources(**given), tmp_path / "map", BuildOptions(BoxMean()))


@pytest.mark.parametrize("gsd", [0.0, -3.0, float("nan"), float("inf"), 1e6, 1e-3])
def test_gsd_that_makes_no_map_is_refused(map_inputs: dict[str, Path], tmp_path: Path, gsd: float) -> None:
    with pytest.raises(InputError):
        build_map(Sources(map_inputs["sar"]), tmp_path / "map", BuildOptions(BoxMean(), gsd=gsd))


def test_dem_of_nodata_over_the_map_makes_no_finished_map(map_inputs: dict[str, Path], tmp_path: Path) -> None:
    heights = np.full((300, 300), -9999, np.float32)
    heights[290:, 290:] = 12  # far off to the south-east
    dem = write(tmp_path / "dem.tif", heights, 60.0, nodata=-9999)
    with pytest.raises(InputError, match="holds no height where"):
        build_map(Sources(map_inputs["sar"], dem=dem), tmp_path / "map", BuildOptions(BoxMean(), gsd=20.0))
    assert not (tmp_path / "map/manifest.json").exists()


def test_amplitude_has_median_one_whatever_the_product(map_inputs: dict[str, Path], tmp_path: Path) -> None:
    with rasterio.open(map_inputs["sar"]) as source:
        linear = source.read(1).astype(np.float32)
    linear[linear == 0] = np.nan
    patches = {}
    for name, pixels in (("linear", linear * 37), ("decibel", 20 * np.log10(linear) - 60)):
        descriptor = BoxMean()
        build_map(Sources(write(tmp_path / f"{name}.tif", pixels)), tmp_path / name, BuildOptions(descriptor))
        patches[name] = corner = descriptor.corner
        assert map_info(tmp_path / name)["amplitude"]["decibel"] == (name == "decibel")
        assert np.median(corner.image[corner.valid]) == pytest.approx(1, abs=0.02)
    both = patches["linear"].valid
    np.testing.assert_allclose(patches["linear"].image[both], patches["decibel"].image[both], rtol=0.05)
    assert not AmplitudeScale.of(Path("x"), RasterFacts("float32", 1.0, -0.01, 9.0, 0.5)).decibel


def test_float_product_does_not_overshoot_its_values(tmp_path: Path) -> None:
    pixels = np.full((120, 120), 0.02, np.float32)
    pixels[::7, ::5] = 900.0
    pixels[::7, 1::5] = 900.0  # between two of them a cubic rises above both
    reference = build_map(Sources(write(tmp_path / "sar.tif", pixels)), tmp_path / "map", BuildOptions(BoxMean(), gsd=5.0))
    patch = reference.image(0, 0, reference.grid.width, reference.grid.height)
    assert patch.image[patch.valid].min() == np.float32(0.02)
    assert patch.image.max() == 900
