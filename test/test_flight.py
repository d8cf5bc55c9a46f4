"""Simulated flights: the pictures agree with the truth beside them, the prior is as wrong as asked, all of it is on the map."""

import re
from pathlib import Path

import cv2
import numpy as np
import pytest
from spots import EAST, GSD, NORTH, blobs, centroid, frames_of, hills, priors_at_frames, write_raster

from promptmid_core.bags.bag import open_bag
from promptmid_core.bags.messages import camera_from, stamp_ns
from promptmid_core.errors import InputError
from promptmid_core.geometry import Grid, Pose, Terrain, orthorectify
from promptmid_core.georaster import RasterView
from promptmid_core.simulation.flight.options import FlightOptions
from promptmid_core.simulation.flight.sight import nadir_sight
from promptmid_core.simulation.flight.simulate import simulate_flight
from promptmid_core.simulation.flight.view import View
from promptmid_core.simulation.settings import as_option

pytestmark = pytest.mark.slow

OPTIONS = {
    "frames": 12, "seed": 5, "footprint_px": 150.0, "drift_px": 20.0, "yaw_error_deg": 3.0, "altitude_error_percent": 2.0,
    "image_size": (400, 300), "frame_rate_hz": 0.5,
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("flights")


@pytest.fixture(scope="module")
def spots(folder):
    image, at = blobs(600)
    return write_raster(folder / "spots.tif", image), at


@pytest.fixture(scope="module")
def dem(folder):
    return write_raster(folder / "dem.tif", hills(200, 100.0), gsd=30.0)


@pytest.fixture(scope="module")
def flat(folder, spots):
    return simulate_flight(spots[0], folder / "flat", FlightOptions.of(**OPTIONS)), open_bag(folder / "flat")


@pytest.fixture(scope="module")
def hilly(folder, spots, dem):
    return simulate_flight(spots[0], folder / "hilly", FlightOptions.of(**OPTIONS), dem=dem), open_bag(folder / "hilly")


def terrain_of(bag, dem):
    if dem is None:
        return Terrain.flat()
    view = RasterView.of(dem, bag.map_frame, resampling="bilinear")
    return Terrain.of(view.read(0, 0, view.grid.width, view.grid.height).image, view.grid)


@pytest.mark.parametrize("ground", ["flat", "hilly"])
def test_known_ground_points_are_seen_where_the_true_pose_puts_them(request, spots, dem, ground):
    _, bag = request.getfixturevalue(ground)
    terrain = terrain_of(bag, dem if ground == "hilly" else None)
    origin = bag.map_frame.origin
    x, y = EAST + (spots[1][:, 0] + 0.5) * GSD - origin[0], NORTH - (spots[1][:, 1] + 0.5) * GSD - origin[1]
    points = np.column_stack([x, y, terrain.height(x, y)])
    errors = []
    for _, image, camera, truth in frames_of(bag):
        seen = (truth @ camera.mount).inverse()
        pixels, _ = camera.project(points @ seen.rotation.T + seen.position)
        for col, row in pixels:
            if 12 < col < camera.width - 13 and 12 < row < camera.height - 13:
                errors.append(centroid(image[..., 1], col, row) - (col, row))
    errors = np.array(errors)
    assert len(errors) > 12 * 15
    assert np.abs(np.median(errors, axis=0)).max() < 0.02
    assert np.sqrt((errors**2).sum(axis=1).mean()) < 0.1


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


@pytest.mark.parametrize("ground", ["flat", "hilly"])
def test_the_worst_errors_of_the_prior_are_those_asked_for(request, dem, ground):
    summary, bag = request.getfixturevalue(ground)
    terrain = terrain_of(bag, dem if ground == "hilly" else None)
    place, altitude, yaw, tilt = [], [], [], []
    for truth, prior in priors_at_frames(bag):
        x, y, z = truth.position
        error = prior.pose.position - truth.position
        place.append(np.hypot(*error[:2]) / summary.gsd_m)
        altitude.append(abs(error[2]) / (z - float(terrain.height(np.array(x), np.array(y)))) * 100)
        turned = np.subtract(prior.pose.rpy(), truth.rpy())
        yaw.append(abs(np.degrees((turned[2] + np.pi) % (2 * np.pi) - np.pi)))
        tilt.append(np.degrees(np.abs(turned[:2])))
    assert max(place) == pytest.approx(20.0, rel=1e-3)
    assert max(altitude) == pytest.approx(2.0, rel=1e-3)
    assert max(yaw) == pytest.approx(3.0, rel=5e-3)
    assert np.max(tilt, axis=0) == pytest.approx([0.2, 0.2], rel=2e-2)
    assert np.ptp(place) > 1, "it drifts"


def test_the_covariance_is_honest_and_constant(flat):
    summary, bag = flat
    priors = bag.odometry()
    sigmas = np.sqrt(np.diag(priors[0].covariance))
    height = summary.height_m
    expected = [20 * GSD / 2.5] * 2 + [0.02 * height / 2.5] + [np.radians(0.2 / 2.5)] * 2 + [np.radians(3 / 2.5)]
    np.testing.assert_allclose(sigmas, expected, rtol=1e-9)
    assert all(np.array_equal(prior.covariance, priors[0].covariance) for prior in priors)


def test_a_prior_without_error_still_has_a_covariance(folder, spots):
    perfect = OPTIONS | {"frames": 1, "drift_px": 0.0, "yaw_error_deg": 0.0, "altitude_error_percent": 0.0}
    simulate_flight(spots[0], folder / "perfect", FlightOptions.of(attitude_error_deg=0.0, **perfect))
    bag = open_bag(folder / "perfect")
    (truth, prior), = priors_at_frames(bag)
    np.testing.assert_allclose(prior.pose.correction_from(truth), 0, atol=1e-2)
    assert np.diag(prior.covariance).min() > 0


def test_odometry_is_regular_and_its_twist_is_the_motion(flat):
    _, bag = flat
    stamps = np.array([prior.stamp_ns for prior in bag.odometry()])
    assert set(np.diff(stamps)) == {50_000_000}
    messages = [m for _, _, m in bag.messages("/odometry")]
    assert {(m.header.frame_id, m.child_frame_id) for m in messages} == {("map", "base_link")}
    priors = bag.odometry()
    for i in range(20, len(priors) - 1, 31):
        moved = (priors[i + 1].pose.position - priors[i - 1].pose.position) / 0.1
        body = priors[i].pose.rotation.T @ moved
        linear, angular = messages[i].twist.twist.linear, messages[i].twist.twist.angular
        np.testing.assert_allclose([linear.x, linear.y, linear.z], body, atol=0.1)
        turned = priors[i - 1].pose.rotation.T @ (priors[i + 1].pose.rotation - priors[i - 1].pose.rotation) / 0.1
        assert angular.z == pytest.approx(turned[1, 0], abs=0.01)


def test_the_flight_is_one_that_an_aircraft_flies(flat):
    summary, bag = flat
    stamps, truth = zip(*bag.ground_truth(), strict=True)
    assert stamps[0] > 1_700_000_000_000_000_000
    assert np.diff(stamps) == pytest.approx(2e9)
    position = np.array([pose.position for pose in truth])
    rpy = np.array([pose.rpy() for pose in truth])
    chords = np.hypot(*np.diff(position[:, :2], axis=0).T) / 2
    assert (chords <= summary.speed_mps * 1.001).all(), "constant speed: no chord is longer than the arc"
    assert np.median(chords) > 0.8 * summary.speed_mps
    turned = (np.diff(rpy[:, 2]) + np.pi) % (2 * np.pi) - np.pi
    assert np.degrees(np.abs(turned)).max() / 2 <= summary.turn_rate_deg_s + 4, "the track's turn rate, and the crab's"
    assert np.degrees(np.abs(rpy[:, :2])).max() <= 5
    assert 0.3 < np.degrees(rpy[:, :2].std()) < 4
    assert np.abs(position[:, 2] / summary.height_m - 1).max() <= 0.05
    assert summary.distance_m == pytest.approx(chords.sum() * 2)


def test_the_height_is_kept_above_the_ground(hilly, dem):
    summary, bag = hilly
    positions = np.array([pose.position for _, pose in bag.ground_truth()])
    above = positions[:, 2] - terrain_of(bag, dem).height(positions[:, 0], positions[:, 1])
    assert np.abs(above / summary.height_m - 1).max() < 0.1
    assert above.mean() == pytest.approx(summary.height_m, rel=0.03)


def test_the_footprint_at_nadir_is_the_one_asked_for(flat):
    summary, bag = flat
    camera = camera_from(next(bag.messages("/camera_info"))[2])
    assert (camera.width, camera.height) == (400, 300)
    ends = camera.rays(np.array([[199.5, -0.5], [199.5, 299.5]]))
    length = np.ptp(ends[:, 1] / ends[:, 2]) * summary.height_m
    assert length == pytest.approx(150 * GSD, rel=1e-6)
    assert summary.footprint_m[1] == pytest.approx(length)
    assert 40 < np.degrees(2 * np.arctan(length / 2 / summary.height_m)) < 50


def test_footprints_are_counted_in_pixels_of_the_gsd_given(folder, spots):
    summary = simulate_flight(spots[0], folder / "gsd", FlightOptions.of(**(OPTIONS | {"frames": 2, "footprint_px": 60.0}),
                              gsd=25.0))
    assert (summary.gsd_m, summary.footprint_m[1]) == (25.0, pytest.approx(1500.0))
    bag = open_bag(folder / "gsd")
    assert float(bag.custom["gsd_m"]) == 25.0
    assert max(np.hypot(*(p.pose.position - t.position)[:2]) for t, p in priors_at_frames(bag)) == pytest.approx(500, rel=1e-3)


def test_the_bag_tells_its_map_frame_and_options(flat):
    summary, bag = flat
    assert (bag.map_frame.crs, bag.map_frame.origin) == (summary.map_crs, summary.map_origin)
    assert bag.map_frame.crs == "EPSG:32611"
    assert {key: bag.custom[key] for key in ("seed", "frames", "footprint_px", "drift_px", "optical")} == {
        "seed": "5", "frames": "12", "footprint_px": "150.0", "drift_px": "20.0", "optical": "spots.tif"}
    assert bag.count("/image/compressed") == bag.count("/camera_info") == bag.count("/ground_truth") == summary.frames == 12


def test_images_are_recorded_after_the_odometry_that_brackets_them(flat):
    _, bag = flat
    newest = 0
    for topic, _, message in bag.messages():
        if topic == "/odometry":
            newest = stamp_ns(message.header)
        elif topic == "/image/compressed":
            assert newest >= stamp_ns(message.header)


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


def test_the_same_arguments_give_the_same_bytes(folder, spots, flat):
    simulate_flight(spots[0], folder / "again" / "flat", FlightOptions.of(**OPTIONS))
    for name in ("flat.mcap", "metadata.yaml"):
        assert (folder / "again" / "flat" / name).read_bytes() == (folder / "flat" / name).read_bytes()
    simulate_flight(spots[0], folder / "other", FlightOptions.of(**(OPTIONS | {"seed": 6, "frames": 1})))
    assert open_bag(folder / "other").ground_truth()[0][1].position[0] != flat[1].ground_truth()[0][1].position[0]


def test_light_changes_over_the_flight(folder, mosaic):
    simulate_flight(mosaic[0], folder / "light", FlightOptions.of(**(OPTIONS | {"frames": 40, "image_size": (160, 120)})))
    light = [np.median(image) for _, image, _, _ in frames_of(open_bag(folder / "light"))]
    assert np.ptp(light) > 15
    assert np.abs(np.diff(light)).max() < 0.7 * np.ptp(light), "smoothly"


def test_lens_and_sensor_leave_their_marks(flat):
    _, bag = flat
    images = [image for _, image, _, _ in frames_of(bag)]
    still = [image[..., 1].astype(float) - cv2.GaussianBlur(image[..., 1].astype(float), (0, 0), 2) for image in images]
    assert 0.3 < np.median([np.median(np.abs(s)) for s in still]) < 3
    corners = np.mean([[image[:20, :20].min(), image[140:160, 190:210].min()] for image in images], axis=0)
    assert corners[0] < corners[1] - 2, "vignetting"


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


def sentence(optical, out, dem=None, **options):
    with pytest.raises(InputError) as caught:
        simulate_flight(optical, out, FlightOptions.of(**options), dem=dem)
    text = str(caught.value)
    assert "\n" not in text
    return text


def test_maps_without_room_are_refused_with_what_would_fit(folder, spots, mosaic):
    out = folder / "never"
    text = sentence(spots[0], out, **(OPTIONS | {"footprint_px": 590.0}))
    assert "spots.tif" in text and "too small" in text and "--footprint-px" in text
    share = int(text.split("--footprint-px of ")[1].split("%")[0]) / 100
    simulate_flight(spots[0], folder / "fits", FlightOptions.of(**(OPTIONS | {"frames": 2, "footprint_px": 590.0 * share})))
    assert re.search(r"measures 60\d\d x 60\d\d m", text)
    holes = np.random.default_rng(2).integers(0, 8, (600, 600)).astype(np.uint8)
    path = write_raster(folder / "holes.tif", holes, nodata=0)
    assert "holes" in sentence(path, out, **OPTIONS)
    assert not out.exists()


@pytest.mark.parametrize(("option", "value"), [
    ("frames", 0), ("seed", -1), ("footprint_px", 0.0), ("footprint_px", float("nan")), ("drift_px", -1.0),
    ("yaw_error_deg", 181.0), ("altitude_error_percent", float("inf")), ("gsd", -10.0), ("speed_mps", 0.0),
    ("frame_rate_hz", 0.0), ("image_size", (10, 10)), ("image_size", (1000, 100)),
])
def test_impossible_options_are_named(option, value):
    with pytest.raises(InputError, match=rf"^{option} is [^\n]*; it has to be [^\n]*$"):
        FlightOptions.of(**(OPTIONS | {option: value}))
    with pytest.raises(InputError, match=f"^--{option.replace('_', '-')} is "):
        FlightOptions.from_dict(OPTIONS | {option: value}, as_option)


def test_bad_rasters_are_refused(folder, spots):
    out = folder / "never"
    assert "absent.tif" in sentence(folder / "absent.tif", out, **OPTIONS)
    assert "bare.tif" in sentence(write_raster(folder / "bare.tif", blobs(200)[0], crs=None), out, **OPTIONS)
    truncated = folder / "cut.tif"
    truncated.write_bytes(spots[0].read_bytes()[:100_000])
    assert "cut.tif" in sentence(truncated, out, **OPTIONS)
    corner = write_raster(folder / "corner.tif", hills(60, 50.0), gsd=30.0)
    assert "corner.tif" in sentence(spots[0], out, dem=corner, **OPTIONS)
    cliffs = np.zeros((200, 200), np.float32)
    cliffs[:, ::7] = 9000
    assert "terrain" in sentence(spots[0], out, dem=write_raster(folder / "cliffs.tif", cliffs, gsd=30.0), **OPTIONS)
    assert not out.exists()


def test_nothing_is_left_of_a_flight_that_was_stopped(folder, spots, tmp_path):
    def stop(done, frames):
        assert frames == 12
        if done == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        simulate_flight(spots[0], tmp_path / "stopped", FlightOptions.of(**OPTIONS), progress=stop)
    assert list(tmp_path.iterdir()) == []


def test_a_flight_is_never_recorded_over_another(flat, spots):
    path: Path = flat[0].path
    before = (path / "metadata.yaml").read_bytes()
    assert "exists already" in sentence(spots[0], path, **OPTIONS)
    assert (path / "metadata.yaml").read_bytes() == before
