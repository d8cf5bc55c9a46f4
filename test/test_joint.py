"""All blocks of a patch together, where few of them say on their own where they lie."""

import numpy as np
import pytest

from promptmid_core.localization.integrity import check_joint
from promptmid_core.localization.options import Options
from promptmid_core.matching.blocks import RADIUS, BlockSurfaces
from promptmid_core.matching.joint import jointly
from promptmid_core.matching.similarity import Similarity
from promptmid_core.reasons import Reason
from refusals import refused

CELL = 20.0
START = Similarity((500.0, 300.0), 40.0, -60.0, 0.02, 1.01)
KNOWN = (0.02, 0.02)


def blocks(shift: tuple[float, float] = (0.0, 0.0), turn: float = 0.0, scale: float = 0.0, height: float = 0.3,
           noise: float = 0.1, side: int = 6, seed: int = 0) -> BlockSurfaces:
    """Blocks of 16 cells, each with a peak where a shift in cells (east, south), a turn and a scale put it, in noise."""
    at = (np.arange(side) - (side - 1) / 2) * 16
    across, down = (each.ravel() for each in np.meshgrid(at, at))
    col, row = shift[0] + turn * down + scale * across, shift[1] + scale * down - turn * across
    rows, cols = np.mgrid[-RADIUS:RADIUS + 1, -RADIUS:RADIUS + 1]
    peaks = height * np.exp(-((cols - col[:, None, None]) ** 2 + (rows - row[:, None, None]) ** 2) / 2)
    noisy = peaks + np.random.default_rng(seed).normal(0, noise, peaks.shape)
    seen = np.column_stack([500.0 + across * CELL, 300.0 - down * CELL])
    return BlockSurfaces(seen, noisy, START, CELL, 1.0)


@pytest.mark.parametrize(("shift", "turn", "scale"), [((0.0, 0.0), 0.0, 0.0), ((1.3, -0.7), 0.0, 0.0), ((0.4, 0.9), 0.012, -0.01),
                                                      ((-1.1, 0.2), -0.015, 0.015)])
def test_the_place_turn_and_scale_are_found(shift: tuple[float, float], turn: float, scale: float) -> None:
    found = jointly(blocks(shift, turn, scale), *KNOWN)
    assert found is not None
    across, south = ((found.seen - found.middle) * (1, -1)).T
    expected = found.seen + np.column_stack([shift[0] * CELL + turn * south + scale * across,
                                             -(shift[1] * CELL + scale * south - turn * across)])
    assert np.abs(found.found - START.apply(expected)).max() < 0.4 * CELL


def test_it_is_as_exact_as_it_says() -> None:
    """The errors of many draws of noise in which hardly a block has a peak of its own."""
    errors, sigmas = [], []
    for seed in range(60):
        found = jointly(blocks((0.6, -0.4), noise=0.25, seed=seed), *KNOWN)
        assert found is not None
        middle = (START.undone(found.found) - found.seen).mean(axis=0) / CELL - (0.6, 0.4)
        errors.append(middle)
        sigmas.append(np.sqrt(np.diag(found.covariance)[:2]) / CELL)
    spread, said = np.sqrt((np.array(errors) ** 2).mean(axis=0)), np.mean(sigmas, axis=0)
    assert (spread < 0.3).all()
    assert (0.5 < spread / said).all() and (spread / said < 2).all()


def test_what_is_known_of_turn_and_scale_counts() -> None:
    surfaces = blocks(side=2, noise=0.02)
    loose, tight = jointly(surfaces, 0.05, 0.05), jointly(surfaces, 0.002, 0.002)
    assert loose is not None and tight is not None
    assert np.sqrt(tight.covariance[2, 2]) < 0.4 * np.sqrt(loose.covariance[2, 2])
    assert np.sqrt(tight.covariance[3, 3]) < 0.4 * np.sqrt(loose.covariance[3, 3])


def test_noise_alone_two_blocks_and_a_place_too_far_are_none() -> None:
    assert jointly(BlockSurfaces(np.zeros((2, 2)), np.ones((2, 9, 9)), START, CELL), *KNOWN) is None
    assert jointly(BlockSurfaces(np.zeros((9, 2)), np.ones((9, 9, 9)), START, CELL), *KNOWN) is None
    beyond = jointly(blocks((3.5, 0.0), noise=0.001), *KNOWN)
    assert beyond is None


def test_a_place_that_is_not_exact_enough_is_refused() -> None:
    good, bad = np.diag([25.0, 25.0, 1e6, 1e6, 1e6, 1e6]), np.diag([25.0, 900.0, 1e6, 1e6, 1e6, 1e6])
    check_joint(good, 10.0, Options())
    assert refused(Reason.FEW_TIE_POINTS, check_joint, bad, 10.0, Options()).startswith("too few tie points agree, and all blocks")
