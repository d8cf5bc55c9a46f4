"""Whole flights under conditions: what their bags hold of outages, delays, clouds, nights and seasons."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from spots import frames_of, priors_at_frames, write_raster

from promptmid_core.bags.bag import FlightBag, open_bag
from promptmid_core.errors import InputError
from promptmid_core.simulation.flight.options import FlightOptions
from promptmid_core.simulation.flight.simulate import simulate_flight

pytestmark = pytest.mark.slow

OPTIONS = {"frames": 6, "seed": 4, "footprint_px": 80, "image_size": (96, 72), "drift_px": 5}


@pytest.fixture(scope="module")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Meadows and woods, three colours."""
    wood = cv2.GaussianBlur(np.random.default_rng(2).standard_normal((500, 500)), (0, 0), 9)[..., None] > 0
    colours = np.where(wood, (22, 48, 24), (90, 130, 70)).astype(np.uint8)
    return write_raster(tmp_path_factory.mktemp("ground") / "ground.tif", colours)


@pytest.fixture(scope="module")
def plain(ground: Path, tmp_path_factory: pytest.TempPathFactory) -> FlightBag:
    return flown(ground, tmp_path_factory.mktemp("plain"))


def flown(ground: Path, folder: Path, **values: Any) -> FlightBag:
    simulate_flight(ground, folder / "bag", FlightOptions.of(**OPTIONS | values))
    return open_bag(folder / "bag")


def pictures(bag: FlightBag) -> list[Any]:
    return [image.astype(float) for _, image, _, _ in frames_of(bag)]


def test_conditions_change_the_images_and_nothing_else(ground: Path, plain: FlightBag, tmp_path: Path) -> None:
    clear = pictures(plain)
    for number, (name, value) in enumerate({"cloud_percent": 60, "haze_percent": 50, "motion_blur_px": 25, "night": True,
                                            "season": "drought"}.items()):
        bag = flown(ground, tmp_path / str(number), **{name: value})
        assert bag.custom == plain.custom | {name: str(value)}
        for (_, one), (_, other) in zip(bag.ground_truth(), plain.ground_truth(), strict=True):
            assert np.array_equal(one.position, other.position) and np.array_equal(one.rotation, other.rotation)
        for one, other in zip(bag.odometry(), plain.odometry(), strict=True):
            assert np.array_equal(one.pose.position, other.pose.position)
        seen = pictures(bag)
        changed = [np.abs(a - b).mean() for a, b in zip(seen, clear, strict=True)]
        assert min(changed) > 4, name
        if name == "cloud_percent":
            assert all(0.45 < (image.min(axis=-1) > 150).mean() < 0.7 for image in seen)
        if name == "night":
            assert max(image.mean() for image in seen) < 0.4 * min(image.mean() for image in clear)
        if name == "season":
            assert all(image[..., 0].mean() > image[..., 1].mean() for image in seen)


def test_images_of_an_outage_are_not_there_and_those_after_are_the_same(ground: Path, plain: FlightBag, tmp_path: Path) -> None:
    summary = simulate_flight(ground, tmp_path / "bag", FlightOptions.of(**OPTIONS, outage="2:2", outage_of="images"))
    bag = open_bag(tmp_path / "bag")
    assert summary.frames == 4 == bag.count("/image/compressed") == bag.count("/camera_info") == bag.count("/ground_truth")
    kept = [0, 1, 4, 5]
    assert [stamp for stamp, *_ in frames_of(bag)] == [list(frames_of(plain))[i][0] for i in kept]
    whole = pictures(plain)
    for image, i in zip(pictures(bag), kept, strict=True):
        assert np.array_equal(image, whole[i])
    assert len(bag.odometry()) == len(plain.odometry())
    assert (bag.custom["outage"], bag.custom["outage_of"]) == ("2:2", "images")


def test_an_outage_of_both_takes_both(ground: Path, plain: FlightBag, tmp_path: Path) -> None:
    bag = flown(ground, tmp_path, outage="2:2", outage_of="both")
    assert bag.count("/image/compressed") == 4 and len(bag.odometry()) == len(plain.odometry()) - 40


def test_an_outage_of_the_whole_flight_is_refused(ground: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="outage leaves no frame of the flight; give more frames"):
        flown(ground, tmp_path, outage="0:60", outage_of="both")
    assert list(tmp_path.iterdir()) == []


def test_a_delayed_image_shows_where_the_aircraft_was(ground: Path, tmp_path: Path) -> None:
    """Delayed by just the time between two frames: each shows what the one before it would have shown in time."""
    late = flown(ground, tmp_path / "late", camera_delay_s=1.0, drift_px=0)
    stamps = [stamp for stamp, *_ in frames_of(late)]
    assert np.diff(stamps) == pytest.approx(1e9) and stamps[0] % 50_000_000 == 17_000_000, "stamped between two of odometry"
    in_time = flown(ground, tmp_path / "time", frames=7, drift_px=0)
    seen, shown, truth = pictures(late), pictures(in_time), in_time.ground_truth()
    assert late.ground_truth()[0][1].position == pytest.approx(truth[1][1].position, abs=1e-6)
    for i in range(6):
        # the noise of the sensor differs
        right, wrong = (np.abs(cv2.blur(seen[i] - shown[j], (5, 5))).mean() for j in (i, i + 1))
        assert right < 0.6 * wrong
    # the prior at the stamp is that of the stamp
    assert all(np.hypot(*(prior.pose.position - true.position)[:2]) < 0.1 for true, prior in priors_at_frames(late))


def test_a_season_needs_colours(tmp_path: Path) -> None:
    grey = write_raster(tmp_path / "grey.tif", np.random.default_rng(1).integers(1, 255, (500, 500), np.uint8))
    with pytest.raises(InputError, match=r"grey\.tif is grey, so that nothing tells what is vegetation"):
        flown(grey, tmp_path / "flight", season="snow")
    assert not (tmp_path / "flight").exists()
    cloudy = flown(grey, tmp_path / "cloudy", frames=1, cloud_percent=100, night=True, motion_blur_px=3)
    assert pictures(cloudy)[0].ndim == 2
