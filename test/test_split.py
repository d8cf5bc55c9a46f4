"""A frame over the border of two parts of a map that lie apart: a line through the patch tells it from a pattern that repeats."""

import numpy as np
import pytest
from fields import CELL, WINDOW, centre_of, field, window_of

from promptmid_core.geometry import DescriptorMap
from promptmid_core.localization.apart import LEAST_SPLIT, apart
from promptmid_core.matching.similarity import Similarity
from promptmid_core.matching.split import BLOCKS, _divided, split
from promptmid_core.matching.verification import verify

SIDE, MARGIN = 96, 64
HERE = Similarity(centre_of(WINDOW))


def seam(move: tuple[int, int], angle: float, offset: float = 0.0) -> DescriptorMap:
    """A patch of the window's middle; beyond a line through it, the ground from `move` (columns, rows) cells away."""
    rows, cols = np.mgrid[:SIDE, :SIDE] - (SIDE - 1) / 2
    beyond = cols * np.cos(angle) + rows * np.sin(angle) > offset
    at = np.s_[:, MARGIN:MARGIN + SIDE, MARGIN:MARGIN + SIDE]
    other = np.roll(WINDOW.array, (-move[1], -move[0]), (1, 2))
    return patch_of(np.where(beyond, other[at], WINDOW.array[at]))


def patch_of(array: np.ndarray, valid: np.ndarray | None = None) -> DescriptorMap:
    known = np.ones((SIDE, SIDE), bool) if valid is None else valid
    return DescriptorMap(array * known, known, WINDOW.grid.cut(MARGIN, MARGIN, SIDE, SIDE), 2)


def metres(move: tuple[int, int]) -> tuple[float, float]:
    return move[0] * CELL, -move[1] * CELL


@pytest.mark.parametrize("move", [(6, 0), (0, 15), (-20, 11)], ids=str)
@pytest.mark.parametrize("angle", [0.0, 0.9, 2.4])
def test_a_seam_divides_the_patch(move: tuple[int, int], angle: float) -> None:
    patch = seam(move, angle)
    assert split(patch, WINDOW, HERE, metres(move)) > 1.5
    # from the place of the other side it is the same
    east, north = metres(move)
    there = Similarity(centre_of(WINDOW), east, north)
    assert split(patch, WINDOW, there, (-east, -north)) == pytest.approx(split(patch, WINDOW, HERE, (east, north)))


def test_of_a_sound_map_no_side_lies_elsewhere() -> None:
    patch = seam((0, 0), 0.0)
    for move in ((6, 0), (0, 15), (-20, 11)):
        assert split(patch, WINDOW, HERE, metres(move)) < 0.5


def test_a_chequer_of_the_two_places_is_divided_by_no_line() -> None:
    """As much of either as of a seam, but all over the patch."""
    rows, cols = np.mgrid[:SIDE, :SIDE] // (SIDE // BLOCKS)
    at = np.s_[:, MARGIN:MARGIN + SIDE, MARGIN:MARGIN + SIDE]
    patch = patch_of(np.where((rows + cols) % 2, np.roll(WINDOW.array, -9, 2)[at], WINDOW.array[at]))
    chequer, line = (split(each, WINDOW, HERE, metres((9, 0))) for each in (patch, seam((9, 0), 0.0)))
    assert chequer < 1.2 and line > 3 * chequer


def test_a_border_at_the_edge_of_the_patch_is_none_yet() -> None:
    """Fewer than a seventh of the blocks beyond it may be noise."""
    assert split(seam((9, 0), 0.0, offset=SIDE / 2 - 4), WINDOW, HERE, metres((9, 0))) < 1.0


def test_too_little_of_a_patch_says_nothing() -> None:
    valid = np.zeros((SIDE, SIDE), bool)
    valid[:24, :36] = True
    assert split(patch_of(seam((9, 0), 0.0).array, valid), WINDOW, HERE, metres((9, 0))) == 0.0
    assert split(patch_of(np.zeros_like(seam((9, 0), 0.0).array)), WINDOW, HERE, metres((9, 0))) == 0.0


def test_the_line_is_the_best_of_all_directions() -> None:
    """Opinions of one sign on one side; the lesser side's mean, in standard errors."""
    cols, rows = (each.ravel() for each in np.meshgrid(np.arange(8.0), np.arange(8.0)))
    places = np.column_stack([cols, rows])
    opinions = np.where(cols < 4, 1.0, -1.0)
    assert _divided(opinions, places) == pytest.approx(np.sqrt(32))
    assert _divided(-opinions, places) == pytest.approx(np.sqrt(32))
    assert _divided(np.where(rows < 2, 1.0, -1.0), places) == pytest.approx(np.sqrt(16) / np.std([1] * 16 + [-1] * 48))
    assert _divided(np.ones(64), places) == 0.0
    assert np.isfinite(_divided(np.zeros(64), places))


class TestApart:
    """What becomes of it in a match."""

    def test_the_other_place_is_told_with_its_move(self) -> None:
        patch = seam((12, 9), 0.4)
        found = Similarity(centre_of(WINDOW))
        told = apart(patch, WINDOW, found, verify(patch, WINDOW, found))
        assert told is not None and told.split >= LEAST_SPLIT
        assert told.move == pytest.approx(np.array(metres((12, 9))), abs=1.5 * CELL)

    def test_a_sound_frame_tells_of_none_nor_does_noise(self) -> None:
        noise = np.random.default_rng(3).standard_normal((len(WINDOW.array), SIDE, SIDE)).astype(np.float32)
        for patch in (seam((0, 0), 0.0), patch_of(noise)):
            assert apart(patch, WINDOW, HERE, verify(patch, WINDOW, HERE)) is None

    def test_a_map_that_repeats_itself_tells_of_none(self) -> None:
        """Its peaks are as high as one another, and no line divides the patch between them."""
        tile = field(32, 7)
        array = np.tile(tile, (1, 7, 7))[:, :WINDOW.grid.height, :WINDOW.grid.width]
        window = window_of(np.asarray(array + 0.3 * field(224, 8), np.float32))
        here = window.array[:, MARGIN:MARGIN + SIDE, MARGIN:MARGIN + SIDE]
        patch = patch_of(np.asarray(here + 0.3 * field(SIDE, 9), np.float32))
        verification = verify(patch, window, HERE)
        assert (verification.scores[np.hypot(*verification.moves.T) > 8 * CELL] > 4.5).any()
        assert apart(patch, window, HERE, verification) is None

    def test_a_window_no_larger_than_the_patch_tells_of_none(self) -> None:
        patch = seam((0, 0), 0.0)
        window = WINDOW.cut(MARGIN, MARGIN, SIDE, SIDE)
        assert apart(patch, window, HERE, verify(patch, window, HERE)) is None
