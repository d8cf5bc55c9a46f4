"""The pictures of simulated flights over ground of many kinds: what lies below, in changing light, and all of it on the map."""

import cv2
import numpy as np
import pytest
from spots import EAST, GSD, NORTH, OPTIONS, frames_of, hills, write_raster

from promptmid_core.bags.bag import open_bag
from promptmid_core.geometry import Grid, Pose, Terrain, orthorectify
from promptmid_core.simulation.flight.options import FlightOptions
from promptmid_core.simulation.flight.sight import nadir_sight
from promptmid_core.simulation.flight.simulate import simulate_flight
from promptmid_core.simulation.flight.view import View


def test_every_pixel_over_relief_meets_the_ground_that_its_ray_meets():
    sight = nadir_sight(400, 300, 1500.0)
    heights = hills(150, 80.0)
    terrain = Terrain.of(heights, Grid(-2250.0, 2250.0, 30.0, 150, 150))
    grid = Grid(-2000.0, 2000.0, 8.0, 500, 500)
    view = View(np.zeros((500, 500), np.uint8), np.ones((500, 500), bool), grid, terrain, sight.camera)
    pose = Pose.from_rpy(np.array([50.0, -30.0, 160.0 + sight.height]), 0.06, -0.08, 0.7)
    cols, rows = view.ground_pixels(pose)
    at = np.random.default_rng(1).integers(0, (400, 300), (2000, 2))
    eye = pose @ sight.camera.mount
    points, hit = terrain.intersect(eye.position, sight.camera.rays(at) @ eye.rotation.T)
    col, row = grid.to_pixel(points[:, 0], points[:, 1])
    frame_px = np.hypot(cols[at[:, 1], at[:, 0]] - col, rows[at[:, 1], at[:, 0]] - row) * grid.gsd / (1500 / 300)
    assert hit.all()
    assert frame_px.max() < 0.05


@pytest.fixture(scope="module")
def mosaic(folder):
    """A map with a missing corner and holes, its nodata value 0."""
    rng = np.random.default_rng(0)
    image = cv2.GaussianBlur(rng.integers(0, 256, (900, 1000), np.uint8), (0, 0), 2)
    image = cv2.normalize(image, np.empty_like(image), 1, 255, cv2.NORM_MINMAX)
    image[600:, 700:] = 0
    for row, col in rng.integers(50, 850, (6, 2)):
        image[row:row + 25, col:col + 25] = 0
    return write_raster(folder / "mosaic.tif", image, nodata=0), image


@pytest.mark.parametrize("seed", [1, 2])
def test_every_footprint_lies_on_valid_pixels(folder, mosaic, seed):
    path, image = mosaic
    options = OPTIONS | {"frames": 60, "seed": seed, "footprint_px": 180.0, "image_size": (160, 120)}
    summary = simulate_flight(path, folder / f"mosaic{seed}", FlightOptions.of(**options))
    bag = open_bag(folder / f"mosaic{seed}")
    origin, shares, headings = bag.map_frame.origin, [], []
    cols, rows = np.meshgrid(np.arange(0, 160, 3), np.arange(0, 120, 3))
    pixels = np.column_stack([cols.ravel(), rows.ravel()])
    for _, _, camera, truth in frames_of(bag):
        eye = truth @ camera.mount
        points, hit = Terrain.flat().intersect(eye.position, camera.rays(pixels) @ eye.rotation.T)
        col = np.floor((points[:, 0] + origin[0] - EAST) / GSD).astype(int)
        row = np.floor((NORTH - points[:, 1] - origin[1]) / GSD).astype(int)
        inside = hit & (col >= 0) & (row >= 0) & (col < 1000) & (row < 900)
        shares.append((image[np.where(inside, row, 0), np.where(inside, col, 0)] > 0)[inside].sum() / len(pixels))
        headings.append(truth.yaw)
    assert min(shares) >= 0.95
    assert summary.least_valid_share == pytest.approx(min(shares), abs=0.01)
    assert len(np.unique(np.floor(np.array(headings) / (np.pi / 4)))) >= 6, "it wanders over the directions"


def test_a_frame_looks_like_the_ground_below(folder, mosaic):
    """Put back on the ground with the true pose, frame and orthophoto agree; moved by two pixels they do not."""
    path, image = mosaic
    simulate_flight(path, folder / "grey", FlightOptions.of(**(OPTIONS | {"frames": 4, "footprint_px": 120.0})))
    bag = open_bag(folder / "grey")
    for _, frame, camera, truth in frames_of(bag):
        c = round((truth.position[0] + bag.map_frame.origin[0] - EAST) / GSD)
        r = round((NORTH - truth.position[1] - bag.map_frame.origin[1]) / GSD)
        corner = EAST + (c - 40) * GSD, NORTH - (r - 40) * GSD
        grid = Grid.from_transform((GSD, 0, corner[0], 0, -GSD, corner[1]), 80, 80, bag.map_frame.origin)
        patch = orthorectify(frame, camera, truth, Terrain.flat(), grid)
        ground = [image[r - 40:r + 40, c - 40 + shift:c + 40 + shift] for shift in (-2, 0, 2)]
        west, here, east = (np.corrcoef(patch.image.ravel(), part.ravel())[0, 1] for part in ground)
        assert frame.ndim == 2, "a grey orthophoto gives grey frames"
        assert here > 0.8
        assert max(west, east) < here - 0.1


def test_light_changes_over_the_flight(folder, mosaic):
    simulate_flight(mosaic[0], folder / "light", FlightOptions.of(**(OPTIONS | {"frames": 40, "image_size": (160, 120)})))
    light = [np.median(image) for _, image, _, _ in frames_of(open_bag(folder / "light"))]
    assert np.ptp(light) > 15
    assert np.abs(np.diff(light)).max() < 0.7 * np.ptp(light), "smoothly"


def test_frames_coarser_than_the_orthophoto_do_not_alias(folder):
    stripes = np.zeros((1200, 1200), np.uint8) + 55
    stripes[:, ::2] = 200
    path = write_raster(folder / "stripes.tif", stripes, gsd=1.0)
    options = OPTIONS | {"frames": 2, "footprint_px": 500.0, "image_size": (128, 96)}
    simulate_flight(path, folder / "stripes", FlightOptions.of(**options))
    for _, image, _, _ in frames_of(open_bag(folder / "stripes")):
        # 5 pixels of stripes in one of the frame: an even grey
        assert cv2.GaussianBlur(image, (0, 0), 3)[10:-10, 10:-10].std() < 12
        assert image.std() < 20


def test_16_bit_orthophotos_are_stretched(folder):
    rng = np.random.default_rng(1)
    image = cv2.GaussianBlur(rng.integers(0, 3000, (500, 500)).astype(np.float32), (0, 0), 3).astype(np.uint16)
    path = write_raster(folder / "deep.tif", image)
    simulate_flight(path, folder / "deep", FlightOptions.of(**(OPTIONS | {"frames": 1})))
    (_, frame, _, _), = frames_of(open_bag(folder / "deep"))
    assert frame.std() > 20
