"""Bags as the field records them: topics that are declared and empty, truth in other messages, a second camera."""

import json
import os
import threading
from copy import deepcopy

import numpy as np
import pytest
import yaml
from flights import CAMERA, FRAME, GSD, START_NS, KnownLocalizer, PlainMap, messages, odometry, stamps, true_pose, write_bag
from refusals import told
from simulated import Scene

from promptmid_core.bags import telemetry
from promptmid_core.bags.bag import Topics, open_bag
from promptmid_core.bags.messages import stamp_ns
from promptmid_core.bags.writer import BagWriter
from promptmid_core.cli import main
from promptmid_core.descriptors import load
from promptmid_core.errors import InputError
from promptmid_core.georaster.geodetic import Geodetic
from promptmid_core.localization.localizer import Localizer
from promptmid_core.replay.run import replay

pytestmark = pytest.mark.slow


def declared(path, *topics):
    """A recorder's declaration of topics on which nothing came: (name, type)."""
    metadata = path / "metadata.yaml"
    content = yaml.safe_load(metadata.read_text())
    known = content["rosbag2_bagfile_information"]["topics_with_message_count"]
    for name, kind in topics:
        topic = deepcopy(known[0])
        topic["topic_metadata"] |= {"name": name, "type": kind}
        topic["topic_metadata"].pop("type_description_hash", None)
        topic["message_count"] = 0
        known.append(topic)
    metadata.write_text(yaml.safe_dump(content))
    return path


def raw_images(entries):
    """The same flight from a camera that sends its images uncompressed."""
    changed = []
    for topic, log_ns, message in entries:
        if topic == "/image/compressed":
            pixels = np.full((CAMERA.height, CAMERA.width), 128, np.uint8)
            topic, message = "/image", telemetry.message("sensor_msgs/msg/Image", message.header, *pixels.shape, "mono8", 0,
                                                         CAMERA.width, pixels.ravel())
        changed.append((topic, log_ns, message))
    return changed


def renamed(entries, **names):
    """The same flight with other names of topics."""
    others = {"/image/compressed" if role == "image" else f"/{role}": name for role, name in names.items()}
    return [(others.get(topic, topic), log_ns, message) for topic, log_ns, message in entries]


def without(entries, *topics):
    return [entry for entry in entries if entry[0] not in topics]


def flown_over(bag, topics=None):
    return replay(bag, KnownLocalizer(), PlainMap(), **({"topics": topics} if topics else {}))


IMAGE, COMPRESSED = "sensor_msgs/msg/Image", "sensor_msgs/msg/CompressedImage"


def test_the_image_topic_is_the_one_with_messages(tmp_path):
    full = declared(write_bag(tmp_path / "raw", raw_images(messages(3))), ("/image/compressed", COMPRESSED))
    assert open_bag(full).image_topic == "/image"
    assert len(flown_over(full).frames) == 3
    full = declared(write_bag(tmp_path / "compressed", messages(3)), ("/image", IMAGE))
    assert open_bag(full).image_topic == "/image/compressed"
    both = write_bag(tmp_path / "both", sorted([*messages(3), *raw_images(messages(2))], key=lambda entry: entry[1]))
    assert open_bag(both).image_topic == "/image/compressed"


def test_a_bag_without_images_is_an_error_that_names_what_is_there(tmp_path):
    entries = without(messages(2), "/image/compressed")
    bag = declared(write_bag(tmp_path / "bag", entries), ("/image/compressed", COMPRESSED), ("/image", IMAGE))
    sentence = told(flown_over, bag)
    assert "no messages on /image/compressed or /image (image, sensor_msgs/msg/CompressedImage or sens" in sentence
    assert "0 on /image/compressed (sensor_msgs/msg/CompressedImage)" in sentence
    assert f"2 on /camera_info (sensor_msgs/msg/CameraInfo), {open_bag(bag).count('/ground_truth')} on /ground_truth" in sentence


@pytest.mark.parametrize(("topic", "kind"), [
    ("/camera_info", "sensor_msgs/msg/CameraInfo"), ("/odometry", "nav_msgs/msg/Odometry")])
def test_a_declared_topic_without_messages_counts_as_absent(tmp_path, topic, kind):
    bag = declared(write_bag(tmp_path / "bag", without(messages(2), topic)), (topic, kind))
    sentence = told(flown_over, bag)
    assert f"no messages on {topic}" in sentence and f"0 on {topic} ({kind})" in sentence


def test_a_declared_truth_without_messages_is_no_truth(tmp_path):
    bag = declared(write_bag(tmp_path / "bag", messages(2, truth=False)), ("/ground_truth", "geometry_msgs/msg/TransformStamped"))
    assert open_bag(bag).ground_truth() == []
    assert any("no ground truth" in note for note in flown_over(bag).notes)


def test_a_bag_of_other_names_is_told_with_the_options_that_choose(tmp_path):
    names = {"image": "/uav1/camera/image_raw/compressed", "camera_info": "/uav1/camera/camera_info",
             "odometry": "/uav1/odom", "ground_truth": "/uav1/truth"}
    second = next(message for topic, _, message in raw_images(messages(1)) if topic == "/image")
    bag = write_bag(tmp_path / "bag", [("/uav1/thermal/image_raw", 7, second), *renamed(messages(3), **names)])
    sentence = told(flown_over, bag)
    assert "several topics that may be the odometry" in sentence and "3 on /uav1/truth (nav_msgs/msg/Odometry)" in sentence
    assert sentence.endswith("name one with --odometry.")
    second_info = [("/uav1/thermal/camera_info", log_ns, m) for topic, log_ns, m in messages(1) if topic == "/camera_info"]
    sentence = told(flown_over, write_bag(tmp_path / "both", [("/uav1/thermal/image_raw", 7, second), *second_info,
                                                              *renamed(messages(3), **names)]))
    assert "3 on /uav1/camera/image_raw/compressed (sensor_msgs/msg/CompressedImage)" in sentence
    assert "1 on /uav1/thermal/image_raw (sensor_msgs/msg/Image)" in sentence and "--image" in sentence
    sentence = told(flown_over, bag, Topics(**(names | {"odometry": "/uav1/odometer"})))
    assert "on /uav1/odom (" in sentence and "--odometry" in sentence and "did you mean /uav1/odom?" in sentence
    flight = flown_over(bag, Topics(**{role: topic for role, topic in names.items() if role != "ground_truth"}))
    assert [frame.fix.accepted for frame in flight.frames] == [True] * 3
    assert [frame.error_m for frame in flight.frames] == pytest.approx([0.0] * 3, abs=1e-6), "the truth, found by its type"
    assert any("Taken by their type: ground truth from /uav1/truth" in note for note in flight.notes)
    assert flown_over(bag, Topics(**names)).frames[0].error_m == pytest.approx(0, abs=1e-6)
    assert "/nowhere" in told(flown_over, bag, Topics(**(names | {"ground_truth": "/nowhere"})))


def test_the_command_takes_the_names_of_topics(tmp_path, scene: Scene, capsys):
    names = {"image": "/cam/image_raw/compressed", "camera_info": "/cam/camera_info", "odometry": "/odom", "ground_truth": "/gps"}
    recorded = open_bag(scene.bag)
    with BagWriter(tmp_path / "bag", recorded.custom) as writer:
        for topic, log_ns, message in renamed(recorded.messages(*recorded.topics), **names):
            writer.write(topic, message, log_ns)
    words = ["replay", str(tmp_path / "bag"), "--map", str(scene.map_path), "--json", str(tmp_path / "out.json")]
    assert main(words) == 1
    told_of = capsys.readouterr().err
    assert "several topics that may be the odometry" in told_of and "on /gps" in told_of and "on /odom" in told_of
    words += ["--image-topic", "cam/image_raw/compressed", "--camera-info-topic", "/cam/camera_info", "--odometry-topic", "/odom",
              "--ground-truth-topic", "/gps"]
    assert main(words) == 0
    summary = json.loads((tmp_path / "out.json").read_text())
    assert summary["frames"] == 16 and summary["judged"] == summary["fixes"] >= 10


@pytest.mark.parametrize("topic", ["/odometry", "/camera_info", "/image/compressed"])
def test_a_topic_of_another_type_is_refused_by_name(tmp_path, topic):
    pose = telemetry.pose_with_covariance(1, true_pose(START_NS), np.eye(6))
    bag = write_bag(tmp_path / "bag", [*without(messages(2), topic), (topic, START_NS + 10**10, pose)])
    sentence = told(flown_over, bag)
    assert topic in sentence and "geometry_msgs/msg/PoseWithCovarianceStamped" in sentence


GEODETIC = Geodetic(FRAME, "unknown")


def pose_stamped(stamp, pose):
    return telemetry.message("geometry_msgs/msg/PoseStamped", telemetry.header(stamp, "map"), odometry(stamp, pose).pose.pose)


def navsat_fix(stamp, pose):
    latitude, longitude, _ = GEODETIC.place(*pose.position)
    return telemetry.navsat_fix(stamp, (latitude, longitude, 1234.5), np.eye(3))


def with_truth(make, frames=4):
    """A flight whose truth is carried by other messages: made of the stamp and the true pose."""
    def remade(message):
        stamp = stamp_ns(message.header)
        return make(stamp, true_pose(stamp))

    return [(topic, log_ns, remade(message) if topic == "/ground_truth" else message)
            for topic, log_ns, message in messages(frames)]


def off_by_ten(stamp):
    return np.array([10.0, 0, 0, 0, 0, 0.01])


@pytest.mark.parametrize("make", [
    odometry, pose_stamped, navsat_fix, lambda stamp, pose: telemetry.pose_with_covariance(stamp, pose, np.eye(6))])
def test_the_truth_may_come_as_any_message_that_tells_a_place(tmp_path, make):
    bag = write_bag(tmp_path / "bag", with_truth(make))
    flight = replay(bag, KnownLocalizer(off_by_ten), PlainMap())
    assert [frame.error_m for frame in flight.frames] == pytest.approx([10.0] * 4, abs=1e-3)
    assert [frame.ground_error_px for frame in flight.frames] == pytest.approx([10.0 / GSD] * 4, abs=1e-3)


def test_a_truth_of_places_takes_the_rest_from_the_prior_and_says_so(tmp_path):
    fixes = with_truth(navsat_fix)
    flight = flown_over(write_bag(tmp_path / "bag", fixes))
    prior, truth = flight.frames[1].fix.candidate.prior.pose, flight.frames[1].truth
    assert truth.position[2] == prior.position[2]
    np.testing.assert_array_equal(truth.rotation, prior.rotation)
    note, = flight.notes
    assert "places without attitude" in note and "heights" in note and "unknown" in note and "prior" in note
    known = replay(tmp_path / "bag", KnownLocalizer(), PlainMap(vertical_datum="ellipsoid WGS 84"))
    assert known.frames[1].truth.position[2] == pytest.approx(1234.5)
    assert "attitude" in known.notes[0] and "heights" not in known.notes[0]


def test_a_truth_of_places_once_a_second_covers_the_flight(tmp_path):
    """Receivers are not quite on time."""
    wanted = stamps(6)
    entries = messages(6, truth=False)
    for i in range(-1, 4):
        stamp = wanted[0] + i * 1_003_000_000 - 200_000_000
        entries.append(("/ground_truth", stamp + 5, navsat_fix(stamp, true_pose(stamp))))
    flight = flown_over(write_bag(tmp_path / "bag", sorted(entries, key=lambda entry: entry[1])))
    assert [frame.error_m for frame in flight.frames] == pytest.approx([0.0] * 6, abs=1e-3)


def test_places_that_are_none_are_skipped_and_counted(tmp_path):
    entries = with_truth(navsat_fix, 6)
    truths = [message for topic, _, message in entries if topic == "/ground_truth"]
    truths[1].status.status = -1
    truths[2].latitude = float("nan")
    truths[3].latitude = 91.0
    truths[4].altitude = float("nan")
    flight = flown_over(write_bag(tmp_path / "bag", entries))
    assert [frame.error_m is None for frame in flight.frames] == [False, True, True, True, False, False]
    note = next(note for note in flight.notes if "could not be used" in note)
    assert "3 ground truth messages" in note and "no fix (status -1)" in note


def test_truth_in_another_frame_is_told(tmp_path):
    entries = with_truth(odometry)
    for topic, _, message in entries:
        if topic == "/ground_truth":
            message.header.frame_id = "world"
    assert any("'world'" in note for note in flown_over(write_bag(tmp_path / "bag", entries)).notes)


def test_other_types_of_truth_are_refused_in_a_sentence(tmp_path):
    text = telemetry.message("std_msgs/msg/String", "here")
    vector = telemetry.message("geometry_msgs/msg/Vector3Stamped", telemetry.header(START_NS, "map"),
                               telemetry.message("geometry_msgs/msg/Vector3", 1.0, 2.0, 3.0))
    for name, message in (("text", text), ("vector", vector)):
        bag = write_bag(tmp_path / name, [*messages(2, truth=False), ("/ground_truth", START_NS + 10**10, message)])
        sentence = told(flown_over, bag)
        assert "/ground_truth" in sentence and message.__msgtype__ in sentence
        for taken in ("PoseStamped", "PoseWithCovarianceStamped", "NavSatFix", "Odometry"):
            assert taken in sentence


def test_places_come_back_from_their_latitude_and_longitude():
    for datum, known in (("unknown", False), ("ellipsoid GRS 1980", True)):
        geodetic = Geodetic(FRAME, datum)
        latitude, longitude, altitude = geodetic.place(1234.0, -567.0, 89.0)
        x, y, z = geodetic.position(latitude, longitude, altitude)
        assert (x, y) == pytest.approx((1234.0, -567.0), abs=1e-4)
        assert z == pytest.approx(89.0, abs=1e-6) if known else np.isnan(z)


@pytest.fixture
def player(monkeypatch, tmp_path):
    """What makes a player of a bag beside subscribers to some topics."""
    pytest.importorskip("rclpy", reason="ROS 2 is not installed")
    monkeypatch.setenv("ROS_DOMAIN_ID", str(1 + os.getpid() % 100))
    monkeypatch.setenv("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST")
    monkeypatch.setenv("ROS_LOG_DIR", str(tmp_path))
    from nav_msgs.msg import Odometry
    from rclpy.qos import qos_profile_sensor_data
    from sensor_msgs.msg import CameraInfo, CompressedImage, Image

    from promptmid_ros.rehearsal.live import ros_node
    from promptmid_ros.rehearsal.player import Player

    classes = {"nav_msgs/msg/Odometry": Odometry, "sensor_msgs/msg/CameraInfo": CameraInfo, IMAGE: Image,
               COMPRESSED: CompressedImage}
    with ros_node("playing") as node:
        def make(bag, *heard):
            for topic in heard:
                node.create_subscription(classes[bag.topics[topic]], topic, lambda _: None, qos_profile_sensor_data)
            return Player(node, bag, rate=20.0)

        yield make


def two_cameras(path, **names):
    """A flight of three images beside two of a second camera."""
    second = renamed(without(messages(2, truth=False), "/odometry"), image="/rear/image_raw/compressed",
                     camera_info="/rear/camera_info")
    entries = [*renamed(messages(3), **names), *second]
    return open_bag(write_bag(path, sorted(entries, key=lambda entry: entry[1])))


def test_play_waits_for_the_topics_of_the_flight_and_not_for_a_second_camera(player, tmp_path):
    playing = player(two_cameras(tmp_path / "bag"), "/image/compressed", "/camera_info", "/odometry")
    playing.wait_for_subscribers(threading.Event(), 20.0)
    playing.play(threading.Event())
    assert playing.counts["/rear/image_raw/compressed"] == playing.counts["/rear/camera_info"] == 2
    assert [image.stamp_ns for image in playing.images] == stamps(3), "those of the flight's camera"


def test_play_says_which_topic_of_the_flight_nobody_takes(player, tmp_path):
    playing = player(two_cameras(tmp_path / "bag"), "/rear/image_raw/compressed", "/rear/camera_info", "/odometry")
    sentence = told(playing.wait_for_subscribers, threading.Event(), 3.0)
    assert "nobody subscribed to /camera_info, /image/compressed within 3 s" in sentence


def test_play_waits_for_one_camera_where_none_has_the_names_of_the_flight(player, tmp_path):
    names = {"image": "/front/image_raw/compressed", "camera_info": "/front/camera_info"}
    playing = player(two_cameras(tmp_path / "bag", **names), *names.values(), "/odometry")
    playing.wait_for_subscribers(threading.Event(), 20.0)
    other = player(two_cameras(tmp_path / "other", **{role: f"/b{topic}" for role, topic in names.items()}))
    sentence = told(other.wait_for_subscribers, threading.Event(), 0.2)
    assert "/b/front/camera_info or /rear/camera_info, /b/front/image_raw/compressed or /rear/image_raw/compressed" in sentence


def test_play_waits_for_the_transport_that_is_taken(player, tmp_path):
    entries = sorted([*messages(2), *raw_images(messages(2))], key=lambda entry: entry[1])
    playing = player(open_bag(write_bag(tmp_path / "bag", entries)), "/image", "/camera_info", "/odometry")
    playing.wait_for_subscribers(threading.Event(), 20.0)



@pytest.mark.parametrize(("role", "topic"), [("odometry", "/camera_info"), ("odometry", "/image/compressed"),
                                             ("camera_info", "/image/compressed"), ("ground_truth", "/camera_info")])
def test_a_topic_that_has_another_role_is_refused_by_its_type(scene: Scene, role: str, topic: str) -> None:
    reference = scene.reference()
    with pytest.raises(InputError, match=f"topic {topic} is of type .*; {role} is taken from messages of type"):
        replay(scene.bag, Localizer(reference, load("structural")), reference, topics=Topics(**{role: topic}))
