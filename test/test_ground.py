"""Heights and what is laid on them, to the cell: edges, steps, rays that graze, images cut and averaged."""

from dataclasses import replace

import cv2
import numpy as np
import pytest

from promptmid_core.geometry import Camera, Grid, Pose, Terrain, ground_resolution, orthorectify
from promptmid_core.geometry.heights import HeightArray, filled
from promptmid_core.geometry.ortho import _reached

GRID = Grid(100.0, 500.0, 10.0, 6, 5)
HEIGHTS = np.random.default_rng(3).uniform(0, 80, (5, 6)).astype(np.float32)
ROUGH = Terrain.of(HEIGHTS, GRID)


def by_definition(col: float, row: float) -> float:
    """Bilinear in the cell around a place; beyond the edge the nearest height."""
    col, row = min(max(col, 0), 5), min(max(row, 0), 4)
    c, r = min(int(col), 4), min(int(row), 3)
    u, v = col - c, row - r
    return float(HEIGHTS[r, c] * (1 - u) * (1 - v) + HEIGHTS[r, c + 1] * u * (1 - v) + HEIGHTS[r + 1, c] * (1 - u) * v
                 + HEIGHTS[r + 1, c + 1] * u * v)


PLACES = [(0, 0), (5, 4), (5, 0), (0, 4), (2.25, 1.5), (4.75, 3.9), (0.1, 3.2), (-3, 1.25), (7.5, 2.5), (1.5, -2), (3.5, 9),
          (-1, -1), (8, 8)]


def test_heights_are_bilinear_and_hold_beyond_the_edge() -> None:
    x, y = GRID.to_map([col for col, _ in PLACES], [row for _, row in PLACES])
    expected = [by_definition(*place) for place in PLACES]
    assert ROUGH.height(x, y) == pytest.approx(expected, abs=1e-4)
    assert ROUGH.height(x.reshape(13, 1), y.reshape(13, 1)).shape == (13, 1)


@pytest.mark.parametrize("grid", [Grid(103.0, 497.0, 2.5, 16, 14), Grid(60.0, 560.0, 10.0, 16, 18), Grid(126.0, 463.0, 2.0, 5, 4),
                                  Grid(900.0, 900.0, 10.0, 4, 3), Grid(-900.0, -900.0, 10.0, 4, 3)], ids=str)
def test_heights_on_a_grid_are_those_at_its_pixels(grid: Grid) -> None:
    """cv2.remap rounds places to 1/32 of a cell."""
    x, y = np.meshgrid(*grid.axes())
    on_grid = ROUGH.on_grid(grid)
    assert on_grid.shape == grid.shape
    assert np.abs(on_grid - ROUGH.height(x, y)).max() <= 2 * 80 / 64


@pytest.mark.parametrize("shape", [(1, 6), (5, 1), (1, 1), (2, 6), (5, 2), (2, 2)])
def test_heights_of_one_row_or_column_or_two(shape: tuple[int, int]) -> None:
    cells = HEIGHTS[:shape[0], :shape[1]]
    narrow = Terrain.of(cells, replace(GRID, width=shape[1], height=shape[0]))
    rows, cols = np.mgrid[:shape[0], :shape[1]]
    assert narrow.height(*GRID.to_map(cols, rows)) == pytest.approx(cells)
    assert narrow.height(*GRID.to_map(cols + 0.0, rows - 0.0)).shape == shape


def test_a_flat_ground_is_as_high_as_it_is_said_to_be() -> None:
    flat = Terrain.flat(12.5)
    assert flat.height(np.zeros((2, 3)), np.zeros((2, 3))).tolist() == [[12.5] * 3] * 2
    assert flat.on_grid(GRID).tolist() == [[12.5] * 6] * 5
    assert Terrain.flat().level == Terrain().level == 0.0
    rays = np.array([[0.5, -1, -1], [0, 0, 1], [1, 0, -0.999e-3], [1, 0, -1.01e-3]])
    points, hit = flat.intersect(np.array([0.0, 0, 112.5]), rays)
    assert hit.tolist() == [True, False, False, True]
    assert points[0] == pytest.approx([50, -100, 12.5])
    assert np.isnan(points[1:3]).all()
    assert not flat.intersect(np.array([0.0, 0, 12.5]), np.array([[0.0, 0, -1]]))[1].any(), "on the ground it is met nowhere"


def test_heights_know_their_range() -> None:
    assert (HeightArray(HEIGHTS).lowest, HeightArray(HEIGHTS).highest) == (HEIGHTS.min(), HEIGHTS.max())
    assert HeightArray(HEIGHTS).shape == (5, 6)
    known = np.ones((5, 6), bool)
    assert filled(HEIGHTS, known) is HEIGHTS
    known[2, 3] = known[0, 0] = False
    whole = filled(np.where(known, HEIGHTS, np.nan).astype(np.float32), known)
    assert whole[known] == pytest.approx(HEIGHTS[known])
    assert whole[0, 0] in (HEIGHTS[0, 1], HEIGHTS[1, 0])
    assert whole[2, 3] in (HEIGHTS[1, 3], HEIGHTS[3, 3], HEIGHTS[2, 2], HEIGHTS[2, 4])


def plane() -> Terrain:
    """Rises by 0.3 to the east and by 0.1 to the north, over 400 m."""
    grid = Grid(0.0, 400.0, 10.0, 41, 41)
    x, y = np.meshgrid(*grid.axes())
    return Terrain.of((0.3 * x + 0.1 * y).astype(np.float32), grid)


@pytest.mark.parametrize("direction", [(0, 0, -1), (0.5, 0.2, -1), (-0.9, 0.4, -1), (0.1, -1.0, -0.6), (1.0, 0.0, -0.2)], ids=str)
def test_a_ray_meets_a_slope_where_it_does(direction: tuple[float, float, float]) -> None:
    origin, (a, b, c) = np.array([180.0, 200.0, 170.0]), direction
    points, hit = plane().intersect(origin, 3.0 * np.array([direction]))
    assert hit.all()
    t = (170 - 0.3 * 180 - 0.1 * 200) / (0.3 * a + 0.1 * b - c)
    assert points[0] == pytest.approx(origin + t * np.array(direction), abs=1e-3)


def test_a_ray_from_below_the_ground_meets_none() -> None:
    """Though the range of heights lies on its way; and one from the lowest height or under it."""
    down = np.array([[0.0, 0, -1], [0.3, 0, -1]])
    for height in (10.0, 74.0 - 0.01, -5.0, -50.0):
        assert not plane().intersect(np.array([180.0, 200.0, height]), down)[1].any(), height
    assert plane().intersect(np.array([180.0, 200.0, 74.0 + 0.01]), down)[1].all()


@pytest.mark.parametrize("north", [False, True])
def test_a_ray_meets_the_near_side_of_a_thin_wall(north: bool) -> None:
    """From steps of half a cell, where a longer one would pass through; at the face to a millimetre."""
    z = np.zeros((3, 400), np.float32)
    z[:, 200] = 50.0
    wall = Terrain.of(z.T[::-1] if north else z, Grid(0.0, 3990.0, 10.0, 3, 400) if north else Grid(0.0, 20.0, 10.0, 400, 3))
    way = np.array([0.0, 1, 0]) if north else np.array([1.0, 0, 0])
    origin = np.array([10.0, 0, 100]) if north else np.array([0.0, 10, 100])
    points, hit = wall.intersect(origin, way - np.array([[0, 0, 0.032], [0, 0, 0.0248]]))
    assert hit.all()
    far = points @ way
    assert far[0] == pytest.approx(1990 + 10 * (100 - 0.032 * far[0]) / 50, abs=1e-3)
    assert far[1] == pytest.approx((100 / 0.0248), abs=1), "over its top"


@pytest.mark.parametrize("seed", range(4))
def test_cliffs_are_met_to_a_micrometre(seed: int) -> None:
    """Walls of 50 to 120 m from cell to cell, along rays so long that their steps pass over several cells."""
    z = np.random.default_rng(seed).choice(np.float32([0, 50, 120]), (3, 6000))
    cliffs = Terrain.of(z, Grid(0.0, 2.0, 1.0, 6000, 3))
    rays = np.column_stack([np.ones(300), np.zeros(300), -np.linspace(0.02, 2, 300)])
    points, hit = cliffs.intersect(np.array([0.0, 1.0, 170.0]), rays)
    assert hit.all()
    assert np.abs(points[:, 2] - cliffs.height(points[:, 0], points[:, 1])).max() < 1e-5


def as_defined(image: np.ndarray, camera: Camera, pose: Pose, grid: Grid) -> tuple[np.ndarray, np.ndarray]:
    """The patch over flat ground by one look-up in all of the averaged image."""
    x, y = np.meshgrid(*grid.axes())
    eye = pose @ camera.mount
    pixels, seen = camera.project((np.stack([x, y, np.zeros_like(x)], -1).reshape(-1, 3) - eye.position) @ eye.rotation)
    factor = max(int(grid.gsd / ground_resolution(camera, pose, Terrain.flat()) + 0.25), 1)
    height, width = image.shape[0] // factor, image.shape[1] // factor
    small = cv2.resize(image[:height * factor, :width * factor], (width, height), interpolation=cv2.INTER_AREA)
    at = ((pixels - (factor - 1) / 2) / factor).reshape(*grid.shape, 2)
    whole = cv2.remap(small, *np.moveaxis(at, -1, 0).astype(np.float32), cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    inside = (at[..., 0] <= width - 0.5) & (at[..., 1] <= height - 0.5)
    return whole, seen.reshape(grid.shape) & inside


@pytest.mark.parametrize("gsd", [1.0, 1.7, 1.8, 3.0, 7.3])
@pytest.mark.parametrize("place", [(0.0, 0.0), (60.0, 0.0), (0.0, -47.0), (0.0, -68.0), (-58.0, 44.0), (400.0, 300.0)], ids=str)
def test_an_image_is_read_where_the_grid_sees_it(gsd: float, place: tuple[float, float]) -> None:
    """Inside, at each edge, and past it: the same as one look-up in the whole image."""
    camera = Camera(131, 103, np.array([[100.0, 0, 65], [0, 103.0, 51], [0, 0, 1]]))
    image = np.random.default_rng(4).integers(0, 255, (103, 131), np.uint8)
    pose = Pose.from_rpy(np.array([0.0, 0, 100.0]), 0.01, 0.02, 0.1)
    grid = Grid(place[0] - 20, place[1] + 20, gsd, int(40 / gsd), int(36 / gsd))
    patch = orthorectify(image, camera, pose, Terrain.flat(), grid)
    expected, seen = as_defined(image, camera, pose, grid)
    assert (patch.image == expected).all()
    assert (patch.valid == seen).all()
    assert patch.grid is grid


def test_the_span_of_an_axis_that_is_read() -> None:
    """A pixel more on either side of all that bilinear reading needs, within the axis."""
    assert _reached(np.array([3.7, 8.2]), 20) == (2, 11)
    assert _reached(np.array([0.4, 18.6]), 20) == (0, 20)
    assert _reached(np.array([-5.0, -3.0]), 20) == (0, 3)
    assert _reached(np.array([25.0, 30.0]), 20) == (18, 20)


def test_the_resolution_on_the_ground_is_the_finer_axis() -> None:
    pose = Pose.from_rpy(np.array([0.0, 0, 1000.0]), 0, 0, 0.4)
    for fx, fy, expected in ((500.0, 400.0, 2.0), (250.0, 400.0, 2.5)):
        camera = Camera(100, 80, np.array([[fx, 0, 49.5], [0, fy, 39.5], [0, 0, 1]]))
        assert ground_resolution(camera, pose, Terrain.flat()) == pytest.approx(expected)
        # beside the principal point the ground is as far along the axis
        aside = replace(camera, k=np.array([[fx, 0, 149.5], [0, fy, 39.5], [0, 0, 1]]))
        assert ground_resolution(aside, pose, Terrain.flat()) == pytest.approx(expected)
