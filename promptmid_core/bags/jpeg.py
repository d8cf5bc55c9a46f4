"""JPEG decoded whole or refused, and harmless oddities of cameras told apart from damage."""

from __future__ import annotations

import re
from dataclasses import dataclass

from promptmid_core.arrays import UInt8

MOST_PIXELS = 2**27  # a damaged size must not ask for gigabytes
MOST_SIDE = 65500  # that libjpeg takes
# bytes of neither image nor filling that a camera may leave before a marker; what damage leaves over is whole blocks of the image
MOST_LEFT_OVER = 32
# after the fill bytes of a marker its code; 0 stands for a byte 255 of the image
MARKER = re.compile(rb"\xff+([\x01-\xfe])")
EXTRANEOUS = re.compile(r"(\d+) extraneous bytes before marker")
START_OF_SCAN, END, RESTART, RESTART_INTERVAL, JFIF = 0xDA, 0xD9, 0xD0, 0xDD, 0xE0
BASELINE = (0xC0, 0xC1)
BARE = (0x01, *range(0xD0, 0xD9))  # markers without a segment


def decode(data: bytes) -> UInt8:
    """Return the pixels (H, W) or (H, W, 3) RGB of a JPEG; those that OpenCV decodes.

    Bytes before a marker that belong to nothing, as UVC cameras write them, and wrong words in the header that decide nothing are
    passed over. Raises ValueError where anything of the image is missing or damaged; OpenCV shows grey blocks there.
    """
    try:
        return _pixels(data)
    except ValueError as first:
        try:
            return _pixels(_plain(data), strict=False)
        except (ValueError, IndexError):
            # what libjpeg said of the data as they came
            raise ValueError(str(first)) from first


def _pixels(data: bytes, strict: bool = True) -> UInt8:
    """Raises ValueError, where it is to be strict, with the first warning that libjpeg-turbo has; OpenCV hides them all."""
    import simplejpeg

    height, width, colours, _ = simplejpeg.decode_jpeg_header(data, strict=strict)
    if height * width > MOST_PIXELS:
        raise ValueError(f"it says that it has {width}x{height} pixels")
    grey = colours.lower() == "gray"
    pixels: UInt8 = simplejpeg.decode_jpeg(data, "GRAY" if grey else "RGB", strict=strict)
    return pixels[..., 0] if grey else pixels


@dataclass(frozen=True)
class _Header:
    """What comes before the image: `data` as libjpeg wants them, and where in it the image's `size` stands.

    The blocks that are coded together are `block` (width, height) pixels; `across` of them are a row, `count` the image. After
    each `interval` of them the coding starts anew.
    """

    data: bytes
    size: int
    block: tuple[int, int]
    across: int
    count: int
    interval: int

    def sized(self, blocks: int) -> bytes:
        """Return the header of an image of fewer blocks: whole rows of them, or a single one."""
        rows, rest = divmod(blocks, self.across)
        width, height = (self.across, rows) if rows and not rest else (blocks, 1)
        width, height = width * self.block[0], height * self.block[1]
        if max(width, height) > MOST_SIDE:
            raise ValueError(f"{blocks} blocks between two restarts are no rows")
        return self.data[:self.size] + height.to_bytes(2, "big") + width.to_bytes(2, "big") + self.data[self.size + 4:]


def _plain(data: bytes) -> bytes:
    """The same image with a header that says what libjpeg wants, and all of its blocks.

    Raises ValueError where it is no baseline JPEG of one scan from start to end, or where a stretch between two restarts lacks
    blocks or has more left over than a camera leaves: the first warning about all of them would hide a worse one.
    """
    header, start = _header(data)
    pieces, codes, at = [], [], start
    for marker in MARKER.finditer(data, start):
        pieces.append(data[at:marker.start()])
        codes.append(marker[1][0])
        at = marker.end()
        if codes[-1] & 0xF8 != RESTART:
            break
    restarts = (header.count - 1) // header.interval
    if len(codes) != restarts + 1 or codes != [*(RESTART + i % 8 for i in range(restarts)), END]:
        raise ValueError("markers are missing")
    for i, piece in enumerate(pieces):
        _check(header.sized(min(header.interval, header.count - i * header.interval)), piece)
    return header.data + data[start:at]


def _check(header: bytes, piece: bytes) -> None:
    """Raise ValueError where coded blocks are damaged, or followed by more than a camera leaves."""
    try:
        _pixels(header + piece + bytes([0xFF, END]))
    except ValueError as error:
        # told when all blocks are there, so nothing else was told before
        told = EXTRANEOUS.search(str(error))
        rest = piece[-int(told[1]):] if told else b""
        if not rest or (len(rest) > MOST_LEFT_OVER and len(set(rest)) > 1):
            raise


def _header(data: bytes) -> tuple[_Header, int]:
    """The header of a baseline JPEG of one scan, and where its coded blocks begin."""
    segments, at, components = [data[:2]], 2, bytearray()
    width = height = size = interval = 0
    while True:
        marker = MARKER.search(data, at)
        if marker is None:
            raise ValueError("there is no image")
        code, at = marker[1][0], marker.end()
        if code in BARE:
            continue
        if code == END:
            raise ValueError("there is no image")
        segment = bytearray(data[at:at + int.from_bytes(data[at:at + 2], "big")])
        at += len(segment)
        if code in BASELINE:
            size = sum(map(len, segments)) + 5
            height, width, components = int.from_bytes(segment[3:5], "big"), int.from_bytes(segment[5:7], "big"), segment[8:]
        elif code == RESTART_INTERVAL:
            interval = int.from_bytes(segment[2:4], "big")
        elif code == JFIF and segment[2:7] == b"JFIF\0":
            segment[7] = 1  # the version, by which nothing is decoded
        elif code == START_OF_SCAN:
            if not components or segment[2] * 3 != len(components):
                raise ValueError("it has several scans")
            segment[-3:] = 0, 63, 0  # all frequencies at once, as baseline has it whatever is said
        segments.append(bytes([0xFF, code, *segment]))
        if code == START_OF_SCAN:
            break
    factors = [(1, 1)] if len(components) == 3 else [(both >> 4, both & 15) for both in components[1::3]]
    block = 8 * max(h for h, _ in factors), 8 * max(v for _, v in factors)
    if 0 in (width, height, *block):
        raise ValueError("it has no size")
    across, down = -(-width // block[0]), -(-height // block[1])
    return _Header(b"".join(segments), size, block, across, across * down, interval or across * down), at
