"""Worlds with pixels of a metre: houses, trees and cars of their true sizes, with shadows and echoes where they belong."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
import rasterio

from promptmid_core.arrays import Float32
from promptmid_core.georaster import check_raster
from promptmid_core.simulation.world.close.crowns import Trees, crowns
from promptmid_core.simulation.world.close.land import CARS, close_landscape
from promptmid_core.simulation.world.close.town import CAR_M
from promptmid_core.simulation.world.illumination import shifted
from promptmid_core.simulation.world.landscape import Landscape
from promptmid_core.simulation.world.optical import Sun, optical_image
from promptmid_core.simulation.world.options import WorldOptions
from promptmid_core.simulation.world.sar import Radar, sar_image
from promptmid_core.simulation.world.simulate import simulate_world

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def land() -> Landscape:
    return close_landscape(np.random.default_rng(4), 1024, 1.0, salt=99)


def houses(land: Landscape) -> Float32:
    """Where there are roofs of houses, not of cars."""
    return np.asarray((land.roof > 0.5) & (land.roof_m > 2), np.float32)


def test_houses_are_as_large_as_houses(land: Landscape) -> None:
    count, _, stats, _ = cv2.connectedComponentsWithStats(houses(land).astype(np.uint8))
    areas = stats[1:, cv2.CC_STAT_AREA]
    whole = areas[areas > 25]
    assert len(whole) > 120, "a town's edge of a square kilometre"
    assert 70 < np.median(whole) < 260
    longer = stats[1:, [cv2.CC_STAT_WIDTH, cv2.CC_STAT_HEIGHT]].max(axis=1)[areas > 25]
    assert ((longer > 7) & (longer < 45)).mean() > 0.85
    heights = land.roof_m[houses(land) > 0]
    assert 3 < np.median(heights) < 12 and heights.max() < 45 and count > 120


def test_there_are_streets_gardens_single_trees_woods_fields_water_and_cars(land: Landscape) -> None:
    assert 0.05 < land.paved.mean() < 0.5 and 0.02 < houses(land).mean() < 0.35
    assert 0.002 < land.water.mean() < 0.05
    for cover, least in ((10, 0.1), (40, 0.1), (50, 0.15), (80, 0.002)):
        assert (land.cover == cover).mean() > least, cover
    cars = ((land.roof > 0.6) & (land.roof_m == np.float32(CAR_M[2]))).astype(np.uint8)
    count, _, stats, _ = cv2.connectedComponentsWithStats(cars)
    assert count > 50 and np.median(stats[1:, cv2.CC_STAT_AREA]) in range(3, 16)


def test_nothing_is_on_top_of_what_it_cannot_be_on(land: Landscape) -> None:
    assert (land.roof * land.paved).max() < 0.27 and (land.roof * land.water).max() < 0.3
    assert ((land.roof > 0.9) & (land.water > 0.5)).sum() == 0
    for name in ("water", "paved", "roof", "canopy", "conifer"):
        field = getattr(land, name)
        assert field.min() >= 0 and field.max() <= 1 and field.dtype == np.float32, name


def test_shadows_fall_away_from_the_sun(land: Landscape) -> None:
    sun = Sun()
    image = optical_image(np.random.default_rng(1), land, sun).mean(axis=-1)
    open_ground = (land.roof < 0.01) & (land.canopy < 0.05) & (land.water < 0.01)
    roofs = houses(land)
    towards = shifted(roofs, sun.azimuth, 2.5)  # 1 where a house is that far towards the sun
    away = shifted(roofs, sun.azimuth + np.pi, 2.5)
    shaded = (towards > 0.9) & (away < 0.1) & open_ground
    lit = (away > 0.9) & (towards < 0.1) & open_ground
    assert shaded.sum() > 500 and lit.sum() > 500
    assert image[shaded].mean() < 0.75 * image[lit].mean()


def test_walls_that_face_the_radar_are_bright_and_the_ground_behind_is_dark(land: Landscape) -> None:
    radar = Radar()
    amplitude = sar_image(np.random.default_rng(1), land, radar).astype(float)
    roofs = houses(land)
    ground = (land.roof < 0.01) & (land.canopy < 0.05) & (land.paved < 0.1) & (land.water < 0.1)
    # what is a little nearer to the radar than a house is where its wall lies over
    laid = ground & (shifted(roofs, radar.look, 1.5) > 0.9)
    tall = roofs * (land.roof_m > 9)
    hidden = ground & (shifted(tall, radar.look + np.pi, 3.0) > 0.9)
    for distance in (1.5, 4.0, 8.0, 14.0):
        hidden &= shifted(roofs, radar.look, distance) < 0.1
    assert laid.sum() > 1000 and hidden.sum() > 200
    usual = np.median(amplitude[ground])
    assert np.median(amplitude[laid]) > 1.5 * usual
    assert np.median(amplitude[hidden]) < 0.6 * usual


def test_it_is_no_coarse_world_enlarged(land: Landscape) -> None:
    """Within ten metres there is as much to see as between them."""
    image = optical_image(np.random.default_rng(1), land, Sun()).mean(axis=-1).astype(np.float32)
    fine = image - cv2.GaussianBlur(image, (0, 0), 2.5)
    assert fine.std() > 0.3 * image.std()
    assert np.quantile(np.abs(fine), 0.5) > 2


def test_cars_have_colours_of_cars(land: Landscape) -> None:
    assert land.paint is not None
    cars = (land.roof > 0.9) & (land.roof_m == np.float32(CAR_M[2])) & (land.paint.share > 0.5)
    assert len(np.unique(land.paint.colour[cars], axis=0)) == len(CARS)


def test_crowns_stand_where_they_may_and_are_as_large_as_asked() -> None:
    density = np.zeros((400, 400), np.float32)
    density[:, 200:] = 0.3
    made = crowns(density, 0.5, Trees(9.0, (2.0, 3.0), (6.0, 9.0)), 5, np.zeros_like(density))
    reach = int(3.0 / 0.5) + 2
    assert made.share[:, :200 - reach].max() == 0 and made.share[:, 210:].max() == 1
    count, _, stats, _ = cv2.connectedComponentsWithStats((made.share > 0.5).astype(np.uint8))
    expected = 0.3 * 200 * 100 / 9.0**2
    assert expected * 0.7 < count - 1 < expected * 1.3
    radii = np.sqrt(stats[1:, cv2.CC_STAT_AREA] * 0.25 / np.pi)
    assert 1.8 < np.median(radii) < 3.2
    assert made.height_m[made.share > 0.5].min() > 3.0 and made.height_m.max() <= 9.0


@pytest.mark.parametrize(("gsd", "seed"), [(0.5, 1), (1.0, 2), (3.0, 3), (4.9, 4)])
def test_worlds_of_small_pixels_are_files_like_any_others(tmp_path: Path, gsd: float, seed: int) -> None:
    options = WorldOptions.of(seed=seed, size_px=256, gsd=gsd)
    world, again = simulate_world(tmp_path / "one", options), simulate_world(tmp_path / "two", options)
    for name in ("optical", "sar", "landcover"):
        assert check_raster(getattr(world, name), name).valid_fraction == 1  # type: ignore[arg-type]
        assert getattr(world, name).read_bytes() == getattr(again, name).read_bytes()
    with rasterio.open(world.dem) as dem:
        assert dem.res == (gsd, gsd) and np.ptp(dem.read(1)) > 1
