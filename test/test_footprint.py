"""The ground that a frame shows, laid out without knowing where it lies."""

import cv2
import numpy as np
import pytest
from flights import CAMERA

from promptmid_core.errors import Refusal
from promptmid_core.geometry import Camera, Pose, Terrain, boresight_point
from promptmid_core.localization.fix import Frame
from promptmid_core.localization.footprint import MOST_PX, footprint, moved
from promptmid_core.localization.options import Options
from promptmid_core.matching.similarity import Similarity

GSD = 10.0
FLAT = Terrain.flat(0.0)
IMAGE = np.random.default_rng(0).integers(0, 255, (CAMERA.height, CAMERA.width), np.uint8)
FRAME = Frame(1, cv2.GaussianBlur(IMAGE, (0, 0), 1.0), CAMERA)


def above(height: float, pitch_deg: float = 0.0) -> Pose:
    return Pose.from_rpy(np.array([3e5, -2e5, height]), 0.0, np.deg2rad(pitch_deg), 0.7)


def test_all_that_a_frame_shows_is_laid_out_around_the_boresight() -> None:
    patch, place = footprint(FRAME, above(3000.0), FLAT, GSD, Options())
    assert not patch.valid[[0, -1]].any()
    assert not patch.valid[:, [0, -1]].any()
    rows, cols = np.nonzero(patch.valid)
    assert min(rows.min(), cols.min()) < 3 * 16, "little more than the frame shows"
    middle = patch.grid.to_map((patch.grid.width - 1) / 2, (patch.grid.height - 1) / 2)
    np.testing.assert_allclose(middle, place, atol=1e-6)
    np.testing.assert_allclose(place, boresight_point(CAMERA, above(3000.0), FLAT)[:2])
    shown = 3000.0 / 60 * np.array([CAMERA.width, CAMERA.height]) / GSD
    assert patch.valid.sum() == pytest.approx(shown.prod(), rel=0.01)
    half = footprint(FRAME, above(1500.0), FLAT, GSD, Options())[0]
    assert half.valid.sum() == pytest.approx(patch.valid.sum() / 4, rel=0.02)
    assert half.grid.width < 0.6 * patch.grid.width


def test_a_view_to_the_horizon_is_laid_out_as_far_as_is_matched() -> None:
    patch, _ = footprint(FRAME, above(3000.0, -65.0), FLAT, GSD, Options.of(least_valid=0.0))
    assert patch.valid.shape == (MOST_PX, MOST_PX)


def test_a_lens_without_rays_for_its_corners_is_laid_out_as_far_as_it_has_some() -> None:
    """Projected, not traced: of such a lens no ray can be told for some pixels."""
    fold = Camera(64, 48, CAMERA.k, "plumb_bob", np.array([-2.0, 0, 0, 0, 0]))
    patch, _ = footprint(Frame(1, FRAME.image, fold), above(1500.0), FLAT, GSD, Options())
    assert patch.valid.any()


@pytest.mark.parametrize(("pose", "told"), [
    (above(-5.0), "on the ground or below"),
    (above(3000.0, -120.0), "does not look at the ground"),
    (above(3.0), "fills 0% of the patch"),
])
def test_a_frame_that_shows_no_ground_is_refused(pose: Pose, told: str) -> None:
    with pytest.raises(Refusal, match=told):
        footprint(FRAME, pose, FLAT, GSD, Options())


@pytest.mark.parametrize("scale", [1.0, 0.8, 1.3])
def test_a_moved_pose_sees_the_moved_ground_as_before(scale: float) -> None:
    ground = 250.0
    pose = above(3000.0, 12.0)
    by = Similarity((299_500.0, -200_300.0), -9e4, 4e4, 2.2, scale)
    points = np.random.default_rng(1).uniform([299_600, -200_400, ground], [300_400, -199_600, ground], (20, 3))

    def seen(eye: Pose, places: np.ndarray) -> np.ndarray:
        pixels, inside = CAMERA.project((eye @ CAMERA.mount).inverse().position + places @ (eye @ CAMERA.mount).rotation)
        assert inside.any()
        return pixels

    there = np.column_stack([by.apply(points[:, :2]), points[:, 2]])
    np.testing.assert_allclose(seen(moved(pose, by, ground), there), seen(pose, points), atol=1e-6)
