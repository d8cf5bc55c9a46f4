"""A map in other tools' hands: layers as Cloud Optimized GeoTIFFs, its facts in words, and what tells where it lies."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
import rasterio
from small_maps import whole
from test_api import write_camera

from promptmid_core.cli import main
from promptmid_core.errors import InputError
from promptmid_core.geometry import Camera
from promptmid_core.georaster.geodetic import Geodetic
from promptmid_core.localization.options import SearchOptions
from promptmid_core.plan.heights import Footprint, band_of
from promptmid_core.preview.compass import convergence_deg, corners, in_degrees, round_length
from promptmid_core.preview.facts import facts
from promptmid_core.refmap import ReferenceMap

CAMERA = Camera(800, 600, np.array([[720.0, 0, 399.5], [0, 720.0, 299.5], [0, 0, 1]]))


def test_the_sar_layer_is_a_geotiff_of_the_products_own_values(built_map: Path, tmp_path: Path) -> None:
    assert main(["map", "preview", str(built_map), "--out", str(tmp_path / "sar.tif"), "--layer", "sar"]) == 0
    reference = ReferenceMap.open(built_map)
    patch = reference.image(0, 0, reference.grid.width, reference.grid.height)
    with rasterio.open(tmp_path / "sar.tif") as file:
        assert file.tags(ns="IMAGE_STRUCTURE")["LAYOUT"] == "COG"
        assert file.crs.to_string() == reference.frame.crs
        assert tuple(file.transform)[:6] == reference.grid.to_transform(reference.frame.origin)
        values, known = file.read(1), file.read_masks(1) > 0
    assert (known == patch.valid).all() and not known.all()
    assert (values[known] == patch.image[patch.valid]).all()


def test_the_land_use_layer_has_codes_colours_and_what_they_mean(built_map: Path, tmp_path: Path) -> None:
    assert main(["map", "preview", str(built_map), "--out", str(tmp_path / "cover.tif"), "--layer", "landuse"]) == 0
    reference = ReferenceMap.open(built_map)
    codes = reference.landuse(*whole(reference))
    assert codes is not None
    with rasterio.open(tmp_path / "cover.tif") as file:
        values, known = file.read(1), file.read_masks(1) > 0
        assert file.colormap(1)[80][:3] == (0, 100, 200) and file.tags()["class_80"] == "water"
    rows, cols = codes.image.shape
    assert (known[:rows, :cols] == codes.valid).all()
    assert (values[:rows, :cols][codes.valid] == codes.image[codes.valid]).all()


@pytest.mark.parametrize(("words", "named"), [
    (["--out", "map.tif"], "say which with --layer"), (["--out", "map.png", "--layer", "sar"], "ends in .tif")])
def test_a_layer_goes_with_a_geotiff_and_a_geotiff_with_a_layer(built_map: Path, tmp_path: Path, words: list[str], named: str,
                                                                capsys: pytest.CaptureFixture[str]) -> None:
    words[1] = str(tmp_path / words[1])
    assert main(["map", "preview", str(built_map), *words]) == 1
    assert named in capsys.readouterr().err


def test_facts_tell_where_a_map_lies_and_its_heights_for_a_camera(built_map: Path, tmp_path: Path,
                                                                  capsys: pytest.CaptureFixture[str]) -> None:
    camera, reference = write_camera(tmp_path / "camera.yaml", CAMERA), ReferenceMap.open(built_map)
    assert main(["map", "info", str(built_map), "--camera", str(camera)]) == 0
    said = capsys.readouterr().out
    place = corners(reference, Geodetic(reference.frame, reference.vertical_datum))["NW"]
    assert re.search(rf"^corner NW +{re.escape(in_degrees(*place))}$", said, re.MULTILINE) and "MB" in said
    band = band_of(reference, CAMERA, SearchOptions())
    assert f"{band.least:.0f} to {band.most:.0f} m above ground" in said
    assert main(["map", "info", str(built_map), "--json", "--camera", str(camera)]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["heights_m"] == {"min": band.least, "max": band.most} and told["gsd_m"] == reference.gsd
    assert "fly at" not in facts(reference)


def test_grid_north_and_corners_are_those_of_the_earth(built_map: Path) -> None:
    reference = ReferenceMap.open(built_map)
    earth = Geodetic(reference.frame, reference.vertical_datum)
    found = corners(reference, earth)
    # west of its zone's meridian, in the northern half: grid north lies west of true north
    assert found["NW"][1] < -117 and convergence_deg(reference, earth) == pytest.approx(
        (found["NW"][1] + found["SE"][1] + 234) / 2 * np.sin(np.radians(found["NW"][0])), abs=0.01)
    assert found["NE"][0] == pytest.approx(found["NW"][0], abs=0.01) and found["SE"][0] < found["NE"][0]
    assert in_degrees(-33.5, 18.25) == "33.5000 S, 18.2500 E"
    assert [round_length(most) for most in (0.7, 1.0, 2.4, 73.0)] == [0.5, 1, 2, 50]


def test_the_band_ends_where_frames_show_too_little_too_coarsely_or_more_than_the_map(built_map: Path) -> None:
    reference = ReferenceMap.open(built_map)
    seen, band = Footprint.of(CAMERA), band_of(reference, CAMERA, SearchOptions())
    assert (seen.across, seen.along) == (pytest.approx(800 / 720), pytest.approx(600 / 720))
    assert band.least * 600 / 720 == pytest.approx(128 * reference.gsd)
    assert band.most * 600 / 720 == pytest.approx(min(reference.grid.shape) * reference.gsd)
    small = Camera(160, 120, np.array([[720.0, 0, 79.5], [0, 720.0, 59.5], [0, 0, 1]]))
    assert band_of(reference, small, SearchOptions()).most / 720 == pytest.approx(2 * reference.gsd * 2 ** (reference.levels - 1))
    tiny = Camera(32, 24, np.array([[720.0, 0, 15.5], [0, 720.0, 11.5], [0, 0, 1]]))
    with pytest.raises(InputError, match="too small for any height"):
        band_of(reference, tiny, SearchOptions())


def test_each_height_comes_to_what_is_matched_there(built_map: Path) -> None:
    reference = ReferenceMap.open(built_map)
    band, gsd = band_of(reference, CAMERA, SearchOptions()), reference.gsd
    low, high = (band.at(height, SearchOptions()) for height in (1000.0, 4000.0))
    assert low["resolution_m"] == pytest.approx(1000 / 720) and high["footprint_px"] == pytest.approx(4000 * 600 / 720 / gsd)
    assert low["error_m_per_0_1deg"] == pytest.approx(1.745, abs=0.001)
    assert [band.level(height) for height in (720 * 2 * gsd, 721 * 2 * gsd, 720 * 4.1 * gsd)] == [0, 1, 2]
    assert low["largest_prior_error_m"] == pytest.approx(256 * gsd)
