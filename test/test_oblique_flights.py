"""Cameras that look ahead, and that are mounted and calibrated otherwise than told: where the ground is seen then."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from spots import EAST, GSD, NORTH, centroid, frames_of

from promptmid_core.bags.bag import open_bag
from promptmid_core.errors import InputError
from promptmid_core.geometry import NADIR, Grid, Pose, Terrain
from promptmid_core.geometry.pose import rotation_rpy
from promptmid_core.localization.mounts import Mounts
from promptmid_core.localization.options import TrackOptions
from promptmid_core.localization.rig import Rig
from promptmid_core.localization.settings import DEFAULTS
from promptmid_core.simulation.flight.options import CameraOptions, FlightOptions
from promptmid_core.simulation.flight.sight import mounted, nadir_sight
from promptmid_core.simulation.flight.simulate import simulate_flight
from promptmid_core.simulation.flight.view import SKY, View

BORESIGHT = 1.5, -2.0, 3.0
WRONG = {"boresight_error_deg": BORESIGHT, "focal_error_percent": 4, "principal_point_error_px": (6, -5), "camera_delay_s": 0.5}


@pytest.fixture(scope="module")
def flown(spots, tmp_path_factory):
    """Thirty degrees ahead, nothing as told; images are stamped as late as the next is taken."""
    options = FlightOptions.of(frames=6, seed=2, footprint_px=100, image_size=(400, 300), frame_rate_hz=2, camera_pitch_deg=30,
                               ground_height_m=240, **WRONG)
    folder = tmp_path_factory.mktemp("flown") / "bag"
    return simulate_flight(spots[0], folder, options), open_bag(folder)


def told_mount(bag):
    mounts = Mounts(Rig.read(DEFAULTS, TrackOptions()))
    for _, _, message in bag.messages("/tf_static"):
        mounts.add(message)
    return mounts.mount("camera_optical")


def test_the_bag_tells_the_mount_that_was_asked_for_and_not_its_error(flown):
    _, bag = flown
    assert bag.count("/tf_static") == 1
    mount = told_mount(bag)
    np.testing.assert_allclose(mount.rotation, rotation_rpy(0, np.radians(-30), 0) @ NADIR.rotation, atol=1e-12)
    assert mount.rotation[0, 2] == pytest.approx(0.5), "the boresight goes forward"
    assert {name: bag.custom[name] for name in ("camera_pitch_deg", "boresight_error_deg", "focal_error_percent", "dem")} == {
        "camera_pitch_deg": "30", "boresight_error_deg": "1.5,-2,3",
        "focal_error_percent": "4", "dem": "none: flat ground at 240 m"}


def expected(bag, at, true_camera):
    """Images, with the pixels (N, 2) where the camera as it is sees spots from where the aircraft was half a second before."""
    origin = bag.map_frame.origin
    x, y = EAST + (at[:, 0] + 0.5) * GSD - origin[0], NORTH - (at[:, 1] + 0.5) * GSD - origin[1]
    points = np.column_stack([x, y, np.full(len(x), 240.0)])
    for (*_, before), (_, image, camera, _) in pairwise(frames_of(bag)):
        camera = true_camera(camera)
        seen = (before @ camera.mount).inverse()
        pixels, inside = camera.project(points @ seen.rotation.T + seen.position)
        # far ahead spots are small, and no centroid tells their place
        inside &= (np.abs(pixels - (200, 215)) < (187, 75)).all(axis=1)
        yield image[..., 1], pixels[inside]


def test_ground_is_seen_where_the_camera_as_it_is_sees_it(flown, spots):
    _, bag = flown
    mount = told_mount(bag)

    def true(camera):
        k = camera.k.copy()
        k[0, 0], k[1, 1] = 1.04 * k[0, 0], 1.04 * k[1, 1]
        k[:2, 2] += 6, -5
        return replace(camera, k=k, mount=Pose(mount.position, rotation_rpy(*np.radians(BORESIGHT)) @ mount.rotation))

    errors = np.array([centroid(image, *pixel) - pixel for image, pixels in expected(bag, spots[1], true) for pixel in pixels])
    assert len(errors) > 30
    assert np.abs(np.median(errors, axis=0)).max() < 0.15
    assert np.median(np.hypot(*errors.T)) < 0.4

    def bright(camera):
        return np.mean([image[round(row), round(col)] > 130 for image, pixels in expected(bag, spots[1], camera)
                        for col, row in pixels])

    assert bright(true) > 0.9
    assert bright(lambda camera: replace(camera, mount=mount)) < 0.4, "and not where the camera as it is told does"


def test_the_footprint_is_measured_along_the_boresight(flown):
    summary, bag = flown
    assert min(summary.footprint_m) == pytest.approx(1000)
    z = np.array([pose.position[2] for _, pose in bag.ground_truth()])
    assert (z - 240).mean() == pytest.approx(summary.height_m, rel=0.05)
    down = nadir_sight(400, 300, 1000.0).height
    assert summary.height_m == pytest.approx(down * np.cos(np.radians(30)))
    assert summary.least_valid_share > 0.95


def test_a_footprint_without_room_ahead_is_refused_with_what_fits(spots, tmp_path):
    options = {"frames": 2, "footprint_px": 150, "image_size": (160, 120), "camera_pitch_deg": 60}
    with pytest.raises(InputError, match=r"a --footprint-px of \d+% of this one would fit"):
        simulate_flight(spots[0], tmp_path / "bag", FlightOptions.of(**options))
    assert not (tmp_path / "bag").exists()


@pytest.mark.parametrize("pitch", [15, 45, 60])
def test_the_ground_that_may_be_seen_holds_all_that_is(pitch):
    sight = mounted(nadir_sight(320, 240, 500.0), CameraOptions(camera_pitch_deg=pitch))
    near, far, aside = sight.ground(np.radians(4))
    view = View(np.zeros((9, 9), np.uint8), np.ones((9, 9), bool), Grid(0, 0, 1, 9, 9), Terrain.flat(), sight.camera)
    for roll, pitched in ((0.0, 0.0), (0.05, -0.05), (-0.06, 0.03)):
        pose = Pose.from_rpy(np.array([0.0, 0.0, sight.height]), roll, pitched, 0.0)
        x, y = (np.asarray(a)[12:] for a in view.crossing(pose, 0.0))
        assert near - 1 < x.min() and x.max() < far + 1 and np.abs(y).max() < aside + 1
    assert far > sight.height * np.tan(np.radians(pitch)) > near


def test_above_the_horizon_there_is_haze_and_no_valid_ground():
    sight = mounted(nadir_sight(320, 240, 100.0), CameraOptions(camera_pitch_deg=60))
    grid = Grid(-1000, 1000, 1, 2000, 2000)
    view = View(np.full(grid.shape, 90, np.uint8), np.ones(grid.shape, bool), grid, Terrain.flat(), sight.camera)
    level = Pose.from_rpy(np.array([0.0, 0.0, sight.height]), 0.0, 0.0, 0.4)
    seen, share = view.render(level)
    assert share > 0.97 and (seen[12:] == 90).all()
    raised = Pose.from_rpy(level.position, 0.0, -np.radians(15), 0.4)
    seen, share = view.render(raised)
    sky = (seen == SKY).all(axis=1)
    assert sky[:30].all() and not sky[80:].any()
    assert share == pytest.approx(1 - sky.mean(), abs=0.05)


def test_far_ground_is_averaged_and_does_not_flicker():
    """Stripes of two pixels, seen so flat that many fall into one pixel, are grey."""
    sight = mounted(nadir_sight(320, 240, 150.0), CameraOptions(camera_pitch_deg=50))
    stripes = np.zeros((3000, 3000), np.uint8)
    stripes[:, ::2] = 240
    view = View(stripes, np.ones(stripes.shape, bool), Grid(-1500, 1500, 1, 3000, 3000), Terrain.flat(), sight.camera)
    seen, _ = view.render(Pose.from_rpy(np.array([0.0, 0.0, sight.height]), 0.0, 0.0, 0.0))
    far, near = seen[2:14, 100:220], seen[180:, 100:220]
    assert abs(far.mean() - 120) < 4 and far.std() < 12
    assert near.std() > 40


def test_a_camera_that_looks_down_needs_no_transform(spots, tmp_path):
    simulate_flight(spots[0], tmp_path / "bag", FlightOptions.of(frames=1, footprint_px=60, image_size=(64, 64),
                                                                  boresight_error_deg=(0, 2, 0)))
    bag = open_bag(tmp_path / "bag")
    assert "/tf_static" not in bag.topics
    assert bag.custom["boresight_error_deg"] == "0,2,0"
