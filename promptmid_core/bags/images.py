"""Images of ROS messages as pixels: raw ones, JPEG and PNG, decoded whole or refused."""

from __future__ import annotations

import zlib
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from promptmid_core.arrays import UInt8
from promptmid_core.errors import Refusal
from promptmid_core.reasons import Reason

# channels, bytes per channel, conversion to grey or RGB
ENCODINGS: dict[str, tuple[int, int, int | None]] = {
    "mono8": (1, 1, None),
    "8UC1": (1, 1, None),
    "mono16": (1, 2, None),
    "16UC1": (1, 2, None),
    "rgb8": (3, 1, None),
    "bgr8": (3, 1, cv2.COLOR_BGR2RGB),
    "8UC3": (3, 1, cv2.COLOR_BGR2RGB),
    "rgba8": (4, 1, cv2.COLOR_RGBA2RGB),
    "bgra8": (4, 1, cv2.COLOR_BGRA2RGB),
    "bayer_rggb8": (1, 1, cv2.COLOR_BayerRGGB2RGB),
    "bayer_bggr8": (1, 1, cv2.COLOR_BayerBGGR2RGB),
    "bayer_gbrg8": (1, 1, cv2.COLOR_BayerGBRG2RGB),
    "bayer_grbg8": (1, 1, cv2.COLOR_BayerGRBG2RGB),
}

JPEG, PNG = b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n"
MOST_PIXELS = 2**27  # a damaged size must not ask for gigabytes


def image_from(msg: Any) -> UInt8:
    """The pixels of a sensor_msgs/Image: (H, W) grey or (H, W, 3) RGB, uint8; 16 bits are scaled to 8.

    `8UC3` is taken as BGR, as OpenCV and cv_bridge do. Where nothing needs converting the result is a view of the message.
    Raises Refusal: IMAGE_ENCODING, IMAGE_SIZE, or IMAGE_CORRUPT where step or data do not fit the size.
    """
    if msg.encoding not in ENCODINGS:
        raise Refusal(Reason.IMAGE_ENCODING, f"encoding '{msg.encoding}' is not one of {', '.join(ENCODINGS)}")
    channels, width_bytes, conversion = ENCODINGS[msg.encoding]
    height, width, step = int(msg.height), int(msg.width), int(msg.step)
    if height <= 0 or width <= 0:
        raise Refusal(Reason.IMAGE_SIZE, f"image has size {width}x{height}")
    if step < width * channels * width_bytes:
        raise Refusal(Reason.IMAGE_CORRUPT, f"image has {step} bytes a row, too few for {width} pixels of {msg.encoding}")
    data = np.frombuffer(msg.data, np.uint8)
    if len(data) != step * height:
        raise Refusal(Reason.IMAGE_CORRUPT, f"image has {len(data)} bytes, not the {step * height} of {height} rows of {step}")

    if width_bytes == 2:
        order = ">u2" if msg.is_bigendian else "<u2"
        wide: NDArray[np.uint16] = np.ndarray((height, width), order, data, strides=(step, 2))
        return _eight_bits(wide)
    shape, strides = ((height, width), (step, 1)) if channels == 1 else ((height, width, channels), (step, channels, 1))
    pixels: UInt8 = np.ndarray(shape, np.uint8, data, strides=strides)
    return pixels if conversion is None else cv2.cvtColor(pixels, conversion).astype(np.uint8, copy=False)


def image_from_compressed(msg: Any) -> UInt8:
    """The pixels of a sensor_msgs/CompressedImage (JPEG or PNG): (H, W) grey or (H, W, 3) RGB, uint8.

    Raises Refusal: IMAGE_ENCODING for any other format, IMAGE_CORRUPT for data that are truncated or damaged.
    """
    data = np.frombuffer(msg.data, np.uint8).tobytes()
    if data.startswith(JPEG):
        return _jpeg(data)
    if data.startswith(PNG):
        return _png(data)
    if any(name in msg.format.lower() for name in ("jpeg", "jpg", "png")) and "compressedDepth" not in msg.format:
        raise Refusal(Reason.IMAGE_CORRUPT, f"{len(data)} bytes of format '{msg.format}' begin like neither JPEG nor PNG")
    raise Refusal(Reason.IMAGE_ENCODING, f"compressed format '{msg.format}' is neither JPEG nor PNG")


def _jpeg(data: bytes) -> UInt8:
    # OpenCV returns grey blocks for what is missing and says nothing; libjpeg-turbo's own warnings are errors here
    import simplejpeg

    try:
        height, width, colours, _ = simplejpeg.decode_jpeg_header(data)
        if height * width > MOST_PIXELS:
            raise Refusal(Reason.IMAGE_CORRUPT, f"JPEG says that it has {width}x{height} pixels")
        grey = colours.lower() == "gray"
        pixels: UInt8 = simplejpeg.decode_jpeg(data, "GRAY" if grey else "RGB")
    except ValueError as error:
        raise Refusal(Reason.IMAGE_CORRUPT, f"JPEG of {len(data)} bytes cannot be decoded: {error}") from error
    return pixels[..., 0] if grey else pixels


def _png(data: bytes) -> UInt8:
    _check_png(data)
    pixels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    if pixels is None:
        raise Refusal(Reason.IMAGE_CORRUPT, f"PNG of {len(data)} bytes cannot be decoded")
    if pixels.dtype == np.uint16:
        pixels = _eight_bits(pixels.astype(np.uint16, copy=False))
    if pixels.ndim == 2:
        return pixels.astype(np.uint8, copy=False)
    return cv2.cvtColor(pixels, cv2.COLOR_BGRA2RGB if pixels.shape[2] == 4 else cv2.COLOR_BGR2RGB).astype(np.uint8, copy=False)


def _check_png(data: bytes) -> None:
    """Every chunk complete and with the right checksum, from IHDR to IEND: OpenCV decodes what there is of a damaged file."""
    at, kind = len(PNG), b""
    while kind != b"IEND":
        length = int.from_bytes(data[at:at + 4], "big")
        kind, body = data[at + 4:at + 8], data[at + 8:at + 8 + length]
        checksum = data[at + 8 + length:at + 12 + length]
        if len(checksum) < 4:
            raise Refusal(Reason.IMAGE_CORRUPT, f"PNG of {len(data)} bytes is truncated")
        if zlib.crc32(kind + body) != int.from_bytes(checksum, "big"):
            raise Refusal(Reason.IMAGE_CORRUPT, f"PNG has a damaged chunk at byte {at}")
        at += 12 + length


def _eight_bits(wide: NDArray[np.uint16]) -> UInt8:
    return ((wide.astype(np.uint32) + 128) // 257).astype(np.uint8)
