"""Correlations by their definition, and the cells that they are made of: means, pools, warps."""

import numpy as np
import pytest
from fields import CELL, WINDOW, centre_of

from promptmid_core.geometry import DescriptorMap, Grid
from promptmid_core.matching.correlation import BlockSpectra, Spectra, Sums, Surfaces, centred, correlate, tiles
from promptmid_core.matching.pool import pooled
from promptmid_core.matching.similarity import Similarity
from promptmid_core.matching.warp import warped


def test_the_score_needs_six_tenths_of_a_blocks_cells() -> None:
    block, window = np.ones((1, 1, 10, 10), np.float32), np.ones((1, 1, 10, 10), np.float32)
    for columns, score in ((6, 1.0), (5, 0.0)):
        valid = np.zeros((1, 10, 10), bool)
        valid[..., :columns] = True
        surfaces = correlate(block, np.ones((1, 10, 10), bool), Spectra.of(window * valid[:, None], valid))
        assert surfaces.radius == 0
        assert surfaces.scores()[0, 0, 0] == pytest.approx(score * np.sqrt(columns / 10), abs=1e-3)


def test_scores_without_energy_are_zero() -> None:
    products, energy = np.full((2, 3, 3), 2.0, np.float32), np.full((2, 3, 3), 4.0, np.float32)
    energy[0, 1, 1] = 0
    scores = Surfaces(products, energy, np.array([4.0, 0.0], np.float32)).scores()
    assert scores[0, 0, 0] == 0.5 and scores[0, 1, 1] == 0 and not scores[1].any()


def test_four_blocks_side_by_side_are_one() -> None:
    rng = np.random.default_rng(3)
    values, valid = rng.standard_normal((2, 12, 12)).astype(np.float32), rng.random((12, 12)) > 0.2
    around, around_valid = rng.standard_normal((2, 16, 16)).astype(np.float32), rng.random((16, 16)) > 0.1
    values, around = values * valid, around * around_valid

    def sums(size: int, count: tuple[int, int]) -> Sums:
        blocks = tiles(values, size, 4, count), tiles(valid, size, 4, count)
        windows = tiles(around, size + 4, 4, count), tiles(around_valid, size + 4, 4, count)
        return Sums.of(BlockSpectra.of(*blocks, size + 4), Spectra.of(*windows))

    small, large = sums(4, (3, 3)).quartets(3, 3), sums(8, (2, 2))
    for name in ("products", "energy", "met", "own", "cells"):
        assert getattr(small, name) == pytest.approx(getattr(large, name), abs=1e-3), name


def test_a_margin_is_left_out_of_the_mean() -> None:
    array = np.arange(64, dtype=np.float32).reshape(1, 8, 8) ** 2
    valid = np.ones((8, 8), bool)
    for margin in (0, 1, 3):
        inner = array[:, margin:8 - margin, margin:8 - margin]
        assert centred(array, valid, margin) == pytest.approx(array - inner.mean(), rel=1e-5)
    valid[3, 3] = valid[0, 0] = False
    known = array[0, 2:6, 2:6][valid[2:6, 2:6]].mean()
    expected = np.where(valid, array - known, 0)
    assert centred(array, valid, 2) == pytest.approx(expected, rel=1e-5)
    assert not centred(array, np.zeros((8, 8), bool)).any()


def test_coarser_cells_are_means_and_the_rest_is_left_out() -> None:
    array = np.random.default_rng(1).standard_normal((3, 7, 9)).astype(np.float32)
    coarse = pooled(DescriptorMap(array, np.ones((7, 9), bool), Grid(5.0, 9.0, 2.0, 9, 7), 2), 2)
    assert coarse.array == pytest.approx(array[:, :6, :8].reshape(3, 3, 2, 4, 2).mean(axis=(2, 4)), abs=1e-6)
    assert coarse.grid == Grid(6.0, 8.0, 4.0, 4, 3)
    valid = np.ones((7, 9), bool)
    valid[0, :2] = valid[2:4, 2] = valid[2, 3] = False
    valid[4:6, 4:6] = False
    coarse = pooled(DescriptorMap(array, valid, Grid(5.0, 9.0, 2.0, 9, 7), 2), 2)
    assert coarse.valid.tolist() == [[False, True, True, True], [True, False, True, True], [True, True, False, True]]
    assert coarse.array[:, 1, 1] == pytest.approx(array[:, 3, 3])
    assert not coarse.array[:, 2, 2].any()
    assert pooled(DescriptorMap(array[:0], valid, Grid(5.0, 9.0, 2.0, 9, 7), 2), 2).array.shape == (0, 3, 4)


def test_a_warp_reads_the_window_where_the_similarity_says() -> None:
    by = Similarity(centre_of(WINDOW), 37.0, -22.0, 0.05, 1.02)
    grid = WINDOW.grid.cut(80, 70, 20, 16)
    seen = warped(WINDOW, by, grid)
    x, y = np.meshgrid(*grid.axes())
    col, row = WINDOW.grid.to_pixel(*by.apply(np.column_stack([x.ravel(), y.ravel()])).T)
    for i in (0, 57, 319):
        c, r = int(col[i]), int(row[i])
        u, v = col[i] - c, row[i] - r
        corners = WINDOW.array[:, r:r + 2, c:c + 2]
        expected = ((1 - v) * ((1 - u) * corners[:, 0, 0] + u * corners[:, 0, 1])
                    + v * ((1 - u) * corners[:, 1, 0] + u * corners[:, 1, 1]))
        assert seen.array.reshape(5, -1)[:, i] == pytest.approx(expected, abs=0.05)
    valid = np.ones(WINDOW.valid.shape, bool)
    valid[75, 90] = False
    holed = warped(DescriptorMap(WINDOW.array, valid, WINDOW.grid, 2), Similarity(centre_of(WINDOW), CELL / 2, 0.0), grid)
    assert np.argwhere(~holed.valid).tolist() == [[5, 9], [5, 10]], "a cell that is read from one that is not valid is none"
    assert warped(WINDOW, by, WINDOW.grid.cut(-500, 0, 9, 9)).valid.any() is np.False_


def test_a_similarity_turns_about_its_centre() -> None:
    by = Similarity((100.0, 50.0), 7.0, -3.0, np.pi / 2, 2.0)
    assert by.apply(np.array([[100.0, 50.0], [101, 50], [100, 51]])) == pytest.approx(np.array([[107, 47], [107, 49], [105, 47]]))
    points, moved = (np.random.default_rng(seed).uniform(-500, 500, (30, 2)) for seed in (0, 1))
    moved = by.apply(points) + 0.01 * moved
    found = Similarity.between(points, moved)
    x, y, one, zero = *points.T, np.ones(30), np.zeros(30)
    design = np.concatenate([np.column_stack([x, -y, one, zero]), np.column_stack([y, x, zero, one])])
    a, b, east, north = np.linalg.lstsq(design, moved.T.ravel(), rcond=None)[0]
    assert (found.yaw, found.scale) == pytest.approx((np.arctan2(b, a), np.hypot(a, b)))
    assert found.apply(np.zeros((1, 2)))[0] == pytest.approx((east, north))
