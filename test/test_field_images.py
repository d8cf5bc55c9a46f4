"""Images as cameras and drivers in the field send them: 16 bits, bayer mosaics, oddities of JPEG that harm nothing."""

import re
from dataclasses import replace
from types import SimpleNamespace as Msg

import cv2
import numpy as np
import pytest
from refusals import refused
from simulated import Scene

from promptmid_core.bags.bag import open_bag
from promptmid_core.bags.images import image_from, image_from_compressed
from promptmid_core.descriptors import load
from promptmid_core.localization.localizer import Localizer
from promptmid_core.reasons import Reason
from promptmid_core.replay.recording import Recording

pytestmark = pytest.mark.slow


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
def flown(scene: Scene):
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
