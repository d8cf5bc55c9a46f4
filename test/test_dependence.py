"""Dependence of channels that have nothing in common but the place, and its share in a score."""

import cv2
import numpy as np
import pytest

from promptmid_core.geometry import ChannelGroup, DescriptorMap, Grid, Measure
from promptmid_core.matching.dependence import RIDGE, Moments, Regressors, dependence
from promptmid_core.matching.pool import pooled
from promptmid_core.matching.similarity import Similarity
from promptmid_core.matching.surface import score_surface
from promptmid_core.matching.verification import verify
from promptmid_core.matching.window import Layout, SearchWindow

SIDE, RADIUS = 40, 6
BOTH = (ChannelGroup("edges", 2), ChannelGroup("colours", 3, Measure.DEPENDENCE, 0.5))


def field(size: int, seed: int, channels: int) -> np.ndarray:
    noise = np.random.default_rng(seed).standard_normal((channels, size, size)).astype(np.float32)
    return np.stack([cv2.GaussianBlur(channel, (0, 0), 1.2) for channel in noise])


def mixed(window: np.ndarray, channels: int, noise: float = 0.0) -> np.ndarray:
    """Other channels of the same ground: an unknown linear mixture, so no channel resembles one of the window's."""
    rng = np.random.default_rng(11)
    return (np.einsum("km,mhw->khw", rng.standard_normal((channels, len(window))), window)
            + noise * field(window.shape[-1], 12, channels)).astype(np.float32)


def scored(block: np.ndarray, window: np.ndarray, valid: np.ndarray | None = None,
           window_valid: np.ndarray | None = None) -> np.ndarray:
    valid = np.ones(block.shape[1:], bool) if valid is None else valid
    window_valid = np.ones(window.shape[1:], bool) if window_valid is None else window_valid
    return dependence(Regressors.of((block * valid)[None], valid[None], window.shape[-1]),
                      Moments.of((window * window_valid)[None], window_valid[None]))[0]


def cut(array: np.ndarray, dx: int, dy: int) -> np.ndarray:
    top, left = RADIUS + dy, RADIUS + dx
    return array[..., top:top + SIDE, left:left + SIDE]


WINDOW = field(SIDE + 2 * RADIUS, 3, 3)


@pytest.mark.parametrize("shift", [(0, 0), (4, -3), (-6, 6)])
def test_the_true_place_is_where_most_can_be_learnt(shift: tuple[int, int]) -> None:
    scores = scored(cut(mixed(WINDOW, 5, 0.5), *shift), WINDOW)
    row, col = np.unravel_index(scores.argmax(), scores.shape)
    assert (col - RADIUS, row - RADIUS) == shift
    assert scores.max() > 5 * np.median(scores)


def test_one_window_channel_gives_the_residual_of_least_squares() -> None:
    """-log(1 - R2) / 2 of a regression solved with numpy, at every displacement."""
    window = field(SIDE + 2 * RADIUS, 4, 1)
    window /= np.sqrt((window ** 2).mean())
    block = cut(mixed(np.concatenate([window, field(SIDE + 2 * RADIUS, 5, 2)]), 4, 0.3), 2, 1)
    scores = scored(block, window)
    design = (block - block.mean(axis=(1, 2), keepdims=True)).reshape(4, -1).astype(np.float64)
    gram = design @ design.T / design.shape[1]
    gram += RIDGE * np.trace(gram) / 4 * np.eye(4)
    for row in range(0, 2 * RADIUS + 1, 3):
        for col in range(0, 2 * RADIUS + 1, 3):
            under = window[0, row:row + SIDE, col:col + SIDE].ravel().astype(np.float64)
            across = design @ under / under.size
            explained = across @ np.linalg.solve(gram, across)
            variance = under.var() + RIDGE
            assert scores[row, col] == pytest.approx(-0.5 * np.log(1 - explained / variance), abs=2e-3)


def test_where_the_map_has_holes_it_is_the_regression_over_the_cells_that_meet() -> None:
    """With the block's statistics of those cells; with those of the whole block it would explain more than there is."""
    window = field(SIDE + 2 * RADIUS, 4, 1)
    window /= np.sqrt((window ** 2).mean())
    block = cut(mixed(np.concatenate([window, field(SIDE + 2 * RADIUS, 5, 2)]), 4, 0.3), 2, 1)
    block = (block + np.linspace(0, 4, SIDE, dtype=np.float32)).astype(np.float32)  # another mean where the hole is
    window_valid = np.ones(window.shape[1:], bool)
    window_valid[:, 32:] = False
    scores = scored(block, window, window_valid=window_valid)
    whole = (block - block.mean(axis=(1, 2), keepdims=True)).reshape(4, -1).astype(np.float64)
    ridge = RIDGE * np.trace(whole @ whole.T / whole.shape[1]) / 4 * np.eye(4)
    for row in range(0, 2 * RADIUS + 1, 3):
        for col in range(0, 2 * RADIUS + 1, 3):
            met = window_valid[row:row + SIDE, col:col + SIDE].ravel()
            under = window[0, row:row + SIDE, col:col + SIDE].ravel()[met].astype(np.float64)
            design = whole[:, met] - whole[:, met].mean(axis=1, keepdims=True)
            across = design @ under / met.sum()
            explained = across @ np.linalg.solve(design @ design.T / met.sum() + ridge, across)
            expected = -0.5 * np.log(1 - explained / (under.var() + RIDGE)) if met.mean() >= 0.6 else 0
            assert scores[row, col] == pytest.approx(expected, abs=5e-3)


def test_whatever_the_block_holds_holes_make_no_score_of_noise() -> None:
    """Channels of very different strength, empty, twice the same, lone reflectors, holes on both sides."""
    rng = np.random.default_rng(0)
    for turn in range(40):
        block = rng.standard_normal((5, 16, 16)).astype(np.float32) * 10 ** rng.uniform(-4, 3, (5, 1, 1)).astype(np.float32)
        if turn % 3 == 0:
            block[:, :, :8] = 0
        elif turn % 3 == 1:
            block[0, 3, 3], block[1] = 1e4, 0
        if turn % 5 == 0:
            block[3] = block[2]
        valid, window_valid = rng.random((16, 16)) > (0.3 if turn % 2 else -1), np.ones((40, 40), bool)
        window_valid[:, :rng.integers(1, 25)] = False
        scores = scored(block, rng.standard_normal((4, 40, 40)).astype(np.float32), valid, window_valid)
        assert np.isfinite(scores).all()
        assert scores.max() < 0.5


def test_any_invertible_mixture_of_the_block_scores_alike() -> None:
    block = cut(mixed(WINDOW, 3, 0.5), 1, 2)
    turn = np.linalg.qr(np.random.default_rng(1).standard_normal((3, 3)))[0]
    turned = np.einsum("ij,jhw->ihw", turn, block).astype(np.float32)
    assert np.abs(scored(block, WINDOW) - scored(turned, WINDOW)).max() < 1e-3
    assert np.abs(scored(block, WINDOW) - scored(-7 * block, WINDOW)).max() < 1e-3


def test_holes_of_either_side_are_left_out() -> None:
    valid, window_valid = np.ones((SIDE, SIDE), bool), np.ones(WINDOW.shape[1:], bool)
    valid[:9], window_valid[:, -10:] = False, False
    block = cut(mixed(WINDOW, 5, 0.2), 3, -2).copy()
    block[:, :9] = 50.0  # whatever stands in a hole
    scores = scored(block, WINDOW, valid, window_valid)
    row, col = np.unravel_index(scores.argmax(), scores.shape)
    assert (col - RADIUS, row - RADIUS) == (3, -2)


def test_too_little_overlap_scores_zero() -> None:
    window_valid = np.ones(WINDOW.shape[1:], bool)
    window_valid[:, 25:] = False
    scores = scored(cut(mixed(WINDOW, 5), 0, 0), WINDOW, window_valid=window_valid)
    assert (scores[:, -3:] == 0).all()


def test_a_block_without_content_is_no_error() -> None:
    assert scored(np.zeros((4, SIDE, SIDE), np.float32), WINDOW).max() < 1e-3


def described(array: np.ndarray, groups: tuple[ChannelGroup, ...], col: int = 0, row: int = 0) -> DescriptorMap:
    size = array.shape[-1]
    return DescriptorMap(array, np.ones((size, size), bool), Grid(col * 10.0, -row * 10.0, 10.0, size, size), 2, groups)


def test_groups_are_cut_in_order_and_summed_by_weight() -> None:
    window = described(np.concatenate([field(52, 6, 2), WINDOW]), BOTH)
    patch = described(cut(window.array, 2, 1), BOTH)
    assert [(group.name, channels.shape[0]) for group, channels in patch.parts()] == [("edges", 2), ("colours", 3)]
    edges, colours = (score_surface(patch.only(measure), window.only(measure)) for measure in Measure)
    both = score_surface(patch, window)
    assert np.allclose(both, edges + colours, atol=1e-6)
    assert both.shape == (13, 13) and np.unravel_index(both.argmax(), both.shape) == (RADIUS + 1, RADIUS + 2)


def test_pooling_counts_valid_cells_alone() -> None:
    array = np.arange(16, dtype=np.float32).reshape(1, 4, 4)
    valid = np.ones((4, 4), bool)
    valid[0, 0] = valid[2, 2:] = valid[3, 2] = False
    coarse = pooled(DescriptorMap(array, valid, Grid(0, 0, 10.0, 4, 4), 2), 2)
    assert coarse.array[0, 0].tolist() == pytest.approx([(1 + 4 + 5) / 3, (2 + 3 + 6 + 7) / 4])
    assert coarse.valid.tolist() == [[True, True], [True, False]] and coarse.grid.gsd == 20.0 and coarse.stride == 4


def test_verification_hears_colours_alone() -> None:
    """Where edges say nothing, the dependence still tells the true place from the others."""
    size, margin = 64, 24
    window = described(np.concatenate([field(size + 2 * margin, 21, 2), 10 * field(size + 2 * margin, 7, 3)]), BOTH)
    patch = DescriptorMap(
        np.concatenate([field(size, 22, 2), mixed(window.array[2:, margin:margin + size, margin:margin + size], 3, 0.5)]),
        np.ones((size, size), bool), window.grid.cut(margin, margin, size, size), 2, BOTH)
    centre = patch.grid.to_map((size - 1) / 2, (size - 1) / 2)
    true, false = (verify(patch, window, Similarity((float(centre[0]), float(centre[1])), east)) for east in (0.0, 120.0))
    assert true.margin > 3 and false.margin < 0


def test_what_was_made_of_a_windows_colours_serves_the_next_search(monkeypatch: pytest.MonkeyPatch) -> None:
    made, of = [], Moments.of
    monkeypatch.setattr(Moments, "of", staticmethod(lambda *args: made.append(1) or of(*args)))
    window = SearchWindow(described(np.concatenate([field(128, 6, 2), field(128, 7, 3)]), BOTH))
    layout = Layout.of((32, 32), 16, 8)
    first = window.moments("colours", layout)
    assert window.moments("colours", layout) is first and len(made) == 1
    assert window.moments("colours", Layout.of((32, 32), 32, 8)) is not first
    assert len(made) == 2
