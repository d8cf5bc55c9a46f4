"""What cameras, bags and disks of the field are like: each is taken for what it means, or refused in one sentence."""

import json
import os
import re
import subprocess
import sys
import tempfile
import threading
from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace as Msg

import cv2
import numpy as np
import pytest
import yaml
from flights import CAMERA, FRAME, GSD, START_NS, KnownLocalizer, PlainMap, messages, odometry, stamps, true_pose, write_bag
from simulated import Scene, scene  # noqa: F401

from promptmid_core.bags import telemetry
from promptmid_core.bags.bag import Topics, open_bag
from promptmid_core.bags.images import image_from, image_from_compressed
from promptmid_core.bags.messages import camera_from, stamp_ns
from promptmid_core.bags.writer import BagWriter
from promptmid_core.cli import main
from promptmid_core.descriptors import load
from promptmid_core.errors import InputError, Refusal
from promptmid_core.georaster.geodetic import Geodetic
from promptmid_core.localization.localizer import Localizer
from promptmid_core.reasons import Reason
from promptmid_core.replay.recording import Recording
from promptmid_core.replay.run import replay
from promptmid_core.runtime.tensorrt import engines
from promptmid_core.simulation.flight.simulate import simulate_flight

pytestmark = pytest.mark.slow


def refused(reason, decode, *args):
    with pytest.raises(Refusal) as caught:
        decode(*args)
    assert caught.value.reason is reason
    assert "\n" not in str(caught.value)
    return str(caught.value)


# cameras of more than 8 bits


def raw(pixels, encoding):
    """A sensor_msgs/Image of pixels of any depth."""
    pixels = np.ascontiguousarray(pixels)
    return Msg(height=len(pixels), width=pixels.shape[1], encoding=encoding, is_bigendian=0, step=pixels[0].nbytes,
               data=pixels.tobytes())


def compressed(data, kind):
    return Msg(format=kind, data=np.frombuffer(data, np.uint8))


def png(pixels, kind):
    """A sensor_msgs/CompressedImage of grey or RGB pixels."""
    return compressed(cv2.imencode(".png", pixels if pixels.ndim == 2 else pixels[..., ::-1])[1].tobytes(), kind)


@pytest.fixture(scope="module")
def ground():
    """(480, 640) a view of the ground from 0 to 1, rough at all scales."""
    rng = np.random.default_rng(0)
    layers = (cv2.GaussianBlur(rng.standard_normal((480, 640)), (0, 0), sigma) * sigma for sigma in (1, 2, 5, 12))
    return cv2.normalize(sum(layers), None, 0, 1, cv2.NORM_MINMAX)


def counts(values):
    return np.clip(np.rint(values), 0, 65535).astype(np.uint16)


SENSORS = {
    "10 bits at the bottom": lambda view: view * 1023,
    "10 bits at the top": lambda view: np.rint(view * 1023) * 64,
    "14 bits of 16": lambda view: 3000 + view * 9000,
    "centikelvin": lambda view: 29315 + view * 600,
    "one count of contrast for one of mono8": lambda view: 7000 + view * 255,
}


@pytest.mark.parametrize("sensor", SENSORS)
def test_sixteen_bits_are_stretched_by_the_images_own_range(ground, sensor):
    wide = counts(SENSORS[sensor](ground))
    low, high = np.percentile(ground, (1, 99))
    stretched = np.clip((ground - low) / (high - low), 0, 1) * 255
    for message in (raw(wide, "mono16"), raw(wide, "16UC1")):
        np.testing.assert_allclose(image_from(message), stretched, atol=3)
    for kind in ("png", "mono16; png compressed ", "16UC1; png compressed "):
        np.testing.assert_allclose(image_from_compressed(png(wide, kind)), stretched, atol=3)


def test_hot_pixels_and_dead_ones_do_not_flatten_the_image(ground):
    wide = counts(29315 + ground * 600)
    hurt = wide.copy()
    hurt.flat[::1009], hurt.flat[5::1511] = 65535, 0
    whole, seen = image_from(raw(wide, "mono16")), image_from(raw(hurt, "mono16"))
    assert seen.std() > 40
    spared = wide == hurt
    np.testing.assert_allclose(seen[spared], whole[spared].astype(int), atol=4)


def test_colours_of_sixteen_bits_keep_their_ratio(ground):
    view = np.dstack([ground, 0.6 * ground, 0.3 * ground[::-1]])
    low, high = np.percentile(view, (1, 99))
    stretched = np.clip((view - low) / (high - low), 0, 1) * 255
    wide = counts(view * 4095)
    for message in (raw(wide, "rgb16"), raw(wide[..., ::-1], "bgr16"), raw(wide[..., ::-1], "16UC3"),
                    raw(np.dstack([wide, wide[..., 0]]), "rgba16")):
        np.testing.assert_allclose(image_from(message), stretched, atol=4, err_msg=message.encoding)
    np.testing.assert_allclose(image_from_compressed(png(wide, "rgb16; png compressed bgr16")), stretched, atol=4)


BAYER = {"bayer_rggb": ((0, 1), (1, 2)), "bayer_bggr": ((2, 1), (1, 0)), "bayer_gbrg": ((1, 2), (0, 1)),
         "bayer_grbg": ((1, 0), (2, 1))}


def mosaic(view, pattern):
    """(H, W) of a view (H, W, 3), each pixel of the colour of its place in the pattern."""
    rows, cols = np.indices(view.shape[:2])
    return view[rows, cols, np.array(BAYER[pattern])[rows % 2, cols % 2]]


@pytest.mark.parametrize("pattern", BAYER)
def test_a_bayer_mosaic_is_undone_however_it_travels(ground, pattern):
    smooth = cv2.GaussianBlur(ground, (0, 0), 4)
    view = np.dstack([255 * smooth, 150 * smooth, 80 * smooth[::-1]])
    flat = np.rint(mosaic(view, pattern)).astype(np.uint8)
    inner = (slice(2, -2), slice(2, -2))
    jpeg = cv2.imencode(".jpg", flat, [cv2.IMWRITE_JPEG_QUALITY, 100])[1].tobytes()
    for after in (f"{pattern}8", "", "mono8"):
        message = compressed(jpeg, f"{pattern}8; jpeg compressed {after}")
        np.testing.assert_allclose(image_from_compressed(message)[inner], view[inner], atol=9)
    np.testing.assert_allclose(image_from_compressed(png(flat, f"{pattern}8; png compressed "))[inner], view[inner], atol=4)
    deep = counts(mosaic(view * 16, pattern))
    for decoded in (image_from(raw(deep, f"{pattern}16")), image_from_compressed(png(deep, f"{pattern}16; png compressed "))):
        low, high = np.percentile(view, (1, 99))
        stretched = np.clip((view - low) / (high - low), 0, 1) * 255
        np.testing.assert_allclose(decoded[inner], stretched[inner], atol=5)


def test_a_bayer_camera_whose_mosaic_was_undone_before_compression_is_left_alone(ground):
    view = np.rint(np.dstack([255 * ground, 150 * ground, 80 * ground])).astype(np.uint8)
    np.testing.assert_array_equal(image_from_compressed(png(view, "bayer_rggb8; png compressed bgr8")), view)


def test_the_channels_are_those_that_image_transport_means(ground):
    view = np.rint(np.dstack([255 * ground, 150 * ground, 80 * ground])).astype(np.uint8)
    for kind in ("png", "rgb8; png compressed bgr8", "bgr8; png compressed bgr8", "rgba8; png compressed bgr8"):
        np.testing.assert_array_equal(image_from_compressed(png(view, kind)), view)
    # compressed as they came, red for blue
    for kind in ("rgb8; png compressed rgb8", "bgr8; png compressed rgb8"):
        np.testing.assert_array_equal(image_from_compressed(png(view[..., ::-1], kind)), view)


COVERED = {
    "zeros": (np.zeros((480, 640)), "image_black"),
    "full": (np.full((480, 640), 65535), "image_saturated"),
    "full 10 bits": (np.full((480, 640), 1023), "image_saturated"),
    "full 12 bits at the top": (np.full((480, 640), 4095 << 4), "image_saturated"),
    "constant": (np.full((480, 640), 29315), "low_texture"),
    "noise of 10 bits": (np.random.default_rng(1).normal(64, 2, (480, 640)), "image_black"),
    "noise of 10 bits at the top": (64 * np.rint(np.random.default_rng(1).normal(32, 1.5, (480, 640))), "low_texture"),
    "noise of a shutter": (np.random.default_rng(1).normal(29315, 6, (480, 640)), "low_texture"),
    "noise below one count": (np.random.default_rng(1).normal(8000, 0.3, (480, 640)), "low_texture"),
}


@pytest.fixture(scope="module")
def flown(scene: Scene):  # noqa: F811
    """A localizer with a frame in grey and its prior."""
    reference = scene.reference()
    recording = Recording(open_bag(scene.bag), reference.frame)
    image = list(recording.images())[5]
    frame, (prior, _) = recording.intake.frame(image.message), recording.intake.odometry.at(image.stamp_ns)
    frame = replace(frame, image=cv2.cvtColor(frame.image, cv2.COLOR_RGB2GRAY))
    return Localizer(reference, load("structural")), frame, prior


@pytest.mark.parametrize("sensor", SENSORS)
def test_a_camera_of_sixteen_bits_is_localized_where_one_of_eight_is(flown, sensor):
    localizer, frame, prior = flown
    expected = localizer.match(frame, prior)
    assert expected.reason is Reason.FIX
    wide = counts(SENSORS[sensor](frame.image / 255))
    found = localizer.match(replace(frame, image=image_from(raw(wide, "mono16"))), prior)
    assert found.reason is Reason.FIX
    apart = (found.pose.position - expected.pose.position)[:2] / localizer.reference.gsd
    assert np.hypot(*apart) < 0.15
    assert found.pose.yaw == pytest.approx(expected.pose.yaw, abs=1e-3)


@pytest.mark.parametrize("what", COVERED)
def test_a_camera_of_sixteen_bits_that_sees_nothing_is_refused(flown, what):
    localizer, frame, prior = flown
    pixels, reason = COVERED[what]
    size = (frame.camera.width, frame.camera.height)
    wide = cv2.resize(counts(pixels), size, interpolation=cv2.INTER_NEAREST)
    if "noise" in what:
        wide = np.tile(counts(pixels), (2, 2))[:size[1], :size[0]]
    assert str(localizer.match(replace(frame, image=image_from(raw(wide, "mono16"))), prior).reason) == reason


# JPEG


def jpeg_of(pixels, restarts=0):
    """A JPEG that begins anew after so many blocks."""
    return cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, 85, cv2.IMWRITE_JPEG_RST_INTERVAL, restarts])[1].tobytes()


def opencvs(data):
    pixels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    return pixels if pixels.ndim == 2 else pixels[..., ::-1]


def before_markers(data, codes, filling):
    """Bytes put before each of the markers after the header."""
    scan = data.index(b"\xff\xda") + 2
    return data[:scan] + re.sub(b"(?=\xff[" + codes + b"])", lambda _: filling, data[scan:])


def before_tables(data):
    at = data.index(b"\xff\xdb")
    return data[:at] + b"ab\0c" + data[at:]


def of_version_3(data):
    at = data.index(b"JFIF\0") + 5
    return data[:at] + b"\3" + data[at + 1:]


def of_no_frequencies(data):
    at = data.index(b"\xff\xda")
    end = at + 2 + int.from_bytes(data[at + 2:at + 4], "big")
    return data[:end - 3] + b"\0\0\0" + data[end:]


HARMLESS = {
    "a few bytes before the end": lambda data: before_markers(data, b"\xd9", b"\x12\x34\x56\x78\x9a\xbc\xde\xf0\x01\x02\x03"),
    "filling before the end": lambda data: before_markers(data, b"\xd9", bytes(700)),
    "bytes before each restart": lambda data: before_markers(data, b"\xd0-\xd7", b"\x81\x42\x24\x18\x00\x07\x33\x55\x66\x11"),
    "bytes before a table": before_tables,
    "bytes before a table and before the end": lambda data: before_tables(before_markers(data, b"\xd9", b"\x31" * 20)),
    "filling after the end": lambda data: data + bytes(4000),
    "an unknown version of JFIF": of_version_3,
    "words that a baseline scan does not read": of_no_frequencies,
}


@pytest.mark.parametrize("what", HARMLESS)
@pytest.mark.parametrize("restarts", [0, 10, 80])
def test_harmless_oddities_of_jpegs_cost_nothing(ground, what, restarts):
    view = np.rint(np.dstack([255 * ground, 200 * ground[::-1], 150 * ground[:, ::-1]])).astype(np.uint8)[:471, :633]
    for pixels in (view, view[..., 1]):
        data = jpeg_of(pixels, restarts)
        odd = HARMLESS[what](data)
        decoded = image_from_compressed(compressed(odd, "jpeg"))
        np.testing.assert_array_equal(decoded, opencvs(data))
        np.testing.assert_array_equal(decoded, opencvs(odd))


def without_a_stretch(data):
    """Without what lies between two restarts."""
    at = [found.start() for found in re.finditer(b"\xff[\xd0-\xd7]", data)]
    return data[:at[4]] + data[at[5]:]


def with_a_short_stretch(data):
    at = [found.start() for found in re.finditer(b"\xff[\xd0-\xd7]", data)]
    return data[:at[-2] - 20] + data[at[-2]:]


DAMAGED = {
    "cut": lambda data: data[:len(data) * 3 // 4],
    "cut and ended": lambda data: data[:len(data) * 3 // 4] + b"\xff\xd9",
    "without its end": lambda data: data[:-2],
    "overwritten": lambda data: data[:len(data) // 2] + bytes(200) + data[len(data) // 2 + 200:],
    "with a hole": lambda data: data[:len(data) // 2] + data[len(data) // 2 + 3000:],
    "with more image than it has room for": lambda data: data[:-2] + data[len(data) // 2:],
}


@pytest.mark.parametrize("what", DAMAGED)
@pytest.mark.parametrize("oddity", [None, "bytes before a table", "bytes before each restart"])
def test_damaged_jpegs_are_refused_behind_harmless_oddities_too(ground, what, oddity):
    view = np.rint(np.dstack([255 * ground] * 3)).astype(np.uint8)
    for restarts in (0, 10):
        odd = HARMLESS[oddity](jpeg_of(view, restarts)) if oddity else jpeg_of(view, restarts)
        refused(Reason.IMAGE_CORRUPT, image_from_compressed, compressed(DAMAGED[what](odd), "jpeg"))


@pytest.mark.parametrize("harm", [without_a_stretch, with_a_short_stretch])
def test_a_stretch_that_is_missing_is_told_from_bytes_too_many_in_others(ground, harm):
    odd = HARMLESS["bytes before each restart"](jpeg_of(np.rint(255 * ground).astype(np.uint8), 10))
    refused(Reason.IMAGE_CORRUPT, image_from_compressed, compressed(harm(odd), "jpeg"))


# cameras by several names


def info(**changed):
    fields = {
        "width": 640, "height": 480, "distortion_model": "plumb_bob", "d": [0.0] * 5, "binning_x": 0, "binning_y": 0,
        "k": [500.0, 0.0, 320.5, 0.0, 510.0, 240.5, 0.0, 0.0, 1.0], "r": np.eye(3).ravel(), "p": np.eye(3, 4).ravel(),
        "roi": Msg(x_offset=0, y_offset=0, width=0, height=0, do_rectify=False),
    }
    return Msg(**(fields | changed))


LENS = [0.1, -0.2, 0.001, 0.002]
EIGHT = [*LENS, 0.05, 0.01, 0.02, 0.003]
SKEWED = [500.0, 1e-13, 320.5, -2e-14, 510.0, 240.5, 0.0, 0.0, 1.0]
SAME_CAMERAS = {
    "no name": ({"distortion_model": "", "d": []}, {}),
    "no name with zeros": ({"distortion_model": "", "d": [0.0] * 5}, {}),
    "none": ({"distortion_model": "none", "d": []}, {}),
    "None with zeros": ({"distortion_model": "None", "d": [0.0] * 8}, {}),
    "pinhole": ({"distortion_model": "pinhole", "d": []}, {}),
    "zeros of any number": ({"d": [0.0] * 3}, {}),
    "plumb_bob of four": ({"d": LENS}, {"d": [*LENS, 0.0]}),
    "plumb_bob of eight": ({"d": EIGHT}, {"distortion_model": "rational_polynomial", "d": EIGHT}),
    "plumb_bob of eight with zeros": ({"d": [*LENS, 0.05, 0.0, 0.0, 0.0]}, {"d": [*LENS, 0.05]}),
    "rational of five": ({"distortion_model": "rational_polynomial", "d": [*LENS, 0.05]}, {"d": [*LENS, 0.05]}),
    "rational of four": ({"distortion_model": "rational_polynomial", "d": LENS}, {"d": [*LENS, 0.0]}),
    "rational with zeros to fourteen": ({"distortion_model": "rational_polynomial", "d": [*EIGHT, *[0.0] * 6]},
                                        {"distortion_model": "rational_polynomial", "d": EIGHT}),
    "rational with zeros to ten": ({"distortion_model": "rational_polynomial", "d": [*EIGHT, 0.0, 0.0]},
                                   {"distortion_model": "rational_polynomial", "d": EIGHT}),
    "equidistant with zeros": ({"distortion_model": "equidistant", "d": [0.1, 0.02, 0.003, 0.0004, 0.0, 0.0, 0.0, 0.0]},
                               {"distortion_model": "equidistant", "d": [0.1, 0.02, 0.003, 0.0004]}),
    "fisheye": ({"distortion_model": "fisheye", "d": [0.1, 0.02, 0.003, 0.0004]},
                {"distortion_model": "equidistant", "d": [0.1, 0.02, 0.003, 0.0004]}),
    "radtan": ({"distortion_model": "radtan", "d": LENS}, {"d": [*LENS, 0.0]}),
    "a skew of rounding": ({"k": SKEWED}, {}),
    "no rectification at all": ({"r": np.zeros(9), "p": np.zeros(12)}, {}),
}


@pytest.mark.parametrize("what", SAME_CAMERAS)
def test_cameras_that_mean_the_same_see_the_same(what):
    told, meant = SAME_CAMERAS[what]
    one, other = camera_from(info(**told)), camera_from(info(**meant))
    pixels = np.array([[0.0, 0.0], [639.0, 479.0], [320.5, 240.5], [100.0, 400.0]])
    rays = other.rays(pixels)
    np.testing.assert_allclose(one.rays(pixels), rays, atol=1e-12)
    (seen, inside), (expected, _) = one.project(rays), other.project(rays)
    np.testing.assert_allclose(seen, expected, atol=1e-9)
    np.testing.assert_allclose(seen, pixels, atol=1e-3)
    assert inside.all()


OTHER_CAMERAS = {
    "skew": ({"k": [500.0, 0.5, 320.5, 0.0, 510.0, 240.5, 0.0, 0.0, 1.0]}, ["0.5", "without skew"]),
    "skew of the second row": ({"k": [500.0, 0.0, 320.5, -0.25, 510.0, 240.5, 0.0, 0.0, 1.0]}, ["-0.25", "without skew"]),
    "no name": ({"distortion_model": "", "d": [0.1, 0.0, 0.0, 0.0]}, ["''", "plumb_bob", "rectify"]),
    "none": ({"distortion_model": "none", "d": [0.1]}, ["'none'", "plumb_bob", "rectify"]),
    "an unknown name": ({"distortion_model": "double_sphere", "d": [0.1] * 6}, ["'double_sphere'", "plumb_bob", "rectify"]),
    # whose zeros may be a fisheye all the same
    "an unknown name with zeros": ({"distortion_model": "omni", "d": [0.0] * 5}, ["'omni'", "plumb_bob"]),
    "six": ({"d": [*LENS, 0.05, 0.01]}, ["6 coefficients", "'plumb_bob'", "0, 4, 5, 8, 12, 14"]),
    "three": ({"d": [0.1, 0.2, 0.3]}, ["3 coefficients"]),
    "five of a fisheye": ({"distortion_model": "equidistant", "d": [0.1] * 5}, ["5 coefficients", "'equidistant'"]),
}


@pytest.mark.parametrize("what", OTHER_CAMERAS)
def test_cameras_that_differ_are_refused_by_name_with_the_cure(what):
    told, words = OTHER_CAMERAS[what]
    sentence = refused(Reason.CAMERA_INFO_INVALID, camera_from, info(**told))
    assert all(word in sentence for word in words), sentence


# topics


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


def told(call, *args, **options):
    with pytest.raises(InputError) as caught:
        call(*args, **options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


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
    assert "no messages on /image/compressed or /image" in sentence
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
    assert "3 on /uav1/camera/image_raw/compressed (sensor_msgs/msg/CompressedImage)" in sentence
    assert "1 on /uav1/thermal/image_raw (sensor_msgs/msg/Image)" in sentence and "--image-topic" in sentence
    for role, option in (("odometry", "--odometry-topic"), ("camera_info", "--camera-info-topic")):
        others = {name: topic for name, topic in names.items() if name != role}
        sentence = told(flown_over, bag, Topics(**others))
        assert f"on {names[role]} (" in sentence and option in sentence
    flight = flown_over(bag, Topics(**{role: topic for role, topic in names.items() if role != "ground_truth"}))
    assert [frame.fix.accepted for frame in flight.frames] == [True] * 3
    assert [frame.error_m for frame in flight.frames] == [None] * 3
    assert flown_over(bag, Topics(**names)).frames[0].error_m == pytest.approx(0, abs=1e-6)
    assert "/nowhere" in told(flown_over, bag, Topics(**(names | {"ground_truth": "/nowhere"})))


def test_the_command_takes_the_names_of_topics(tmp_path, scene: Scene, capsys):  # noqa: F811
    names = {"image": "/cam/image_raw/compressed", "camera_info": "/cam/camera_info", "odometry": "/odom", "ground_truth": "/gps"}
    recorded = open_bag(scene.bag)
    with BagWriter(tmp_path / "bag", recorded.custom) as writer:
        for topic, log_ns, message in renamed(recorded.messages(*recorded.topics), **names):
            writer.write(topic, message, log_ns)
    words = ["replay", str(tmp_path / "bag"), "--map", str(scene.map_path), "--json", str(tmp_path / "out.json")]
    assert main(words) == 1
    assert "--image-topic" in capsys.readouterr().err
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


# ground truth


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
    point = telemetry.message("geometry_msgs/msg/PointStamped", telemetry.header(START_NS, "map"),
                              telemetry.message("geometry_msgs/msg/Point", 1.0, 2.0, 3.0))
    for name, message in (("text", text), ("point", point)):
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


# playing


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


# disks and names


UNKNOWN_USER = 54321


def as_nobody(call):
    """What a call raises when a user makes it who may do nothing here: in a process of its own, since this one may be root's."""
    here, there = os.pipe()
    child = os.fork()
    if not child:
        said = "nothing was raised"
        try:
            if not os.getuid():
                os.setgid(UNKNOWN_USER)
                os.setuid(UNKNOWN_USER)
            call()
        except BaseException as error:
            said = f"{type(error).__name__}: {error}"
        os.write(there, said.encode(errors="backslashreplace"))
        os._exit(0)
    os.close(there)
    os.waitpid(child, 0)
    with os.fdopen(here) as pipe:
        return pipe.read()


@pytest.fixture
def open_folder():
    """A folder that every user may look into, which the folders of tests are not."""
    with tempfile.TemporaryDirectory(prefix="field_bags_") as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


def unreadable_storage(bag):
    (bag / "bag.mcap").chmod(0)


def unreadable_metadata(bag):
    (bag / "metadata.yaml").chmod(0)


def unreadable_folder(bag):
    bag.chmod(0)


@pytest.mark.parametrize("harm", [unreadable_storage, unreadable_metadata, unreadable_folder])
def test_a_bag_that_may_not_be_read_is_refused_in_a_sentence(open_folder, harm):
    bag = write_bag(open_folder / "bag", messages(1))
    open_bag(bag)  # all of the reader is loaded now
    for path in (bag, *bag.iterdir()):
        path.chmod(0o755)
    harm(bag)
    sentence = as_nobody(lambda: list(open_bag(bag).messages()))
    bag.chmod(0o755)
    assert sentence.startswith(f"InputError: {bag}"), sentence
    assert "Permission denied" in sentence and "truncated" not in sentence and "\n" not in sentence


def test_what_has_no_end_or_is_not_there_is_no_bag(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    assert "it is no folder" in told(open_bag, tmp_path / "pipe")
    (tmp_path / "link").symlink_to("nowhere")
    assert "it is a link to nothing" in told(open_bag, tmp_path / "link")
    bag = write_bag(tmp_path / "bag", messages(1))
    (bag / "bag.mcap").unlink()
    os.mkfifo(bag / "bag.mcap")
    assert f"{bag / 'bag.mcap'} is not a file" in told(open_bag, bag)
    (bag / "bag.mcap").unlink()
    (bag / "bag.mcap").symlink_to("nowhere")
    assert f"{bag / 'bag.mcap'} is not a file" in told(open_bag, bag)
    assert "File name too long" in told(open_bag, tmp_path / ("b" * 300))


def test_a_bag_is_written_where_it_can_be_or_refused_before_any_work(open_folder, scene: Scene):  # noqa: F811
    def fly(out):
        simulate_flight(scene.world.optical, out, frames=1, seed=1, footprint_px=200, drift_px=1, yaw_error_deg=1,
                        altitude_error_percent=1, image_size=(96, 96), progress=lambda *_: pytest.fail("it has flown"))

    (open_folder / "file").write_text("x")
    (open_folder / "link").symlink_to("nowhere")
    (open_folder / "folder").mkdir()
    (open_folder / "to_folder").symlink_to("folder")
    os.mkfifo(open_folder / "pipe")
    there = sorted(open_folder.rglob("*"))
    for name, word in {**dict.fromkeys(("file", "link", "to_folder", "pipe"), "exists already"), "file/bag": "Not a directory",
                       os.fsdecode(b"b\xff"): "UTF-8", "b" * 300: "File name too long"}.items():
        assert word in told(fly, open_folder / name), name
        assert word in told(BagWriter, open_folder / name)
    sentence = as_nobody(lambda: fly(open_folder / "a" / "bag"))
    assert sentence.startswith(f"InputError: {open_folder / 'a' / 'bag'} cannot be written (Permission denied)"), sentence
    assert sorted(open_folder.rglob("*")) == there


FULL = """
import resource, sys
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[1]),) * 2)
from promptmid_core.cli import main
sys.exit(main(sys.argv[2:]))
"""


@pytest.mark.parametrize(("limit", "frames"), [
    pytest.param(2_000_000, 12, id="in the middle"), pytest.param(30_000, 1, id="at the end"), pytest.param(0, 1, id="at once")])
def test_a_full_disk_is_told_in_a_sentence_and_nothing_is_left(tmp_path, scene: Scene, limit, frames):  # noqa: F811
    """A limit on the size of files ends writing as a full disk does."""
    words = ["simulate", "flight", "--optical", str(scene.world.optical), "--out", str(tmp_path / "new" / "bag"), "--frames",
             str(frames), "--footprint-px", "300", "--image-size", "960x800"]
    done = subprocess.run([sys.executable, "-c", FULL, str(limit), *words],
                          capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == (
        f"promptmid: {tmp_path / 'new' / 'bag'} cannot be written (File too large); name another folder, where there is room")
    assert "Traceback" not in done.stderr and "ignored" not in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_name_of_an_input_that_is_not_utf8_is_spelled_out_in_the_bag(tmp_path):
    with BagWriter(tmp_path / "bag", {"optical": os.fsdecode(b"ortho\xff.tif")}) as writer:
        writer.write("/odometry", odometry(1, true_pose(START_NS)), 1)
    assert open_bag(tmp_path / "bag").custom["optical"] == "ortho\\udcff.tif"


def promptmid(*words, **environment):
    """The command in a process that has this environment alone."""
    least = {"PATH": os.environ["PATH"], "PYTHONPATH": str(Path(__file__).resolve().parent.parent)}
    return subprocess.run([sys.executable, "-m", "promptmid_core.cli", *words], env=least | environment, capture_output=True,
                          text=True, timeout=120, check=False)


def test_names_that_an_encoding_cannot_say_are_printed_all_the_same(tmp_path, scene: Scene):  # noqa: F811
    odd = tmp_path / os.fsdecode(b"map\xff")
    odd.symlink_to(scene.map_path)
    for encoding in ("utf-8:strict", "ascii:strict"):
        done = promptmid("map", "info", str(odd), PYTHONIOENCODING=encoding)
        assert done.returncode == 0, done.stderr
        assert "map\\udcff" in done.stdout
        done = promptmid("map", "info", str(tmp_path / os.fsdecode(b"no map\xff")), PYTHONIOENCODING=encoding)
        assert done.returncode == 1
        assert done.stderr.startswith("promptmid: ") and "no map\\udcff is not a map" in done.stderr
        assert done.stderr.count("\n") == 1


def test_a_replay_needs_no_home_and_takes_names_that_are_not_utf8(tmp_path, scene: Scene):  # noqa: F811
    odd = {name: str(tmp_path / os.fsdecode(name.encode() + b"\xff")) for name in ("bag", "json", "report.html")}
    Path(odd["bag"]).symlink_to(scene.bag)
    done = promptmid("replay", odd["bag"], "--map", str(scene.map_path), "--json", odd["json"], "--report", odd["report.html"],
                     PYTHONIOENCODING="utf-8:strict")
    assert done.returncode == 0, done.stderr
    assert json.loads(Path(odd["json"]).read_text())["frames"] == 16
    assert "bag\\udcff" in done.stdout and Path(odd["report.html"]).stat().st_size > 100_000


def test_a_path_in_the_home_of_nobody_is_told(tmp_path, scene: Scene, capsys):  # noqa: F811
    parameters = tmp_path / "parameters.yaml"
    parameters.write_text("localizer: {ros__parameters: {network: ~no_such_user/net.onnx}}")
    assert main(["replay", str(scene.bag), "--map", str(scene.map_path), "--params", str(parameters)]) == 1
    assert "~no_such_user/net.onnx begins with the home of a user who has none" in capsys.readouterr().err


@pytest.mark.skipif(os.getuid() != 0, reason="only root can become a user who has no home")
def test_without_a_home_engines_want_a_folder_by_name(monkeypatch):
    for name in ("HOME", "XDG_CACHE_HOME", engines.FOLDER):
        monkeypatch.delenv(name, raising=False)
    assert as_nobody(engines.folder) == (
        f"InputError: this user has no home to keep engines in; name a folder for them in {engines.FOLDER}")


@pytest.mark.parametrize(("role", "topic"), [("odometry", "/camera_info"), ("odometry", "/image/compressed"),
                                             ("camera_info", "/image/compressed"), ("ground_truth", "/camera_info")])
def test_a_topic_that_has_another_role_is_refused_by_its_type(scene: Scene, role: str, topic: str) -> None:  # noqa: F811
    reference = scene.reference()
    with pytest.raises(InputError, match=f"topic {topic} is of type .*; {role} is taken from messages of type"):
        replay(scene.bag, Localizer(reference, load("structural")), reference, topics=Topics(**{role: topic}))
