"""What the field sends: each input through the node, over DDS, and through a replay of the same bag, to one verdict."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from harness import CLEANUP, DEACTIVATE, Localizer
from simulated import Scene

from promptmid_core.bags import telemetry
from promptmid_core.bags.bag import open_bag
from promptmid_core.bags.messages import stamp_ns
from promptmid_core.bags.writer import BagWriter
from promptmid_core.descriptors import load
from promptmid_core.geometry import Pose
from promptmid_core.geometry.pose import rotation_rpy
from promptmid_core.localization.localizer import Localizer as Matcher
from promptmid_core.replay.run import replay

pytestmark = [pytest.mark.slow, pytest.mark.waits]

Entries = list[tuple[str, int, Any]]
IMAGE, RAW, INFO, ODOMETRY, BY_HAND = "/image/compressed", "/image", "/camera_info", "/odometry", "/initialpose"
FRAMES = 3
ODOM_FROM_MAP = Pose(np.array([300.0, -900.0, 12.0]), rotation_rpy(0, 0, 0.7))
GOOD = ["fix"] * FRAMES


def each(topic: str, change: Callable[[Any], Any]) -> Callable[[Entries], Entries]:
    """Every message of a topic changed."""
    return lambda entries: [(name, log, change(deepcopy(message)) if name == topic else message)
                            for name, log, message in entries]


def fields(topic: str, **changes: Any) -> Callable[[Entries], Entries]:
    """Every message of a topic with fields changed; `__` stands for a dot."""
    def change(message: Any) -> Any:
        for path, value in changes.items():
            *outer, name = path.split("__")
            target = message
            for step in outer:
                target = getattr(target, step)
            object.__setattr__(target, name, value)
        return message

    return each(topic, change)


def both(*changes: Callable[[Entries], Entries]) -> Callable[[Entries], Entries]:
    def change(entries: Entries) -> Entries:
        for one in changes:
            entries = one(entries)
        return entries

    return change


def after_their_images(entries: Entries) -> Entries:
    """Every camera_info recorded a millisecond after the image that it belongs to."""
    images = [log for name, log, _ in entries if name == IMAGE]
    infos = iter(images)
    return [(name, next(infos) + 1_000_000 if name == INFO else log, message) for name, log, message in entries]


def zoomed(entries: Entries) -> Entries:
    """Every image enlarged by another factor, with a camera_info of its own."""
    factors = dict(zip([stamp_ns(m.header) for name, _, m in entries if name == IMAGE], (1.0, 1.2, 1.4), strict=True))

    def lens(message: Any) -> Any:
        k = np.array(message.k)
        k[[0, 4]] *= factors[stamp_ns(message.header)]
        return replace(message, k=k)

    def picture(message: Any) -> Any:
        factor = factors[stamp_ns(message.header)]
        image = cv2.imdecode(np.asarray(message.data), cv2.IMREAD_COLOR)
        centre = (image.shape[1] - 1) / 2, (image.shape[0] - 1) / 2
        turned = cv2.warpAffine(image, cv2.getRotationMatrix2D(centre, 0, factor), (image.shape[1], image.shape[0]))
        return replace(message, data=np.frombuffer(cv2.imencode(".jpg", turned)[1].tobytes(), np.uint8))

    return both(each(INFO, lens), each(IMAGE, picture))(entries)


def only_first(topic: str) -> Callable[[Entries], Entries]:
    def change(entries: Entries) -> Entries:
        first = next(log for name, log, _ in entries if name == topic)
        return [entry for entry in entries if entry[0] != topic or entry[1] == first]

    return change


def in_odom(entries: Entries) -> Entries:
    """Odometry in a frame `odom` of its own."""
    def moved(message: Any) -> Any:
        pose = message.pose.pose
        own = ODOM_FROM_MAP @ Pose.from_quaternion(
            np.array([pose.position.x, pose.position.y, pose.position.z]),
            np.array([pose.orientation.x, pose.orientation.y, pose.orientation.z, pose.orientation.w]))
        made = telemetry.odometry(stamp_ns(message.header), own, np.array(message.pose.covariance).reshape(6, 6), np.zeros(3),
                                  np.zeros(3), np.eye(6))
        return replace(made, header=replace(made.header, frame_id="odom"))

    return each(ODOMETRY, moved)(entries)


def placed_by_hand(entries: Entries) -> Entries:
    """A pose by hand, of the odometry's own place, recorded before the second image."""
    second = [log for name, log, _ in entries if name == IMAGE][1]
    message = [m for name, log, m in entries if name == ODOMETRY and log < second][-1]
    pose = message.pose.pose
    given = Pose.from_quaternion(np.array([pose.position.x, pose.position.y, pose.position.z]),
                                 np.array([pose.orientation.x, pose.orientation.y, pose.orientation.z, pose.orientation.w]))
    covariance = np.array(message.pose.covariance).reshape(6, 6)
    entry = (BY_HAND, second - 1_000_000, telemetry.pose_with_covariance(stamp_ns(message.header), given, covariance))
    return [*in_odom(entries), entry]


def second_camera(entries: Entries) -> Entries:
    others = {IMAGE: "/rear/image/compressed", INFO: "/rear/camera_info"}
    return entries + [(others[name], log + 1, message) for name, log, message in entries if name in others]


def in_sixteen_bits(message: Any) -> Any:
    """The picture of a thermal camera, whose 10 bits stand at the bottom of 16, in a PNG."""
    grey = cv2.imdecode(np.asarray(message.data), cv2.IMREAD_GRAYSCALE)
    data = cv2.imencode(".png", grey.astype(np.uint16) * 4)[1].tobytes()
    return replace(message, format="mono16; png compressed ", data=np.frombuffer(data, np.uint8))


def as_mosaic(message: Any) -> Any:
    """The picture as a sensor with a bayer filter takes it, in a JPEG."""
    view = cv2.imdecode(np.asarray(message.data), cv2.IMREAD_COLOR)
    rows, cols = np.indices(view.shape[:2])
    flat = view[rows, cols, np.array([[2, 1], [1, 0]])[rows % 2, cols % 2]]
    data = cv2.imencode(".jpg", flat, [cv2.IMWRITE_JPEG_QUALITY, 98])[1].tobytes()
    return replace(message, format="bayer_rggb8; jpeg compressed bayer_rggb8", data=np.frombuffer(data, np.uint8))


def with_extra_bytes(message: Any) -> Any:
    """As UVC cameras write it, with bytes before the tables that belong to nothing."""
    data = bytes(np.asarray(message.data))
    at = data.index(b"\xff\xdb")
    return replace(message, data=np.frombuffer(data[:at] + b"ab\0c" + data[at:], np.uint8))


CASES: dict[str, tuple[Callable[[Entries], Entries], list[str], str]] = {
    "as recorded": (lambda entries: entries, GOOD, ""),
    "camera_info after its image": (after_their_images, GOOD, ""),
    "a zoom lens": (zoomed, GOOD, ""),
    "a zoom lens, camera_info after its image": (lambda entries: after_their_images(zoomed(entries)), GOOD, ""),
    "camera_info once, after the first image": (both(after_their_images, only_first(INFO)), GOOD, ""),
    "a second camera": (second_camera, GOOD, ""),
    "no distortion by another name": (fields(INFO, distortion_model="none", d=np.zeros(0)), GOOD, ""),
    "plumb_bob with eight coefficients": (fields(INFO, distortion_model="plumb_bob", d=np.zeros(8)), GOOD, ""),
    "a skew of rounding": (each(INFO, lambda m: replace(m, k=np.array(m.k) + 1e-13 * np.eye(9)[1])), GOOD, ""),
    "an unknown lens": (fields(INFO, distortion_model="fisheye62", d=np.ones(3)), ["camera_info_invalid"] * FRAMES, "fisheye62"),
    "odometry in /map": (fields(ODOMETRY, header__frame_id="/map"), ["prior_frame"] * FRAMES, "frame '/map'"),
    "odometry in map_ned": (fields(ODOMETRY, header__frame_id="map_ned"), ["prior_frame"] * FRAMES, "frame 'map_ned'"),
    "odometry of another body": (fields(ODOMETRY, child_frame_id="imu"), ["prior_frame"] * FRAMES, "'imu'"),
    "odom without a pose by hand": (in_odom, ["prior_missing"] * FRAMES, "initialpose"),
    "odom with a pose by hand": (placed_by_hand, ["prior_missing", *GOOD[1:]], ""),
    "odometry without covariance": (fields(ODOMETRY, pose__covariance=np.zeros(36)), GOOD, ""),
    "odometry without that of tilt": (
        fields(ODOMETRY, pose__covariance=np.diag([900.0, 900, 400, 0, 0, 3e-3]).ravel()), GOOD, ""),
    "a covariance of NaN": (fields(ODOMETRY, pose__covariance=np.full(36, np.nan)), ["prior_invalid"] * FRAMES, "has 36 NaN"),
    "a tilt that is not known": (fields(ODOMETRY, pose__covariance=np.diag([900.0, 900, 400, 1.0, 1.0, 3e-3]).ravel()),
                                 ["prior_too_uncertain"] * FRAMES, "tilt"),
    "images without a stamp": (fields(IMAGE, header__stamp=telemetry.header(0, "").stamp), ["stamp_zero"] * FRAMES, "stamp zero"),
    "sixteen bits": (each(IMAGE, in_sixteen_bits), GOOD, ""),
    "a bayer mosaic in JPEG": (each(IMAGE, as_mosaic), GOOD, ""),
    "extraneous bytes in JPEG": (each(IMAGE, with_extra_bytes), GOOD, ""),
    "half an image": (each(IMAGE, lambda m: replace(m, data=np.asarray(m.data)[:9000])), ["image_corrupt"] * FRAMES, "JPEG"),
}


@pytest.fixture(scope="module")
def entries(scene: Scene) -> Entries:
    """The first frames of a flight, with the odometry around them."""
    recorded = list(open_bag(scene.bag).messages(IMAGE, INFO, ODOMETRY))
    last = [log for name, log, _ in recorded if name == IMAGE][FRAMES - 1]
    infos = [stamp_ns(m.header) for name, log, m in recorded if name == IMAGE][:FRAMES]
    return [(name, log, m) for name, log, m in recorded
            if (name == ODOMETRY and log < last + 1_000_000_000) or (name == IMAGE and log <= last)
            or (name == INFO and stamp_ns(m.header) in infos)]


@pytest.fixture(scope="module")
def node(scene: Scene, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Localizer]:
    # an image waits for the rest of a second of odometry that a busy machine sends late
    with Localizer(tmp_path_factory.mktemp("node"), map=scene.map_path, prior_wait_ms=2000) as localizer:
        yield localizer
        assert "Traceback" not in localizer.log()


def fly(node: Localizer, bag: Path) -> list[tuple[str, str]]:
    """Reason and sentence of each image of a bag, shown to the node, configured anew, in the order of recording."""
    node.up()
    told: list[tuple[str, str]] = []
    waiting = False
    seen = len(node.verdicts)
    recorded = open_bag(bag)

    def verdict() -> None:
        until = time.monotonic() + 30
        while len(node.verdicts) <= seen + len(told):
            assert time.monotonic() < until, node.log()
            time.sleep(0.005)
        _, its = node.verdicts[seen + len(told)]
        told.append((its["reason"], its["sentence"]))

    for topic, _, data in recorded.serialized(*({IMAGE, INFO, ODOMETRY, BY_HAND} & set(recorded.topics))):
        if topic in (IMAGE, BY_HAND):
            if waiting:
                verdict()
            time.sleep(0.05)  # other topics: what was sent first has to be there first
            waiting = topic == IMAGE
        node.publish(topic[1:], data)
    verdict()
    assert node.change(DEACTIVATE) and node.change(CLEANUP)
    return told


@pytest.mark.parametrize("name", CASES)
def test_node_and_replay_give_one_verdict(scene: Scene, node: Localizer, entries: Entries, tmp_path: Path,
                                          name: str) -> None:
    change, reasons, words = CASES[name]
    with BagWriter(tmp_path / "bag", open_bag(scene.bag).custom) as bag:
        for topic, log_ns, message in sorted(change(entries), key=lambda entry: entry[1]):
            bag.write(topic, message, log_ns)
    reference = scene.reference()
    frames = replay(tmp_path / "bag", Matcher(reference, load("structural")), reference).frames
    replayed = [(str(frame.fix.reason), frame.fix.sentence) for frame in frames]
    assert [reason for reason, _ in replayed] == reasons
    assert all(words in sentence for reason, sentence in replayed if reason != "fix")
    assert fly(node, tmp_path / "bag") == replayed
