"""JPEG decoded whole or refused, and harmless oddities of cameras told apart from damage."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from promptmid_core.arrays import UInt8
from promptmid_core.bags.size import Size, check_size
from promptmid_core.errors import Refusal
from promptmid_core.reasons import Reason

BEGIN = b"\xff\xd8\xff"
MOST_SIDE = 65500  # that libjpeg takes
# bytes of neither image nor filling that a camera may leave before a marker; what damage leaves over is whole blocks of the image
MOST_LEFT_OVER = 32
# each scan goes over the whole image; encoders make a dozen at most
MOST_SCANS = 32
MOST_SEGMENTS = 2**12
# where stretches between restarts are looked at one by one: how many of them, and bytes of the header that each is given
MOST_STRETCHES, MOST_HEADER = 2**14, 2**12
# the last of the fill bytes of a marker and its code; 0 stands for a byte 255 of the image
MARKER = re.compile(rb"\xff([\x01-\xfe])")
EXTRANEOUS = re.compile(r"(\d+) extraneous bytes before marker")
START_OF_SCAN, END, RESTART, RESTART_INTERVAL, JFIF, ADOBE = 0xDA, 0xD9, 0xD0, 0xDD, 0xE0, 0xEE
BASELINE, PROGRESSIVE = (0xC0, 0xC1), 0xC2
# the other ways of coding a frame (ITU-T T.81, table B.1): lossless, hierarchical, arithmetic
RARE = (0xC3, 0xC5, 0xC6, 0xC7, 0xC9, 0xCA, 0xCB, 0xCD, 0xCE, 0xCF)
BARE = (0x01, *range(0xD0, 0xD9))  # markers without a segment
APPLICATION, COMMENT = range(0xE0, 0xF0), 0xFE  # segments that say nothing of the image but for JFIF and ADOBE


def decode(data: bytes, stated: Size | None = None) -> UInt8:
    """Return the pixels (H, W) or (H, W, 3) RGB of a JPEG; those that OpenCV decodes, not turned by an orientation of EXIF.

    Bytes before a marker that belong to nothing, as UVC cameras write them, and wrong words in the header that decide nothing are
    passed over. Before a pixel is decoded Refusal is raised: IMAGE_SIZE where the size is not the one `stated` (width, height),
    IMAGE_ENCODING for other JPEGs than baseline or progressive ones of 8 bits, grey or in three colours. Raises ValueError where
    anything of the image is missing or damaged; OpenCV shows grey blocks there.
    """
    _check(data, stated)
    try:
        return _pixels(data)
    except ValueError as first:
        try:
            return _pixels(_plain(data), strict=False)
        except (ValueError, IndexError):
            # what libjpeg said of the data as they came
            raise ValueError(str(first)) from first


def _check(data: bytes, stated: Size | None) -> None:
    """Refuse by the header what `decode` does not take, and what would take long."""
    frame, scans = None, 1
    for code, segment, end in _segments(data):
        if code in RARE:
            raise Refusal(Reason.IMAGE_ENCODING, f"the JPEG is lossless, hierarchical or coded arithmetically (SOF{code & 15}); "
                                                 "send baseline or progressive ones")
        if code in (*BASELINE, PROGRESSIVE):
            if frame is not None or len(segment) < 8:
                raise ValueError("it has not one header of a frame")
            frame = code, segment
        if code == START_OF_SCAN:
            if frame is None or len(segment) < 3:
                raise ValueError("it has no header of a frame")
            several = frame[0] == PROGRESSIVE or segment[2] < frame[1][7]
            scans += data.count(bytes([0xFF, START_OF_SCAN]), end) if several else 0
    assert frame is not None
    bits, height, width, components = frame[1][2], frame[1][3:5], frame[1][5:7], frame[1][7]
    check_size((int.from_bytes(width, "big"), int.from_bytes(height, "big")), stated)
    if bits != 8 or components not in (1, 3):
        raise Refusal(Reason.IMAGE_ENCODING, f"the JPEG has {components} components of {bits} bits; send grey or three colours "
                                             "of 8 bits")
    if scans > MOST_SCANS:
        raise ValueError(f"it has {scans} scans, more than the {MOST_SCANS} that are decoded")


def _segments(data: bytes) -> Iterator[tuple[int, bytes, int]]:
    """Code, content from its length on, and end of each segment, up to that which starts the first scan. ValueError where none
    does."""
    at = len(BEGIN) - 1
    for _ in range(MOST_SEGMENTS):
        marker = MARKER.search(data, at)
        if marker is None or marker[1][0] == END:
            raise ValueError("there is no image")
        code, at = marker[1][0], marker.end()
        if code in BARE:
            continue
        segment = data[at:at + int.from_bytes(data[at:at + 2], "big")]
        at += len(segment)
        yield code, segment, at
        if code == START_OF_SCAN:
            return
    raise ValueError(f"it has more than {MOST_SEGMENTS} segments before its image")


def _pixels(data: bytes, strict: bool = True) -> UInt8:
    """Raises ValueError, where it is to be strict, with the first warning that libjpeg-turbo has; OpenCV hides them all."""
    import simplejpeg

    colours = simplejpeg.decode_jpeg_header(data, strict=strict)[2]
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
    restarts = (header.count - 1) // header.interval
    if restarts >= MOST_STRETCHES:
        raise ValueError(f"it has more than {MOST_STRETCHES} stretches")
    pieces, codes, at = [], [], start
    for marker in MARKER.finditer(data, start):
        pieces.append(data[at:marker.start()].rstrip(b"\xff"))
        codes.append(marker[1][0])
        at = marker.end()
        if codes[-1] & 0xF8 != RESTART or len(codes) > restarts:
            break
    if codes != [*(RESTART + i % 8 for i in range(restarts)), END]:
        raise ValueError("markers are missing")
    for i, piece in enumerate(pieces):
        _check_piece(header.sized(min(header.interval, header.count - i * header.interval)), piece)
    return header.data + data[start:at]


def _check_piece(header: bytes, piece: bytes) -> None:
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
    segments, components, end = [data[:2]], bytearray(), 0
    width = height = size = interval = 0
    for code, content, at in _segments(data):
        segment, end = bytearray(content), at
        if code == JFIF and segment[2:7] == b"JFIF\0":
            segment[7] = 1  # the version, by which nothing is decoded
        elif code == COMMENT or (code in APPLICATION and code != ADOBE):
            continue
        elif code in BASELINE:
            size = sum(map(len, segments)) + 5
            height, width, components = int.from_bytes(segment[3:5], "big"), int.from_bytes(segment[5:7], "big"), segment[8:]
        elif code == RESTART_INTERVAL:
            interval = int.from_bytes(segment[2:4], "big")
        elif code == START_OF_SCAN:
            if not components or segment[2] * 3 != len(components):
                raise ValueError("it has several scans")
            segment[-3:] = 0, 63, 0  # all frequencies at once, as baseline has it whatever is said
        segments.append(bytes([0xFF, code, *segment]))
    factors = [(1, 1)] if len(components) == 3 else [(both >> 4, both & 15) for both in components[1::3]]
    block = 8 * max(h for h, _ in factors), 8 * max(v for _, v in factors)
    if 0 in (width, height, *block):
        raise ValueError("it has no size")
    header = b"".join(segments)
    if len(header) > MOST_HEADER:
        raise ValueError("its header is long")
    across, down = -(-width // block[0]), -(-height // block[1])
    return _Header(header, size, block, across, across * down, interval or across * down), end
