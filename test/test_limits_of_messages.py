"""Fields of messages on both sides of what is read of them: regions, binning, tolerances of a covariance, places."""

from types import SimpleNamespace as Msg

import numpy as np
import pytest
from odometry_messages import COVARIANCE, START, flown
from refusals import refused
from test_field_cameras import info

from promptmid_core.bags import telemetry
from promptmid_core.bags.messages import camera_from, place_from, pose_in, prior_from, stamp_ns
from promptmid_core.geometry import NADIR, Pose
from promptmid_core.reasons import Reason


def region(x: int, y: int, width: int, height: int):
    return Msg(x_offset=x, y_offset=y, width=width, height=height, do_rectify=False)


def test_a_stamp_is_in_nanoseconds() -> None:
    assert stamp_ns(telemetry.header(1_700_000_000_123_456_789, "map")) == 1_700_000_000_123_456_789


@pytest.mark.parametrize(("roi", "size", "centre"), [
    (region(0, 0, 0, 0), (640, 480), (320.5, 240.5)),
    (region(0, 0, 100, 50), (100, 50), (320.5, 240.5)),
    (region(40, 0, 0, 0), (600, 480), (280.5, 240.5)),
    (region(0, 30, 0, 0), (640, 450), (320.5, 210.5)),
    (region(540, 430, 100, 50), (100, 50), (-219.5, -189.5)),
    (region(639, 479, 0, 0), (1, 1), (-318.5, -238.5)),
    (region(0, 0, 640, 0), (640, 480), (320.5, 240.5)),
    (region(0, 0, 0, 480), (640, 480), (320.5, 240.5)),
])
def test_a_region_within_the_image_is_cut(roi: Msg, size: tuple[int, int], centre: tuple[float, float]) -> None:
    camera = camera_from(info(roi=roi))
    assert (camera.width, camera.height) == size
    assert tuple(camera.k[:2, 2]) == centre
    assert (camera.k[0, 0], camera.k[1, 1]) == (500.0, 510.0)
    assert camera.mount is NADIR


@pytest.mark.parametrize("roi", [region(541, 0, 100, 50), region(0, 431, 100, 50), region(640, 0, 0, 0), region(0, 480, 0, 0),
                                 region(0, 0, 641, 0), region(0, 0, 0, 481)], ids=str)
def test_a_region_beyond_the_image_is_refused(roi: Msg) -> None:
    assert "outside its 640x480" in refused(Reason.CAMERA_INFO_INVALID, camera_from, info(roi=roi))


def test_binned_pixels_have_the_mean_of_their_centres() -> None:
    camera = camera_from(info(binning_x=3, binning_y=2))
    assert (camera.width, camera.height) == (213, 240)
    assert camera.k == pytest.approx(np.array([[500 / 3, 0, 319.5 / 3], [0, 255, 120], [0, 0, 1]]))
    assert camera_from(info(binning_x=1, binning_y=0)).k == pytest.approx(camera_from(info()).k)


def prior(**changes: float):
    covariance = COVARIANCE.copy()
    for name, value in changes.items():
        i, j = int(name[1]), int(name[2])
        covariance[i, j] = value * np.sqrt(COVARIANCE[i, i] * COVARIANCE[j, j])
    return telemetry.odometry(START, flown(START), covariance, np.zeros(3), np.zeros(3), np.eye(6))


def test_a_covariance_may_be_askew_by_rounding() -> None:
    """Judged as correlations, and made symmetric."""
    read = prior_from(prior(c03=0.5, c30=0.5 + 0.9e-6)).covariance
    assert read[0, 3] == read[3, 0] == pytest.approx((0.5 + 0.45e-6) * np.sqrt(COVARIANCE[0, 0] * COVARIANCE[3, 3]), rel=1e-12)
    assert "symmetric (by 1.1e-06" in refused(Reason.PRIOR_INVALID, prior_from, prior(c03=0.5, c30=0.5 + 1.1e-6))


def test_a_covariance_may_be_negative_by_rounding() -> None:
    prior_from(prior(c35=1 + 0.9e-6, c53=1 + 0.9e-6))
    past = refused(Reason.PRIOR_INVALID, prior_from, prior(c35=1 + 1.1e-6, c53=1 + 1.1e-6))
    assert "semidefinite (a correlation of 1)" in past


@pytest.mark.parametrize(("axis", "name"), list(enumerate(("x", "y", "z", "roll", "pitch", "yaw"))))
def test_a_variance_that_is_none_is_named(axis: int, name: str) -> None:
    assert f"variance 0 in {name}," in refused(Reason.PRIOR_INVALID, prior_from, prior(**{f"c{axis}{axis}": 0.0}))


def test_how_many_numbers_are_none_is_told() -> None:
    assert "covariance has 2 NaN" in refused(Reason.PRIOR_INVALID, prior_from, prior(c12=np.nan, c21=np.inf))


def test_a_pose_is_read_from_every_message_that_carries_one() -> None:
    pose = Pose.from_rpy([1.0, 2, 3], 0.1, 0.2, 0.3)
    whole = telemetry.pose_with_covariance(START, pose, COVARIANCE)
    for message in (whole, whole.pose):
        assert pose_in(message).correction_from(pose) == pytest.approx(np.zeros(6), abs=1e-12)


def place(latitude: float, longitude: float, altitude: float = 5.0, status: int = 0):
    return Msg(latitude=latitude, longitude=longitude, altitude=altitude, status=Msg(status=status))


def test_a_place_lies_on_the_earth() -> None:
    for latitude, longitude in ((90.0, 360.0), (-90.0, -360.0), (0.0, 0.0)):
        assert place_from(place(latitude, longitude, 7.0)) == (latitude, longitude, 7.0)
    assert np.isnan(place_from(place(1.0, 2.0, np.nan))[2])
    for latitude, longitude in ((90.1, 0.0), (0.0, 360.1), (-90.1, 0.0), (0.0, -360.1), (np.nan, 0.0), (0.0, np.nan)):
        assert "is no place" in refused(Reason.PRIOR_INVALID, place_from, place(latitude, longitude))
    assert "status -1" in refused(Reason.PRIOR_INVALID, place_from, place(0.0, 0.0, status=-1))
