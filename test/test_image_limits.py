"""Images made to cost time and memory: sizes are read and held against limits before a pixel is decoded."""

import struct
import subprocess
import sys
import zlib
from dataclasses import replace
from types import SimpleNamespace as Msg

import cv2
import numpy as np
import pytest
import simplejpeg
from flights import CAMERA
from hypothesis import given, settings
from hypothesis import strategies as st
from refusals import refused

from promptmid_core.bags import jpeg, telemetry
from promptmid_core.bags.images import ENCODINGS, image_from, image_from_compressed
from promptmid_core.bags.size import MOST_BYTES_BESIDE, MOST_PIXELS, MOST_SIDE
from promptmid_core.errors import Refusal
from promptmid_core.localization.intake import Intake
from promptmid_core.localization.options import TrackOptions
from promptmid_core.localization.rig import Rig
from promptmid_core.localization.settings import DEFAULTS
from promptmid_core.reasons import Reason

STAMP = 1_700_000_000_000_000_000
SAMPLES = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}  # a pixel, by colour type


def compressed(data, kind="png"):
    return Msg(header=telemetry.header(STAMP, "camera"), format=kind, data=np.frombuffer(data, np.uint8))


def chunk(kind, content):
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def png(width, height, depth=8, colour=0, *, rows=None, extra=b"", interlaced=0):
    """A PNG of zeros, or of the `rows` given as zlib has compressed them."""
    rows = zlib.compress(bytes((1 + -(-width * SAMPLES[colour] * depth // 8)) * height)) if rows is None else rows
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, interlaced)) + extra
            + chunk(b"IDAT", rows) + chunk(b"IEND", b""))


def segment(code, content):
    return struct.pack(">BBH", 0xFF, code, len(content) + 2) + content


def progressive(scans, width=16, height=16):
    """A grey progressive JPEG of one colour: coefficient by coefficient, then refined one by one."""
    tables = (segment(0xDB, b"\0" + b"\1" * 64) + segment(0xC4, b"\x00\1" + bytes(15) + b"\0")
              + segment(0xC4, b"\x10\1" + bytes(15) + b"\x20"))
    frame = segment(0xC2, struct.pack(">BHHB", 8, height, width, 1) + b"\1\x11\0")
    spans = [(0, 0, 0), *((k, k, 0x01) for k in range(1, 64)), *((k, k, 0x10) for k in range(1, 64))]
    coded = [segment(0xDA, b"\1\1\0" + bytes(span)) + (b"\x1f" if span[0] else b"\x0f") for span in spans[:scans]]
    return b"\xff\xd8" + tables + frame + b"".join(coded) + b"\xff\xd9"


def jpeg_header(frame=0xC0, bits=8, size=(48, 64), components=1):
    """A JPEG that ends where its first scan would begin."""
    parts = b"".join(bytes([i, 0x11, 0]) for i in range(components))
    return (b"\xff\xd8" + segment(frame, struct.pack(">BHHB", bits, *size, components) + parts)
            + segment(0xDA, bytes([components]) + b"".join(bytes([i, 0]) for i in range(components)) + b"\0\x3f\0"))


@pytest.fixture
def undecoded(monkeypatch):
    """No pixel is decoded."""
    monkeypatch.setattr(cv2, "imdecode", lambda *_: pytest.fail("it was decoded"))
    monkeypatch.setattr(simplejpeg, "decode_jpeg", lambda *_, **__: pytest.fail("it was decoded"))


@pytest.fixture
def intake():
    """The road of node and replay, with the camera_info of 64x48 px."""
    intake = Intake(Rig.read(DEFAULTS | {"camera_mount": "parameters"}, TrackOptions()))
    intake.cameras.add(telemetry.camera_info(STAMP, CAMERA))
    return intake


OTHERS = {
    "large PNG": png(4000, 4000), "huge PNG": png(30_000, 30_000, rows=b""), "a row less": png(64, 47), "on end": png(48, 64),
    "large JPEG": jpeg_header(size=(4000, 4000)), "huge JPEG": jpeg_header(0xC2, size=(60_000, 60_000)),
    "height told later": jpeg_header(size=(0, 64)),
}


@pytest.mark.parametrize("image", OTHERS)
def test_an_image_of_another_size_than_its_camera_info_is_not_decoded(intake, undecoded, image):
    assert "camera_info says 64x48" in refused(Reason.IMAGE_SIZE, intake.frame, compressed(OTHERS[image]))


def test_a_size_that_camera_info_states_too_has_a_limit(intake, undecoded):
    for width, height in ((30_000, 30_000), (MOST_SIDE + 1, 1), (2**13 + 1, MOST_PIXELS // 2**13)):
        intake.cameras.add(telemetry.camera_info(STAMP, replace(CAMERA, width=width, height=height)))
        for data in (png(width, height, rows=b""), jpeg_header(size=(height, width))):
            told = refused(Reason.IMAGE_SIZE, intake.frame, compressed(data))
            assert f"{width}x{height}; at most 134 megapixels" in told
        raw = Msg(header=telemetry.header(STAMP, "camera"), encoding="mono8", height=height, width=width, step=width,
                  is_bigendian=0, data=b"")
        refused(Reason.IMAGE_SIZE, intake.frame, raw)
    deep = compressed(png(10_000, 10_000, 16, 6, rows=b""))
    assert "bytes of pixels" in refused(Reason.IMAGE_SIZE, image_from_compressed, deep)


def test_the_largest_image_is_decoded():
    width, height = MOST_SIDE, MOST_PIXELS // MOST_SIDE
    assert image_from_compressed(compressed(png(width, height)), (width, height)).shape == (height, width)


def test_more_bytes_than_an_image_can_need_are_not_looked_at(intake, undecoded):
    much = png(64, 48) + bytes(8 * 64 * 48 + MOST_BYTES_BESIDE)
    assert "more than the" in refused(Reason.IMAGE_CORRUPT, intake.frame, compressed(much))


ROWS = {
    "ten times as many": zlib.compress(bytes(65 * 480)),
    "one byte too many": zlib.compress(bytes(65 * 48 + 1)),
    "one byte too few": zlib.compress(bytes(65 * 48 - 1)),
    "cut": zlib.compress(bytes(range(65)) * 48)[:-20],
    "of a wrong sum": zlib.compress(bytes(65 * 48))[:-1] + b"x",
    "of a filter that there is not": zlib.compress(b"\x09" * 65 * 48),
    "none": b"",
}


@pytest.mark.parametrize("rows", ROWS)
def test_rows_of_a_png_that_do_not_fill_its_size(rows):
    refused(Reason.IMAGE_CORRUPT, image_from_compressed, compressed(png(64, 48, rows=ROWS[rows])), (64, 48))


@pytest.mark.parametrize("ratio", [1, 1000])
def test_rows_of_a_png_are_inflated_to_its_size_and_no_further(monkeypatch, ratio):
    made, asked = zlib.decompressobj, []

    def watched():
        inflate = made()
        return Msg(decompress=lambda data, most: asked.append(most) or inflate.decompress(data, most), eof=True)

    monkeypatch.setattr(zlib, "decompressobj", watched)
    rows = zlib.compress(bytes(65 * 48 * ratio))
    if ratio == 1:
        image_from_compressed(compressed(png(64, 48, rows=rows)))
    else:
        refused(Reason.IMAGE_CORRUPT, image_from_compressed, compressed(png(64, 48, rows=rows)))
    assert asked == [65 * 48 + 1]


def test_texts_and_profiles_of_a_png_never_reach_its_decoder(monkeypatch):
    seen, decode = [], cv2.imdecode
    monkeypatch.setattr(cv2, "imdecode", lambda data, flags: seen.append(data) or decode(data, flags))
    text = b"a\0\0" + zlib.compress(bytes(10**7))
    extra = b"".join(chunk(kind, text) for kind in (b"zTXt", b"iCCP", b"iTXt", b"acTL", b"eXIf"))
    assert not image_from_compressed(compressed(png(64, 48, extra=extra + chunk(b"tEXt", bytes(10**6))))).any()
    assert len(seen[0]) < 65 * 48 + 200


def test_a_png_of_very_many_chunks_or_of_unknown_ones_is_refused():
    refused(Reason.IMAGE_CORRUPT, image_from_compressed, compressed(png(64, 48, extra=chunk(b"tEXt", b"") * 2**16)))
    assert "not known" in refused(Reason.IMAGE_CORRUPT, image_from_compressed, compressed(png(64, 48, extra=chunk(b"JDAT", b""))))
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", 64, 48, 8, 0, 0, 0, 0))
    refused(Reason.IMAGE_CORRUPT, image_from_compressed, compressed(png(64, 48, extra=header)))
    refused(Reason.IMAGE_CORRUPT, image_from_compressed, compressed(png(64, 48, depth=4, colour=2)))
    refused(Reason.IMAGE_CORRUPT, image_from_compressed, compressed(png(64, 48, colour=3)))


@pytest.mark.parametrize("colour", SAMPLES)
@pytest.mark.parametrize("interlaced", [0, 1])
def test_every_kind_of_png_has_the_pixels_that_opencv_decodes(colour, interlaced):
    """Also interlaced ones, of sizes at which some of the seven passes are empty."""
    rng = np.random.default_rng(colour)
    for depth in (1, 2, 4, 8, 16):
        if (depth < 8 and colour not in (0, 3)) or (depth == 16 and colour == 3):
            continue
        for width, height in ((1, 1), (3, 2), (5, 9), (64, 48)):
            parts = [(width, height)] if not interlaced else [
                (-(-(width - x) // dx), -(-(height - y) // dy)) for x, y, dx, dy in (
                    (0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))]
            rows = b"".join(bytes([rng.integers(5)]) + rng.bytes(-(-across * SAMPLES[colour] * depth // 8))
                            for across, down in parts if across > 0 for _ in range(down))
            extra = chunk(b"PLTE", rng.bytes(3 << min(depth, 8))) if colour == 3 else b""
            data = png(width, height, depth, colour, rows=zlib.compress(rows), extra=extra, interlaced=interlaced)
            expected = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
            if expected.ndim == 3:
                expected = expected[..., 2::-1]
            if depth < 16:
                np.testing.assert_array_equal(image_from_compressed(compressed(data)), expected)
            else:
                assert image_from_compressed(compressed(data)).shape == expected.shape


def test_a_jpeg_of_very_many_scans_is_refused():
    assert image_from_compressed(compressed(progressive(jpeg.MOST_SCANS), "jpeg")).shape == (16, 16)
    for scans in (jpeg.MOST_SCANS + 1, 127):
        told = refused(Reason.IMAGE_CORRUPT, image_from_compressed, compressed(progressive(scans), "jpeg"))
        assert f"{scans} scans" in told


RARE = {"lossless": {"frame": 0xC3}, "arithmetic": {"frame": 0xC9}, "12 bits": {"frame": 0xC1, "bits": 12},
        "CMYK": {"components": 4}, "two components": {"components": 2}}


@pytest.mark.parametrize("kind", RARE)
def test_rare_kinds_of_jpeg_are_told_by_their_encoding(undecoded, kind):
    refused(Reason.IMAGE_ENCODING, image_from_compressed, compressed(jpeg_header(**RARE[kind]), "jpeg"))


HEADERS = {
    "no frame": b"\xff\xd8" + segment(0xDA, b"\1\0\0\0\x3f\0"),
    "two frames": jpeg_header()[:-10] + jpeg_header()[2:],
    "a short frame": b"\xff\xd8" + segment(0xC0, b"\x08\0\1") + segment(0xDA, b"\1\0\0\0\x3f\0"),
    "a short scan": jpeg_header()[:-10] + b"\xff\xda\0\2",
    "no end": jpeg_header()[:10],
    "an end at once": b"\xff\xd8\xff\xd9",
    "very many segments": b"\xff\xd8" + segment(0xE5, b"") * jpeg.MOST_SEGMENTS + jpeg_header()[2:],
}


@pytest.mark.parametrize("what", HEADERS)
def test_headers_of_a_jpeg_that_lead_nowhere(what):
    refused(Reason.IMAGE_CORRUPT, image_from_compressed, compressed(HEADERS[what], "jpeg"))


def test_stretches_of_an_odd_jpeg_are_looked_at_one_by_one_only_so_far(monkeypatch):
    """Each has a header of its own, and there may be as many as blocks."""
    calls, decode = [], simplejpeg.decode_jpeg
    monkeypatch.setattr(simplejpeg, "decode_jpeg", lambda *args, **kwargs: calls.append(1) or decode(*args, **kwargs))
    grey = np.random.default_rng(0).integers(0, 255, (1040, 1040), np.uint8)
    data = cv2.imencode(".jpg", grey, [cv2.IMWRITE_JPEG_RST_INTERVAL, 1])[1].tobytes()
    odd = data[:-2] + bytes(range(1, 21)) + data[-2:]
    assert len(data) > 130 ** 2 > jpeg.MOST_STRETCHES
    refused(Reason.IMAGE_CORRUPT, image_from_compressed, compressed(odd, "jpeg"))
    assert len(calls) == 1


LIMITED = """
import resource, sys
from types import SimpleNamespace
import numpy as np
from promptmid_core.bags.images import image_from_compressed
from promptmid_core.errors import Refusal
resource.setrlimit(resource.RLIMIT_CPU, (20, 20))
resource.setrlimit(resource.RLIMIT_AS, (4 << 30, 4 << 30))
try:
    image_from_compressed(SimpleNamespace(format="jpeg", data=np.frombuffer(sys.stdin.buffer.read(), np.uint8)))
except Refusal as refusal:
    print(refusal.reason)
"""


@pytest.mark.parametrize("before", [b"\xff\xd8", jpeg_header()], ids=["header", "image"])
def test_a_long_filling_of_a_jpeg_takes_time_by_its_length(before):
    data = before + b"\xff" * 10**6 + b"\0"
    done = subprocess.run([sys.executable, "-c", LIMITED], input=data, capture_output=True, timeout=120)
    assert done.stdout == b"image_corrupt\n", done.stderr.decode()


def test_an_orientation_in_exif_or_png_does_not_turn_the_image():
    """The camera's calibration is that of the pixels as they lie in the file."""
    exif = b"MM\0\x2a\0\0\0\x08\0\1\1\x12\0\3\0\0\0\1\0\6\0\0\0\0\0\0"  # orientation 6: a quarter turn
    view = np.arange(48 * 64, dtype=np.uint8).reshape(48, 64) // 8
    plain = cv2.imencode(".jpg", view)[1].tobytes()
    turned = plain[:2] + segment(0xE1, b"Exif\0\0" + exif) + plain[2:]
    np.testing.assert_array_equal(image_from_compressed(compressed(turned)), image_from_compressed(compressed(plain)))
    flat = cv2.imencode(".png", view)[1].tobytes()
    np.testing.assert_array_equal(image_from_compressed(compressed(flat[:33] + chunk(b"eXIf", exif) + flat[33:])), view)


def test_content_decides_what_is_decoded_and_other_formats_are_refused():
    view = np.full((48, 64), 80, np.uint8)
    for ending in (".webp", ".bmp", ".tiff", ".pgm", ".jp2"):
        data = cv2.imencode(ending, view)[1].tobytes()
        refused(Reason.IMAGE_CORRUPT, image_from_compressed, compressed(data, "jpeg"))
        refused(Reason.IMAGE_ENCODING, image_from_compressed, compressed(data, ending[1:]))
    assert image_from_compressed(compressed(cv2.imencode(".png", view)[1].tobytes(), "jpeg")).shape == (48, 64)
    assert len(refused(Reason.IMAGE_ENCODING, image_from_compressed, compressed(b"", "x" * 10**6))) < 200


@settings(max_examples=300, deadline=None)
@given(encoding=st.sampled_from([*ENCODINGS, "yuv422", "", "x" * 10**5]), height=st.integers(0, 9) | st.integers(0, 2**32 - 1),
       width=st.integers(0, 9) | st.integers(0, 2**32 - 1), padding=st.integers(-3, 9) | st.integers(0, 2**32 - 1),
       big=st.booleans(), data=st.data())
def test_a_raw_image_of_any_fields_is_decoded_whole_or_refused(encoding, height, width, padding, big, data):
    channels, size, _ = ENCODINGS.get(encoding, (1, 1, None))
    step = min(max(width * channels * size + padding, 0), 2**32 - 1)
    length = step * height if step * height < 4096 and data.draw(st.booleans()) else data.draw(st.integers(0, 4096))
    message = Msg(encoding=encoding, height=height, width=width, step=step, is_bigendian=big, data=bytes(length))
    try:
        pixels = image_from(message)
    except Refusal as refusal:
        assert refusal.reason in (Reason.IMAGE_ENCODING, Reason.IMAGE_SIZE, Reason.IMAGE_CORRUPT)
        assert len(str(refusal)) < 400
    else:
        assert pixels.shape[:2] == (height, width) and pixels.dtype == np.uint8


@settings(max_examples=300, deadline=None)
@given(kind=st.sampled_from(["jpeg", "progressive", "restarts", "png", "palette"]), data=st.data())
def test_bytes_changed_cut_and_repeated_are_decoded_whole_or_refused(kind, data):
    view = np.random.default_rng(1).integers(0, 255, (48, 64), np.uint8)
    whole = {
        "jpeg": lambda: cv2.imencode(".jpg", np.dstack([view] * 3))[1].tobytes(),
        "progressive": lambda: cv2.imencode(".jpg", view, [cv2.IMWRITE_JPEG_PROGRESSIVE, 1])[1].tobytes(),
        "restarts": lambda: cv2.imencode(".jpg", view, [cv2.IMWRITE_JPEG_RST_INTERVAL, 2])[1].tobytes(),
        "png": lambda: cv2.imencode(".png", view)[1].tobytes(),
        "palette": lambda: png(64, 48, 8, 3, extra=chunk(b"PLTE", bytes(768))),
    }[kind]()
    changed = bytearray(whole)
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(changed)) | st.integers(0, min(len(changed), 64)))
        what = data.draw(st.sampled_from(["set", "cut", "repeat", "insert"]))
        if what == "set":
            changed[at:at + 1] = data.draw(st.binary(min_size=1, max_size=1))
        elif what == "cut":
            del changed[at:at + data.draw(st.integers(1, 200))]
        elif what == "repeat":
            changed[at:at] = changed[at:at + data.draw(st.integers(1, 200))]
        else:
            changed[at:at] = data.draw(st.binary(max_size=8) | st.sampled_from([b"\xff\xd9", b"\xff\xda", b"\xff\xd0", b"IDAT"]))
    try:
        pixels = image_from_compressed(compressed(bytes(changed), kind))
    except Refusal as refusal:
        assert refusal.reason in (Reason.IMAGE_ENCODING, Reason.IMAGE_SIZE, Reason.IMAGE_CORRUPT)
        assert "\n" not in str(refusal) and len(str(refusal)) < 400
    else:
        assert pixels.dtype == np.uint8 and 0 < pixels.size <= 3 * MOST_PIXELS
