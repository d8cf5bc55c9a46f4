"""Decoding of ROS messages: what is accepted decodes exactly, what cannot be believed is refused with its reason."""

from types import SimpleNamespace as Msg

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from refusals import refused

from promptmid_core.bags import telemetry
from promptmid_core.bags.images import image_from, image_from_compressed
from promptmid_core.bags.messages import camera_from, pose_from, prior_from, stamp_ns
from promptmid_core.errors import Refusal
from promptmid_core.geometry import NADIR, Pose
from promptmid_core.reasons import Reason


def header(sec=7, nanosec=42):
    return Msg(stamp=Msg(sec=sec, nanosec=nanosec), frame_id="map")


def image_msg(pixels, encoding, padding=0, big_endian=False):
    rows = np.ascontiguousarray(pixels).view(np.uint8).reshape(len(pixels), -1)
    rows = np.pad(rows, ((0, 0), (0, padding)), constant_values=99)
    return Msg(header=header(), height=len(pixels), width=pixels.shape[1], encoding=encoding, is_bigendian=big_endian,
               step=rows.shape[1], data=rows.tobytes())


@pytest.fixture(scope="module")
def rgb():
    noise = np.random.default_rng(1).integers(0, 256, (24, 32, 3), np.uint8)
    return noise


@pytest.fixture(scope="module")
def photo():
    noise = np.random.default_rng(2).integers(0, 256, (240, 320, 3), np.uint8)
    return cv2.normalize(cv2.GaussianBlur(noise, (0, 0), 3), np.empty_like(noise), 0, 255, cv2.NORM_MINMAX)


def jpeg_of(pixels):
    return cv2.imencode(".jpg", pixels[..., ::-1] if pixels.ndim == 3 else pixels, [cv2.IMWRITE_JPEG_QUALITY, 95])[1].tobytes()


def png_of(pixels):
    return cv2.imencode(".png", pixels)[1].tobytes()


def compressed(data, kind="jpeg"):
    return Msg(header=header(), format=kind, data=np.frombuffer(data, np.uint8))


def test_stamp_is_integer_nanoseconds():
    assert stamp_ns(header(1_767_225_600, 517_000_001)) == 1_767_225_600_517_000_001


@pytest.mark.parametrize("padding", [0, 5])
def test_colour_encodings_decode_to_rgb(rgb, padding):
    alpha = np.full((*rgb.shape[:2], 1), 7, np.uint8)
    layouts = {
        "rgb8": rgb, "bgr8": rgb[..., ::-1], "8UC3": rgb[..., ::-1],
        "rgba8": np.concatenate([rgb, alpha], axis=2), "bgra8": np.concatenate([rgb[..., ::-1], alpha], axis=2),
    }
    for encoding, pixels in layouts.items():
        np.testing.assert_array_equal(image_from(image_msg(pixels, encoding, padding)), rgb, err_msg=encoding)


@pytest.mark.parametrize("padding", [0, 3])
def test_grey_encodings(rgb, padding):
    grey = np.ascontiguousarray(rgb[..., 0])
    for encoding in ("mono8", "8UC1"):
        np.testing.assert_array_equal(image_from(image_msg(grey, encoding, padding)), grey)
    # 16 bits are stretched from the 1st to the 99th percentile
    wide = grey.astype(np.uint16) * 257
    low, high = np.percentile(wide, (1, 99), method="nearest").astype(int)
    stretched = (wide.clip(low, high).astype(float) - low) * 255 / (high - low)
    for encoding in ("mono16", "16UC1"):
        little = image_msg(wide, encoding, 2 * padding)
        big = image_msg(wide.byteswap(), encoding, 2 * padding, big_endian=True)
        np.testing.assert_allclose(image_from(little), stretched, atol=0.501)
        np.testing.assert_array_equal(image_from(big), image_from(little))


@pytest.mark.parametrize(("encoding", "corner"), [
    ("bayer_rggb8", ((0, 1), (1, 2))), ("bayer_bggr8", ((2, 1), (1, 0))),
    ("bayer_gbrg8", ((1, 2), (0, 1))), ("bayer_grbg8", ((1, 0), (2, 1))),
])
def test_bayer_patterns_are_named_by_their_first_pixels(encoding, corner):
    colour = np.array([200, 120, 40], np.uint8)
    mosaic = colour[np.tile(np.array(corner), (8, 8))]
    np.testing.assert_array_equal(image_from(image_msg(mosaic, encoding))[4, 4], colour)


def test_undecoded_pixels_are_a_view_of_the_message(rgb):
    for encoding, pixels in (("rgb8", rgb), ("mono8", np.ascontiguousarray(rgb[..., 1]))):
        message = image_msg(pixels, encoding, padding=4)
        message.data = np.frombuffer(message.data, np.uint8)
        assert np.shares_memory(image_from(message), message.data)


def test_images_that_do_not_add_up_are_refused(rgb):
    def changed(**fields):
        message = image_msg(rgb, "rgb8")
        vars(message).update(fields)
        return message

    refused(Reason.IMAGE_ENCODING, image_from, changed(encoding="yuv422"))
    refused(Reason.IMAGE_ENCODING, image_from, changed(encoding=""))
    refused(Reason.IMAGE_SIZE, image_from, changed(width=0))
    refused(Reason.IMAGE_SIZE, image_from, changed(height=0))
    refused(Reason.IMAGE_CORRUPT, image_from, changed(step=95))
    refused(Reason.IMAGE_CORRUPT, image_from, changed(step=0))
    refused(Reason.IMAGE_CORRUPT, image_from, changed(data=changed().data[:-1]))
    refused(Reason.IMAGE_CORRUPT, image_from, changed(data=changed().data + b"\0"))
    refused(Reason.IMAGE_CORRUPT, image_from, changed(data=b""))
    refused(Reason.IMAGE_CORRUPT, image_from, changed(encoding="mono16", step=32))


def test_jpeg_and_png_decode_to_rgb_or_grey(photo):
    assert np.abs(image_from_compressed(compressed(jpeg_of(photo))).astype(int) - photo).mean() < 3
    grey = photo[..., 1]
    decoded = image_from_compressed(compressed(jpeg_of(grey), "mono8; jpeg compressed mono8"))
    assert decoded.shape == grey.shape
    assert np.abs(decoded.astype(int) - grey).mean() < 2
    np.testing.assert_array_equal(image_from_compressed(compressed(png_of(photo[..., ::-1]), "png")), photo)
    np.testing.assert_array_equal(image_from_compressed(compressed(png_of(grey), "png")), grey)
    wide = grey.astype(np.uint16) * 257
    np.testing.assert_array_equal(image_from_compressed(compressed(png_of(wide), "mono16; png compressed ")),
                                  image_from(image_msg(wide, "mono16")))
    with_alpha = np.dstack([photo[..., ::-1], grey])
    np.testing.assert_array_equal(image_from_compressed(compressed(png_of(with_alpha), "png")), photo)


def test_message_buffers_of_both_kinds_decode(photo):
    from array import array

    data = jpeg_of(photo)
    one = image_from_compressed(compressed(data))
    np.testing.assert_array_equal(image_from_compressed(Msg(format="jpeg", data=array("B", data))), one)
    raw = image_msg(photo, "rgb8")
    np.testing.assert_array_equal(image_from(Msg(**(vars(raw) | {"data": array("B", raw.data)}))), photo)


@settings(max_examples=60, deadline=None)
@given(share=st.floats(0.0, 0.9999), end=st.booleans())
def test_truncated_jpeg_is_refused_even_with_an_end_marker(photo, share, end):
    data = jpeg_of(photo)
    refused(Reason.IMAGE_CORRUPT, image_from_compressed, compressed(data[:int(share * (len(data) - 2))] + b"\xff\xd9" * end))


@settings(max_examples=60, deadline=None)
@given(share=st.floats(0.0, 0.9999))
def test_truncated_png_is_refused(photo, share):
    data = png_of(photo)
    refused(Reason.IMAGE_CORRUPT, image_from_compressed, compressed(data[:int(share * len(data))], "png"))


@settings(max_examples=100, deadline=None)
@given(at=st.integers(0, 10**9), bit=st.integers(0, 7))
def test_damaged_png_is_refused(photo, at, bit):
    data = bytearray(png_of(photo))
    data[at % (len(data) - 8)] ^= 1 << bit
    with pytest.raises(Refusal) as caught:
        image_from_compressed(compressed(bytes(data), "png"))
    assert caught.value.reason is Reason.IMAGE_CORRUPT


@settings(max_examples=200, deadline=None)
@given(at=st.integers(0, 622), bit=st.integers(0, 7))
def test_damage_in_a_jpeg_header_is_refused_or_decodes_whole(photo, at, bit):
    data = bytearray(jpeg_of(photo))
    data[at] ^= 1 << bit
    try:
        decoded = image_from_compressed(compressed(bytes(data)))
    except Refusal as refusal:
        assert refusal.reason in (Reason.IMAGE_CORRUPT, Reason.IMAGE_ENCODING, Reason.IMAGE_SIZE)
    else:
        # a changed table gives other colours, but never an image that is partly missing
        assert decoded.dtype == np.uint8 and decoded.ndim in (2, 3)
        grey = (decoded.reshape(len(decoded), -1) == 128).all(axis=1)
        assert not grey[-8:].all()


def test_a_size_blown_up_by_damage_asks_for_no_memory(photo):
    data = bytearray(jpeg_of(photo))
    at = data.index(b"\xff\xc0") + 5
    data[at:at + 4] = b"\xff\xdc\xff\xdc"  # as much as libjpeg takes
    assert "65500x65500" in refused(Reason.IMAGE_SIZE, image_from_compressed, compressed(bytes(data)))


def test_other_compressed_data_are_refused(photo):
    refused(Reason.IMAGE_CORRUPT, image_from_compressed, compressed(b"", "jpeg"))
    refused(Reason.IMAGE_CORRUPT, image_from_compressed, compressed(b"\0" * 5000, "rgb8; jpeg compressed bgr8"))
    tiff = cv2.imencode(".tiff", photo)[1].tobytes()
    assert "tiff" in refused(Reason.IMAGE_ENCODING, image_from_compressed, compressed(tiff, "tiff"))
    refused(Reason.IMAGE_ENCODING, image_from_compressed, compressed(b"\0" * 12 + png_of(photo), "16UC1; compressedDepth png"))


def info(**changed):
    fields = {
        "width": 640, "height": 480, "distortion_model": "plumb_bob", "d": [0.1, -0.2, 0.001, 0.002, 0.05],
        "k": [500.0, 0.0, 320.5, 0.0, 510.0, 240.5, 0.0, 0.0, 1.0], "binning_x": 0, "binning_y": 0,
        "roi": Msg(x_offset=0, y_offset=0, width=0, height=0, do_rectify=False),
    }
    return Msg(**(fields | changed))


def test_camera_of_each_distortion_model():
    camera = camera_from(info())
    assert (camera.width, camera.height, camera.model) == (640, 480, "plumb_bob")
    np.testing.assert_array_equal(camera.k, [[500.0, 0, 320.5], [0, 510.0, 240.5], [0, 0, 1]])
    np.testing.assert_array_equal(camera.d, [0.1, -0.2, 0.001, 0.002, 0.05])
    np.testing.assert_array_equal(camera.mount.rotation, NADIR.rotation)
    assert camera_from(info(distortion_model="rational_polynomial", d=[0.01] * 8)).model == "rational_polynomial"
    assert camera_from(info(distortion_model="equidistant", d=[0.01] * 4)).model == "equidistant"
    mount = Pose.from_rpy(np.array([1.0, 2.0, 3.0]), 0.1, 0.2, 0.3)
    assert camera_from(info(), mount).mount is mount


def test_region_and_binning_see_the_same_rays():
    """A pixel of a cut and binned image looks where the centre of the pixels that it is made of looks."""
    whole = camera_from(info())
    roi = Msg(x_offset=100, y_offset=60, width=320, height=240, do_rectify=False)
    part = camera_from(info(roi=roi, binning_x=2, binning_y=4))
    assert (part.width, part.height) == (160, 60)
    pixels = np.array([[0.0, 0.0], [159.0, 59.0], [40.0, 20.0]])
    centres = pixels * (2, 4) + (0.5, 1.5) + (100, 60)
    np.testing.assert_allclose(part.rays(pixels), whole.rays(centres), atol=1e-9)


def test_cameras_that_are_none_are_refused():
    bad = {
        "zero K": {"k": [0.0] * 9},
        "NaN in K": {"k": [np.nan, 0.0, 320.5, 0.0, 510.0, 240.5, 0.0, 0.0, 1.0]},
        "NaN in D": {"d": [0.1, np.nan, 0.0, 0.0, 0.0]},
        "infinite D": {"d": [0.1, np.inf, 0.0, 0.0, 0.0]},
        "count": {"d": [0.1, 0.2, 0.3]},
        "count of another model": {"distortion_model": "equidistant", "d": [0.1] * 5},
        "model": {"distortion_model": "thin_prism"},
        "no model": {"distortion_model": "", "d": [0.1, 0.0, 0.0, 0.0, 0.0]},
        "no size": {"width": 0, "height": 0},
        "region outside": {"roi": Msg(x_offset=400, y_offset=0, width=320, height=240, do_rectify=False)},
        "region past the end": {"roi": Msg(x_offset=0, y_offset=480, width=0, height=0, do_rectify=False)},
        "all binned": {"binning_x": 1000},
    }
    for name, fields in bad.items():
        assert refused(Reason.CAMERA_INFO_INVALID, camera_from, info(**fields)), name


def odometry(position=(1.0, 2.0, 3.0), orientation=(0.0, 0.0, 0.0, 1.0), covariance=None):
    covariance = np.diag([4.0, 4.0, 1.0, 1e-4, 1e-4, 1e-3]) if covariance is None else covariance
    place, turn = dict(zip("xyz", position, strict=True)), dict(zip("xyzw", orientation, strict=True))
    pose = Msg(position=Msg(**place), orientation=Msg(**turn))
    return Msg(header=header(), pose=Msg(pose=pose, covariance=np.ravel(covariance).tolist()))


def test_prior_survives_the_message():
    pose = Pose.from_rpy(np.array([10.0, -20.0, 3000.0]), 0.02, -0.03, 2.5)
    root = np.random.default_rng(3).standard_normal((6, 6))
    covariance = root @ root.T
    prior = prior_from(telemetry.odometry(5_000_000_042, pose, covariance, np.zeros(3), np.zeros(3), np.eye(6)))
    assert prior.stamp_ns == 5_000_000_042
    np.testing.assert_allclose(prior.pose.correction_from(pose), 0, atol=1e-12)
    np.testing.assert_allclose(prior.covariance, covariance, atol=1e-12)


def test_covariance_is_row_major_and_quaternion_xyzw():
    covariance = np.diag([4.0, 9.0, 1.0, 1e-4, 1e-4, 1e-3])
    covariance[0, 5] = covariance[5, 0] = 0.01
    half = np.sqrt(0.5)
    prior = prior_from(odometry(orientation=(0.0, 0.0, half, half), covariance=covariance))
    assert prior.pose.yaw == pytest.approx(np.pi / 2)
    np.testing.assert_array_equal(prior.covariance, covariance)


def test_a_prior_that_cannot_be_believed_is_refused():
    good = np.diag([4.0, 4.0, 1.0, 1e-4, 1e-4, 1e-3])

    def covariance(*changes):
        values = good.copy()
        for at, value in changes:
            values[at] = value
        return odometry(covariance=values)

    refused(Reason.PRIOR_INVALID, prior_from, odometry(position=(np.nan, 0.0, 0.0)))
    refused(Reason.PRIOR_INVALID, prior_from, odometry(position=(np.inf, 0.0, 0.0)))
    refused(Reason.PRIOR_INVALID, prior_from, odometry(orientation=(0.0, np.nan, 0.0, 1.0)))
    assert "0" in refused(Reason.PRIOR_INVALID, prior_from, odometry(orientation=(0.0, 0.0, 0.0, 0.0)))
    assert "1.2" in refused(Reason.PRIOR_INVALID, prior_from, odometry(orientation=(0.0, 0.0, 0.0, 1.2)))
    assert "NaN" in refused(Reason.PRIOR_INVALID, prior_from, covariance(((2, 4), np.nan)))
    assert "yaw" in refused(Reason.PRIOR_INVALID, prior_from, covariance(((5, 5), 0.0)))
    assert "-4" in refused(Reason.PRIOR_INVALID, prior_from, covariance(((1, 1), -4.0)))
    assert "symmetric" in refused(Reason.PRIOR_INVALID, prior_from, covariance(((0, 1), 0.5)))
    assert "semidefinite" in refused(Reason.PRIOR_INVALID, prior_from, covariance(((0, 1), 4.1), ((1, 0), 4.1)))
    # small against metres, but impossible against milliradians
    assert "symmetric" in refused(Reason.PRIOR_INVALID, prior_from, covariance(((3, 4), 5e-5)))
    refused(Reason.PRIOR_INVALID, prior_from, odometry(covariance=np.zeros((6, 6))))


def test_fully_correlated_and_unobserved_axes_are_no_fault():
    covariance = np.diag([4.0, 4.0, 1e6, 1e-4, 1e-4, 1e6])
    covariance[0, 1] = covariance[1, 0] = 4.0
    assert prior_from(odometry(covariance=covariance)).covariance[2, 2] == 1e6


def test_pose_alone():
    pose = pose_from(odometry().pose.pose)
    np.testing.assert_array_equal(pose.position, [1.0, 2.0, 3.0])
