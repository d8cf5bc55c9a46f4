"""Bags as they come: other names, single files, packed, split, of ROS 1, folders of images, and files in place of topics."""

import csv
from pathlib import Path

import numpy as np
import pytest
from flights import CAMERA, FRAME_NS, START_NS, KnownLocalizer, PlainMap, messages, odometry, stamps, true_pose, write_bag
from mcap.writer import CompressionType, IndexType
from mcap.writer import Writer as McapWriter
from refusals import told
from rosbags.rosbag1 import Writer as Writer1
from rosbags.rosbag2 import StoragePlugin, Writer
from rosbags.rosbag2.enums import CompressionFormat, CompressionMode
from rosbags.typesys import Stores, get_typestore

from promptmid_core.bags import telemetry
from promptmid_core.bags.bag import open_bag
from promptmid_core.bags.camera import camera_of
from promptmid_core.bags.camerafile import read_camera_info
from promptmid_core.bags.messages import stamp_ns
from promptmid_core.bags.topics import Part, Topics
from promptmid_core.replay.run import replay

CAMERA_YAML = f"""image_width: {CAMERA.width}
image_height: {CAMERA.height}
camera_name: narrow
camera_matrix:
  rows: 3
  cols: 3
  data: [60.0, 0.0, 31.5, 0.0, 60.0, 23.5, 0.0, 0.0, 1.0]
distortion_model: plumb_bob
distortion_coefficients: {{rows: 1, cols: 5, data: [0.0, 0.0, 0.0, 0.0, 0.0]}}
"""
NAMES = {"/image/compressed": "/cam0/image_raw/compressed", "/camera_info": "/cam0/camera_info", "/odometry": "/ekf/odom"}


def flown(bag, topics=None):
    return replay(bag, KnownLocalizer(), PlainMap(), topics=topics)


def renamed(entries, names=NAMES):
    return [(names.get(topic, topic), log_ns, message) for topic, log_ns, message in entries]


def without(entries, topic):
    return [entry for entry in entries if entry[0] != topic]


def errors(flight):
    return [frame.error_m for frame in flight.frames]


def test_what_alone_has_the_type_is_taken_and_told(tmp_path):
    bag = write_bag(tmp_path / "bag", renamed(messages(3)))
    assert open_bag(bag).taken() == [
        "image: 3 on /cam0/image_raw/compressed (sensor_msgs/msg/CompressedImage)",
        "camera info: 3 on /cam0/camera_info (sensor_msgs/msg/CameraInfo)",
        f"odometry: {open_bag(bag).count('/ekf/odom')} on /ekf/odom (nav_msgs/msg/Odometry)",
        "ground truth: 3 on /ground_truth (nav_msgs/msg/Odometry)"]
    assert errors(flown(bag)) == pytest.approx([0.0] * 3, abs=1e-6)


def test_the_camera_info_beside_the_image_is_the_cameras(tmp_path):
    second = [("/cam1/camera_info", log_ns, message) for topic, log_ns, message in messages(3) if topic == "/camera_info"]
    bag = write_bag(tmp_path / "bag", sorted([*second, *renamed(messages(3))], key=lambda entry: entry[1]))
    assert open_bag(bag).topic("camera_info") == "/cam0/camera_info"
    depth = [("/cam0/depth/compressedDepth", log_ns, message) for topic, log_ns, message in messages(2)
             if topic == "/image/compressed"]
    assert open_bag(write_bag(tmp_path / "deep", [*renamed(messages(3)), *depth])).image_topic == NAMES["/image/compressed"]


def test_a_truth_that_may_be_several_topics_is_none_and_told(tmp_path):
    poses = [("/ground_truth", log_ns, telemetry.pose(stamp_ns(m.header), true_pose(stamp_ns(m.header))))
             for topic, log_ns, m in messages(3) if topic == "/ground_truth"]
    bag = write_bag(tmp_path / "bag", [*without(messages(3), "/ground_truth"), *renamed(poses, {"/ground_truth": "/mocap"}),
                                       *renamed(poses, {"/ground_truth": "/goal"})])
    flight = flown(bag)
    assert errors(flight) == [None] * 3
    note = next(note for note in flight.notes if "several topics" in note)
    assert "3 on /goal" in note and "3 on /mocap" in note and "--truth" in note
    assert errors(flown(bag, Topics(ground_truth="/mocap"))) == pytest.approx([0.0] * 3, abs=1e-6)


def test_what_a_localizer_found_is_no_truth(tmp_path):
    found = [("/localizer/pose", log_ns, telemetry.pose_with_covariance(stamp_ns(m.header), true_pose(START_NS), np.eye(6)))
             for topic, log_ns, m in messages(3) if topic == "/ground_truth"]
    beside = [("/localizer/match_diagnostics", log_ns, telemetry.message("std_msgs/msg/String", "fix")) for _, log_ns, _ in found]
    flight = flown(write_bag(tmp_path / "bag", [*without(messages(3), "/ground_truth"), *found, *beside]))
    assert errors(flight) == [None] * 3 and any("no ground truth" in note for note in flight.notes)


STORE = telemetry.typestore()


def recorded(path, entries, plugin=StoragePlugin.MCAP, packed=None):
    writer = Writer(path, version=9, storage_plugin=plugin)
    if packed:
        writer.set_compression(packed, CompressionFormat.ZSTD)
    with writer:
        connections = {}
        for topic, log_ns, message in entries:
            kind = message.__msgtype__
            if topic not in connections:
                connections[topic] = writer.add_connection(topic, kind, typestore=STORE)
            writer.write(connections[topic], log_ns, STORE.serialize_cdr(message, kind))
    return path


@pytest.mark.parametrize("plugin", [StoragePlugin.MCAP, StoragePlugin.SQLITE3])
def test_one_file_is_a_bag(tmp_path, plugin):
    folder = recorded(tmp_path / "bag", messages(2), plugin)
    file, = (path for path in folder.iterdir() if path.suffix in (".mcap", ".db3"))
    assert errors(flown(file)) == pytest.approx([0.0] * 2, abs=1e-6)
    packed = recorded(tmp_path / "packed", messages(2), plugin, CompressionMode.FILE)
    file, = (path for path in packed.iterdir() if path.suffix == ".zstd")
    assert errors(flown(file)) == pytest.approx([0.0] * 2, abs=1e-6)


def test_a_file_of_a_bag_has_the_frame_that_its_folder_tells(tmp_path):
    bag = write_bag(tmp_path / "bag", messages(2))
    assert open_bag(bag / "bag.mcap").map_frame == open_bag(bag).map_frame is not None


def test_topics_whose_qualities_the_metadata_tell_otherwise_are_read(tmp_path):
    bag = write_bag(tmp_path / "bag", messages(2))
    metadata = bag / "metadata.yaml"
    text = metadata.read_text()
    assert "offered_qos_profiles: []" in text
    profile = ("- {history: 3, depth: 0, reliability: 1, durability: 2, deadline: {sec: 1, nsec: 0}, "
               "lifespan: {sec: 1, nsec: 0}, liveliness: 1, liveliness_lease_duration: {sec: 1, nsec: 0}, "
               "avoid_ros_namespace_conventions: false}")
    metadata.write_text(text.replace("offered_qos_profiles: []", f"offered_qos_profiles: '{profile}'"))
    assert errors(flown(bag)) == pytest.approx([0.0] * 2, abs=1e-6)


@pytest.mark.parametrize("left_out", [
    {}, {"repeat_channels": False}, {"index_types": IndexType.CHUNK}, {"use_statistics": False, "repeat_channels": False},
    {"repeat_channels": False, "repeat_schemas": False, "use_statistics": False, "index_types": IndexType.NONE}], ids=str)
def test_what_the_summary_of_an_mcap_leaves_out_is_read_all_the_same(tmp_path, left_out):
    kind = "geometry_msgs/msg/PoseStamped"
    with (tmp_path / "bag.mcap").open("wb") as out:
        writer = McapWriter(out, chunk_size=300, compression=CompressionType.ZSTD, **left_out)
        writer.start("ros2")
        schema = writer.register_schema(kind, "ros2msg", STORE.generate_msgdef(kind, ros_version=2)[0].encode())
        channel = writer.register_channel("/mocap", "cdr", schema)
        for stamp in range(1, 9):
            data = STORE.serialize_cdr(telemetry.pose(stamp, true_pose(stamp)), kind)
            writer.add_message(channel, stamp, bytes(data), stamp)
        writer.finish()
    bag = open_bag(tmp_path / "bag.mcap")
    assert bag.count("/mocap") == 8
    assert [log_ns for _, log_ns, _ in bag.messages("/mocap")] == list(range(1, 9))


def of_ros1(path, entries):
    """The same as ROS 1 would have recorded it."""
    store = get_typestore(Stores.ROS1_NOETIC)

    def older(message):
        kind = message.__msgtype__
        made = {}
        for name in store.types[kind].__dataclass_fields__:
            value = getattr(message, name.lower() if kind.endswith("CameraInfo") else name, 0)
            made[name] = older(value) if hasattr(value, "__msgtype__") else value
        return store.types[kind](**{name: value for name, value in made.items() if not name.isupper() or name in "DKRP"})

    with Writer1(path) as writer:
        connections = {}
        for topic, log_ns, message in entries:
            kind = message.__msgtype__
            if topic not in connections:
                connections[topic] = writer.add_connection(topic, kind, typestore=store)
            writer.write(connections[topic], log_ns, store.serialize_ros1(older(message), kind))
    return path


def test_a_bag_of_ros1_is_read_alone_and_in_parts(tmp_path):
    entries = messages(4)
    bag = of_ros1(tmp_path / "flight.bag", entries)
    assert errors(flown(bag)) == pytest.approx([0.0] * 4, abs=1e-6)
    half = len(entries) // 2
    (tmp_path / "parts").mkdir()
    of_ros1(tmp_path / "parts" / "flight_0.bag", entries[:half])
    of_ros1(tmp_path / "parts" / "flight_1.bag", entries[half:])
    assert errors(flown(tmp_path / "parts")) == pytest.approx([0.0] * 4, abs=1e-6)
    (tmp_path / "cut.bag").write_bytes(bag.read_bytes()[:2000])
    assert "cut.bag" in told(open_bag, tmp_path / "cut.bag")
    camera, = {type(m).__name__ for _, _, m in open_bag(bag).messages("/camera_info")}
    assert camera == "sensor_msgs__msg__CameraInfo" and camera_of(bag).width == CAMERA.width
    image = next(data for topic, _, data in open_bag(bag).serialized("/image/compressed"))
    assert STORE.deserialize_cdr(image, "sensor_msgs/msg/CompressedImage").format == "jpeg"


def test_a_part_of_a_bag_has_the_images_of_its_time(tmp_path):
    bag = write_bag(tmp_path / "bag", messages(8))
    whole = [frame.fix.stamp_ns for frame in flown(bag).frames]
    begun = open_bag(bag).start_ns
    part = flown(bag, Topics(part=Part(1.2, 1.5)))
    assert [frame.fix.stamp_ns for frame in part.frames] == [s for s in whole if 1.2e9 <= s + 2 - begun < 2.7e9]
    assert len(part.frames) == 3 and errors(part) == pytest.approx([0.0] * 3, abs=1e-6)
    assert "choose --start" in told(flown, bag, Topics(part=Part(100.0)))


def test_a_file_of_camera_calibration_is_the_camera(tmp_path):
    file = tmp_path / "ost.yaml"
    file.write_text(CAMERA_YAML)
    bag = write_bag(tmp_path / "bag", without(messages(2), "/camera_info"))
    assert "--camera-info FILE" in told(open_bag(write_bag(tmp_path / "bare", messages(0))).check)
    assert "--camera-info" in told(flown, bag) or "camera_info" in told(flown, bag)
    assert errors(flown(bag, Topics(camera_info=file))) == pytest.approx([0.0] * 2, abs=1e-6)
    np.testing.assert_array_equal(camera_of(file).k, CAMERA.k)
    np.testing.assert_array_equal(camera_of(write_bag(tmp_path / "whole", messages(1))).k, CAMERA.k)
    for text, words in ((CAMERA_YAML.replace("image_width: 64", ""), "lacks image_width"),
                        (CAMERA_YAML.replace("[60.0, 0.0,", "[60.0,"), "camera_matrix.data is [60.0, "),
                        (CAMERA_YAML.replace("plumb_bob", "scaramuzza"), "scaramuzza"), ("- 1", "no table")):
        file.write_text(text)
        sentence = told(read_camera_info, file)
        assert words in sentence and str(file) in sentence and sentence == told(camera_of, file)
    # a matrix may be a plain list
    file.write_text(CAMERA_YAML.replace("\n  rows: 3\n  cols: 3\n  data:", ""))
    np.testing.assert_array_equal(read_camera_info(file).k, CAMERA.k.ravel())


def tum(path, times, offset_s=0.0):
    rows = []
    for stamp in times:
        pose = true_pose(stamp)
        rows.append(" ".join(f"{v:.9f}" for v in (stamp / 1e9 + offset_s, *pose.position, *pose.quaternion())))
    path.write_text("# stamp x y z qx qy qz qw\n" + "\n".join(rows))
    return path


def test_a_truth_in_a_file_of_tum_or_csv(tmp_path):
    bag = write_bag(tmp_path / "bag", messages(4, truth=False))
    times = range(START_NS, START_NS + 8 * FRAME_NS, FRAME_NS // 2)
    assert errors(flown(bag, Topics(ground_truth=tum(tmp_path / "t.tum", times)))) == pytest.approx([0.0] * 4, abs=1e-4)
    file = tmp_path / "t.csv"
    with file.open("w") as out:
        table = csv.writer(out)
        table.writerow(["timestamp [ns]", "x", "y", "z", "roll_deg", "pitch_deg", "yaw_deg"])
        table.writerows([stamp, *true_pose(stamp).position, 0, 0, 45] for stamp in times)
    assert errors(flown(bag, Topics(ground_truth=file))) == pytest.approx([0.0] * 4, abs=1e-4)
    file.write_text("t,x,y\n" + "\n".join(f"{s / 1e9:.9f},{true_pose(s).position[0]},{true_pose(s).position[1]}" for s in times))
    flight = flown(bag, Topics(ground_truth=file))
    assert errors(flight) == pytest.approx([0.0] * 4, abs=1e-4) and any("without attitude" in note for note in flight.notes)
    for text, words in (("a,b\n1,2", "no column of times"), ("t,x,y\n1,2", "2 cells in place of 3"), ("t,x,y\nx,1,2", "no time"),
                        ("t,x,y\n1,nan,2", "line 2: 'nan' is no number"), ("", "no rows")):
        file.write_text(text)
        assert words in told(flown, bag, Topics(ground_truth=file))
    (tmp_path / "t.tum").write_text("1 2 3")
    assert "line 1" in told(flown, bag, Topics(ground_truth=tmp_path / "t.tum"))


def test_a_truth_of_transforms_is_joined_up_to_the_aircraft(tmp_path):
    def moving(stamp):
        pose = true_pose(stamp)
        transform = telemetry.message("geometry_msgs/msg/Transform", telemetry.message(
            "geometry_msgs/msg/Vector3", *(pose.position - [0, 0, 7.0])), telemetry.message(
            "geometry_msgs/msg/Quaternion", *pose.quaternion()))
        return telemetry.message("geometry_msgs/msg/TransformStamped", telemetry.header(stamp, "odom"), "base_link", transform)

    still = telemetry.camera_transform(0, true_pose(START_NS)).transforms[0]
    still.header.frame_id, still.child_frame_id = "map", "odom"
    still.transform.translation.z, still.transform.rotation.z, still.transform.rotation.w = 7.0, 0.0, 1.0
    still.transform.rotation.x = still.transform.rotation.y = still.transform.translation.x = still.transform.translation.y = 0.0
    kind = "tf2_msgs/msg/TFMessage"
    tree = [("/tf_static", START_NS, telemetry.message(kind, [still])),
            *(("/tf", s, telemetry.message(kind, [moving(s)])) for s in range(START_NS, START_NS + 3 * 10**9, 10**8))]
    bag = write_bag(tmp_path / "bag", sorted([*messages(4, truth=False), *tree], key=lambda entry: entry[1]))
    assert errors(flown(bag)) == [None] * 4, "transforms are a truth for who names them alone"
    flight = flown(bag, Topics(ground_truth="/tf"))
    assert errors(flight) == pytest.approx([0.0] * 4, abs=1e-6)
    assert flight.frames[0].truth.position[2] == pytest.approx(true_pose(START_NS).position[2])
    bag = write_bag(tmp_path / "torn", sorted([*messages(2, truth=False), *tree[1:]], key=lambda entry: entry[1]))
    assert "base_link is in map" in told(flown, bag, Topics(ground_truth="/tf"))


def pictures(folder: Path, bag):
    folder.mkdir()
    with (folder / "poses.csv").open("w") as out:
        table = csv.writer(out)
        table.writerow(["file", "timestamp", "x", "y", "z", "qx", "qy", "qz", "qw", "sigma_xy_m", "sigma_z_m", "sigma_tilt_deg",
                        "sigma_yaw_deg"])
        for number, (_, _, message) in enumerate(open_bag(bag).messages("/image/compressed")):
            (folder / f"{number}.jpg").write_bytes(bytes(message.data))
            stamp = stamp_ns(message.header)
            pose = true_pose(stamp)
            table.writerow([f"{number}.jpg", f"{stamp // 10**9}.{stamp % 10**9:09d}", *pose.position, *pose.quaternion(),
                            100, 20, 1, 2])
    (folder / "camera_info.yaml").write_text(CAMERA_YAML)
    return folder


def test_a_folder_of_images_with_a_table_is_a_bag(tmp_path):
    bag = write_bag(tmp_path / "bag", messages(4))
    folder = pictures(tmp_path / "images", bag)
    truth = tum(tmp_path / "truth.tum", range(START_NS, START_NS + 8 * FRAME_NS, FRAME_NS // 2))
    flight = flown(folder, Topics(ground_truth=truth))
    assert [frame.fix.stamp_ns for frame in flight.frames] == stamps(4) and errors(flight) == pytest.approx([0.0] * 4, abs=1e-4)
    prior = flight.frames[0].fix.candidate.prior
    np.testing.assert_allclose(np.sqrt(np.diag(prior.covariance)), [100, 100, 20, *np.deg2rad([1, 1, 2])])
    table = folder / "poses.csv"
    lines = table.read_text().splitlines()
    for change, words in ((lambda rows: [row.replace("0.jpg", "../0.jpg") for row in rows], "no file in the folder"),
                          (lambda rows: [row.replace("3.jpg", "9.jpg") for row in rows], "there is no file"),
                          (lambda rows: [row.replace(",qw", ",w") for row in rows], "no attitude"),
                          (lambda rows: [row.replace(",z,", ",u,") for row in rows], "no x, y and z")):
        table.write_text("\n".join(change(lines)))
        assert words in told(open_bag, folder)
    (folder / "more.csv").write_text("x")
    assert "several CSV files" in told(open_bag, folder)


def test_odometry_of_a_topic_without_a_slash_is_named_with_or_without(tmp_path):
    bag = of_ros1(tmp_path / "flight.bag", renamed(messages(1), {"/odometry": "odom"}))
    assert open_bag(bag, Topics(odometry="/odom")).topic("odometry") == "odom"
    assert odometry(1, true_pose(1)).child_frame_id == "base_link"
