"""Where rays meet the ground."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from views import CAMERAS, hills

from promptmid_core.errors import Refusal
from promptmid_core.geometry import NADIR, Grid, Pose, Terrain, boresight_point
from promptmid_core.reasons import Reason

small = st.floats(-0.12, 0.12)


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


@pytest.mark.parametrize("shape", [(40, 50), (1, 30), (20, 1), (1, 1)])
def test_heights_at_crossings_are_those_at_points(shape: tuple[int, int]) -> None:
    heights = np.random.default_rng(0).uniform(0, 100, shape).astype(np.float32)
    terrain = Terrain.of(heights, Grid(5.0, 300.0, 7.3, shape[1], shape[0]))
    x, y = np.linspace(-50, 500, 77), np.linspace(-100, 350, 83)
    np.testing.assert_array_equal(terrain.lattice(x, y), terrain.height(*np.meshgrid(x, y)))
    np.testing.assert_array_equal(Terrain.flat(3.0).lattice(x, y), np.full((83, 77), 3.0))


def test_a_camera_that_looks_past_the_ground_is_refused() -> None:
    with pytest.raises(Refusal) as caught:
        boresight_point(CAMERAS["plumb_bob"], Pose.from_rpy(np.array([0, 0, 1000.0]), 0, 1.7, 0), Terrain.flat())
    assert caught.value.reason is Reason.VIEW_NOT_DOWN
