"""Poses as messages, and as places on the Earth."""

import math

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="needs ROS 2's rclpy")

import pyproj

from promptmid_core.bags.messages import pose_from, prior_from, stamp_ns
from promptmid_core.errors import InputError
from promptmid_core.geometry import Pose
from promptmid_core.georaster import MapFrame
from promptmid_core.georaster.geodetic import Geodetic
from promptmid_core.outputs import contents
from promptmid_core.outputs.keys import Key, above, is_one_of, values_of
from promptmid_core.outputs.match_keys import MATCH, Judged
from promptmid_core.outputs.topics import DIAGNOSTICS, POSE, TOPICS
from promptmid_ros.conversions import kind_of, message

FRAME = MapFrame("EPSG:32611", (650_000.0, 3_700_000.0))
STAMP = 1_700_000_000_123_456_789
RNG = np.random.default_rng(5)


def covariance() -> np.ndarray:
    root = RNG.normal(size=(6, 6)) * [5, 5, 3, 0.01, 0.01, 0.02]
    return root.T @ root


def test_a_pose_comes_back_as_it_went() -> None:
    pose, given = Pose.from_rpy(np.array([1234.5, -987.6, 3000.0]), 0.1, -0.2, 2.5), covariance()
    told = message(kind_of(POSE), contents.pose_with_covariance(STAMP, pose, given))
    back = prior_from(told)
    assert stamp_ns(told.header) == STAMP
    assert told.header.frame_id == "map"
    assert back.pose.position == pytest.approx(pose.position)
    assert back.pose.rotation == pytest.approx(pose.rotation)
    assert back.covariance == pytest.approx(given)


def test_a_correction_takes_the_prior_to_the_fix() -> None:
    prior, fix = (Pose.from_rpy(np.array([9000.0, -4000.0, 3000.0]) + shift, 0.02, 0.01, yaw)
                  for shift, yaw in ((0.0, 1.0), (np.array([50.0, -30.0, 4.0]), 1.05)))
    given = covariance()
    told = message(kind_of(POSE), contents.correction(STAMP, fix, prior, given))
    moved = pose_from(told.pose.pose)
    assert (moved @ prior).position == pytest.approx(fix.position, abs=1e-6)
    assert (moved @ prior).rotation == pytest.approx(fix.rotation, abs=1e-9)

    # its covariance is what fixes scattered by the fix's own x, y and yaw give
    at = [0, 1, 5]
    deltas = np.zeros((20_000, 6))
    deltas[:, at] = RNG.multivariate_normal(np.zeros(3), given[np.ix_(at, at)], len(deltas))
    scattered = np.array([(fix.corrected(delta) @ prior.inverse()).position[:2] for delta in deltas])
    stated = np.array(told.pose.covariance).reshape(6, 6)
    assert np.cov(scattered.T) == pytest.approx(stated[:2, :2], rel=0.1)
    assert list(np.diag(stated)[2:5]) == [1e6] * 3


@pytest.mark.parametrize("x", [-300_000.0, 0.0, 120_000.0])
def test_navsat_fix_is_the_place_and_its_covariance_points_to_true_north(x: float) -> None:
    geodetic = Geodetic(FRAME, "unknown")
    pose, wide = Pose.from_rpy(np.array([x, 5000.0, 3000.0]), 0, 0, 0), np.eye(6)
    # long along grid north
    wide[1, 1] = 400.0
    told = message(kind_of(TOPICS["navsat_fix"].kind), contents.navsat_fix(STAMP, pose, wide, geodetic, "base_link"))
    to_map = pyproj.Transformer.from_crs("EPSG:4326", FRAME.crs, always_xy=True)
    east, north = to_map.transform(told.longitude, told.latitude)
    assert (east - FRAME.origin[0], north - FRAME.origin[1]) == pytest.approx((x, 5000.0), abs=1e-3)
    assert math.isnan(told.altitude)
    assert (told.header.frame_id, told.position_covariance_type, told.status.status) == ("base_link", 3, 0)

    stated = np.array(told.position_covariance).reshape(3, 3)
    assert sorted(np.linalg.eigvalsh(stated[:2, :2])) == pytest.approx([1.0, 400.0])
    long_axis = np.linalg.eigh(stated[:2, :2])[1][:, 1]
    longitude, latitude = to_map.transform([east, east], [north, north + 1000.0], direction="INVERSE")
    azimuth, _, _ = pyproj.Geod(ellps="WGS84").inv(longitude[0], latitude[0], longitude[1], latitude[1])
    pointing = math.degrees(math.atan2(long_axis[0], long_axis[1]))
    assert (pointing - azimuth + 90) % 180 - 90 == pytest.approx(0, abs=0.01)
    assert abs(azimuth) > 0.1 or abs(x + 150_000) < 1000


@pytest.mark.parametrize("x", [-300_000.0, 0.0, 120_000.0])
def test_grid_north_is_told_as_an_angle_and_a_scale(x: float) -> None:
    geodetic = Geodetic(FRAME, "unknown")
    place = geodetic.place(x, 5000.0, 0.0)
    factors = pyproj.Proj(FRAME.crs).get_factors(place.longitude, place.latitude)
    told = values_of(MATCH, Judged(STAMP, None, north=geodetic.north(x, 5000.0)))
    # PROJ counts it from grid north to true north
    assert told["grid_convergence_deg"] == pytest.approx(factors.meridian_convergence, abs=1e-3)
    assert told["grid_scale"] == pytest.approx(factors.meridional_scale, abs=1e-6)
    assert "grid_scale" not in values_of(MATCH, Judged(STAMP, None))


def test_altitude_needs_a_datum_that_can_be_converted() -> None:
    assert Geodetic(FRAME, "ellipsoid WGS 84").place(0.0, 0.0, 250.0).altitude == 250.0
    assert math.isnan(Geodetic(FRAME, "no such datum").place(0.0, 0.0, 250.0).altitude)
    geoid = Geodetic(FRAME, "EGM96 height").place(0.0, 0.0, 250.0).altitude
    # about 33 m below the ellipsoid here, where PROJ has the geoid's grid; never taken for an ellipsoidal height
    assert math.isnan(geoid) or geoid == pytest.approx(217, abs=5)


def test_a_crs_that_proj_does_not_know_is_refused() -> None:
    with pytest.raises(InputError, match="EPSG:99999"):
        Geodetic(MapFrame("EPSG:99999", (0.0, 0.0)), "unknown")


def test_a_correction_is_sure_of_place_by_the_lever_from_the_origin() -> None:
    """A turn about the map's origin moves what lies east of it to the north."""
    prior = Pose.from_rpy(np.array([3000.0, 400.0, 100.0]), 0, 0, 0)
    given = np.diag([4.0, 9.0, 1e6, 1e6, 1e6, 1e-4])
    told = message(kind_of(POSE), contents.correction(STAMP, prior, prior, given))
    stated = np.array(told.pose.covariance).reshape(6, 6)[np.ix_([0, 1, 5], [0, 1, 5])]
    lever = np.array([400.0, -3000.0])
    assert stated[:2, :2] == pytest.approx(np.diag([4.0, 9.0]) + 1e-4 * np.outer(lever, lever))
    assert stated[2] == pytest.approx([*(1e-4 * lever), 1e-4])


def test_a_status_tells_value_limit_and_cure_of_what_is_wrong() -> None:
    keys = {"a": Key(str, "a", warn=above(1.0), cure="lower it"), "b": Key(str, "b", error=is_one_of(["bad"]), cure="mend it"),
            "c": Key(str, "c", warn=is_one_of(["bad"]))}
    for values, level, said in (({"a": 0.5, "b": "good"}, b"\0", "summary"),
                                ({"a": 1.5, "b": "good"}, b"\1", "summary (a is 1.5, above 1: lower it)"),
                                ({"a": 1.5, "b": "bad"}, b"\2", "summary (b is bad: mend it)"),
                                # what the summary tells of already
                                ({"a": 0.5, "c": "bad"}, b"\1", "summary")):
        told = message(kind_of(DIAGNOSTICS), contents.diagnostics(STAMP, "name", "hardware", "summary", keys, values))
        (status,) = told.status
        assert (status.level, status.name, status.hardware_id, status.message) == (level, "name", "hardware", said)
        assert [(each.key, each.value) for each in status.values] == [(key, f"{value}") for key, value in values.items()]
        assert (told.header.stamp.sec, told.header.stamp.nanosec) == (STAMP // 10**9, STAMP % 10**9)


def test_a_name_that_is_no_field_is_an_error() -> None:
    with pytest.raises(KeyError):
        message(kind_of(POSE), {"heading": 1.0})


@pytest.mark.parametrize(("stamp_ns", "seconds", "nanoseconds"), [
    (-1, -1, 999_999_999),
    (2**31 * 10**9 + 5, 2**31 - 1, 5),
    ((2**31 - 1) * 10**9 + 2**32 - 1, 2**31 - 1, (2**32 - 1) % 10**9),
    (-(2**40) * 10**9, -(2**31), 0),
])
def test_a_stamp_that_no_message_can_hold_is_cut(stamp_ns: int, seconds: int, nanoseconds: int) -> None:
    told = message(kind_of("builtin_interfaces/msg/Time"), contents.time(stamp_ns))
    assert (told.sec, told.nanosec) == (seconds, nanoseconds)
