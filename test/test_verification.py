"""Verification by its definition: how a place stands out from all others of the window."""

import numpy as np
import pytest
from fields import CELL, WINDOW, centre_of, field, patch_at, window_of

from promptmid_core.geometry import DescriptorMap
from promptmid_core.matching.similarity import Similarity
from promptmid_core.matching.surface import score_surface
from promptmid_core.matching.verification import verify
from promptmid_core.matching.warp import warped


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
