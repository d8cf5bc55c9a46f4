"""Flight bags: written and read back, and damaged, unfinished or incomplete ones turned down in one sentence."""

import re
from pathlib import Path

import numpy as np
import pytest

from promptmid_core.bags import telemetry
from promptmid_core.bags.bag import Topics, open_bag
from promptmid_core.bags.writer import BagWriter
from promptmid_core.errors import InputError
from promptmid_core.geometry import Camera, Pose
from promptmid_core.georaster import MapFrame

CUSTOM = {"map_crs": "EPSG:32611", "map_origin_east": "385000.0", "map_origin_north": "3761000.5", "seed": "7"}
CAMERA = Camera(6, 4, np.array([[5.0, 0, 2.5], [0, 5.0, 1.5], [0, 0, 1]]))
COVARIANCE = np.diag([4.0, 4.0, 1.0, 1e-4, 1e-4, 1e-3])


def odometry(stamp_ns, x=0.0, covariance=COVARIANCE):
    pose = Pose.from_rpy(np.array([x, 2.0, 300.0]), 0.01, 0.02, 0.5)
    return telemetry.odometry(stamp_ns, pose, covariance, np.array([50.0, 0, 0]), np.zeros(3), np.eye(6))


def raw_image(stamp_ns, pixels):
    return telemetry.message("sensor_msgs/msg/Image", telemetry.header(stamp_ns, "camera"), *pixels.shape[:2], "rgb8", 0,
                             pixels.shape[1] * 3, pixels.ravel())


def record(path, odometry_topic="/odometry", truth=True, images="/image/compressed"):
    with BagWriter(path, CUSTOM) as bag:
        for i in range(4):
            stamp = 1_000_000_000 + i * 50_000_000
            bag.write(odometry_topic, odometry(stamp, x=float(i)), stamp + 5)
            if images == "/image/compressed":
                bag.write(images, telemetry.compressed_image(stamp, bytes([255, 216, i])), stamp + 9)
            else:
                bag.write(images, raw_image(stamp, np.full((4, 6, 3), i, np.uint8)), stamp + 9)
            bag.write("/camera_info", telemetry.camera_info(stamp, CAMERA), stamp + 8)
            if truth:
                bag.write("/ground_truth", odometry(stamp, x=float(i) - 0.25, covariance=np.zeros((6, 6))), stamp + 9)
    return path


@pytest.fixture(scope="module")
def bag(tmp_path_factory):
    return open_bag(record(tmp_path_factory.mktemp("bags") / "flight"))


def sentence(call, *args):
    with pytest.raises(InputError) as caught:
        call(*args)
    text = str(caught.value)
    assert "\n" not in text
    return text


def test_what_was_written_is_read(bag):
    assert bag.topics == {
        "/odometry": "nav_msgs/msg/Odometry", "/image/compressed": "sensor_msgs/msg/CompressedImage",
        "/camera_info": "sensor_msgs/msg/CameraInfo", "/ground_truth": "nav_msgs/msg/Odometry",
    }
    assert bag.custom == CUSTOM
    assert bag.map_frame == MapFrame("EPSG:32611", (385000.0, 3761000.5))
    assert bag.image_topic == "/image/compressed"
    assert bag.count("/odometry") == 4
    assert [bytes(m.data) for _, _, m in bag.messages("/image/compressed")] == [bytes([255, 216, i]) for i in range(4)]


def test_messages_come_in_the_order_of_recording(bag):
    entries = list(bag.messages())
    assert [log_ns for _, log_ns, _ in entries] == sorted(log_ns for _, log_ns, _ in entries)
    assert [topic for topic, _, _ in entries[:3]] == ["/odometry", "/camera_info", "/image/compressed"]
    assert len(entries) == 12, "the truth is not among what a localization sees"


def test_truth_and_prior(bag):
    truth = bag.ground_truth()
    assert [stamp for stamp, _ in truth] == [1_000_000_000 + i * 50_000_000 for i in range(4)]
    assert [pose.position[0] for _, pose in truth] == [-0.25, 0.75, 1.75, 2.75]
    assert truth[0][1].yaw == pytest.approx(0.5)
    prior = bag.odometry()[2]
    assert (prior.stamp_ns, prior.pose.position[0]) == (1_100_000_000, 2.0)
    np.testing.assert_array_equal(prior.covariance, COVARIANCE)


def test_raw_images_and_other_names(tmp_path):
    path = record(tmp_path / "raw", odometry_topic="/filter/odom", truth=False, images="/image")
    bag = open_bag(path, Topics(odometry="/filter/odom"))
    assert bag.image_topic == "/image"
    assert bag.ground_truth() == []
    assert [m.data[0] for topic, _, m in bag.messages() if topic == "/image"] == [0, 1, 2, 3]
    assert len(bag.odometry()) == 4
    assert open_bag(path, Topics(image="/image")).image_topic == "/image"


def test_missing_topics_name_what_is_there(tmp_path):
    bag = open_bag(record(tmp_path / "bag", odometry_topic="/odom"), Topics(odometry="/odo"))
    text = sentence(lambda: list(bag.messages()))
    assert "no messages on /odo " in text and "/odom (nav_msgs/msg/Odometry)" in text and "did you mean /odom?" in text
    assert "--odometry" in text
    assert "/left/image" in sentence(lambda: open_bag(bag.path, Topics(image="/left/image")).image_topic)
    assert "sensor_msgs/msg/CameraInfo" in sentence(lambda: open_bag(bag.path, Topics(image="/camera_info")).image_topic)
    assert "nav_msgs/msg/Odometry" in sentence(lambda: list(open_bag(bag.path, Topics(odometry="/camera_info")).messages()))


def test_a_bag_without_a_map_frame_says_so(tmp_path):
    with BagWriter(tmp_path / "bare") as writer:
        writer.write("/odometry", odometry(1), 1)
    assert open_bag(tmp_path / "bare").map_frame is None
    with BagWriter(tmp_path / "half", {"map_crs": "EPSG:32611", "map_origin_east": "here"}) as writer:
        writer.write("/odometry", odometry(1), 1)
    assert "map_origin" in sentence(lambda: open_bag(tmp_path / "half").map_frame)
    reading = {**CUSTOM, "map_crs": "+proj=utm +zone=11 +nadgrids=/dev/stdin"}
    with BagWriter(tmp_path / "reading", reading) as writer:
        writer.write("/odometry", odometry(1), 1)
    assert "is a CRS that reads files" in sentence(lambda: open_bag(tmp_path / "reading").map_frame)


def test_an_odometry_that_cannot_be_used_names_bag_and_topic(tmp_path):
    with BagWriter(tmp_path / "bad") as writer:
        writer.write("/odometry", odometry(1, covariance=np.zeros((6, 6))), 1)
    text = sentence(open_bag(tmp_path / "bad").odometry)
    assert "bad" in text and "/odometry" in text and "variance" in text


def test_what_is_no_bag_is_turned_down(tmp_path):
    assert "nothing of that name" in sentence(open_bag, tmp_path / "absent")
    (tmp_path / "file").write_text("x")
    assert "neither in .mcap, .db3 nor .bag" in sentence(open_bag, tmp_path / "file")
    (tmp_path / "empty").mkdir()
    assert "metadata.yaml" in sentence(open_bag, tmp_path / "empty")


DAMAGES = ["unfinished", "truncated", "emptied", "gone", "metadata cut", "metadata no yaml", "metadata empty"]


@pytest.mark.parametrize("damage", DAMAGES)
def test_damaged_bags_are_turned_down_in_one_sentence(tmp_path, damage):
    path = record(tmp_path / "bag")
    storage, metadata = path / "bag.mcap", path / "metadata.yaml"
    data, text = storage.read_bytes(), metadata.read_text()
    match damage:
        case "unfinished":
            metadata.unlink()
        case "truncated":
            storage.write_bytes(data[:len(data) // 2])
        case "emptied":
            storage.write_bytes(b"")
        case "gone":
            storage.unlink()
        case "metadata cut":
            metadata.write_text(text[:len(text) // 3])
        case "metadata no yaml":
            metadata.write_text("]: [")
        case "metadata empty":
            metadata.write_text("")

    assert str(path) in sentence(lambda: list(open_bag(path).messages()))


def test_damage_anywhere_in_the_storage_is_a_sentence_or_harmless(tmp_path):
    path = record(tmp_path / "bag")
    storage = path / "bag.mcap"
    data = storage.read_bytes()
    refused = 0
    for at in range(9, len(data), max(1, len(data) // 40)):
        damaged = bytearray(data)
        damaged[at:at + 8] = b"\xff" * 8
        storage.write_bytes(bytes(damaged))
        try:
            list(open_bag(path).messages())
        except InputError as error:
            refused += 1
            assert "\n" not in str(error)
    assert refused > 5


def test_the_folder_appears_when_it_is_complete(tmp_path):
    target = tmp_path / "bag"
    with BagWriter(target) as writer:
        writer.write("/odometry", odometry(1), 1)
        assert not target.exists()
    assert sorted(p.name for p in target.iterdir()) == ["bag.mcap", "metadata.yaml"]
    with pytest.raises(RuntimeError), BagWriter(tmp_path / "broken") as writer:
        writer.write("/odometry", odometry(1), 1)
        raise RuntimeError
    assert [p.name for p in tmp_path.iterdir()] == ["bag"], "nothing is left of the broken one"


def test_a_name_that_is_taken_is_refused_and_an_empty_folder_is_used(tmp_path):
    taken = record(tmp_path / "bag")
    before = (taken / "metadata.yaml").read_bytes()
    assert "exists already" in sentence(BagWriter, taken)
    assert (taken / "metadata.yaml").read_bytes() == before
    (tmp_path / "file").write_text("x")
    assert "exists already" in sentence(BagWriter, tmp_path / "file")
    (tmp_path / "empty").mkdir()
    assert len(open_bag(record(tmp_path / "empty")).odometry()) == 4


def test_a_relative_path_works(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert len(open_bag(record(Path("sub/bag"))).odometry()) == 4


def test_outputs_of_a_node_can_be_recorded(tmp_path):
    value = telemetry.message("diagnostic_msgs/msg/KeyValue", "reason", "fix")
    status = telemetry.message("diagnostic_msgs/msg/DiagnosticStatus", 0, "match", "ok", "localizer", [value])
    pose = odometry(5).pose
    with BagWriter(tmp_path / "out") as bag:
        bag.write("/diagnostics", telemetry.message("diagnostic_msgs/msg/DiagnosticArray", telemetry.header(5, ""), [status]), 6)
        stamped = telemetry.message("geometry_msgs/msg/PoseWithCovarianceStamped", telemetry.header(5, "map"), pose)
        bag.write("/localizer/pose", stamped, 7)
    (_, _, diagnostics), (_, _, fix) = open_bag(tmp_path / "out").messages("/diagnostics", "/localizer/pose")
    assert diagnostics.status[0].values[0].value == "fix"
    assert fix.pose.pose.position.z == 300.0


def test_equal_content_gives_equal_bytes(tmp_path):
    one, two = record(tmp_path / "a" / "bag"), record(tmp_path / "b" / "bag")
    for name in ("bag.mcap", "metadata.yaml"):
        assert (one / name).read_bytes() == (two / name).read_bytes()
    assert re.search(r"storage_identifier: mcap", (one / "metadata.yaml").read_text())
