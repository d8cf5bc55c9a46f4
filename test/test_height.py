"""The height above the ground by a laser's or a radar's range: what it makes of priors, and of a flight."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from flights import CAMERA, PRIOR_COVARIANCE, odometry
from simulated import Scene

from promptmid_core.bags import telemetry
from promptmid_core.bags.bag import open_bag
from promptmid_core.bags.messages import pose_in, stamp_ns
from promptmid_core.bags.writer import BagWriter
from promptmid_core.descriptors import load
from promptmid_core.errors import InputError
from promptmid_core.geometry import NADIR, Camera, Grid, Pose, Prior, Terrain, boresight_point
from promptmid_core.geometry.pose import rotation_rpy
from promptmid_core.localization.height import Height
from promptmid_core.localization.localizer import Localizer
from promptmid_core.localization.odometry import Odometry
from promptmid_core.localization.options import TrackOptions
from promptmid_core.localization.rig import Rig
from promptmid_core.localization.settings import DEFAULTS
from promptmid_core.outputs.health_keys import HEALTH
from promptmid_core.reasons import Reason
from promptmid_core.replay.run import Flight, replay

FRAMES = 4
STAMP = 1_700_000_000_000_000_000
SLOPE = Terrain.of(np.tile(np.arange(200, dtype=np.float32), (200, 1)), Grid(-1000.0, 1000.0, 10.0, 200, 200))  # a tenth up
LEANING = replace(CAMERA, mount=Pose(np.array([2.0, 0.0, -1.0]), rotation_rpy(0.0, np.deg2rad(-20.0), 0.0)) @ NADIR)


def rig(**values: Any) -> Rig:
    return Rig.read(DEFAULTS | values, TrackOptions())


def ranged(metres: float, stamp: int = STAMP, least: float = 1.0, most: float = 9000.0, variance: float = 0.0) -> Any:
    return telemetry.message("sensor_msgs/msg/Range", telemetry.header(stamp, "range"), 0, 0.01, least, most, metres, variance)


def applied(height: Height, z: float, terrain: Terrain = SLOPE, camera: Camera = CAMERA, after_ns: int = 100_000_000,
            covariance: np.ndarray = PRIOR_COVARIANCE, rpy: tuple[float, float, float] = (0.0, 0.0, 0.3)) -> Prior:
    """The prior of an image after the stamp of the ranges, of odometry at a height that sinks by 10 m/s."""
    heard = Odometry(rig())
    for at in range(-10, 60):
        stamp = STAMP + at * 50_000_000
        heard.add(odometry(stamp, Pose.from_rpy(np.array([100.0, -50.0, z - 0.5 * at]), *rpy), covariance))
    return height.applied(heard.at(STAMP + after_ns)[0], camera, heard, terrain)


def test_a_range_straight_down_sets_the_height_over_the_ground_at_its_own_stamp() -> None:
    height = Height(rig(height_along="down").prior)
    height.add(ranged(1000.0))
    covariance = np.diag([4.0, 4.0, 20.0**2, 1e-4, 1e-4, 1e-3])
    found = applied(height, 1070.0, covariance=covariance)
    ground = float(SLOPE.height(np.array([100.0]), np.array([-50.0]))[0])
    # the aircraft sinks by 1 m until the image
    assert found.ranged and found.pose.position[2] == pytest.approx(ground + 1000.0 - 1.0)
    assert found.covariance[2, 2] == pytest.approx(2.0**2 + (0.1 * 2.0) ** 2)
    assert height.fault == "" and np.array_equal(found.covariance[3:, 3:], covariance[3:, 3:])


def test_a_range_along_a_leaning_boresight_ends_on_the_ground_that_the_camera_sees() -> None:
    height = Height(rig(height_along="boresight", height_sigma_m=1.0).prior)
    true = Pose.from_rpy(np.array([100.0, -50.0, 1110.0]), 0.1, -0.05, 0.3)
    eye = (true @ LEANING.mount).position
    height.add(ranged(float(np.linalg.norm(boresight_point(LEANING, true, SLOPE) - eye))))
    found = applied(height, 1150.0, camera=LEANING, after_ns=0, rpy=(0.1, -0.05, 0.3))
    assert found.ranged and found.pose.position[2] == pytest.approx(1110.0, abs=0.01)


def test_a_stated_variance_counts_and_the_more_exact_height_is_kept() -> None:
    height = Height(rig(height_along="down").prior)
    height.add(ranged(1000.0, variance=30.0**2))
    found = applied(height, 1070.0)
    assert not found.ranged and found.pose.position[2] == pytest.approx(1069.0) and not height.fault


@pytest.mark.parametrize(("message", "words"), [
    (ranged(float("nan")), "nan, not a finite"), (ranged(float("inf")), "inf, not a finite"),
    (ranged(700.0, most=500.0), "700.0 m, outside min_range to max_range, 1 to 500 m"),
    (ranged(0.0, least=0.0), "0.0 m, outside"),
    (ranged(1000.0, stamp=0), "stamp zero")])
def test_a_range_that_is_none_is_told_and_not_used(message: Any, words: str) -> None:
    height = Height(rig(height_along="down").prior)
    height.add(message)
    assert words in height.fault
    assert not applied(height, 1070.0).ranged


def test_old_ranges_are_told_with_their_age() -> None:
    height = Height(rig(height_along="down").prior)
    assert not applied(height, 1070.0).ranged and "no range of a stamp before the image" in height.fault
    height.add(ranged(1000.0))
    assert not applied(height, 1070.0, after_ns=800_000_000).ranged
    assert "0.8 s older than the image, more than 0.5 s" in height.fault
    height.add(ranged(1000.0, STAMP - 7_000_000_000))
    height.add(ranged(1000.0, STAMP - 6_950_000_000))
    assert not applied(height, 1070.0).ranged, "the clock was set back"


def test_a_range_that_contradicts_prior_and_ground_is_told_after_three_in_a_row() -> None:
    height = Height(rig(height_along="down").prior)
    for _ in range(3):
        assert not height.fault
        height.add(ranged(600.0))
        assert not applied(height, 1070.0).ranged
    assert "600.0 m puts the aircraft" in height.fault and "m below the prior" in height.fault and "than 4" in height.fault
    told = HEALTH["height_fault"].said("height_fault", height.fault)
    assert "look at the range finder" in told and HEALTH["height_fault"].level(height.fault) == 1
    height.add(ranged(1000.0))
    assert applied(height, 1070.0).ranged and not height.fault
    # where no DEM tells the ground, its own doubt is part of it
    height.add(ranged(600.0))
    assert applied(height, 1070.0, Terrain.flat()).ranged


def test_what_height_along_may_be_is_told() -> None:
    with pytest.raises(InputError, match="height_along is 'up', not one of off, boresight, down"):
        rig(height_along="up")
    assert not Height(rig().prior).on


def flown(scene: Scene, path: Path, wrong: float, lie: float) -> Path:
    """The first frames of the flight, with a prior whose height above the ground is wrong by a share, as it states, and with
    ranges of 20 Hz straight down that are true but for the factor `lie`."""
    bag, terrain, images = open_bag(scene.bag), scene.reference().terrain(), 0
    true = [(stamp_ns(message.header), *pose_in(message).position) for _, _, message in bag.messages(bag.topic("ground_truth"))]
    assert bag.map_frame is not None
    frame = {"map_crs": bag.map_frame.crs, "map_origin_east": str(bag.map_frame.origin[0]),
             "map_origin_north": str(bag.map_frame.origin[1])}

    def above(x: float, y: float, z: float) -> float:
        return z - float(terrain.height(np.array([x]), np.array([y]))[0])

    with BagWriter(path, frame) as written:
        roles = ("image", "camera_info", "odometry", "ground_truth")
        for topic, log_ns, message in bag.messages(*(bag.topic(role) for role in roles)):
            images += topic == bag.topic("image")
            if topic == bag.topic("image") and images > FRAMES:
                continue
            if topic == bag.topic("odometry"):
                stamp, at = stamp_ns(message.header), message.pose.pose.position
                x, y, z = (float(np.interp(stamp, *np.array(true)[:, [0, axis]].T)) for axis in (1, 2, 3))
                written.write("/height", ranged(lie * above(x, y, z), stamp, most=1e5), log_ns)
                message.pose.covariance = message.pose.covariance.copy()
                message.pose.covariance[14] += (wrong * above(at.x, at.y, at.z)) ** 2
                at.z += wrong * above(at.x, at.y, at.z)
            written.write(topic, message, log_ns)
    return path


def replayed(scene: Scene, path: Path, **values: Any) -> Flight:
    reference = scene.reference()
    return replay(path, Localizer(reference, load("structural")), reference, rig=rig(**values))


def verdicts(flight: Flight) -> list[tuple[Reason, float | None]]:
    return [(frame.fix.reason, frame.ground_error_px) for frame in flight.frames]


def test_a_flight_whose_height_is_a_fifth_wrong_is_found_at_once_at_the_height_that_the_range_tells(
        scene: Scene, tmp_path: Path) -> None:
    flight = replayed(scene, flown(scene, tmp_path / "bag", 0.2, 1.0), height_along="down")
    assert [frame.fix.reason for frame in flight.frames] == [Reason.FIX] * FRAMES and flight.notes == ()
    for frame in flight.frames:
        prior = frame.fix.candidate.prior
        assert prior is not None and frame.truth is not None
        assert frame.ground_error_px is not None and frame.ground_error_px < 1.0
        above = float(frame.truth.position[2] - scene.reference().terrain().height(*frame.truth.position[:2, None])[0])
        assert prior.ranged and abs(prior.pose.position[2] - frame.truth.position[2]) < 0.005 * above
        assert prior.covariance[2, 2] < (0.01 * above) ** 2


def test_a_range_that_lies_is_told_and_changes_nothing(scene: Scene, tmp_path: Path) -> None:
    bag = flown(scene, tmp_path / "bag", 0.0, 0.6)
    without, lied = (replayed(scene, bag, height_along=along) for along in ("off", "down"))
    assert [frame.fix.reason for frame in without.frames] == [Reason.FIX] * FRAMES
    assert verdicts(without) == verdicts(lied) and without.notes == ()
    assert any("m below the prior" in note and "more than 4, for 3 images in a row" in note for note in lied.notes)
