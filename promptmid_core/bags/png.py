"""PNG decoded whole or refused. OpenCV is given the pixels alone, inflated here to no more than what the header says."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from promptmid_core.bags.size import Size, check_size
from promptmid_core.errors import Refusal
from promptmid_core.reasons import Reason

BEGIN = b"\x89PNG\r\n\x1a\n"
MOST_CHUNKS, MOST_SCANLINES = 2**16, 2**29  # bytes of the latter
# by colour type: samples a pixel, and how many bits one may have (PNG, Third Edition, table 12)
SAMPLES = {0: (1, (1, 2, 4, 8, 16)), 2: (3, (8, 16)), 3: (1, (1, 2, 4, 8)), 4: (2, (8, 16)), 6: (4, (8, 16))}
# first column and row, and the steps, of the seven images of an interlaced one
ADAM7 = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))


@dataclass(frozen=True)
class _Ihdr:
    """The header: `size` in px, bits a pixel, whether interlaced."""

    size: Size
    bits: int
    interlaced: bool

    @staticmethod
    def of(content: bytes) -> _Ihdr:
        """ValueError where it is none."""
        width, height = (int.from_bytes(content[at:at + 4], "big") for at in (0, 4))
        depth, colour, *methods = content[8:] if len(content) == 13 else (0, 0, 0, 0, 0)
        samples, depths = SAMPLES.get(colour, (0, ()))
        if depth not in depths or methods[:2] != [0, 0] or methods[2] > 1:
            raise ValueError("its header is none")
        return _Ihdr((width, height), samples * depth, bool(methods[2]))

    @property
    def scanlines(self) -> int:
        """Bytes of all rows, each after the byte of its filter."""
        width, height = self.size
        parts = ADAM7 if self.interlaced else ((0, 0, 1, 1),)
        sizes = ((-(-(width - left) // across), -(-(height - top) // down)) for left, top, across, down in parts)
        return sum(rows * (1 + -(-cols * self.bits // 8)) for cols, rows in sizes if cols > 0 and rows > 0)


def decode(data: bytes, stated: Size | None = None) -> NDArray[Any]:
    """Return the pixels of a PNG, (H, W) grey or (H, W, 3) RGB, of 8 or 16 bits.

    Texts, profiles, transparent colours, orientation and all else that is no pixel is left out. Raises Refusal IMAGE_SIZE where
    the size is not the one `stated` (width, height), and ValueError where anything of the image is missing, damaged, or more than
    its size has room for.
    """
    content = _content(data)
    header = _Ihdr.of(content[b"IHDR"])
    check_size(header.size, stated)
    if header.scanlines > MOST_SCANLINES:
        raise Refusal(Reason.IMAGE_SIZE, f"the PNG has {header.scanlines} bytes of pixels; at most {MOST_SCANLINES} are decoded")
    inflate = zlib.decompressobj()
    try:
        scanlines = inflate.decompress(content[b"IDAT"], header.scanlines + 1)
    except zlib.error as error:
        raise ValueError(f"it is damaged ({error})") from error
    if len(scanlines) != header.scanlines or not inflate.eof:
        raise ValueError(f"it has not the {header.scanlines} bytes of an image of {header.size[0]}x{header.size[1]}")
    content[b"IDAT"] = zlib.compress(scanlines, 0)
    del scanlines
    # the order in which they have to stand; a palette is optional
    bare = BEGIN + b"".join(_chunk(kind, content[kind]) for kind in (b"IHDR", b"PLTE", b"IDAT", b"IEND") if kind in content)
    pixels = cv2.imdecode(np.frombuffer(bare, np.uint8), cv2.IMREAD_UNCHANGED)
    if pixels is None:
        raise ValueError("a row has a filter that there is not, or a palette is missing")
    if pixels.ndim == 2:
        return pixels
    return np.asarray(cv2.cvtColor(pixels, cv2.COLOR_BGRA2RGB if pixels.shape[2] == 4 else cv2.COLOR_BGR2RGB))


def _content(data: bytes) -> dict[bytes, bytes]:
    """The chunks that pixels are made of. Each chunk is complete and has the right checksum, or ValueError."""
    content: dict[bytes, bytes] = {}
    image: list[bytes] = []
    at, kind = len(BEGIN), b""
    for _ in range(MOST_CHUNKS):
        length = int.from_bytes(data[at:at + 4], "big")
        end = at + 8 + length
        kind, checksum = data[at + 4:at + 8], data[end:end + 4]
        if len(checksum) < 4:
            raise ValueError("it is truncated")
        if zlib.crc32(memoryview(data)[at + 4:end]) != int.from_bytes(checksum, "big"):
            raise ValueError(f"it has a damaged chunk at byte {at}")
        if (not content) != (kind == b"IHDR"):
            raise ValueError("it does not begin with its one header")
        if kind == b"IDAT":
            image.append(data[at + 8:end])
        elif kind in (b"IHDR", b"PLTE", b"IEND"):
            content[kind] = data[at + 8:end]
        elif not kind[0] & 32:
            raise ValueError(f"it has a chunk at byte {at} that is not known and not optional")
        if kind == b"IEND":
            return content | {b"IDAT": b"".join(image)}
        at = end + 4
    raise ValueError(f"it has more than {MOST_CHUNKS} chunks")


def _chunk(kind: bytes, content: bytes) -> bytes:
    return len(content).to_bytes(4, "big") + kind + content + zlib.crc32(content, zlib.crc32(kind)).to_bytes(4, "big")
