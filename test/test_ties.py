"""Tie points: the maxima of blocks, what counts as one, and which blocks have one."""

import numpy as np
import pytest
from fields import CELL, WINDOW, centre_of, patch_at

from promptmid_core.matching.blocks import STEPS, BlockSurfaces, block_surfaces
from promptmid_core.matching.similarity import Similarity
from promptmid_core.matching.surface import vertex
from promptmid_core.matching.ties import tie_points


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
