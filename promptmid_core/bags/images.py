"""Images of ROS messages as pixels: raw ones, JPEG and PNG, decoded whole or refused."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from promptmid_core.arrays import UInt8
from promptmid_core.bags import jpeg, png
from promptmid_core.bags.size import Size, check_bytes, check_size
from promptmid_core.bags.stretch import eight_bits
from promptmid_core.errors import Refusal
from promptmid_core.reasons import Reason

Pixels = NDArray[Any]  # (H, W) grey or (H, W, 3) RGB, of 8 or 16 bits

# channels, and the conversion to grey or RGB, of what sensor_msgs/image_encodings.hpp names with 8 or 16 bits a channel
LAYOUTS: dict[str, tuple[int, int | None]] = {
    "mono": (1, None),
    "rgb": (3, None),
    "bgr": (3, cv2.COLOR_BGR2RGB),
    "rgba": (4, cv2.COLOR_RGBA2RGB),
    "bgra": (4, cv2.COLOR_BGRA2RGB),
    "bayer_rggb": (1, cv2.COLOR_BayerRGGB2RGB),
    "bayer_bggr": (1, cv2.COLOR_BayerBGGR2RGB),
    "bayer_gbrg": (1, cv2.COLOR_BayerGBRG2RGB),
    "bayer_grbg": (1, cv2.COLOR_BayerGRBG2RGB),
}
# channels, bytes a channel, conversion to grey or RGB
ENCODINGS: dict[str, tuple[int, int, int | None]] = {
    f"{name}{8 * size}": (channels, size, conversion) for size in (1, 2) for name, (channels, conversion) in LAYOUTS.items()
} | {
    "8UC1": (1, 1, None),
    "16UC1": (1, 2, None),
    "8UC3": (3, 1, cv2.COLOR_BGR2RGB),
    "16UC3": (3, 2, cv2.COLOR_BGR2RGB),
}

CODINGS: tuple[tuple[bytes, str, Callable[[bytes, Size | None], Pixels]], ...] = (
    (jpeg.BEGIN, "JPEG", jpeg.decode), (png.BEGIN, "PNG", png.decode))
NAME = 40  # characters of a name that are told


def image_from(msg: Any, stated: Size | None = None) -> UInt8:
    """Return the pixels of a sensor_msgs/Image: (H, W) grey or (H, W, 3) RGB, uint8; 16 bits are stretched by the image's own
    range.

    `stated`: width and height by camera_info, where that is known. `8UC3` is taken as BGR, as OpenCV and cv_bridge do. Where
    nothing needs converting the result is a view of the message. Raises Refusal: IMAGE_ENCODING, IMAGE_SIZE, or IMAGE_CORRUPT
    where step or data do not fit the size.
    """
    if msg.encoding not in ENCODINGS:
        raise Refusal(Reason.IMAGE_ENCODING, f"encoding '{msg.encoding[:NAME]}' is not one of {', '.join(ENCODINGS)}")
    channels, size, conversion = ENCODINGS[msg.encoding]
    height, width, step = int(msg.height), int(msg.width), int(msg.step)
    check_size((width, height), stated)
    if step < width * channels * size:
        raise Refusal(Reason.IMAGE_CORRUPT, f"image has {step} bytes a row, too few for {width} pixels of {msg.encoding}")
    data = np.frombuffer(msg.data, np.uint8)
    if len(data) != step * height:
        raise Refusal(Reason.IMAGE_CORRUPT, f"image has {len(data)} bytes, not the {step * height} of {height} rows of {step}")

    order = ">" if msg.is_bigendian else "<"
    pixels: Pixels = np.ndarray((height, width, channels), f"{order}u{size}", data, strides=(step, channels * size, size))
    if channels == 1:
        pixels = pixels[..., 0]
    if size == 2:
        pixels = np.require(pixels, np.uint16, ["ALIGNED", "C_CONTIGUOUS"])
    return _in_eight_bits(_converted(pixels, conversion))


def image_from_compressed(msg: Any, stated: Size | None = None) -> UInt8:
    """Return the pixels of a sensor_msgs/CompressedImage (JPEG or PNG): (H, W) grey or (H, W, 3) RGB, uint8.

    What is decoded is told by the data themselves. `format` is read as image_transport writes it: the encoding before
    compression, `;`, and what was compressed. The mosaic of a bayer sensor is undone, 16 bits are stretched by the image's own
    range. `stated`: width and height by camera_info, where that is known. Raises Refusal: IMAGE_ENCODING for any other format and
    rare kinds of JPEG, IMAGE_SIZE by what the header says, IMAGE_CORRUPT for data that are truncated or damaged.
    """
    buffer = np.frombuffer(msg.data, np.uint8)
    check_bytes(len(buffer), stated)
    data, kind = buffer.tobytes(), msg.format
    pixels = decoded(data, stated)
    if pixels is None:
        if any(name in kind.lower() for name in ("jpeg", "jpg", "png")) and "compressedDepth" not in kind:
            raise Refusal(Reason.IMAGE_CORRUPT, f"{len(data)} bytes of format '{kind[:NAME]}' begin like neither JPEG nor PNG")
        raise Refusal(Reason.IMAGE_ENCODING, f"compressed format '{kind[:NAME]}' is neither JPEG nor PNG")
    encoding, _, compressed = (word.strip() for word in kind.partition(";"))
    if pixels.ndim == 3 and "compressed rgb" in compressed:
        # old versions compressed the channels in the order in which they came, as if they were BGR
        pixels = np.ascontiguousarray(pixels[..., ::-1])
    if pixels.ndim == 2 and encoding.startswith("bayer") and encoding in ENCODINGS:
        pixels = _converted(pixels, ENCODINGS[encoding][2])
    return _in_eight_bits(pixels)


def _converted(pixels: Pixels, conversion: int | None) -> Pixels:
    return pixels if conversion is None else np.asarray(cv2.cvtColor(pixels, conversion))


def _in_eight_bits(pixels: Pixels) -> UInt8:
    return eight_bits(pixels) if pixels.dtype == np.uint16 else pixels.astype(np.uint8, copy=False)


def decoded(data: bytes, stated: Size | None = None) -> Pixels | None:
    """Return the pixels of a JPEG or a PNG, of 8 or 16 bits; None where the data begin like neither.

    Raises Refusal: IMAGE_ENCODING, IMAGE_SIZE, IMAGE_CORRUPT as `image_from_compressed` does.
    """
    for begin, name, decode in CODINGS:
        if data.startswith(begin):
            try:
                return decode(data, stated)
            except ValueError as error:
                raise Refusal(Reason.IMAGE_CORRUPT, f"{name} of {len(data)} bytes cannot be decoded: {error}") from error
    return None
