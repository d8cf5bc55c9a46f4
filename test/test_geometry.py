"""Camera, ground and ortho-rectification against points of known truth."""

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from promptmid_core.errors import Refusal
from promptmid_core.geometry import (
    NADIR,
    Camera,
    ChannelGroup,
    DescriptorMap,
    Grid,
    Pose,
    Prior,
    Terrain,
    boresight_point,
    ground_resolution,
    interpolate,
    orthorectify,
)
from promptmid_core.geometry.pose import log_rotation, rotation_vector
from promptmid_core.reasons import Reason

K = np.array([[900.0, 0, 639.5], [0, 905.0, 479.5], [0, 0, 1]])
CAMERAS = {
    "plumb_bob": Camera(1280, 960, K, "plumb_bob", np.array([-0.22, 0.08, 0.001, -0.0007, -0.01])),
    "rational_polynomial": Camera(
        1280, 960, K, "rational_polynomial", np.array([0.4, -0.1, 0.0005, 0.0003, 0.01, 0.6, -0.05, 0.02])),
    "equidistant": Camera(1280, 960, K, "equidistant", np.array([-0.02, 0.004, -0.002, 0.0004])),
}
small = st.floats(-0.12, 0.12)


def hills(size: int = 200, gsd: float = 20.0) -> Terrain:
    x, y = np.meshgrid(np.arange(size), np.arange(size))
    z = 120 + 60 * np.sin(x / 17) * np.cos(y / 23) + 25 * np.sin(x / 5 + y / 7)
    return Terrain.of(z.astype(np.float32), Grid(-size * gsd / 2, size * gsd / 2, gsd, size, size))


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


@settings(max_examples=40, deadline=None)
@given(small, small, st.floats(-3.1, 3.1))
def test_quaternion_rpy_and_logarithm_agree(roll: float, pitch: float, yaw: float) -> None:
    pose = Pose.from_rpy(np.array([1.0, 2.0, 3.0]), roll, pitch, yaw)
    assert np.allclose(Pose.from_quaternion(pose.position, pose.quaternion()).rotation, pose.rotation)
    assert np.allclose(pose.rpy(), (roll, pitch, yaw))
    assert np.allclose(rotation_vector(log_rotation(pose.rotation)), pose.rotation)
    assert np.allclose((pose @ pose.inverse()).rotation, np.eye(3))
    delta = np.array([3.0, -2, 1, 0.02, -0.01, 0.3])
    assert np.allclose(pose.corrected(delta).correction_from(pose), delta)


def test_a_quaternion_of_another_length_is_refused() -> None:
    with pytest.raises(ValueError, match=r"length 1\.2"):
        Pose.from_quaternion(np.zeros(3), np.array([0, 0, 0, 1.2]))


def test_interpolation_meets_its_ends_and_takes_the_short_way_round() -> None:
    first = Prior(1_000, Pose.from_rpy(np.zeros(3), 0, 0, 3.1), np.eye(6))
    last = Prior(2_000, Pose.from_rpy(np.array([10.0, 0, 0]), 0, 0, -3.1), 3 * np.eye(6))
    middle = interpolate(first, last, 1_500)
    assert np.allclose(middle.pose.position, (5, 0, 0))
    assert abs(abs(middle.pose.yaw) - np.pi) < 1e-9
    assert np.allclose(middle.covariance, 2 * np.eye(6))
    assert np.allclose(interpolate(first, last, 2_000).pose.rotation, last.pose.rotation)


def test_grid_pixels_map_and_geotransform_agree() -> None:
    grid = Grid.from_transform((8.0, 0, 500_000.0, 0, -8.0, 4_000_000.0), 100, 50, (499_000.0, 3_999_000.0))
    assert grid.to_map(0, 0) == (1004.0, 996.0)
    assert grid.bounds == (1000.0, 600.0, 1800.0, 1000.0)
    assert grid.to_transform((499_000.0, 3_999_000.0)) == (8.0, 0.0, 500_000.0, 0.0, -8.0, 4_000_000.0)
    assert grid.to_pixel(*grid.to_map(7.25, 3.5)) == (7.25, 3.5)
    cells = grid.every(2)
    assert cells.to_map(0, 0) == (1008.0, 992.0)
    assert cells.bounds == grid.bounds


@settings(max_examples=25, deadline=None)
@given(small, small, st.floats(-3.1, 3.1))
def test_rays_meet_the_ground_that_they_look_at(roll: float, pitch: float, yaw: float) -> None:
    terrain, camera = hills(), CAMERAS["plumb_bob"]
    eye = Pose.from_rpy(np.array([150.0, -80.0, 1500.0]), roll, pitch, yaw) @ NADIR
    pixels = np.random.default_rng(2).uniform((200, 200), (1080, 760), (60, 2))
    points, hit = terrain.intersect(eye.position, camera.rays(pixels) @ eye.rotation.T)
    assert hit.all()
    assert np.abs(points[:, 2] - terrain.height(points[:, 0], points[:, 1])).max() < 1e-3
    back, _ = camera.project((points - eye.position) @ eye.rotation)
    assert np.abs(back - pixels).max() < 0.05


def test_a_ray_stops_at_the_first_ridge() -> None:
    z = np.zeros((50, 50), np.float32)
    z[:, 25] = 100
    wall = Terrain.of(z, Grid(0, 490, 10.0, 50, 50))
    points, hit = wall.intersect(np.array([0.0, 250, 120]), np.array([[1.0, 0, -0.2], [1.0, 0, 0.2]]))
    assert hit.tolist() == [True, False]
    assert 240 < points[0, 0] < 250

def test_a_ray_ends_on_the_ground_however_rough() -> None:
    rng = np.random.default_rng(5)
    heights = (rng.normal(0, 30, (40, 40)) + np.linspace(0, 200, 40)).astype(np.float32)
    terrain = Terrain.of(heights, Grid(0.0, 780.0, 20.0, 40, 40))
    rays = np.column_stack([rng.normal(0, 0.4, (500, 2)), -np.ones(500)])
    origin = np.array([390.0, 390.0, 700.0])
    points, hit = terrain.intersect(origin, rays)
    assert hit.all()
    assert np.abs(points[:, 2] - terrain.height(points[:, 0], points[:, 1])).max() < 1e-5
    assert terrain.intersect(origin, rays[7:8])[0] == pytest.approx(points[7:8], abs=1e-3)


def test_heights_on_a_grid_agree_with_heights_at_points() -> None:
    terrain = hills()
    grid = Grid(-333.0, 217.0, 7.3, 60, 40)
    x, y = np.meshgrid(*grid.axes())
    assert np.abs(terrain.on_grid(grid) - terrain.height(x, y)).max() < 0.6  # remap's 1/32 pixel on the steepest slope


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


def test_a_camera_that_looks_past_the_ground_is_refused() -> None:
    with pytest.raises(Refusal) as caught:
        boresight_point(CAMERAS["plumb_bob"], Pose.from_rpy(np.array([0, 0, 1000.0]), 0, 1.7, 0), Terrain.flat())
    assert caught.value.reason is Reason.VIEW_NOT_DOWN


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


def test_a_window_and_cells_of_a_grid() -> None:
    grid = Grid(100.0, 200.0, 4.0, 11, 7)
    assert grid.shape == (7, 11)
    assert grid.cut(2, 3, 5, 4) == Grid(108.0, 188.0, 4.0, 5, 4)
    assert grid.every(3) == Grid(104.0, 196.0, 12.0, 3, 2)
    x, y = grid.axes()
    assert (x[0], x[-1], len(x), y[0], y[-1], len(y)) == (100, 140, 11, 200, 176, 7)


def described(valid: np.ndarray) -> DescriptorMap:
    """Two groups of channels whose values tell their cell."""
    height, width = valid.shape
    array = np.arange(3.0 * height * width, dtype=np.float32).reshape(3, height, width)
    return DescriptorMap(array, valid, Grid(100.0, 200.0, 4.0, width, height), 2, (ChannelGroup("a", 1), ChannelGroup("b", 2)))


def test_a_part_of_a_descriptor_map_lies_where_it_lay() -> None:
    whole = described(np.arange(77).reshape(7, 11) % 3 > 0)
    part = whole.cut(2, 3, 5, 4)
    assert part.grid == whole.grid.cut(2, 3, 5, 4)
    assert (part.stride, part.groups) == (2, whole.groups)
    assert part.array.tolist() == whole.array[:, 3:7, 2:7].tolist()
    assert part.valid.tolist() == whole.valid[3:7, 2:7].tolist()


@pytest.mark.parametrize(("rows", "cols", "cut"), [
    ((3, 7), (5, 9), (4, 2, 6, 6)), ((2, 8), (4, 10), (4, 2, 6, 6)), ((0, 1), (11, 12), (10, 0, 2, 2)),
    ((5, 6), (0, 12), (0, 4, 12, 2))])
def test_a_descriptor_map_is_trimmed_to_its_valid_cells_in_whole_steps(rows, cols, cut) -> None:
    valid = np.zeros((10, 12), bool)
    valid[slice(*rows), slice(*cols)] = True
    whole = described(valid)
    trimmed, expected = whole.trimmed(2), whole.cut(*cut)
    assert trimmed.grid == expected.grid and trimmed.array.tolist() == expected.array.tolist()
    assert trimmed.valid.sum() == valid.sum()


def test_a_descriptor_map_that_is_all_valid_or_not_at_all_stays_whole() -> None:
    for valid in (np.ones((10, 12), bool), np.zeros((10, 12), bool)):
        whole = described(valid)
        assert whole.trimmed(2) is whole
