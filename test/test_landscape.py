"""What a simulated landscape is made of, and the parts that make it."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from scipy import fft, stats

from promptmid_core.simulation.world.landscape import Landscape, landscape
from promptmid_core.simulation.world.lines import Ways, painted
from promptmid_core.simulation.world.noise import fractal, mixed, uniform
from promptmid_core.simulation.world.optical import Sun, optical_image
from promptmid_core.simulation.world.parcels import cells

CLASSES = (10, 20, 30, 40, 50, 60, 80, 90)


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


@pytest.fixture(scope="module")
def land() -> Landscape:
    return landscape(rng(11), 768, 10.0, 11)


@pytest.mark.parametrize(("size", "gsd_m"), [(256, 5.0), (256, 10.0), (384, 10.0)])
def test_every_class_occurs(size: int, gsd_m: float) -> None:
    for seed in range(2):
        made = landscape(rng(seed), size, gsd_m, seed)
        share = {c: float((made.cover == c).mean()) for c in CLASSES}
        assert min(share.values()) > 2e-4, share
        assert sum(share.values()) == pytest.approx(1)


def test_lakes_are_level_and_rivers_lie_low(land: Landscape) -> None:
    count, label, box, _ = cv2.connectedComponentsWithStats((land.water > 0.9).astype(np.uint8))
    largest = label == 1 + np.argmax([box[i, cv2.CC_STAT_AREA] for i in range(1, count)])
    inside = cv2.erode(largest.astype(np.uint8), np.ones((5, 5))) > 0
    ring = (cv2.dilate(largest.astype(np.uint8), np.ones((61, 61))) > 0) & (land.water < 0.1)
    assert inside.sum() > 100
    assert np.percentile(land.dem[inside], 50) < np.percentile(land.dem[ring], 25)
    steep = np.hypot(*np.gradient(land.dem)) / land.gsd_m
    assert steep[inside].mean() < 0.1 * steep[ring].mean()


def test_roads_avoid_slopes_and_trees_and_houses(land: Landscape) -> None:
    steep = np.hypot(*np.gradient(cv2.GaussianBlur(land.dem, (0, 0), 5))) / land.gsd_m
    road = land.paved > 0.85
    country = (land.cover != 50) & (land.cover != 80)
    assert steep[road].mean() < 0.6 * steep[country].mean()
    assert land.canopy[road].max() < 0.2 and land.roof[road].max() < 0.2


def test_a_patch_occurs_once(land: Landscape) -> None:
    image = optical_image(rng(12), land, Sun()).astype(np.float32).mean(axis=2)
    for row, col in ((60, 80), (400, 300), (500, 520)):
        score = cv2.matchTemplate(image, image[row : row + 192, col : col + 192], cv2.TM_CCOEFF_NORMED)
        assert score[row, col] == pytest.approx(1, abs=1e-3)
        # a field's length around the peak still sees the same fields
        score[max(0, row - 40) : row + 41, max(0, col - 40) : col + 41] = 0
        assert score.max() < 0.45


def test_noise_has_the_wavelengths_asked_for() -> None:
    field = fractal(rng(), 256, 128, 16, 1.0)
    power = np.abs(fft.fft2(field * np.outer(np.hanning(256), np.hanning(256)))) ** 2
    f = np.hypot(*np.meshgrid(fft.fftfreq(256), fft.fftfreq(256)))
    assert field.std() == pytest.approx(1, abs=1e-3) and field.mean() == pytest.approx(0, abs=1e-3)
    assert power[f > 1 / 10].sum() < 0.01 * power.sum()
    # not periodic: opposite rims have nothing to do with each other
    assert np.abs(field[0] - field[-1]).mean() > 0.3


def test_keys_are_independent() -> None:
    keys = mixed(7, np.arange(20000))
    assert len(np.unique(keys)) > 19990
    a, b = uniform(keys, 1), uniform(keys, 2)
    assert stats.kstest(a, "uniform").pvalue > 1e-3
    assert abs(np.corrcoef(a, b)[0, 1]) < 0.03 and abs(np.corrcoef(a[1:], a[:-1])[0, 1]) < 0.03


def test_cells_fill_the_plane_with_rectangles_of_the_size_asked_for() -> None:
    u, v = (part.ravel().astype(np.float32) for part in np.meshgrid(np.arange(0, 4000, 5.0), np.arange(0, 2000, 5.0)))
    full = np.ones_like(u)
    found = cells(u, v, 100 * full, 200 * full, np.full(u.shape, 3, np.uint32))
    assert min(part.min() for part in (found.low_u, found.high_u, found.low_v, found.high_v)) >= 0
    assert (found.low_u + found.high_u).min() >= 39 and (found.low_u + found.high_u).max() <= 161
    _, count = np.unique(found.key, return_counts=True)
    assert 25 * count.mean() == pytest.approx(100 * 200, rel=0.15)


def test_ways_go_round_what_costs() -> None:
    cost = np.ones((40, 40))
    cost[10:30, 20] = 500
    way = Ways(cost).between((20, 5), [(20, 35)])[0]
    assert tuple(way[0]) == (20, 5) and tuple(way[-1]) == (20, 35)
    assert cost[tuple(way.astype(int).T)].max() == 1


def test_painted_lines_cover_their_width() -> None:
    share = painted(64, [np.array([[10.0, -5.0], [10.0, 70.0]])], [2.5])
    assert share.sum(axis=0)[20:40] == pytest.approx(2.5, abs=0.3)
    rows = (share * np.arange(64)[:, None]).sum(axis=0)[20:40] / share.sum(axis=0)[20:40]
    assert rows == pytest.approx(10, abs=0.2)
