"""Ortho-rectification: what a frame shows lies where it is on the ground."""

import cv2
import numpy as np
import pytest
from views import CAMERAS, K, hills

from promptmid_core.geometry import Camera, Grid, Pose, Terrain, ground_resolution, orthorectify


@pytest.mark.parametrize("camera", CAMERAS.values(), ids=CAMERAS.keys())
@pytest.mark.parametrize("terrain", [Terrain.flat(30.0), hills()], ids=["flat", "hills"])
def test_orthorectified_marks_lie_where_they_are_on_the_ground(camera: Camera, terrain: Terrain) -> None:
    """Discs are drawn into a frame at the projections of known ground points and looked up again on the map grid."""
    pose = Pose.from_rpy(np.array([40.0, -25.0, 1600.0]), 0.06, -0.04, 0.7)
    grid = Grid(-480.0, 480.0, 2.5, 385, 385)
    across, down = np.meshgrid(np.linspace(-300, 300, 5) + 1.7, np.linspace(-300, 300, 5) - 0.6)
    ground = np.column_stack([across.ravel(), down.ravel(), terrain.height(across.ravel(), down.ravel())])
    eye = pose @ camera.mount
    pixels, seen = camera.project((ground - eye.position) @ eye.rotation)
    assert seen.all()
    rows, cols = np.mgrid[:960, :1280]
    frame = np.zeros((960, 1280), np.float32)
    for u, v in pixels:
        frame += 255 * np.exp(-((cols - u) ** 2 + (rows - v) ** 2) / (2 * 4.0 ** 2))
    patch = orthorectify(np.clip(frame, 0, 255).astype(np.uint8), camera, pose, terrain, grid)
    assert patch.valid[100:285, 100:285].all()
    errors = []
    for x, y, _ in ground:
        col, row = (float(v) for v in grid.to_pixel(x, y))
        c, r = round(col), round(row)
        window = patch.image[r - 9:r + 10, c - 9:c + 10].astype(float)
        dr, dc = np.mgrid[-9:10, -9:10]
        errors.append((c + (dc * window).sum() / window.sum() - col, r + (dr * window).sum() / window.sum() - row))
    # the lens and the relief skew a disc slightly; the mean over all has no such excuse
    assert np.abs(np.mean(errors, axis=0)).max() < 0.02
    assert np.median(np.abs(errors)) < 0.05


def test_pixels_that_the_frame_does_not_show_are_not_valid() -> None:
    camera = CAMERAS["equidistant"]
    patch = orthorectify(np.full((960, 1280), 200, np.uint8), camera, Pose.from_rpy(np.array([0, 0, 1000.0]), 0, 0, 0),
                         Terrain.flat(), Grid(-2000, 2000, 10.0, 401, 401))
    assert patch.valid[200, 200]
    assert not patch.valid[0].any()
    assert 0.05 < patch.valid.mean() < 0.2


def test_a_fine_frame_is_averaged_onto_a_coarse_grid() -> None:
    """A one-pixel chequerboard becomes grey, not a moire pattern."""
    camera = Camera(1280, 960, K, "plumb_bob", np.zeros(5))
    board = (np.indices((960, 1280)).sum(axis=0) % 2 * 255).astype(np.uint8)
    pose = Pose.from_rpy(np.array([0, 0, 900.0]), 0, 0, 0)
    patch = orthorectify(board, camera, pose, Terrain.flat(), Grid(-320, 240, 8.0, 80, 60))
    inner = patch.image[5:-5, 5:-5]
    assert inner.std() < 4
    assert 120 < inner.mean() < 136


@pytest.mark.parametrize("shift", [0.0, 900.0, 5000.0])
def test_a_cut_image_shows_what_the_whole_one_does(shift: float) -> None:
    camera, rng = CAMERAS["plumb_bob"], np.random.default_rng(2)
    image = rng.integers(0, 255, (camera.height, camera.width, 3), np.uint8)
    pose = Pose.from_rpy(np.array([0.0, 0.0, 1000.0]), 0.05, -0.08, 0.7)
    grid = Grid(shift - 200.0, 200.0, 4.0, 100, 100)
    patch = orthorectify(image, camera, pose, Terrain.flat(), grid)
    x, y = np.meshgrid(*grid.axes())
    eye = pose @ camera.mount
    pixels, seen = camera.project((np.stack([x, y, np.zeros_like(x)], -1).reshape(-1, 3) - eye.position) @ eye.rotation)
    factor = int(4.0 / ground_resolution(camera, pose, Terrain.flat()) + 0.25)
    assert factor > 1
    small = cv2.resize(image[:image.shape[0] // factor * factor, :image.shape[1] // factor * factor],
                       (image.shape[1] // factor, image.shape[0] // factor), interpolation=cv2.INTER_AREA)
    at = ((pixels - (factor - 1) / 2) / factor).astype(np.float32).reshape(100, 100, 2)
    whole = cv2.remap(small, at[..., 0], at[..., 1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    assert (patch.image == whole).mean() > 0.999
    assert patch.valid.sum() == pytest.approx(seen.sum(), abs=200)


def test_opencv_draws_with_the_same_convention() -> None:
    """Integers at pixel centres: a shift of the grid by half a pixel moves the mark by half a pixel."""
    camera = Camera(1280, 960, K, "plumb_bob", np.zeros(5))
    frame = np.zeros((960, 1280), np.uint8)
    cv2.circle(frame, (640, 480), 6, 255, -1)
    pose = Pose.from_rpy(np.array([0, 0, 900.0]), 0, 0, np.pi / 2)
    patch = orthorectify(frame, camera, pose, Terrain.flat(), Grid(-50, 50, 1.0, 101, 101))
    r, c = np.nonzero(patch.image > 127)
    # yaw 90 degrees: image top is north, so image right is east; the disc lies half a pixel right of and below the middle
    assert abs(c.mean() - 50 - 0.5) < 0.1
    assert abs(r.mean() - 50 - 0.5) < 0.1
