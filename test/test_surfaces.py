"""Score surfaces by their definition: where a maximum is, what counts as one, what stands out."""

import cv2
import numpy as np
import pytest
from test_matching import CELL, WINDOW, centre_of, field, window_of

from promptmid_core.geometry import DescriptorMap, Grid
from promptmid_core.matching.blocks import STEPS, BlockSurfaces, block_surfaces
from promptmid_core.matching.correlation import Spectra, Sums, Surfaces, centred, correlate, tiles
from promptmid_core.matching.pool import pooled
from promptmid_core.matching.search import BROAD, Extent, _Blocks, _correlations, _peaks, _shifts, _steps, search
from promptmid_core.matching.similarity import Similarity
from promptmid_core.matching.surface import score_surface, vertex
from promptmid_core.matching.ties import tie_points
from promptmid_core.matching.verification import verify
from promptmid_core.matching.warp import warped
from promptmid_core.matching.window import Layout, SearchWindow


def paraboloid(size: int, col: float, row: float, bend: tuple[float, float, float] = (1.0, 0.5, 0.2)) -> np.ndarray:
    rows, cols = np.mgrid[:size, :size]
    x, y = cols - col, rows - row
    a, b, c = bend
    return 7.0 - a * x * x / 2 - b * y * y / 2 - c * x * y


def test_a_vertex_is_that_of_the_parabola() -> None:
    surface = paraboloid(7, 3.3, 2.8, (1.0, 0.5, 0.0))
    assert vertex(surface, 3, 3) == pytest.approx((0.3, -0.2))
    assert vertex(surface, 3, 4) == (-0.5, pytest.approx(-0.2)), "no further than half a cell"
    assert vertex(surface, 3, 2) == (0.5, pytest.approx(-0.2))
    assert vertex(surface, 0, 3) == (pytest.approx(0.3), 0.0), "on the rim there is none"
    assert vertex(surface, 6, 0) == (0.0, 0.0)
    assert vertex(surface, 1, 1)[0] == 0.5 and vertex(surface, 5, 5)[1] == -0.5, "one cell inside the rim there is"
    assert vertex(-surface, 3, 3) == (0.0, 0.0), "nor in a valley"
    assert vertex(np.ones((5, 5)), 2, 2) == (0.0, 0.0), "nor on a plain"


@pytest.mark.parametrize("place", [(4.2, 3.7), (4.0, 4.0), (1.3, 6.6), (6.9, 1.1)])
def test_a_blocks_maximum_is_that_of_its_paraboloid(place: tuple[float, float]) -> None:
    """With the inverse of its bend as the shape of the error, north up."""
    bend = (1.0, 0.5, 0.2)
    surface = paraboloid(9, *place, bend)
    start = Similarity((10.0, 20.0), 100.0, -50.0, 0.3, 1.1)
    seen = np.array([[40.0, 70.0]])
    found = tie_points(BlockSurfaces(seen, surface[None], start, 5.0))
    shift = np.array([[(place[0] - 4) * 5, -(place[1] - 4) * 5]])
    assert len(found) == 1
    assert found.seen.tolist() == seen.tolist()
    assert found.found == pytest.approx(start.apply(seen + shift))
    east, north, both = bend[0], bend[1], -bend[2]
    assert found.spread[0] == pytest.approx(np.linalg.inv([[east, both], [both, north]]) * 25)
    col, row = round(place[0]), round(place[1])
    assert found.score[0] == pytest.approx(surface[row, col])
    assert found.overlap == 4.0


def kept(surface: np.ndarray) -> int:
    return len(tie_points(BlockSurfaces(np.zeros((1, 2)), surface[None], Similarity((0.0, 0.0)), 1.0)))


def test_what_is_no_maximum_of_its_own_is_none() -> None:
    peak = paraboloid(9, 4, 4)
    assert kept(peak) == 1
    assert kept(paraboloid(9, 4, 0.2)) == kept(paraboloid(9, 8.2, 4)) == 0, "it lies on the rim or beyond"
    assert kept(paraboloid(9, 4, 1.2)) == kept(paraboloid(9, 6.8, 4)) == 1
    assert kept(paraboloid(9, 4, 4, (1.0, 0.0, 0.0))) == kept(paraboloid(9, 4, 4, (0.0, 1.0, 0.0))) == 0, "a ridge along an axis"
    for share, expected in ((0.985, 1), (0.995, 0), (-0.985, 1), (-0.995, 0)):
        # the determinant has to be a fiftieth of the product of the bends: of a correlation of 0.98995 and less
        assert kept(paraboloid(9, 4, 4, (1.0, 1.0, share))) == expected, share
    for row, col in ((0, 0), (0, 1), (0, 2), (1, 0), (2, 0)):
        beside = paraboloid(9, 1, 1)
        beside[row, col] = beside[1, 1] + 0.001
        assert kept(beside) == 0, "the rim beside it is higher"
    higher_outside = peak.copy()
    higher_outside[0, 0] = higher_outside[8, 8] = 100.0
    assert kept(higher_outside) == 1, "the rim is not looked at"


def test_an_offset_is_no_more_than_a_cell() -> None:
    surface = np.zeros((9, 9))
    surface[3:6, 3:6] = [[0.0, 0.99, 0.0], [0.9, 1.0, 0.99999], [0.0, 0.9, 0.3]]
    found = tie_points(BlockSurfaces(np.zeros((1, 2)), surface[None], Similarity((0.0, 0.0)), 1.0))
    assert len(found) == 1
    assert np.abs(found.found).max() <= 1.0


def test_no_blocks_are_no_tie_points() -> None:
    none = tie_points(BlockSurfaces(np.zeros((0, 2)), np.zeros((0, 9, 9)), Similarity((0.0, 0.0)), 1.0))
    assert (none.seen.shape, none.found.shape, none.spread.shape, none.score.shape) == ((0, 2), (0, 2), (0, 2, 2), (0,))
    flat = tie_points(BlockSurfaces(np.zeros((3, 2)), np.zeros((3, 9, 9)), Similarity((0.0, 0.0)), 1.0))
    assert (flat.seen.shape, flat.found.shape, flat.spread.shape, flat.score.shape) == ((0, 2), (0, 2), (0, 2, 2), (0,))


def patch_at(east: int, north: int, side: int = 96, margin: int = 64, valid: np.ndarray | None = None) -> DescriptorMap:
    """The window's own cells, seen as if they lay so many cells to the west and south."""
    array = WINDOW.array[:, margin - north:margin - north + side, margin + east:margin + east + side]
    known = np.ones((side, side), bool) if valid is None else valid
    return DescriptorMap(array * known, known, WINDOW.grid.cut(margin, margin, side, side), 2)


@pytest.mark.parametrize(("side", "step", "blocks"), [(96, 16, 5), (95, 12, 6), (48, 12, 3), (47, 8, 4), (24, 8, 2)])
def test_tie_points_lie_at_the_middles_of_blocks_that_overlap_by_half(side: int, step: int, blocks: int) -> None:
    """Smaller blocks where the patch is small, so that there are enough of them."""
    patch = patch_at(2, -3, side)
    found = tie_points(block_surfaces(patch, WINDOW, Similarity(centre_of(WINDOW))))
    assert (side >= STEPS[0][0]) == (step == STEPS[0][1])
    middles = np.arange(blocks) * step + (2 * step - 1) / 2
    cols, rows = np.meshgrid(middles, middles)
    assert found.seen == pytest.approx(np.column_stack(patch.grid.to_map(cols.ravel(), rows.ravel())))
    assert found.found - found.seen == pytest.approx(np.tile([2 * CELL, -3 * CELL], (blocks ** 2, 1)), abs=0.05 * CELL)
    assert found.score == pytest.approx(np.ones(blocks ** 2), abs=0.02)


def test_a_patch_of_less_than_a_block_has_no_tie_points() -> None:
    assert len(tie_points(block_surfaces(patch_at(0, 0, 15), WINDOW, Similarity(centre_of(WINDOW))))) == 0


@pytest.mark.parametrize(("columns", "expected"), [(16, 0), (17, 5)])
def test_a_block_needs_half_of_its_cells(columns: int, expected: int) -> None:
    valid = np.zeros((96, 96), bool)
    valid[:, :columns] = True
    found = tie_points(block_surfaces(patch_at(0, 0, valid=valid), WINDOW, Similarity(centre_of(WINDOW))))
    assert len(found) == expected


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
        return Sums.of(*blocks, Spectra.of(*windows))

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


def test_steps_hold_their_limits_and_zero() -> None:
    assert _steps(0.0, 0.1).tolist() == [0.0]
    assert _steps(0.05, 0.1).tolist() == pytest.approx([-0.05, 0, 0.05])
    assert _steps(0.25, 0.1) == pytest.approx(np.linspace(-0.25, 0.25, 7))
    assert _steps(0.2, 0.1) == pytest.approx(np.linspace(-0.2, 0.2, 5))


def test_shifts_are_those_of_a_turn_seen_from_above() -> None:
    """Rows run south: a block to the east goes north, up the image, when the ground is turned counter-clockwise."""
    centres = np.array([[10.0, 0.0], [0.0, -10.0]])
    assert _shifts(centres, np.pi / 2, 1.0) == pytest.approx(np.array([[-10.0, -10.0], [-10.0, 10.0]]))
    assert _shifts(centres, 0.0, 1.1) == pytest.approx(0.1 * centres)


def test_a_joint_score_needs_three_tenths_of_the_windows_energy() -> None:
    rng = np.random.default_rng(6)
    block, valid = rng.standard_normal((1, 2, 8, 8)).astype(np.float32), np.ones((1, 8, 8), bool)
    window = rng.standard_normal((1, 2, 24, 24)).astype(np.float32)
    window[..., :12] *= 0.2
    blocks = _Blocks(block, valid, np.ones(1, bool), np.zeros((1, 2)))
    scores = _correlations(blocks, Spectra.of(window, np.ones((1, 24, 24), bool)), 8)(np.zeros((1, 2)))
    surfaces = correlate(block, valid, Spectra.of(window, np.ones((1, 24, 24), bool)))
    weight, products = surfaces.energy[0], surfaces.products[0]
    enough = weight > 0.3 * weight.max()
    assert 0.2 < enough.mean() < 0.8
    near = np.abs(weight / weight.max() - 0.3) < 1e-3
    expected = np.where(enough, products / np.sqrt(weight * surfaces.own[0]), 0)
    assert scores[~near] == pytest.approx(expected[~near], abs=1e-4)


def test_peaks_are_sharp_apart_and_told_from_the_rest() -> None:
    rng = np.random.default_rng(8)
    scores = rng.normal(0, 0.01, (3, 2, 41, 41)).astype(np.float32)
    for at, height in (((0, 1, 10, 12), 1.0), ((2, 0, 10, 15), 0.9), ((1, 1, 30, 0), 0.8), ((1, 0, 10, 17), 0.7)):
        scores[at] = height
    peaks = _peaks(scores, np.array([-0.1, 0.0, 0.1]), np.array([-0.02, 0.02]), 10.0, (500.0, 700.0))
    assert len(peaks) == 4
    raw = scores.max(axis=(0, 1))
    sharp = raw - cv2.GaussianBlur(raw, (0, 0), BROAD)
    rows, cols = np.mgrid[:41, :41]
    rest = sharp[np.hypot(rows - 10, cols - 12) >= 4]
    expected = [(10, 12, -0.1, 0.02), (30, 0, 0.0, 0.02), (10, 17, 0.0, -0.02)]
    for peak, (row, col, yaw, scale) in zip(peaks, expected, strict=False):
        right, down = vertex(raw, row, col)
        assert peak.similarity.centre == (500.0, 700.0)
        assert (peak.similarity.east, peak.similarity.north) == pytest.approx(((col - 20 + right) * 10, -(row - 20 + down) * 10))
        assert (peak.similarity.yaw, peak.similarity.scale) == pytest.approx((yaw, 1 + scale))
        chance = np.sqrt(2 * np.log(rest.size))
        assert peak.score == pytest.approx((sharp[row, col] - rest.mean()) / rest.std() - chance, rel=1e-4)
        assert peak.on_edge is (col == 0)


def test_a_surface_that_one_peak_fills_has_no_rest() -> None:
    peaks = _peaks(np.ones((1, 1, 3, 3), np.float32), np.zeros(1), np.zeros(1), 10.0, (0.0, 0.0))
    assert len(peaks) == 1
    assert peaks[0].score == pytest.approx(-np.sqrt(2 * np.log(2)), abs=1e-6)


def test_a_block_of_the_search_needs_a_fifth_of_its_cells() -> None:
    """As of the corner of a square footprint that is turned by 45 degrees, which is half seen, and between clouds."""
    valid = np.zeros((32, 32), bool)
    valid[:16, :3], valid[:16, 16:20] = True, True
    blocks = _Blocks.cut(np.ones((1, 32, 32), np.float32), valid, Layout.of((32, 32), 16, 4))
    assert blocks.used.tolist() == [False, True, False, False]
    assert blocks.centres.tolist() == [[8.0, -8.0]]


def test_blocks_of_a_search_divide_the_patch_and_are_no_larger_than_it() -> None:
    assert Layout.of((40, 70), 16, 5) == Layout((40, 70), 20, (2, 3), 5)
    assert Layout.of((64, 64), 16, 5) == Layout((64, 64), 16, (4, 4), 5)
    assert Layout.of((12, 70), 16, 5) == Layout((12, 70), 12, (1, 5), 5)


class TestTheWindowAroundAPart:
    """Of a window of 96 x 80 cells whose values tell their place, around patches of 32 x 16 in its middle."""

    def whole(self) -> SearchWindow:
        array = np.arange(96 * 80, dtype=np.float32).reshape(1, 80, 96)
        return SearchWindow(DescriptorMap(array, np.ones((80, 96), bool), Grid(0.0, 0.0, 10.0, 96, 80), 2))

    def test_a_part_in_the_middle_has_the_whole_window(self) -> None:
        window = self.whole()
        assert window.around(window.described.grid.cut(32, 32, 32, 16)) is window

    @pytest.mark.parametrize(("col", "row", "margin"), [(34, 32, 30), (32, 24, 24), (10, 40, 10), (33, 32, 30)])
    def test_a_part_aside_has_the_largest_margin_that_all_its_sides_have(self, col: int, row: int, margin: int) -> None:
        window = self.whole()
        found = window.around(window.described.grid.cut(col, row, 32, 16)).described
        left, top = col - margin, row - margin
        assert found.array.tolist() == window.described.array[:, top:row + 16 + margin, left:col + 32 + margin].tolist()
        assert found.grid == window.described.grid.cut(left, top, 32 + 2 * margin, 16 + 2 * margin)


@pytest.mark.parametrize("reach", [5, 20, 99])
def test_the_windows_around_blocks_are_less_the_mean_under_the_patch(reach: int) -> None:
    """However far is searched, as far as the window goes: 16 coarse cells around a patch of 64 x 48."""
    array = np.random.default_rng(2).standard_normal((3, 160, 192)).astype(np.float32) + 5
    window = SearchWindow(DescriptorMap(array, np.ones((160, 192), bool), Grid(0.0, 0.0, 10.0, 192, 160), 2))
    spectra = window.spectra("all", Layout.of((48, 64), 16, reach))
    coarse, far = array.reshape(3, 80, 2, 96, 2).mean(axis=(2, 4)), min(reach, 16)
    less = coarse - coarse[:, 16:64, 16:80].mean(axis=(1, 2), keepdims=True)
    expected = np.stack([less[:, 16 + row - far:32 + row + far, 16 + col - far:32 + col + far]
                         for row in (0, 16, 32) for col in (0, 16, 32, 48)])
    assert spectra.size == 16 + 2 * far
    known = Spectra.of(expected, np.ones((12, 16 + 2 * far, 16 + 2 * far), bool))
    for name in ("values", "energy", "valid"):
        assert getattr(spectra, name) == pytest.approx(getattr(known, name), abs=2e-2), name


def test_a_search_finds_what_lies_at_its_radius_and_says_so() -> None:
    """Of 10 coarse cells: ten to the east is on the rim, nine is not, eleven is beyond."""
    for cells, edge in ((9, False), (10, True)):
        best = search(patch_at(2 * cells, 0), SearchWindow(WINDOW), Extent(10 * 2 * CELL, 0.01, 0.01))[0]
        assert best.similarity.east == pytest.approx(cells * 2 * CELL, abs=CELL)
        assert best.on_edge is edge


def test_a_patch_need_not_be_square() -> None:
    """Half as high as it is wide, in a window of an equal margin on all sides."""
    window = DescriptorMap(WINDOW.array[:, 32:-32], WINDOW.valid[32:-32], WINDOW.grid.cut(0, 32, 224, 160), 2)
    array = WINDOW.array[:, 80 - 6:144 - 6, 48 + 10:176 + 10]
    patch = DescriptorMap(array, np.ones((64, 128), bool), WINDOW.grid.cut(48, 80, 128, 64), 2)
    best = search(patch, SearchWindow(window), Extent(20 * 2 * CELL, 0.02, 0.01))[0]
    assert (best.similarity.east, best.similarity.north) == pytest.approx((10 * CELL, 6 * CELL), abs=CELL)
    assert best.score > 5
    found = tie_points(block_surfaces(patch, window, best.similarity))
    assert len(found) == 4 * 9
    assert found.found - found.seen == pytest.approx(np.tile([10 * CELL, 6 * CELL], (36, 1)), abs=0.05 * CELL)


def scored(patch: DescriptorMap, window: DescriptorMap, turned: Similarity, reach: int) -> np.ndarray:
    grid = patch.grid.cut(-reach, -reach, patch.grid.width + 2 * reach, patch.grid.height + 2 * reach)
    return score_surface(patch, warped(window, turned, grid)).astype(float)


def test_a_verification_is_by_its_definition() -> None:
    """Against all places of the window, those near the found one aside."""
    patch, reach = patch_at(3, -2), 64
    seen = verify(patch, WINDOW, Similarity(centre_of(WINDOW), 2 * CELL, -2 * CELL))
    scores = scored(patch, WINDOW, Similarity(centre_of(WINDOW)), reach)
    rows, cols = np.mgrid[-reach:reach + 1, -reach:reach + 1]
    others = scores[(np.hypot(rows - 2, cols - 2) > 8) & (scores != 0)]
    here = scores[reach + 2, reach + 3]
    assert here == scores.max()
    assert seen.similarity == pytest.approx(here, abs=1e-6)
    assert seen.margin == pytest.approx((here - others.max()) / others.std(), rel=1e-4)
    assert seen.score == pytest.approx((here - others.mean()) / others.std() - np.sqrt(2 * np.log(others.size / 4)), rel=1e-4)
    assert seen.shift == pytest.approx((CELL, 0.0), abs=0.05 * CELL)
    known = scores != 0
    assert seen.scores == pytest.approx((scores[known] - others.mean()) / others.std(), rel=1e-4, abs=1e-4)
    assert seen.moves == pytest.approx(CELL * np.column_stack([cols[known], -rows[known]]), abs=1e-6 * CELL)


def test_the_moves_of_a_verification_are_those_on_the_map() -> None:
    """With a window that is turned and scaled for the look, each score belongs to the place where the map has it."""
    found = Similarity(centre_of(WINDOW), 4 * CELL, -3 * CELL, 0.3, 1.1)
    seen = verify(patch_at(0, 0), WINDOW, found)
    scores = scored(patch_at(0, 0), WINDOW, Similarity(found.centre, 0.0, 0.0, 0.3, 1.1), 64)
    rows, cols = np.nonzero(scores)
    centre = np.array([found.centre])
    turned = Similarity(found.centre, 0.0, 0.0, 0.3, 1.1)
    assert seen.moves == pytest.approx(turned.apply(centre + CELL * np.column_stack([cols - 64, 64 - rows])) - centre, abs=1e-3)
    assert np.hypot(*(seen.moves - [found.east, found.north]).T).min() < 0.8 * CELL


def test_places_without_a_score_are_no_others() -> None:
    """Where the map ends too few cells meet: the scores there are 0, and count neither for the mean nor for the deviation."""
    valid = np.ones(WINDOW.valid.shape, bool)
    valid[:, 150:] = False
    holed = window_of(np.where(valid, WINDOW.array, 0).astype(np.float32), valid)
    patch, found = patch_at(0, 0), Similarity(centre_of(WINDOW))
    seen = verify(patch, holed, found)
    scores = scored(patch, holed, found, 64)
    rows, cols = np.mgrid[-64:65, -64:65]
    others = scores[(np.hypot(rows, cols) > 8) & (scores != 0)]
    assert 0.1 < (scores == 0).mean() < 0.5
    assert seen.margin == pytest.approx((scores[64, 64] - others.max()) / others.std(), rel=1e-4)
    assert len(seen.scores) == len(seen.moves) == (scores != 0).sum()


def test_a_verification_looks_for_the_maximum_nearby_alone() -> None:
    """Three cells away it is found, five away it is another place."""
    assert verify(patch_at(3, 0), WINDOW, Similarity(centre_of(WINDOW))).shift == pytest.approx((3 * CELL, 0), abs=0.05 * CELL)
    beyond = verify(patch_at(5, 0), WINDOW, Similarity(centre_of(WINDOW)))
    assert beyond.shift[0] <= 3.5 * CELL and beyond.similarity < 0.9


def test_a_verification_of_nothing_else_says_nothing() -> None:
    small = window_of(field(40, 5))
    patch = DescriptorMap(small.array[:, 4:36, 4:36], np.ones((32, 32), bool), small.grid.cut(4, 4, 32, 32), 2)
    nothing = verify(patch, small, Similarity(centre_of(small)))
    assert (nothing.score, nothing.margin) == (0.0, 0.0)
    assert nothing.similarity == pytest.approx(1.0, abs=0.01)
    assert nothing.shift == pytest.approx((0, 0), abs=0.01 * CELL)
    assert nothing.scores.shape == (0,) and nothing.moves.shape == (0, 2)
