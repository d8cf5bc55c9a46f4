"""What is between the ground and the image: clouds, haze, blur, night and seasons."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from promptmid_core.arrays import UInt8
from promptmid_core.errors import InputError
from promptmid_core.geometry import Grid, Pose, Terrain
from promptmid_core.simulation.flight.exposure import Exposure
from promptmid_core.simulation.flight.options import FlightOptions
from promptmid_core.simulation.flight.season import LOOKS, seasoned
from promptmid_core.simulation.flight.sight import nadir_sight
from promptmid_core.simulation.flight.view import View
from promptmid_core.simulation.flight.weather import CLOUD_SHARE, Weather, streaked

SIGHT = nadir_sight(320, 240, 480.0)
RNG = np.random.default_rng(6)
GROUND = np.asarray(np.clip(40 * cv2.GaussianBlur(RNG.standard_normal((600, 600, 3)), (0, 0), 2) * 7 + 90, 20, 160), np.uint8)
VIEW = View(GROUND, np.ones((600, 600), bool), Grid(-600.0, 600.0, 2.0, 600, 600), Terrain.flat(), SIGHT.camera)


def at(x: float, y: float = 0.0, yaw: float = 0.0) -> Pose:
    return Pose.from_rpy(np.array([x, y, SIGHT.height]), 0.0, 0.0, yaw)


def cloudy(pose: Pose, image: UInt8 | None = None, **conditions: Any) -> UInt8:
    weather = Weather.of(FlightOptions.of(seed=3, **conditions), SIGHT)
    return weather.over(VIEW.render(pose)[0] if image is None else image, VIEW, pose)


@pytest.mark.parametrize("percent", [20, 60, 90, 100])
@pytest.mark.parametrize("colours", [3, 1])
def test_clouds_cover_the_share_that_was_asked_for_of_each_frame(percent: float, colours: int) -> None:
    black = np.zeros((240, 320, 3) if colours == 3 else (240, 320), np.uint8)
    for x in (-80.0, 0.0, 70.0):
        seen = cloudy(at(x), black, cloud_percent=percent)
        # half through a soft edge
        assert seen.shape == black.shape and (seen > 105).mean() == pytest.approx(percent / 100, abs=0.03)
    assert percent == 100 or 0.01 < ((seen > 20) & (seen < 180)).mean() < 0.5


def test_clouds_are_white_and_the_ground_between_is_as_it_was() -> None:
    plain, seen = VIEW.render(at(0))[0], cloudy(at(0), cloud_percent=40)
    clear = (seen == plain).all(axis=-1)
    assert 0.3 < clear.mean() < 0.6
    covered = cloudy(at(0), np.zeros_like(plain), cloud_percent=40)[..., 0] > 180
    assert seen[covered].min() > 170


def test_clouds_stay_over_their_place_at_their_height() -> None:
    """An aircraft that moves sees the clouds shift more than the ground, by how much nearer they are."""
    black = np.zeros((240, 320), np.uint8)
    moved = 24.0
    first, second = (cloudy(at(0, y), black, cloud_percent=50).astype(np.float32) for y in (0.0, moved))
    shift, _ = cv2.phaseCorrelate(first, second, cv2.createHanningWindow((320, 240), cv2.CV_32F))
    focal = SIGHT.camera.k[0, 0]
    expected = moved * focal / (SIGHT.height * (1 - CLOUD_SHARE))
    assert shift[0] == pytest.approx(expected, rel=0.1) and abs(shift[1]) < 1.5
    assert expected > 1.5 * moved * focal / SIGHT.height


def test_other_seeds_other_clouds_and_none_without() -> None:
    black = np.zeros((240, 320), np.uint8)
    one, same, other = (Weather.of(FlightOptions.of(seed=seed, cloud_percent=50), SIGHT).over(black, VIEW, at(0))
                        for seed in (1, 1, 2))
    assert np.array_equal(one, same) and (one != other).mean() > 0.3
    assert cloudy(at(0), black) is black


def test_haze_takes_contrast() -> None:
    plain, hazy = VIEW.render(at(0))[0].astype(float), cloudy(at(0), haze_percent=70).astype(float)
    assert hazy.std(axis=(0, 1)) == pytest.approx(0.3 * plain.std(axis=(0, 1)), rel=0.05)
    assert (hazy.mean(axis=(0, 1)) > plain.mean(axis=(0, 1)) + 60).all()


@pytest.mark.parametrize("velocity", [(3.0, 0.0), (0.0, 5.0), (2.0, 2.0)])
def test_a_point_leaves_a_streak_along_the_motion(velocity: tuple[float, float]) -> None:
    point = np.zeros((101, 101), np.uint8)
    point[50, 50] = 255
    seen = streaked(point, np.array([*velocity, 9.0]), 20.0).astype(float)
    rows, cols = np.indices(seen.shape) - 50
    along = (cols * velocity[0] + rows * velocity[1]) / np.hypot(*velocity)
    across = (rows * velocity[0] - cols * velocity[1]) / np.hypot(*velocity)
    weight = seen / seen.sum()
    assert abs((weight * along).sum()) < 0.5 and abs((weight * across).sum()) < 0.5
    # a line of even brightness has a deviation of its length over the root of twelve
    assert np.sqrt((weight * along**2).sum()) == pytest.approx(20 / np.sqrt(12), rel=0.1)
    assert np.sqrt((weight * across**2).sum()) < 1.2


def test_what_stands_still_leaves_no_streak() -> None:
    image = GROUND[:50, :50]
    assert np.array_equal(streaked(image, np.array([0.0, 0.0, 2.0]), 9.0), image)
    flat = np.full((40, 40, 3), 77, np.uint8)
    assert np.array_equal(streaked(flat, np.array([1.0, 0.3, 0.0]), 9.0), flat), "light is kept"


def test_nights_are_dark_and_noisy() -> None:
    image = np.full((200, 200, 3), 120, np.uint8)
    day, night = (Exposure.over(1, np.random.default_rng(1), 3, 1.0, dark).expose(image, 1)[80:120, 80:120].astype(float)
                  for dark in (False, True))
    assert 10 < night.mean() < 0.35 * day.mean()
    assert night.std() / night.mean() > 5 * day.std() / day.mean()


GRASS, WOOD, SOIL, ROAD, WATER = (70, 110, 55), (22, 48, 24), (150, 120, 90), (112, 112, 114), (24, 40, 52)


@pytest.mark.parametrize("season", LOOKS)
def test_seasons_change_what_grows_and_leave_what_does_not(season: str) -> None:
    strip = np.array([GRASS, WOOD, SOIL, ROAD, WATER, (0, 0, 0)], np.uint8)[None].repeat(3, axis=0)
    seen = seasoned(strip, season, Path("ortho.tif")).astype(int)[1]
    grass, wood, soil, road, water, nodata = seen
    assert np.abs(road - ROAD).max() <= 2 and np.abs(water - WATER).max() <= 6
    assert (nodata == 0).all(), "no data stays none"
    assert np.abs(grass - GRASS).max() > 30
    assert grass[0] > grass[1] or season == "snow", "not green any more"
    assert wood.mean() < grass.mean(), "woods stay the darker ones"
    if season == "snow":
        assert grass.min() > 170 and soil.min() > 170
    else:
        assert np.abs(soil - SOIL).max() <= 6


def test_a_grey_orthophoto_has_no_season() -> None:
    with pytest.raises(InputError, match=r"^ortho\.tif is grey, so that nothing tells what is vegetation; leave season"):
        seasoned(np.zeros((5, 5), np.uint8), "autumn", Path("ortho.tif"))
