"""What an optical and a radar sensor make of a landscape, and what the two images have in common."""

from __future__ import annotations

import dataclasses
from math import pi, radians

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import fft, stats

from promptmid_core.simulation.world.illumination import shadow
from promptmid_core.simulation.world.landscape import Ground, Landscape, landscape
from promptmid_core.simulation.world.optical import Sun, optical_image
from promptmid_core.simulation.world.sar import CALIBRATION, Radar, sar_image

Image = NDArray[np.float32]


def decibels(amplitude: NDArray[np.uint16]) -> Image:
    return (20 * np.log10(amplitude / CALIBRATION)).astype(np.float32)


def grey(image: NDArray[np.uint8]) -> Image:
    return image.astype(np.float32).mean(axis=2)


def plain(size: int = 96, ground: Ground = Ground.MEADOW, axis: float = 0.0) -> Landscape:
    """Flat land of one parcel, with nothing on it."""
    zero = np.zeros((size, size), np.float32)
    kind = np.full((size, size), ground, np.uint8)
    key = np.full((size, size), 12345, np.uint32)
    turned = np.full((size, size), axis, np.float32)
    return Landscape(10.0, zero, kind, kind, key, kind * 0, turned, zero, zero, zero, zero, zero, zero, zero)


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


@pytest.fixture(scope="module")
def land() -> Landscape:
    return landscape(rng(11), 768, 10.0, 11)


@pytest.fixture(scope="module")
def optical(land: Landscape) -> NDArray[np.uint8]:
    return optical_image(rng(12), land, Sun())


@pytest.fixture(scope="module")
def sar(land: Landscape) -> NDArray[np.uint16]:
    return sar_image(rng(13), land, Radar())


def test_sar_is_no_function_of_the_optical_image(land: Landscape, optical: NDArray[np.uint8], sar: NDArray[np.uint16]) -> None:
    bright, echo = grey(optical), decibels(sar)
    assert abs(np.corrcoef(bright.ravel(), echo.ravel())[0, 1]) < 0.3
    for ground in (Ground.CROP, Ground.MEADOW):
        # flat open fields, so that neither light nor slope speaks for both
        steep = np.hypot(*np.gradient(cv2.GaussianBlur(land.dem, (0, 0), 3))) / land.gsd_m
        chosen = (land.ground == ground) & (land.canopy < 0.05) & (land.paved < 0.05) & (steep < 0.06)
        parcel, index, size = np.unique(land.parcel[chosen], return_inverse=True, return_counts=True)
        means = [np.bincount(index, image[chosen]) / size for image in (bright, echo)]
        large = size > 40
        assert large.sum() > 80 and len(parcel) > 80
        assert abs(stats.spearmanr(means[0][large], means[1][large]).statistic) < 0.25
        assert means[1][large].std() > 1.0


@pytest.mark.parametrize("looks", [1, 4, 9])
def test_speckle_has_the_looks_asked_for(looks: int) -> None:
    flat = plain(256)
    # the same texture under next to no speckle
    still = sar_image(rng(), flat, Radar(looks=600)).astype(float) ** 2
    factor = sar_image(rng(), flat, Radar(looks=looks)).astype(float) ** 2 / still
    assert factor.mean() == pytest.approx(1, abs=0.02)
    assert factor.std() / factor.mean() == pytest.approx(looks**-0.5, rel=0.04)
    apart = factor[::5, ::5].ravel()
    assert stats.kstest(apart, "gamma", args=(looks, 0, 1 / looks)).pvalue > 1e-3
    neighbours = np.corrcoef(factor[:, 1:].ravel(), factor[:, :-1].ravel())[0, 1]
    assert 0.1 < neighbours < 0.6


def test_speckle_in_a_field_of_the_world(land: Landscape, sar: NDArray[np.uint16]) -> None:
    field = (land.ground == Ground.MEADOW) & (land.canopy < 0.02) & (land.paved < 0.02)
    field = cv2.erode(field.astype(np.uint8), np.ones((9, 9))) > 0
    power = sar.astype(np.float64) ** 2
    mean = cv2.blur(power, (9, 9))
    spread = np.sqrt(np.maximum(cv2.blur(power**2, (9, 9)) - mean**2, 0)) / mean
    assert field.sum() > 500
    assert 0.42 < np.median(spread[field]) < 0.58


@pytest.mark.parametrize("look", [radians(79), radians(79) + pi, radians(200)])
def test_slopes_that_face_the_radar_are_bright(look: float) -> None:
    rows, cols = np.mgrid[:96, :96].astype(np.float32) - 48
    hill = dataclasses.replace(plain(), dem=np.maximum(0, 130 - 3.0 * np.hypot(rows, cols)).astype(np.float32))
    image = decibels(sar_image(rng(), hill, Radar(look=look, looks=50)))
    radius = np.hypot(rows, cols)
    beyond = (cols * np.sin(look) - rows * np.cos(look)) / np.maximum(radius, 1)
    on_hill = (radius > 8) & (radius < 38)
    facing, averted = image[on_hill & (beyond < -0.8)].mean(), image[on_hill & (beyond > 0.8)].mean()
    assert facing > averted + 4


def test_a_building_is_bright_towards_the_radar_and_dark_behind() -> None:
    roof = np.zeros((96, 96), np.float32)
    roof[40:56, 40:56] = 1
    eastward = (pi / 2, np.s_[42:54, 37:40], np.s_[42:54, 57:59])
    northward = (0.0, np.s_[56:59, 42:54], np.s_[37:39, 42:54])
    for look, before, behind in (eastward, northward):
        image = decibels(sar_image(rng(), dataclasses.replace(plain(), roof=roof, roof_m=roof * 40), Radar(look=look, looks=50)))
        field = np.median(image[:30])
        assert image[before].mean() > field + 4
        assert image[behind].mean() < field - 3


def test_walls_that_face_the_radar_outshine_turned_ones() -> None:
    roof = np.zeros((96, 96), np.float32)
    roof[40:56, 40:56] = 1
    bright = []
    for axis in (0.0, radians(45)):
        town = dataclasses.replace(plain(axis=axis), roof=roof, roof_m=roof * 15)
        bright.append(float(sar_image(rng(), town, Radar(look=pi / 2, looks=50))[42:54, 38:42].max()))
    assert bright[0] > 1.4 * bright[1]


def test_buildings_cast_their_optical_shadow_away_from_the_sun() -> None:
    roof = np.zeros((96, 96), np.float32)
    roof[40:56, 40:56] = 1
    town = dataclasses.replace(plain(), roof=roof, roof_m=roof * 40)
    image = grey(optical_image(rng(), town, Sun(azimuth=pi, elevation=radians(40))))
    field = np.median(image[:30])
    assert image[37:39, 42:54].mean() < 0.7 * field
    assert image[57:60, 42:54].mean() > 0.9 * field


def test_shadow_is_as_long_as_geometry_says() -> None:
    surface = np.zeros((64, 64), np.float32)
    surface[:, 30] = 30
    dark = shadow(surface, 10.0, azimuth=3 * pi / 2, elevation=radians(30))
    # 30 m at 30 degrees: 52 m to the east of the wall
    assert (dark[20, 31:36] > 0.2).all() and not dark[20, 36:].any() and not dark[20, :30].any()


def test_water_and_roads_are_dark_and_towns_bright(land: Landscape, sar: NDArray[np.uint16]) -> None:
    image = decibels(sar)
    field = np.median(image[land.ground == Ground.CROP])
    assert np.median(image[land.water > 0.95]) < field - 7
    assert np.median(image[(land.paved > 0.95) & (land.water < 0.05)]) < field - 3
    town = cv2.boxFilter((land.cover == 50).astype(np.float32), -1, (15, 15)) > 0.95
    assert np.mean(10 ** (image[town] / 10)) > 1.5 * np.mean(10 ** (image[land.ground == Ground.CROP] / 10))


def test_no_pixel_looks_like_nodata(optical: NDArray[np.uint8], sar: NDArray[np.uint16]) -> None:
    assert optical.min() >= 1 and sar.min() >= 1
    assert 0.02 < (grey(optical) < 60).mean() < 0.5 and (optical == 255).mean() < 0.05


def oriented(image: Image, sigma: float) -> Image:
    """Absolute gradients in eight directions, of unit length in every pixel."""
    soft = cv2.GaussianBlur(image, (0, 0), sigma)
    along, down = cv2.Sobel(soft, cv2.CV_32F, 1, 0), cv2.Sobel(soft, cv2.CV_32F, 0, 1)
    angles = np.arange(8) * pi / 8
    parts = np.stack([cv2.GaussianBlur(np.abs(along * np.cos(a) + down * np.sin(a)), (0, 0), 2) for a in angles])
    return parts / (np.linalg.norm(parts, axis=0) + 1e-6)


def offset(patch: Image, window: Image, signed: bool = True) -> float:
    """Pixels between the best normalised correlation of the patch (C, h, w) in the window (C, H, W) and the window's middle."""
    _, height, width = window.shape
    size = patch.shape[1]
    patch = patch - patch.mean(axis=(1, 2), keepdims=True)
    product = (np.conj(fft.rfft2(patch, (height, width))) * fft.rfft2(window)).sum(axis=0)
    score = fft.irfft2(product, (height, width))[: height - size + 1, : width - size + 1]
    ones = np.ones((1, size, size), np.float32)
    count = fft.rfft2(ones, (height, width)).conj()
    sums = fft.irfft2(count * fft.rfft2(window), (height, width))[:, : score.shape[0], : score.shape[1]]
    squares = fft.irfft2(count[0] * fft.rfft2((window**2).sum(axis=0)), (height, width))[: score.shape[0], : score.shape[1]]
    score = score / np.sqrt(np.maximum(squares - (sums**2).sum(axis=0) / size**2, 1e-3))
    peak = np.unravel_index(np.argmax(score if signed else np.abs(score)), score.shape)
    return float(np.hypot(peak[0] - score.shape[0] // 2, peak[1] - score.shape[1] // 2))


def test_structure_matches_where_brightness_does_not(optical: NDArray[np.uint8], sar: NDArray[np.uint16]) -> None:
    bright, echo = grey(optical), decibels(sar)
    edges = oriented(bright, 0.8), oriented(echo, 1.8)
    pixels = bright[None], cv2.GaussianBlur(echo, (0, 0), 1)[None]
    places = rng(3).integers(48, 768 - 192 - 48, (16, 2))
    by_edges, by_pixels = [], []
    for row, col in places:
        patch, window = np.s_[:, row : row + 192, col : col + 192], np.s_[:, row - 48 : row + 240, col - 48 : col + 240]
        by_edges.append(offset(edges[0][patch], edges[1][window]))
        by_pixels.append(offset(pixels[0][patch], pixels[1][window], signed=False))
    assert np.mean(np.array(by_edges) <= 3) >= 0.8
    assert np.mean(np.array(by_pixels) <= 3) <= np.mean(np.array(by_edges) <= 3) - 0.15
    assert np.median(by_edges) <= 1.5
