"""The ground that was seen: how much of what a frame shows is new."""

import numpy as np
import pytest

from promptmid_core.geometry import Grid, Patch
from promptmid_core.localization import ground
from promptmid_core.localization.ground import SeenGround

NONE = np.zeros(2)


def patch(east: float, north: float, gsd: float = 10.0, valid: np.ndarray | None = None, side: int = 256) -> Patch:
    """Of 256 px around a point."""
    known = np.ones((side, side), bool) if valid is None else valid
    grid = Grid(east - side * gsd / 2, north + side * gsd / 2, gsd, side, side)
    return Patch(np.zeros((side, side), np.uint8), known, grid)


def test_new_is_what_was_not_seen() -> None:
    seen = SeenGround()
    assert seen.see(patch(0, 0), NONE) == 1.0
    assert seen.see(patch(0, 0), NONE) == 0.0
    assert seen.see(patch(640, 0), NONE) == pytest.approx(0.25)
    assert seen.see(patch(640, 1280), NONE) == pytest.approx(0.5)
    assert seen.see(patch(0, 0), NONE) == 0.0, "and is not forgotten on the way"
    assert seen.see(patch(1e5, 0), NONE) == 1.0


def test_a_flight_of_small_steps_sees_as_much_as_one_of_large_steps() -> None:
    for steps in (1, 8, 64):
        seen = SeenGround()
        seen.see(patch(0, 0), NONE)
        new = sum(seen.see(patch(2560.0 * (i + 1) / steps, 0), NONE) for i in range(steps))
        assert new == pytest.approx(1, abs=0.07), steps


def test_it_lies_where_dead_reckoning_puts_it() -> None:
    """A patch that the belief has moved with it shows the same ground."""
    seen = SeenGround()
    seen.see(patch(0, 0), NONE)
    assert seen.see(patch(960, -480), np.array([-960.0, 480.0])) == 0.0


def test_what_is_masked_was_not_seen() -> None:
    valid = np.ones((256, 256), bool)
    valid[:, :128] = False
    seen = SeenGround()
    assert seen.see(patch(0, 0, valid=valid), NONE) == 1.0
    assert seen.see(patch(0, 0), NONE) == pytest.approx(0.5)
    assert seen.see(patch(0, 9e4, valid=np.zeros((256, 256), bool)), NONE) == 0.0, "a frame of nothing shows nothing new"


@pytest.mark.parametrize("levels", [(10.0, 20.0), (20.0, 10.0), (10.0, 40.0)])
def test_ground_that_was_seen_at_another_level_is_known(levels: tuple[float, float]) -> None:
    """A climb shows the known ground in the middle of a wider patch, a descent a part of it."""
    first, then = levels
    seen = SeenGround()
    seen.see(patch(0, 0, first), NONE)
    known = min((first / then) ** 2, 1.0)
    assert seen.see(patch(0, 0, then), NONE) == pytest.approx(1 - known, abs=0.02)
    assert seen.see(patch(0, 0, first), NONE) == pytest.approx(0.0, abs=0.02)
    assert seen.see(patch(0, 50_000, then), NONE) == 1.0


def test_hours_of_flight_are_kept_in_a_bounded_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ground, "MOST_BLOCKS", 1000)
    seen = SeenGround()
    for i in range(40):
        seen.see(patch(0, 2560 * i), NONE)
        assert len(seen._blocks) <= 1000
    assert seen.see(patch(0, 2560 * 39), NONE) == 0.0
    assert seen.see(patch(0, 2560 * 37), NONE) == 0.0
    assert seen.see(patch(0, 0), NONE) == 1.0, "the oldest is forgotten first"
