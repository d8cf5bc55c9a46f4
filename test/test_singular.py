"""Where geometry has no single answer: the same outcome each time, a value or a reason."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from finite import is_covariance, no_warning
from places import Flown, flown_over_a_small_world
from small_maps import write

from promptmid_core.descriptors import load
from promptmid_core.errors import Refusal
from promptmid_core.geometry import Camera, Grid, Pose, Prior, Terrain, boresight_point
from promptmid_core.localization.fix import TiePoints
from promptmid_core.localization.parts import ErrorBudget
from promptmid_core.localization.solve import Solution, solve
from promptmid_core.reasons import Reason
from promptmid_core.refmap.build import BuildOptions, Sources, build_map

pytestmark = no_warning

CAMERA = Camera(1280, 960, np.array([[1160.0, 0, 639.5], [0, 1160.0, 479.5], [0, 0, 1]]))
START = Pose.from_rpy(np.array([0.0, 0.0, 5000.0]), 0.02, -0.01, 0.5)
PRIOR = Prior(1, START, np.diag(np.array([130.0, 130, 40, 0.0015, 0.0015, 0.02]) ** 2))
AWAY = np.array([30.0, -20.0])
RNG = np.random.default_rng(7)


def ties_at(points: np.ndarray, moved: np.ndarray, height: float = 0.0) -> TiePoints:
    level = np.full((len(points), 1), height)
    return TiePoints(np.hstack([points, level]), np.hstack([moved, level]), np.tile(np.eye(2), (len(points), 1, 1)),
                     np.ones(len(points)))


def solved(ties: TiePoints) -> Solution:
    return solve(ties, CAMERA, START, PRIOR, ErrorBudget(4.0, 1.0))


class TestTiePoints:
    LINE = np.linspace(-900, 900, 12)[:, None] * [0.8, 0.6]

    @pytest.mark.parametrize("height", [-430.0, 0.0, 4000.0])
    def test_those_on_a_line_hold_place_and_heading(self, height: float) -> None:
        found = solved(ties_at(self.LINE, self.LINE + AWAY, height))
        assert found.pose.position[:2] == pytest.approx(AWAY, abs=2.0)
        assert is_covariance(found.covariance)
        assert (solved(ties_at(self.LINE, self.LINE + AWAY, height)).covariance == found.covariance).all()

    def test_those_at_one_place_do_not(self) -> None:
        one = np.full((12, 2), 100.0)
        with pytest.raises(Refusal) as refused:
            solved(ties_at(one, one + 5))
        assert refused.value.reason is Reason.TIE_POINTS_CLUSTERED

    def test_those_that_are_where_they_were_expected_move_nothing(self) -> None:
        points = RNG.uniform(-900, 900, (20, 2))
        found = solved(ties_at(points, points))
        assert found.pose.position == pytest.approx(START.position, abs=1e-6)
        assert found.sigma > 0 and (found.weight > 0.99).all()

    def test_the_weights_of_an_earlier_solution_mean_nothing(self) -> None:
        points = RNG.uniform(-900, 900, (20, 2))
        ties = ties_at(points, points + AWAY)
        assert (solved(replace(ties, weight=np.zeros(20))).pose.position == solved(ties).pose.position).all()


class TestAttitude:
    @pytest.mark.parametrize("terrain", [
        Terrain.flat(), Terrain.of(np.full((3, 3), 5.0, np.float32), Grid(-100, 100, 100, 3, 3))])
    @pytest.mark.parametrize(("below", "seen"), [(-1e-3, False), (-1e-12, False), (0.0, False), (1e-12, False), (9e-4, False),
                                                 (1.1e-3, True), (0.1, True)])
    def test_a_view_along_the_horizon_meets_no_ground(self, terrain: Terrain, below: float, seen: bool) -> None:
        """`below`: radians from the horizon to the boresight; nearer than a thousandth no ground is taken to be seen."""
        camera = Camera(641, 481, np.array([[500.0, 0, 320], [0, 500, 240], [0, 0, 1]]))
        pose = Pose.from_rpy(np.array([0.0, 0, 1000]), 0.0, -np.pi / 2 + below, 0.0)
        if seen:
            away = (1000 - terrain.height(np.zeros(1), np.zeros(1))[0]) / np.tan(below)
            assert np.hypot(*boresight_point(camera, pose, terrain)[:2]) == pytest.approx(away, rel=1e-3)
        else:
            with pytest.raises(Refusal) as refused:
                boresight_point(camera, pose, terrain)
            assert refused.value.reason is Reason.VIEW_NOT_DOWN

    @pytest.mark.parametrize("pitch", [np.pi / 2, -np.pi / 2, np.pi / 2 - 1e-9, np.pi / 2 + 1e-9])
    @pytest.mark.parametrize(("roll", "yaw"), [(0.0, 0.0), (0.3, -2.0), (np.pi, np.pi)])
    def test_gimbal_lock_keeps_the_rotation(self, roll: float, pitch: float, yaw: float) -> None:
        pose = Pose.from_rpy(np.zeros(3), roll, pitch, yaw)
        assert Pose.from_quaternion(pose.position, pose.quaternion()).rotation == pytest.approx(pose.rotation, abs=1e-12)
        assert Pose.from_rpy(pose.position, *pose.rpy()).rotation == pytest.approx(pose.rotation, abs=1e-7)

    @pytest.mark.parametrize("length", [1.0, 1 + 1e-3, 1 - 1e-3, -1.0, -1 + 1e-3])
    def test_a_quaternion_of_nearly_unit_length_or_of_the_other_sign_is_the_same_rotation(self, length: float) -> None:
        quaternion = START.quaternion()
        assert quaternion[3] > 0
        pose = Pose.from_quaternion(START.position, length * quaternion)
        assert pose.rotation == pytest.approx(START.rotation, abs=1e-14)
        assert pose.quaternion() == pytest.approx(quaternion, abs=1e-14)


@pytest.fixture(scope="module")
def flown(tmp_path_factory: pytest.TempPathFactory) -> Flown:
    return flown_over_a_small_world(tmp_path_factory)


class TestFrames:
    def test_a_heading_of_180_degrees_is_none_of_its_own(self, flown: Flown) -> None:
        """The aircraft's own axes turned under the camera, so that its heading is 180 degrees, from either side."""
        frame, prior = flown.frames[0], flown.priors[0]
        errors = []
        for heading in (prior.pose.yaw, np.pi, -np.pi, np.pi - 1e-9, -np.pi + 1e-9):
            roll, pitch, _ = prior.pose.rpy()
            turned = Pose.from_rpy(prior.pose.position, roll, pitch, heading)
            mount = Pose(np.zeros(3), turned.rotation.T @ prior.pose.rotation) @ frame.camera.mount
            seen = replace(frame, camera=replace(frame.camera, mount=mount))
            found = flown.localizer().match(seen, replace(prior, pose=turned))
            assert found.reason is Reason.FIX and found.pose is not None
            assert abs(found.pose.correction_from(turned)[5]) < 0.1
            errors.append(found.pose.position)
        assert np.ptp(errors[1:], axis=0).max() < 1e-3
        assert np.abs(errors[0] - errors[1])[:2].max() < 0.1 * flown.reference.gsd

    @pytest.mark.parametrize("above", [-1e4, -10.0, -1e-6, 0.0, 1e-6, 1e-2, 1.0])
    def test_a_camera_on_the_ground_or_below_gets_a_reason(self, flown: Flown, above: float) -> None:
        x, y, _ = flown.truths[0].position
        ground = float(flown.reference.terrain().height(np.array([x]), np.array([y]))[0])
        pose = replace(flown.truths[0], position=np.array([x, y, ground + above]))
        found = flown.localizer().match(flown.frames[0], replace(flown.priors[0], pose=pose))
        assert found.reason in (Reason.VIEW_NOT_DOWN, Reason.FOOTPRINT_SMALL, Reason.PRIOR_OUTSIDE_MAP)

    def test_a_footprint_without_an_area_is_small(self, flown: Flown) -> None:
        k = np.array([[1e9, 0, 239.5], [0, 1e9, 179.5], [0, 0, 1]])
        frame = replace(flown.frames[0], camera=replace(flown.frames[0].camera, k=k, d=np.zeros(5)))
        assert flown.localizer().match(frame, flown.priors[0]).reason is Reason.FOOTPRINT_SMALL

    def test_a_heading_that_says_nothing_is_searched_in_full(self, flown: Flown) -> None:
        """A sigma beyond a full turn is that of any heading."""
        covariance = flown.priors[0].covariance.copy()
        covariance[5, 5] = 1e6
        found = flown.localizer().match(flown.frames[0], replace(flown.priors[0], covariance=covariance))
        assert found.reason is Reason.FIX and flown.ground_error_px(found, 0) < 1


@pytest.mark.parametrize("side", [1, 2, 7])
def test_a_map_of_a_few_pixels_is_read_and_no_frame_is_found_on_it(flown: Flown, tmp_path: Path, side: int) -> None:
    sar = write(tmp_path / "sar.tif", np.full((side, side), 100, np.uint8))
    built = build_map(Sources(sar), tmp_path / "map", BuildOptions(load("structural")))
    assert np.isfinite(built.image(-2, -2, side + 4, side + 4).image).all()
    assert np.isfinite(built.descriptors(-8, -8, 32, 32).array).all()
    x, y = built.grid.to_map((side - 1) / 2, (side - 1) / 2)
    over = Pose.from_rpy(np.array([x, y, flown.truths[0].position[2]]), 0.0, 0.0, 0.0)
    found = replace(flown, reference=built).localizer().match(flown.frames[0], replace(flown.priors[0], pose=over))
    assert found.reason in (Reason.MAP_NODATA, Reason.PRIOR_OUTSIDE_MAP)
