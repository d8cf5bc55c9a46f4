"""How large an image may be: what its header says, held against camera_info and a limit before a pixel is decoded."""

from __future__ import annotations

from promptmid_core.errors import Refusal
from promptmid_core.reasons import Reason

Size = tuple[int, int]  # width, height in px

MOST_PIXELS = 2**27
MOST_SIDE = 2**15 - 2  # that OpenCV resamples
# bytes of an encoded image: no coding of a pixel takes more, nor thumbnails, colour profiles and what else a camera adds
MOST_BYTES_A_PIXEL, MOST_BYTES_BESIDE = 8, 2**24


def check_size(size: Size, stated: Size | None = None) -> None:
    """Raise Refusal IMAGE_SIZE where an image is not of the size that camera_info has `stated`, or of none that can be used."""
    width, height = size
    if stated is not None and size != stated:
        raise Refusal(Reason.IMAGE_SIZE, f"the image is {width}x{height} but camera_info says {stated[0]}x{stated[1]}")
    if min(size) <= 0:
        raise Refusal(Reason.IMAGE_SIZE, f"the image has size {width}x{height}")
    if width * height > MOST_PIXELS or max(size) > MOST_SIDE:
        raise Refusal(Reason.IMAGE_SIZE, f"the image is {width}x{height}; at most {MOST_PIXELS / 1e6:.0f} megapixels and "
                                         f"{MOST_SIDE} px a side are decoded")


def check_bytes(count: int, stated: Size | None = None) -> None:
    """Raise Refusal IMAGE_CORRUPT where an encoded image of the `stated` size has more bytes than it can need."""
    pixels = MOST_PIXELS if stated is None else min(stated[0] * stated[1], MOST_PIXELS)
    most = MOST_BYTES_A_PIXEL * pixels + MOST_BYTES_BESIDE
    if count > most:
        raise Refusal(Reason.IMAGE_CORRUPT, f"the image has {count} bytes, more than the {most} that one of its size can need")
