"""Ground under clouds is left out of a patch, and nothing else is."""

import numpy as np
import pytest

from promptmid_core.geometry import Grid, Patch
from promptmid_core.localization.clouds import LEAST_COVER, _quantile
from promptmid_core.localization.clouds import cleared as cleared_to

SIDE = 128


def cleared(seen: Patch, least_valid: float = 0.15) -> Patch:
    return cleared_to(seen, least_valid)


def ground(seed: int = 1) -> np.ndarray:
    """Streets and fields (SIDE, SIDE, 3), none brighter than 190."""
    rng = np.random.default_rng(seed)
    image = np.kron(rng.integers(60, 150, (16, 16, 3)), np.ones((8, 8, 1))) + rng.normal(0, 8, (SIDE, SIDE, 3))
    return np.clip(image, 0, 190).astype(np.uint8)


def patch(image: np.ndarray, valid: np.ndarray | None = None) -> Patch:
    return Patch(image, np.ones((SIDE, SIDE), bool) if valid is None else valid, Grid(0.0, 0.0, 10.0, SIDE, SIDE))


def clouded(image: np.ndarray, radius: float, level: float = 230.0) -> tuple[np.ndarray, np.ndarray]:
    """The image with a round cloud in its middle, and where that is."""
    rows, cols = np.mgrid[:SIDE, :SIDE] - SIDE / 2
    cover = np.clip((radius - np.hypot(rows, cols)) / 4 + 0.5, 0, 1)
    if image.ndim == 3:
        return np.rint(image + cover[..., None] * (level - image.astype(float))).astype(np.uint8), cover > 0.5
    return np.rint(image + cover * (level - image.astype(float))).astype(np.uint8), cover > 0.5


@pytest.mark.parametrize("grey", [False, True])
def test_a_cloud_is_left_out_with_its_rim(grey: bool) -> None:
    image, cloud = clouded(ground()[..., 0] if grey else ground(), 40)
    left = cleared(patch(image)).valid
    assert not left[cloud].any(), "all that is mostly cloud"
    assert left[~cloud].mean() > 0.8, "and little beside it"


def test_clear_ground_stays_as_it_is() -> None:
    clear = patch(ground())
    assert cleared(clear) is clear
    unseen = patch(ground(), np.zeros((SIDE, SIDE), bool))
    assert cleared(unseen) is unseen


def test_roofs_are_no_clouds() -> None:
    """White and smooth, but small; or large, but little of the ground."""
    image = ground()
    for row in range(8, SIDE, 24):
        image[row:row + 7, 10:17] = 240
    small = patch(image)
    assert cleared(small) is small
    image[20:60, 20:60] = 240
    assert 40 ** 2 / SIDE ** 2 < LEAST_COVER
    large = patch(image)
    assert cleared(large) is large


def test_what_is_bright_and_has_a_colour_or_a_grain_is_ground() -> None:
    sand = ground()
    sand[:80] = (240, 205, 150)
    assert cleared(patch(sand)).valid.all()
    stones = ground()
    stones[:80] = np.where(np.indices((80, SIDE)).sum(axis=0)[..., None] % 2, 245, 180)
    assert cleared(patch(stones)).valid.all()


def test_where_all_is_white_the_ground_is() -> None:
    """As under snow: with it left out nothing would be left to match."""
    snow = np.full((SIDE, SIDE, 3), 235, np.uint8)
    snow[60:64] = 90
    assert cleared(patch(snow)).valid.all()


def test_at_night_there_is_nothing_to_leave_out() -> None:
    image, _ = clouded((ground() * 0.2).astype(np.uint8), 40, 60.0)
    assert cleared(patch(image)).valid.all()


def test_clouds_are_left_in_where_less_than_is_asked_for_would_be_left() -> None:
    """A frame is not refused for what was taken from it."""
    image, _ = clouded(ground(), 50)
    share = cleared(patch(image)).valid.mean()
    assert cleared(patch(image), share + 0.01).valid.all() and not cleared(patch(image), share - 0.01).valid.all()


def test_a_quantile_by_grey_levels_is_that_of_the_pixels() -> None:
    rng = np.random.default_rng(3)
    for count in (1, 2, 101, 5000):
        grey = rng.integers(0, 256, count).astype(np.uint8)
        for share in (0.0, 0.5, 0.99, 1.0):
            assert _quantile(grey, share) == pytest.approx(np.quantile(grey.astype(float), share))
