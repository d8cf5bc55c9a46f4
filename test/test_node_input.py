"""Bad messages: each refuses its own image with its reason, exactly once, and the next good image is none the worse."""

import array
import time
from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from geometry_msgs.msg import PoseWithCovarianceStamped
from harness import SECOND, Flight, Localizer, stamped
from sensor_msgs.msg import Image
from simulated import Scene

from promptmid_core.bags.messages import stamp_ns

pytestmark = [pytest.mark.slow, pytest.mark.waits]


@pytest.fixture(scope="module")
def flight(scene: Scene) -> Flight:
    return Flight(scene.bag)


@pytest.fixture(scope="module")
def tracking(scene: Scene, flight: Flight, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Localizer]:
    """A node that takes JPEG and has a track."""
    with Localizer(tmp_path_factory.mktemp("node"), map=scene.map_path) as localizer:
        localizer.up()
        assert [flight.show(localizer)["reason"] for _ in range(3)][-1] == "fix"
        yield localizer
        assert "Traceback" not in localizer.log()


@pytest.fixture(scope="module")
def raw(scene: Scene, flight: Flight, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Localizer]:
    """A node that takes raw images and has a track."""
    with Localizer(tmp_path_factory.mktemp("node"), map=scene.map_path, image_transport="raw") as localizer:
        localizer.up()
        assert [flight.show(localizer, image=pixels(flight))["reason"] for _ in range(3)][-1] == "fix"
        yield localizer
        assert "Traceback" not in localizer.log()


def pixels(flight: Flight, encoding: str = "bgr8", **changes: Any) -> Image:
    """The good image as sensor_msgs/Image, with fields changed."""
    image = cv2.imdecode(np.frombuffer(flight.image.data, np.uint8), cv2.IMREAD_COLOR)
    message = Image(height=image.shape[0], width=image.shape[1], encoding=encoding, step=image.shape[1] * 3,
                    data=array.array("B", image.tobytes()))
    for name, value in changes.items():
        setattr(message, name, value)
    return message


def jpeg(flight: Flight, data: bytes | None = None, format: str = "jpeg") -> Any:
    message = deepcopy(flight.image)
    message.format = format
    message.data = array.array("B", bytes(flight.image.data) if data is None else data)
    return message


def changed(message: Any, **fields: Any) -> Any:
    """A copy with fields changed; `__` stands for a dot."""
    copy = deepcopy(message)
    for path, value in fields.items():
        *outer, name = path.split("__")
        target = copy
        for step in outer:
            target = getattr(target, step)
        setattr(target, name, value)
    return copy


def uniform(flight: Flight, grey: int) -> Any:
    return jpeg(flight, cv2.imencode(".jpg", np.full((600, 800), grey, np.uint8))[1].tobytes())


IMAGES = {
    "truncated": (lambda f: jpeg(f, bytes(f.image.data)[:5000]), "image_corrupt"),
    "empty": (lambda f: jpeg(f, b""), "image_corrupt"),
    "noise": (lambda f: jpeg(f, bytes(range(256)) * 4), "image_corrupt"),
    "webp": (lambda f: jpeg(f, b"RIFF....WEBP", "webp"), "image_encoding"),
    "black": (lambda f: uniform(f, 0), "image_black"),
    "white": (lambda f: uniform(f, 255), "image_saturated"),
    "flat": (lambda f: uniform(f, 120), "low_texture"),
    "size": (lambda f: jpeg(f, cv2.imencode(".jpg", np.full((300, 400), 120, np.uint8))[1].tobytes()), "image_size"),
}


@pytest.mark.parametrize("name", IMAGES)
def test_an_image_that_cannot_be_used(tracking: Localizer, flight: Flight, name: str) -> None:
    make, reason = IMAGES[name]
    verdict = flight.show(tracking, image=make(flight))
    assert (verdict["verdict"], verdict["reason"]) == ("no fix", reason)
    assert verdict["sentence"]
    assert flight.show(tracking)["reason"] == "fix"


RAW = {
    "unknown encoding": ({"encoding": "yuv422"}, "image_encoding"),
    "no encoding": ({"encoding": ""}, "image_encoding"),
    "short rows": ({"step": 100}, "image_corrupt"),
    "long rows": ({"step": 3000}, "image_corrupt"),
    "no data": ({"data": array.array("B")}, "image_corrupt"),
    "no rows": ({"height": 0}, "image_size"),
    "other size": ({"height": 300, "data": array.array("B", bytes(300 * 2400))}, "image_size"),
}


@pytest.mark.parametrize("name", RAW)
def test_a_raw_image_that_cannot_be_used(raw: Localizer, flight: Flight, name: str) -> None:
    changes, reason = RAW[name]
    assert flight.show(raw, image=pixels(flight, **changes))["reason"] == reason
    assert flight.show(raw, image=pixels(flight))["reason"] == "fix"


def test_stamps(tracking: Localizer, flight: Flight) -> None:
    good = flight.next()
    flight.send(tracking, good)
    assert tracking.verdict(good)["reason"] == "fix"
    tracking.publish("image/compressed", stamped(flight.image, 0))
    assert tracking.verdict(0)["reason"] == "stamp_zero"
    tracking.publish("image/compressed", stamped(flight.image, good))
    assert tracking.verdict(good, 2)["reason"] == "stamp_backwards"
    assert flight.show(tracking)["reason"] == "fix"
    # far ahead of all odometry: no prior, and no harm
    ahead = good + 3600 * SECOND
    tracking.publish("image/compressed", stamped(flight.image, ahead))
    assert tracking.verdict(ahead)["reason"] == "prior_missing"
    assert flight.show(tracking)["reason"] == "fix"


INFOS = {
    "no focal length": ({"k": np.zeros(9)}, "camera_info_invalid"),
    "lens unknown": ({"distortion_model": "fisheye62"}, "camera_info_invalid"),
    "nan": ({"k": np.full(9, np.nan)}, "camera_info_invalid"),
    "other size": ({"width": 640, "height": 480}, "image_size"),
}


@pytest.mark.parametrize("name", INFOS)
def test_a_camera_info_that_cannot_be_used(tracking: Localizer, flight: Flight, name: str) -> None:
    changes, reason = INFOS[name]
    assert flight.show(tracking, info=[changed(flight.info, **changes)])["reason"] == reason
    assert flight.show(tracking)["reason"] == "fix"


ODOMETRY = {
    "nan": ({"pose__pose__position__x": float("nan")}, "prior_invalid"),
    "no quaternion": ({"pose__pose__orientation__w": 0.0, "pose__pose__orientation__z": 0.0}, "prior_invalid"),
    "half a covariance": ({"pose__covariance": np.diag([4.0, 0, 4, 1e-4, 1e-4, 1e-4]).ravel()}, "prior_invalid"),
    "unknown frame": ({"header__frame_id": "world"}, "prior_frame"),
    "leading slash": ({"header__frame_id": "/map"}, "prior_frame"),
    "another body": ({"child_frame_id": "camera"}, "prior_frame"),
    "any tilt": ({"pose__covariance": np.diag([4.0] * 3 + [1.0, 1.0, 1e-4]).ravel()}, "prior_too_uncertain"),
    "far away": ({"pose__pose__position__x": 1e6}, "prior_outside_map"),
    "upside down": ({"pose__pose__orientation__x": 1.0, "pose__pose__orientation__y": 0.0, "pose__pose__orientation__z": 0.0,
                     "pose__pose__orientation__w": 0.0}, "view_not_down"),
}


@pytest.mark.parametrize("name", ODOMETRY)
def test_odometry_that_cannot_be_used(tracking: Localizer, flight: Flight, name: str) -> None:
    changes, reason = ODOMETRY[name]
    verdict = flight.show(tracking, odometry=[changed(message, **changes) for message in flight.odometry])
    assert verdict["reason"] == reason
    if reason == "prior_frame":
        wanted = changes.get("header__frame_id", changes.get("child_frame_id"))
        assert f"'{wanted}'" in verdict["sentence"]
    assert flight.show(tracking)["reason"] == "fix"


def test_a_filter_that_is_unsure_of_the_place_takes_none_from_the_belief(tracking: Localizer, flight: Flight) -> None:
    wide = np.diag([1e8] * 3 + [1e-4] * 3).ravel()
    odometry = [changed(message, pose__covariance=wide) for message in flight.odometry]
    assert flight.show(tracking, odometry=odometry)["reason"] == "fix"


def test_odometry_that_is_silent_or_late(tracking: Localizer, flight: Flight) -> None:
    silent = flight.show(tracking, odometry=[])
    assert silent["reason"] == "prior_missing"
    assert 90 < float(silent["stage_wait_ms"]) < 1000

    stamp = flight.next()
    early, late = flight.odometry[:len(flight.odometry) // 2], flight.odometry[len(flight.odometry) // 2:]
    flight.send(tracking, stamp, odometry=early)
    time.sleep(0.02)
    taken = stamp_ns(flight.image.header)
    for message in late:
        tracking.publish("odometry", stamped(message, stamp_ns(message.header) + stamp - taken))
    assert tracking.verdict(stamp)["reason"] == "fix"


def test_an_odometry_stamp_from_the_far_future_does_not_flush_the_rest(tracking: Localizer, flight: Flight) -> None:
    tracking.publish("odometry", stamped(flight.odometry[0], flight.next() + 10**5 * SECOND))
    assert flight.show(tracking)["reason"] == "fix"


def test_a_clock_that_is_set_back_costs_two_images_and_a_new_track(tracking: Localizer, flight: Flight) -> None:
    last = flight.next()
    flight.send(tracking, last)
    assert tracking.verdict(last)["reason"] == "fix"
    reasons = []
    for i in range(6):
        stamp = last - 1000 * SECOND + i * SECOND // 2
        flight.send(tracking, stamp)
        reasons.append(tracking.verdict(stamp)["reason"])
    assert reasons[:2] == ["stamp_backwards"] * 2
    assert reasons[-1] == "fix"
    # and forward again: later stamps need no new start, but a new odometry
    assert [flight.show(tracking)["reason"] for _ in range(2)][-1] == "fix"


def test_missing_camera_info_and_then_late(scene: Scene, flight: Flight, tmp_path: Path) -> None:
    with Localizer(tmp_path, map=scene.map_path, prior_wait_ms=400) as localizer:
        localizer.up()
        missing = flight.show(localizer, info=[])
        assert missing["reason"] == "camera_info_missing"
        assert missing.level == 2
        stamp = flight.next()
        flight.send(localizer, stamp, info=[])
        time.sleep(0.1)
        localizer.publish("camera_info", stamped(flight.info, stamp))
        assert localizer.verdict(stamp)["reason"] == "fix"


def test_newest_image_wins_and_drops_are_counted(scene: Scene, flight: Flight, tmp_path: Path) -> None:
    with Localizer(tmp_path, map=scene.map_path, prior_wait_ms=500) as localizer:
        localizer.up()
        first = flight.next()
        # waits half a second for odometry: all but the last of those that come meanwhile are dropped
        flight.send(localizer, first, odometry=[])
        time.sleep(0.1)
        more = [flight.next() for _ in range(5)]
        for stamp in more:
            localizer.publish("image/compressed", stamped(flight.image, stamp))
            time.sleep(0.02)
        assert localizer.verdict(first)["dropped"] == "0"
        assert localizer.verdict(more[-1])["dropped"] == "4"
        time.sleep(1.2)
        assert len(localizer.verdicts) == 2
        values = localizer.health[-1].values
        assert [values[f"images_{name}"] for name in ("received", "processed", "dropped")] == ["6", "2", "4"]


def test_odometry_in_odom_needs_a_pose_by_hand(scene: Scene, flight: Flight, tmp_path: Path) -> None:
    def in_odom(message: Any) -> Any:
        """The same odometry in a frame that is turned by a right angle and lies elsewhere."""
        position = message.pose.pose.position
        q = message.pose.pose.orientation
        half = np.sqrt(0.5)
        return changed(message, header__frame_id="odom", pose__pose__position__x=100 - position.y,
                       pose__pose__position__y=200 + position.x, pose__pose__orientation__x=half * (q.x - q.y),
                       pose__pose__orientation__y=half * (q.y + q.x), pose__pose__orientation__z=half * (q.z + q.w),
                       pose__pose__orientation__w=half * (q.w - q.z))

    odometry = [in_odom(message) for message in flight.odometry]
    with Localizer(tmp_path, map=scene.map_path) as localizer:
        localizer.up()
        refused = flight.show(localizer, odometry=odometry)
        assert refused["reason"] == "prior_missing"
        assert "initialpose" in refused["sentence"]

        pose = flight.odometry[len(flight.odometry) // 2].pose
        given = PoseWithCovarianceStamped(pose=pose)
        given.header.frame_id = "odom"
        localizer.publish("initialpose", given)
        assert flight.show(localizer, odometry=odometry)["reason"] == "prior_missing"
        assert "initialpose is given in frame 'odom', not in 'map'" in localizer.log()

        given.header.frame_id = "map"
        # as RViz gives it: nothing about height, roll and pitch
        given.pose.covariance = np.diag([2500.0, 2500, 0, 0, 0, 0.003]).ravel()
        given.pose.pose.position.z = 0.0
        localizer.publish("initialpose", given)
        time.sleep(0.3)
        shown = [flight.show(localizer, odometry=odometry) for _ in range(6)]
        assert [verdict["reason"] for verdict in shown] == ["fix"] * 6
        # the fixes move odom, so that the prior is right from then on
        first, last = (np.hypot(float(v["correction_east_m"]), float(v["correction_north_m"])) for v in (shown[0], shown[-1]))
        assert first > 20
        assert last < first / 4
