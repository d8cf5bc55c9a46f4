"""Simulated flights: their pictures agree with the truth beside them, the prior is as wrong as asked."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from spots import EAST, GSD, NORTH, OPTIONS, centroid, frames_of, hills, priors_at_frames, sentence, write_raster

from promptmid_core.bags.bag import open_bag
from promptmid_core.bags.messages import camera_from, stamp_ns
from promptmid_core.geometry import Terrain
from promptmid_core.georaster import RasterView
from promptmid_core.simulation.flight.options import FlightOptions
from promptmid_core.simulation.flight.simulate import simulate_flight


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


def test_the_same_arguments_give_the_same_bytes(folder, spots, flat):
    simulate_flight(spots[0], folder / "again" / "flat", FlightOptions.of(**OPTIONS))
    for name in ("flat.mcap", "metadata.yaml"):
        assert (folder / "again" / "flat" / name).read_bytes() == (folder / "flat" / name).read_bytes()
    simulate_flight(spots[0], folder / "other", FlightOptions.of(**(OPTIONS | {"seed": 6, "frames": 1})))
    assert open_bag(folder / "other").ground_truth()[0][1].position[0] != flat[1].ground_truth()[0][1].position[0]


def test_lens_and_sensor_leave_their_marks(flat):
    _, bag = flat
    images = [image for _, image, _, _ in frames_of(bag)]
    still = [image[..., 1].astype(float) - cv2.GaussianBlur(image[..., 1].astype(float), (0, 0), 2) for image in images]
    assert 0.3 < np.median([np.median(np.abs(s)) for s in still]) < 3
    corners = np.mean([[image[:20, :20].min(), image[140:160, 190:210].min()] for image in images], axis=0)
    assert corners[0] < corners[1] - 2, "vignetting"


def test_a_flight_is_never_recorded_over_another(flat, spots):
    path: Path = flat[0].path
    before = (path / "metadata.yaml").read_bytes()
    assert "exists already" in sentence(spots[0], path, **OPTIONS)
    assert (path / "metadata.yaml").read_bytes() == before
