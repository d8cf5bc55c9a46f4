"""Flights over bright spots at known places, and what is read back from their bags."""

import cv2
import numpy as np
import pytest
import rasterio
from rasterio.transform import Affine

from promptmid_core.bags.images import image_from_compressed
from promptmid_core.bags.messages import camera_from, stamp_ns
from promptmid_core.errors import InputError
from promptmid_core.geometry import interpolate
from promptmid_core.simulation.flight.options import FlightOptions
from promptmid_core.simulation.flight.simulate import simulate_flight

EAST, NORTH, GSD = 400_000.0, 3_750_000.0, 10.0
BLOB_EVERY = 25
OPTIONS = {
    "frames": 12, "seed": 5, "footprint_px": 150.0, "drift_px": 20.0, "yaw_error_deg": 3.0, "altitude_error_percent": 2.0,
    "image_size": (400, 300), "frame_rate_hz": 0.5,
}


def write_raster(path, array, gsd=GSD, nodata=None, crs="EPSG:32611"):
    bands = array[None] if array.ndim == 2 else array.transpose(2, 0, 1)
    place = {"crs": crs, "transform": Affine(gsd, 0, EAST, 0, -gsd, NORTH), "nodata": nodata}
    with rasterio.open(path, "w", driver="GTiff", width=bands.shape[2], height=bands.shape[1], count=len(bands),
                       dtype=array.dtype, **place) as target:
        target.write(bands)
    return path


def blobs(size):
    """Bright round spots on a dark ground, and their pixel coordinates."""
    rng = np.random.default_rng(9)
    at = np.stack(np.meshgrid(np.arange(BLOB_EVERY, size - 10, BLOB_EVERY), np.arange(BLOB_EVERY, size - 10, BLOB_EVERY)), -1)
    at = at.reshape(-1, 2) + rng.uniform(-2, 2, (at.shape[0] * at.shape[1], 2))
    image = np.full((size, size), 40.0)
    cols, rows = np.meshgrid(np.arange(-9, 10), np.arange(-9, 10))
    for x, y in at:
        c, r = round(x), round(y)
        spot = 180 * np.exp(-((cols + c - x) ** 2 + (rows + r - y) ** 2) / (2 * 2.0**2))
        image[r - 9:r + 10, c - 9:c + 10] += spot
    return np.repeat(np.rint(image).astype(np.uint8)[..., None], 3, axis=2), at


def hills(size, height):
    rng = np.random.default_rng(4)
    rough = cv2.GaussianBlur(rng.standard_normal((size, size)), (0, 0), 9)
    return (rough / np.abs(rough).max() * height + 2 * height).astype(np.float32)


def frames_of(bag):
    infos = {stamp_ns(m.header): camera_from(m) for _, _, m in bag.messages("/camera_info")}
    truth = dict(bag.ground_truth())
    for _, _, m in bag.messages("/image/compressed"):
        stamp = stamp_ns(m.header)
        yield stamp, image_from_compressed(m), infos[stamp], truth[stamp]


def priors_at_frames(bag):
    """(true pose, interpolated prior) of every frame."""
    priors = bag.odometry()
    stamps = np.array([prior.stamp_ns for prior in priors])
    for stamp, truth in bag.ground_truth():
        after = int(np.searchsorted(stamps, stamp))
        assert 0 < after < len(stamps), "every frame lies between two odometry messages"
        assert stamps[after] != stamp, "and at none of them"
        yield truth, interpolate(priors[after - 1], priors[after], stamp)


def centroid(image, col, row):
    """Of a spot near (col, row), its brightness against the ground around it."""
    c, r, reach = round(col), round(row), 11
    window = image[r - reach:r + reach + 1, c - reach:c + reach + 1].astype(float)
    cols, rows = np.meshgrid(np.arange(c - reach, c + reach + 1), np.arange(r - reach, r + reach + 1))
    weight = np.clip(window - np.median(window) - 0.15 * np.ptp(window), 0, None)
    weight = weight * (np.hypot(cols - col, rows - row) < 8)
    return np.array([(cols * weight).sum(), (rows * weight).sum()]) / weight.sum()


def sentence(optical, out, dem=None, **options):
    with pytest.raises(InputError) as caught:
        simulate_flight(optical, out, FlightOptions.of(**options), dem=dem)
    text = str(caught.value)
    assert "\n" not in text
    return text
