"""Cameras: pixels, rays and lenses against OpenCV, and what is no camera."""

import cv2
import numpy as np
import pytest
from views import CAMERAS, K

from promptmid_core.geometry import Camera


@pytest.mark.parametrize("camera", CAMERAS.values(), ids=CAMERAS.keys())
def test_rays_invert_the_projection(camera: Camera) -> None:
    rng = np.random.default_rng(1)
    pixels = rng.uniform((0, 0), (1279, 959), (500, 2))
    back, seen = camera.project(camera.rays(pixels) * rng.uniform(100, 5000, (500, 1)))
    assert seen.all()
    assert np.abs(back - pixels).max() < 1e-3


LENSES = [camera.d for name, camera in CAMERAS.items() if name != "equidistant"]
PRISM, TILT = (0.002, -0.001, 0.003, 0.0005), (0.02, -0.01)
LENSES += [np.array([*LENSES[1], *PRISM]), np.array([*LENSES[1], *PRISM, *TILT])]


@pytest.mark.parametrize("d", LENSES, ids=len)
def test_the_lens_is_that_of_opencv(d: np.ndarray) -> None:
    camera = Camera(1280, 960, K, "plumb_bob" if len(d) == 5 else "rational_polynomial", d)
    points = np.random.default_rng(3).uniform((-0.6, -0.5, 1.0), (0.6, 0.5, 1.0), (300, 3)) * 1000
    expected, _ = cv2.projectPoints(points[:, None], np.zeros(3), np.zeros(3), K, d)
    assert np.abs(camera.project(points)[0] - expected[:, 0]).max() < 1e-8


def test_the_fisheye_is_that_of_opencv() -> None:
    camera = CAMERAS["equidistant"]
    points = np.random.default_rng(3).uniform((-1.5, -1.0, 1.0), (1.5, 1.0, 1.0), (300, 3)) * 1000
    expected, _ = cv2.fisheye.projectPoints(points[:, None], np.zeros(3), np.zeros(3), K, camera.d)
    assert np.abs(camera.project(points)[0] - expected[:, 0]).max() < 1e-8


def test_points_behind_the_camera_or_past_the_fold_of_the_lens_are_not_seen() -> None:
    camera = CAMERAS["plumb_bob"]
    _, seen = camera.project(np.array([[0.0, 0, -100], [0, 0, 100], [900.0, 0, 100], [250.0, 0, 100]]))
    assert seen.tolist() == [False, True, False, False]


@pytest.mark.parametrize(("change", "word"), [
    ({"k": np.zeros((3, 3))}, "focal length"), ({"k": K * np.nan}, "NaN"), ({"model": "fisheye62"}, "fisheye62"),
    ({"d": np.zeros(3)}, "3 coefficients"), ({"width": 0}, "size 0x960"),
])
def test_a_camera_that_is_none_is_refused(change: dict, word: str) -> None:
    with pytest.raises(ValueError, match=word):
        Camera(**{"width": 1280, "height": 960, "k": K, **change})


PLAIN = Camera(40, 30, np.array([[50.0, 0, 19.5], [0, 60.0, 14.5], [0, 0, 1]]))


def test_the_image_ends_half_a_pixel_beyond_its_outer_centres() -> None:
    pixels = np.array([[-0.5, 10], [-0.501, 10], [39.5, 10], [39.501, 10], [5, -0.5], [5, -0.501], [5, 29.5], [5, 29.501]])
    flat = np.column_stack([(pixels[:, 0] - 19.5) / 50, (pixels[:, 1] - 14.5) / 60, np.ones(8)])
    back, seen = PLAIN.project(flat)
    assert back == pytest.approx(pixels)
    assert seen.tolist() == [True, False] * 4


def test_what_lies_beside_the_camera_is_not_ahead() -> None:
    """A millionth of the distance ahead is where the image plane is too far off to tell."""
    whole = Camera(1_990_000, 1_990_000, np.array([[1.0, 0, 0], [0, 1, 0], [0, 0, 1]]))
    points = np.array([[100.0, 0, 0.99e-4], [100, 0, 1.01e-4], [0, 100, 0.99e-4], [0, 100, 1.01e-4], [0, 0, 0], [0, 0, 1e-9]])
    assert whole.project(points)[1].tolist() == [False, True, False, True, False, True]
    mixed = whole.project(np.array([[3.0, 4, 2], [3, 4, -2]]))
    assert mixed[0][0] == pytest.approx([1.5, 2.0])
    assert np.isfinite(mixed[0]).all()


def test_the_boresight_is_the_middle_of_the_image() -> None:
    assert PLAIN.boresight() == pytest.approx([0, 0, 1])
    aside = Camera(40, 30, np.array([[50.0, 0, 9.5], [0, 60.0, 8.5], [0, 0, 1]]))
    assert aside.boresight() == pytest.approx(np.array([0.2, 0.1, 1]) / np.linalg.norm([0.2, 0.1, 1]))


def test_a_lens_is_seen_through_up_to_its_fold() -> None:
    """k1 of -0.25: x - 0.25 x3 rises up to x = 1.1547, which is found in steps of a hundredth."""
    wide = Camera(4000, 4000, np.array([[100.0, 0, 2000], [0, 100, 2000], [0, 0, 1]]), "plumb_bob", np.array([-0.25, 0, 0, 0]))
    radii = np.array([1.14, 1.17, 2.0])
    turned = [np.column_stack([c * radii, s * radii, np.ones(3)]) for c, s in ((1, 0), (0, 1), (-0.6, 0.8))]
    assert all(wide.project(points)[1].tolist() == [True, False, False] for points in turned)
    assert Camera(4000, 4000, wide.k).project(turned[0])[1].all(), "a pinhole has no fold"


@pytest.mark.parametrize(("change", "word"), [
    ({"height": 0}, "size 1280x0"), ({"width": -1}, "size -1x960"), ({"d": np.array([0, np.inf, 0, 0, 0])}, "NaN or infinite"),
    ({"k": np.diag([900.0, 0, 1])}, "focal length"), ({"k": np.diag([0, 900.0, 1])}, "focal length"),
    ({"k": np.diag([-1.0, 900.0, 1])}, "focal length"), ({"k": np.diag([900.0, 900.0, 2])}, "focal length"),
    ({"k": K + 2e-6 * np.eye(3, k=1)[:, [0, 1, 0]]}, "skewed"), ({"k": K - 2e-6 * np.eye(3, k=-1) * [1, 0, 0]}, "skewed"),
])
def test_each_part_of_a_camera_is_looked_at(change: dict, word: str) -> None:
    with pytest.raises(ValueError, match=word):
        Camera(**{"width": 1280, "height": 960, "k": K, **change})
    Camera(1, 1, K + 0.9e-6 * np.eye(3, k=1)[:, [0, 1, 0]])


def test_rays_of_a_lens_without_coefficients_are_those_of_a_pinhole() -> None:
    pixels = np.array([[0.0, 0], [39, 29], [10.25, 20.5]])
    flat = np.column_stack([(pixels[:, 0] - 19.5) / 50, (pixels[:, 1] - 14.5) / 60, np.ones(3)])
    for d in (np.zeros(0), np.zeros(4)):
        camera = Camera(40, 30, PLAIN.k, "plumb_bob", d)
        assert camera.rays(pixels) == pytest.approx(flat / np.linalg.norm(flat, axis=1, keepdims=True))
    fisheye = Camera(40, 30, PLAIN.k, "equidistant", np.zeros(0))
    angle = np.hypot(*flat[:, :2].T)
    assert fisheye.rays(pixels)[:, 2] == pytest.approx(np.cos(angle))
    assert fisheye.project(fisheye.rays(pixels))[0] == pytest.approx(pixels)
