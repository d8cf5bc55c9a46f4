"""Search, tie points and verification on descriptor maps whose true displacement is known."""

import numpy as np
import pytest
from fields import CELL, MARGIN, SIDE, WINDOW, centre_of, field, window_of

from promptmid_core.geometry import DescriptorMap
from promptmid_core.matching.blocks import block_surfaces
from promptmid_core.matching.correlation import BlockSpectra, Spectra, centred, correlate, tiles
from promptmid_core.matching.search import Extent, search
from promptmid_core.matching.similarity import Similarity
from promptmid_core.matching.sought import SoughtPatch
from promptmid_core.matching.ties import tie_points
from promptmid_core.matching.verification import verify
from promptmid_core.matching.warp import warped
from promptmid_core.matching.window import SearchWindow


def seen_through(window: DescriptorMap, truth: Similarity, noise: float = 0.0, seed: int = 9) -> DescriptorMap:
    """The patch that a frame would show of `window` if the prior were off by `truth`."""
    grid = window.grid.cut(MARGIN, MARGIN, SIDE, SIDE)
    patch = warped(window, truth, grid)
    rng = np.random.default_rng(seed)
    return DescriptorMap(
        patch.array + noise * field(SIDE, seed) if noise else patch.array + 0 * rng.random(), patch.valid, grid, 2
    )


EXTENT = Extent(radius=60 * 10.0, yaw=np.deg2rad(3.6), scale=0.024)
TRUTHS = [
    Similarity(centre_of(WINDOW), 0, 0),
    Similarity(centre_of(WINDOW), 313.0, -227.0),
    Similarity(centre_of(WINDOW), -150.0, 420.0, np.deg2rad(2.7), 1.015),
    Similarity(centre_of(WINDOW), 260.0, 90.0, np.deg2rad(-3.2), 0.985),
]


def test_correlation_equals_its_definition() -> None:
    rng = np.random.default_rng(0)
    block, window = rng.standard_normal((1, 3, 8, 8)).astype(np.float32), rng.standard_normal((1, 3, 14, 14)).astype(np.float32)
    block_valid, window_valid = rng.random((1, 8, 8)) > 0.2, rng.random((1, 14, 14)) > 0.1
    block, window = block * block_valid[:, None], window * window_valid[:, None]
    surfaces = correlate(block, block_valid, Spectra.of(window, window_valid))
    assert surfaces.radius == 3
    for row in range(7):
        for col in range(7):
            under = window[0, :, row : row + 8, col : col + 8]
            assert surfaces.products[0, row, col] == pytest.approx(float((block[0] * under).sum()), abs=1e-3)
            assert surfaces.energy[0, row, col] == pytest.approx(float((under**2 * block_valid[0]).sum()), abs=1e-2)


def test_scores_are_zero_where_a_block_meets_no_map() -> None:
    window_valid = np.ones((1, 16, 16), bool)
    window_valid[0, :, 9:] = False
    array = np.random.default_rng(1).standard_normal((1, 2, 16, 16)).astype(np.float32) * window_valid[:, None]
    scores = correlate(np.ones((1, 2, 8, 8), np.float32), np.ones((1, 8, 8), bool), Spectra.of(array, window_valid)).scores()
    assert (scores[0, :, 6:] == 0).all()
    assert (scores[0, :, :2] != 0).all()


def test_tiles_are_cut_where_they_say() -> None:
    array = np.arange(2 * 10 * 12).reshape(2, 10, 12)
    cut = tiles(array, 4, 3, (3, 3))
    assert cut.shape == (9, 2, 4, 4)
    assert (cut[5] == array[:, 3:7, 6:10]).all()


def test_centred_channels_have_no_mean_over_valid_cells() -> None:
    valid = np.random.default_rng(2).random((20, 20)) > 0.3
    out = centred(np.random.default_rng(3).random((4, 20, 20)) + 7, valid)
    assert np.abs(out[:, valid].mean(axis=1)).max() < 1e-5
    assert (out[:, ~valid] == 0).all()


def test_a_similarity_is_recovered_from_points() -> None:
    truth = Similarity((100.0, -50.0), 12.0, -7.0, 0.2, 1.03)
    points = np.random.default_rng(0).uniform(-500, 500, (9, 2))
    found = Similarity.between(points, truth.apply(points))
    assert np.allclose(found.apply(points), truth.apply(points))
    assert (found.yaw, found.scale) == pytest.approx((0.2, 1.03))


@pytest.mark.parametrize("truth", TRUTHS)
def test_search_ties_and_verification_find_what_was_done(truth: Similarity) -> None:
    patch = seen_through(WINDOW, truth, noise=1.0)
    peaks = search(patch, SearchWindow(WINDOW), EXTENT)
    best = peaks[0]
    assert np.hypot(best.similarity.east - truth.east, best.similarity.north - truth.north) < 1.0 * 2 * CELL
    assert best.score > 3
    assert not best.on_edge
    assert best.score - peaks[1].score > 2

    blocks = tie_points(block_surfaces(patch, WINDOW, best.similarity))
    errors = np.linalg.norm(blocks.found - truth.apply(blocks.seen), axis=1) / CELL
    assert len(blocks) > 40
    assert np.median(errors) < 0.25

    exact = Similarity.between(blocks.seen, truth.apply(blocks.seen))
    right = verify(patch, WINDOW, exact)
    wrong = verify(patch, WINDOW, Similarity(exact.centre, exact.east + 300, exact.north - 260, exact.yaw, exact.scale))
    assert right.score > 3
    assert right.margin > 3
    assert wrong.score < 1
    assert wrong.margin < 0.5


def test_a_patch_of_other_ground_stands_out_nowhere() -> None:
    other = window_of(field(SIDE + 2 * MARGIN, 77))
    peaks = search(seen_through(other, TRUTHS[0]), SearchWindow(WINDOW), EXTENT)
    assert peaks[0].score < 2
    assert verify(seen_through(other, TRUTHS[0]), WINDOW, peaks[0].similarity).score < 2


def test_a_hole_in_the_map_costs_its_blocks_only() -> None:
    truth = TRUTHS[1]
    valid = np.ones(WINDOW.valid.shape, bool)
    valid[60:120, 60:120] = False
    holed = window_of(np.where(valid, WINDOW.array, 0).astype(np.float32), valid)
    patch = seen_through(WINDOW, truth, noise=0.5)
    best = search(patch, SearchWindow(holed), EXTENT)[0]
    assert np.hypot(best.similarity.east - truth.east, best.similarity.north - truth.north) < 2 * CELL
    blocks = tie_points(block_surfaces(patch, holed, best.similarity))
    assert 15 < len(blocks) < 45
    assert np.median(np.linalg.norm(blocks.found - truth.apply(blocks.seen), axis=1)) < 0.25 * CELL


def test_nothing_valid_gives_no_peaks() -> None:
    blind = window_of(WINDOW.array, np.zeros(WINDOW.valid.shape, bool))
    patch = seen_through(WINDOW, TRUTHS[0])
    unseen = DescriptorMap(patch.array, np.zeros(patch.valid.shape, bool), patch.grid, 2)
    assert search(unseen, SearchWindow(WINDOW), EXTENT) == []
    assert len(tie_points(block_surfaces(patch, blind, TRUTHS[0]))) == 0


def test_what_was_made_of_a_window_serves_the_next_search_and_no_other_patch_size(monkeypatch: pytest.MonkeyPatch) -> None:
    made = []
    of = Spectra.of
    monkeypatch.setattr(Spectra, "of", staticmethod(lambda *args: made.append(1) or of(*args)))
    window, patch = SearchWindow(WINDOW), seen_through(WINDOW, TRUTHS[0], noise=0.5)
    peaks = search(patch, window, EXTENT)
    assert search(patch, window, EXTENT) == peaks == search(patch, SearchWindow(WINDOW), EXTENT)
    assert len(made) == 2
    half = patch.grid.cut(16, 16, patch.grid.width - 32, patch.grid.height - 32)
    smaller = DescriptorMap(patch.array[:, 16:-16, 16:-16], patch.valid[16:-16, 16:-16], half, 2)
    assert search(smaller, window, EXTENT) == search(smaller, SearchWindow(WINDOW), EXTENT) != peaks


def test_a_patch_is_transformed_once_for_all_places_that_are_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    made = []
    of = BlockSpectra.of
    patch, places = seen_through(WINDOW, TRUTHS[0], noise=0.5), [TRUTHS[0], Similarity(centre_of(WINDOW), 200.0, -90.0)]
    alone = [(verify(patch, WINDOW, place), block_surfaces(patch, WINDOW, place)) for place in places]
    monkeypatch.setattr(BlockSpectra, "of", staticmethod(lambda *args: made.append(1) or of(*args)))
    sought = SoughtPatch.of(patch)
    assert SoughtPatch.of(sought) is sought
    for place, (verification, blocks) in zip(places, alone, strict=True):
        looked, scored = verify(sought, WINDOW, place), block_surfaces(sought, WINDOW, place)
        assert np.array_equal(looked.scores, verification.scores) and looked.margin == verification.margin
        assert np.array_equal(scored.scores, blocks.scores)
    assert len(made) == 2, "one for the whole patch, one for its blocks"


def test_a_truth_on_the_rim_is_said_to_be_there() -> None:
    patch = seen_through(WINDOW, Similarity(centre_of(WINDOW), 600.0, 0.0))
    best = search(patch, SearchWindow(WINDOW), Extent(600.0, 0.0, 0.0))[0]
    assert best.on_edge
