"""The kinds of messages that the prior comes from: axes, true north against pyproj, what is not stated."""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pyproj
import pytest
from flights import FRAME, Entries, KnownLocalizer, PlainMap, messages, true_pose, write_bag
from scipy.spatial.transform import Rotation

from promptmid_core.bags import telemetry
from promptmid_core.bags.messages import stamp_ns
from promptmid_core.errors import InputError, Refusal
from promptmid_core.georaster.geodetic import Geodetic
from promptmid_core.localization.mounts import Mounts
from promptmid_core.localization.odometry import Odometry
from promptmid_core.localization.options import TrackOptions
from promptmid_core.localization.priorform import PriorForm
from promptmid_core.localization.rig import Rig
from promptmid_core.localization.settings import DEFAULTS
from promptmid_core.localization.sources import PriorSource
from promptmid_core.reasons import Reason
from promptmid_core.replay.run import replay

STAMP = 1_700_000_000_000_000_000
ORIGIN = (33.4, -118.2)
NAN3 = np.full(3, np.nan)


def rig(**values: Any) -> Rig:
    return Rig.read(DEFAULTS | values, TrackOptions())


def heard(its: Rig, *told: tuple[str, Any]) -> Odometry:
    odometry = Odometry(its)
    source = PriorSource(its, odometry, Geodetic(FRAME, "unknown"))
    for topic, message in told:
        source.add(topic, message)
    return odometry


def vehicle(stamp: int = STAMP, yaw: float = 0.0, **fields: Any) -> Any:
    w, z = np.cos(yaw / 2), np.sin(yaw / 2)
    return SimpleNamespace(**{
        "timestamp": stamp // 1000, "timestamp_sample": stamp // 1000, "pose_frame": 1, "position": [200.0, 100.0, -50.0],
        "q": [w, 0.0, 0.0, z], "velocity_frame": 1, "velocity": [20.0, 0.0, 0.0], "angular_velocity": [0.1, 0.2, 0.3],
        "position_variance": NAN3, "orientation_variance": NAN3, "velocity_variance": NAN3} | fields)


def imu(stamp: int, yaw_enu: float, unknown: bool = False) -> Any:
    quaternion = telemetry.message("geometry_msgs/msg/Quaternion", *Rotation.from_euler("xyz", [0.0, 0.0, yaw_enu]).as_quat())
    vector, nothing = telemetry.message("geometry_msgs/msg/Vector3", 0.0, 0.0, 0.0), np.zeros(9)
    stated = np.array([-1.0 * unknown, *np.zeros(8)])
    return telemetry.message("sensor_msgs/msg/Imu", telemetry.header(stamp, "base_link"), quaternion, stated, vector, nothing,
                             vector, nothing)


def grid_heading(latitude: float, longitude: float, azimuth_deg: float) -> float:
    """Angle from grid east of a true azimuth, by two places on the geodesic."""
    to_grid = pyproj.Transformer.from_crs("EPSG:4326", FRAME.crs, always_xy=True)
    east, north, _ = pyproj.Geod(ellps="WGS84").fwd(longitude, latitude, azimuth_deg, 10.0)
    (x0, x1), (y0, y1) = to_grid.transform([longitude, east], [latitude, north])
    return float(np.arctan2(y1 - y0, x1 - x0))


def test_north_east_down_becomes_east_north_up_at_the_place_and_heading_that_pyproj_tells() -> None:
    its = rig(prior_source="vehicle_odometry", local_origin=[*ORIGIN, 700.0])
    prior, _ = heard(its, ("vehicle_odometry", vehicle(yaw=np.deg2rad(30.0)))).at(STAMP)
    # what 200 m north and 100 m east are on PX4's own sphere
    ahead = np.rad2deg(np.array([200.0, 100.0]) / 6_371_000.0) / [1.0, np.cos(np.deg2rad(ORIGIN[0]))]
    there = (ORIGIN[0] + ahead[0], ORIGIN[1] + ahead[1])
    x, y = pyproj.Transformer.from_crs("EPSG:4326", FRAME.crs, always_xy=True).transform(there[1], there[0])
    assert prior.pose.position == pytest.approx([x - FRAME.origin[0], y - FRAME.origin[1], 750.0], abs=0.01)
    assert prior.pose.yaw == pytest.approx(grid_heading(*there, 30.0), abs=1e-5)
    assert prior.pose.rpy()[:2] == pytest.approx((0.0, 0.0), abs=1e-9)
    straight, _ = heard(replace(its, prior=replace(its.prior, true_north=False)),
                        ("vehicle_odometry", vehicle(yaw=np.deg2rad(30.0)))).at(STAMP)
    assert straight.pose.yaw == pytest.approx(np.deg2rad(60.0))
    assert abs(straight.pose.yaw - prior.pose.yaw) > np.deg2rad(0.5), "the grid is turned here"


def test_attitude_and_velocity_of_px4_are_those_of_axes_forward_left_up() -> None:
    from promptmid_core.localization.vehicle import VehicleOdometry

    its = rig(prior_source="vehicle_odometry")
    w, x, y, z = Rotation.from_euler("ZYX", [0.7, 0.2, -0.1]).as_quat()[[3, 0, 1, 2]]
    made = VehicleOdometry(its, Geodetic(FRAME, "unknown")).odometry(
        vehicle(q=[w, x, y, z], velocity=[3.0, 4.0, 5.0], position_variance=[1.0, 4.0, 9.0],
                orientation_variance=[0.01, 0.02, 0.03], velocity_variance=[0.25, 0.16, 1.0]))
    turn = made.pose.pose.orientation
    enu = Rotation.from_quat([turn.x, turn.y, turn.z, turn.w])
    told = Rotation.from_euler("ZYX", [0.7, 0.2, -0.1])
    for axis, theirs in (([1, 0, 0], [1, 0, 0]), ([0, 1, 0], [0, -1, 0]), ([0, 0, 1], [0, 0, -1])):
        north, east, down = told.apply(theirs)
        assert enu.apply(axis) == pytest.approx([east, north, -down])
    linear, angular = made.twist.twist.linear, made.twist.twist.angular
    assert enu.apply([linear.x, linear.y, linear.z]) == pytest.approx([4.0, 3.0, -5.0])
    assert [angular.x, angular.y, angular.z] == pytest.approx([0.1, -0.2, -0.3])
    assert np.diag(made.pose.covariance.reshape(6, 6)) == pytest.approx([4.0, 1.0, 9.0, 0.02, 0.02, 0.03])
    assert made.header.frame_id == "odom" and made.twist.covariance[0] == 0.25


def test_what_px4_does_not_know_is_unknown_and_what_cannot_be_is_refused() -> None:
    its = rig(prior_source="vehicle_odometry", local_origin=[*ORIGIN, 0.0])
    odometry = heard(its, ("vehicle_odometry", vehicle()))
    assert odometry.unstated == ("x", "y", "z", "roll", "pitch", "yaw")
    for fields, reason, words in (({"pose_frame": 0}, Reason.PRIOR_FRAME, "pose_frame 0"),
                                  ({"timestamp": 0, "timestamp_sample": 0}, Reason.PRIOR_INVALID, "neither timestamp"),
                                  ({"position": NAN3}, Reason.PRIOR_INVALID, "no position"),
                                  ({"q": [1.0, 1.0, 0.0, 0.0]}, Reason.PRIOR_INVALID, "vehicle_odometry")):
        refusal = heard(its, ("vehicle_odometry", vehicle(**fields))).refusal
        assert refusal is not None and refusal.reason is reason and words in str(refusal)


def test_an_imu_without_attitude_and_a_navsat_of_unknown_height_are_refused() -> None:
    its = rig(prior_source="navsat_imu")
    refusal = heard(its, ("imu", imu(STAMP, 0.0, unknown=True))).refusal
    assert refusal is not None and "orientation_covariance[0] is -1" in str(refusal)
    place = telemetry.navsat_fix(STAMP, (*ORIGIN, 500.0), np.eye(3))
    refusal = heard(its, ("navsat", place)).refusal
    assert refusal is not None and "set altitude to 'map'" in str(refusal)


def test_settings_that_are_none_or_contradict_each_other_are_told() -> None:
    for values, words in (({"prior_source": "gps"}, "not one of odometry, pose"), ({"heading": "magnetic"}, "heading"),
                          ({"extrinsics": "static"}, "not one of auto, parameters, tf"),
                          ({"local_origin": [95.0, 0.0, 0.0]}, "95"),
                          ({"extrinsics": "tf", "camera_mount": "parameters"}, "set one")):
        with pytest.raises(InputError, match=words):
            rig(**values)
    assert rig(extrinsics="tf").mounted_by == rig(camera_mount="static_transforms").mounted_by == "static_transforms"
    assert rig().prior == PriorForm()
    with pytest.raises(InputError, match="needs a map"):
        PriorSource(rig(prior_source="navsat_imu"), Odometry(rig()))


def test_a_loop_of_transforms_is_refused_with_its_frames() -> None:
    mounts = Mounts(rig(extrinsics="tf"))
    for parent, child in (("arm", "camera"), ("camera", "arm")):
        message = telemetry.camera_transform(STAMP, true_pose(STAMP))
        link = replace(message.transforms[0], child_frame_id=child, header=telemetry.header(STAMP, parent))
        mounts.add(SimpleNamespace(transforms=[link]))
    with pytest.raises(Refusal, match="between 'base_link' and 'camera' form a loop, camera under arm under camera"):
        mounts.mount("camera")


def navsat_and_imu(entries: Entries, geodetic: Geodetic) -> Entries:
    """The same flight with places at 10 Hz and attitudes at 20 Hz in the place of odometry."""
    told: Entries = []
    for index, (topic, log_ns, message) in enumerate(entries):
        if topic != "/odometry":
            told.append((topic, log_ns, message))
            continue
        at, turn = message.pose.pose.position, message.pose.pose.orientation
        yaw = Rotation.from_quat([turn.x, turn.y, turn.z, turn.w]).as_euler("xyz")[2]
        told.append(("/imu", log_ns, imu(stamp_ns(message.header), yaw - geodetic.convergence(at.x, at.y))))
        if index % 2 == 0:
            latitude, longitude, _ = geodetic.place(at.x, at.y, at.z)
            covariance = np.diag([100.0**2, 100.0**2, 20.0**2])
            place = telemetry.navsat_fix(stamp_ns(message.header), (latitude, longitude, at.z), covariance)
            told.append(("/navsat", log_ns, place))
    return told


def as_poses(entries: Entries) -> Entries:
    kind = "geometry_msgs/msg/PoseWithCovarianceStamped"
    return [("/prior_pose", log_ns, telemetry.message(kind, message.header, message.pose))
            if topic == "/odometry" else (topic, log_ns, message) for topic, log_ns, message in entries]


def test_a_flight_has_the_same_priors_whichever_messages_tell_them(tmp_path: Path) -> None:
    entries = messages(6)
    flown = {}
    for source, told in (("odometry", entries), ("pose", as_poses(entries)),
                         ("navsat_imu", navsat_and_imu(entries, Geodetic(FRAME, "unknown")))):
        bag = write_bag(tmp_path / source, told)
        flight = replay(bag, KnownLocalizer(), PlainMap(), rig=rig(prior_source=source, altitude="map"))
        assert [frame.fix.accepted for frame in flight.frames] == [True] * 6, source
        flown[source] = [frame.fix.candidate.prior for frame in flight.frames]
    for source in ("pose", "navsat_imu"):
        for one, other in zip(flown["odometry"], flown[source], strict=True):
            assert one is not None and other is not None
            assert other.pose.position == pytest.approx(one.pose.position, abs=0.02), source
            assert other.pose.yaw == pytest.approx(one.pose.yaw, abs=1e-4), source


@pytest.mark.parametrize(("apart_s", "words"), [
    (3.2, "3.2 s after it: where that stays so, the clock of odometry is ahead of that of the image"),
    (-3.2, "3.2 s before it: where that stays so, the clock of the image is ahead of that of odometry")])
def test_clocks_that_are_seconds_apart_are_told_with_the_amount(apart_s: float, words: str) -> None:
    odometry = Odometry(rig())
    for topic, _, message in messages(2):
        if topic == "/odometry":
            odometry.add(message)
    with pytest.raises(Refusal, match=words) as told:
        odometry.at(odometry.heard_ns - round(apart_s * 1e9))
    assert told.value.reason is Reason.PRIOR_MISSING
    with pytest.raises(Refusal) as late:
        odometry.at(odometry.heard_ns + 300_000_000)
    assert "clock" not in str(late.value)
