"""The search for peaks by its definition: steps, blocks, joint scores, windows, and how far it looks."""

import cv2
import numpy as np
import pytest
from fields import CELL, WINDOW, patch_at

from promptmid_core.geometry import DescriptorMap, Grid
from promptmid_core.matching.blocks import block_surfaces
from promptmid_core.matching.correlation import Spectra, correlate
from promptmid_core.matching.search import BROAD, Extent, _Blocks, _correlations, _peaks, _shifts, _steps, search
from promptmid_core.matching.surface import vertex
from promptmid_core.matching.ties import tie_points
from promptmid_core.matching.window import Layout, SearchWindow


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
