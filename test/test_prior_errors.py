"""What a track makes of priors that jump, drift, or are off in heading and height."""

from types import SimpleNamespace

import numpy as np
import pytest
from sightings import CELL, CLEAR, GSD, HERE, HIGH, LIKELIHOOD, REFERENCE, SIGMAS, Sightings, flight, reasons, track, until_fixed

from promptmid_core.geometry import Terrain
from promptmid_core.localization.options import Options
from promptmid_core.localization.track import Track


class TestWrongPriors:
    @pytest.mark.parametrize("stated", [True, False], ids=["twist", "no twist"])
    @pytest.mark.parametrize("jump", [60.0, 200.0, 600.0, 6000.0])
    def test_a_jump_of_the_filter_does_not_move_the_belief(self, jump: float, stated: bool) -> None:
        flown = flight(stated=stated, sigmas=(5.0, 5.0, *SIGMAS[2:]))
        assert flown.clear(5)[-1].accepted
        flown.off = (jump, -jump / 2)
        before = flown.expected().pose.position - flown.truth.position
        assert np.hypot(*before[:2]) < CELL
        fixes = flown.clear(10)
        assert reasons(fixes) == ["fix"] * 10
        assert flown.error(fixes[-1]) < CELL and fixes[-1].overruled > 4

    def test_a_sure_and_wrong_prior_is_overruled_and_told(self) -> None:
        """Four hundred metres off where it states a sigma of fifty."""
        flown = flight(off=(400.0, 0.0), sigmas=(50.0, 50.0, *SIGMAS[2:]))
        assert until_fixed(flown) <= 5
        fix = flown.clear()[0]
        assert fix.accepted and fix.overruled == pytest.approx(400 / np.sqrt(50 + 50 ** 2), rel=0.1)

    def test_a_prior_within_what_it_states_is_not_overruled(self) -> None:
        flown = flight(off=(150.0, 0.0), sigmas=(50.0, 50.0, *SIGMAS[2:]))
        assert flown.clear(4)[-1].overruled == 0

    def test_a_prior_that_takes_the_fixes_is_followed(self) -> None:
        """As a filter that fuses them: its estimate moves on to the truth, the belief stays there."""
        flown = flight(off=(300.0, 0.0), sigmas=(100.0, 100.0, *SIGMAS[2:]))
        until_fixed(flown)
        for _ in range(10):
            flown.off = tuple(0.4 * np.array(flown.off))
            assert flown.clear()[0].accepted

    @pytest.mark.parametrize("drift", [(6.0, 0.0), (-4.0, 8.0)], ids=str)
    def test_a_drifting_odometry_is_followed(self, drift: tuple[float, float]) -> None:
        """By 3 % of the way, the twist with it."""
        flown = flight(drift=drift)
        fixes = flown.clear(40)
        assert reasons(fixes) == ["fix"] * 40 and flown.error(fixes[-1]) < CELL


def test_how_far_the_height_may_be_off_goes_by_that_above_the_ground() -> None:
    """On high land as at the sea."""
    low, high = flight(), flight(height=HIGH + 3000.0)
    high.track = Track(Options(), REFERENCE, Terrain.flat(3000.0), LIKELIHOOD)
    assert high.expected().height == pytest.approx(low.expected().height)


class TestCorrections:
    """What a fix finds of heading and height is known at the next frame."""

    def test_a_heading_is_kept(self) -> None:
        flown = flight(turned=0.05, sigmas=(*SIGMAS[:5], 0.1))
        assert flown.expected().yaw == pytest.approx(3 * 0.1)
        fixes = flown.clear(1, found=(0, 0, 0, 0, 0, -0.05))
        assert fixes[0].accepted
        assert flown.expected().pose.yaw == pytest.approx(0.0, abs=1e-3)
        fixes = flown.clear(3)
        assert all(fix.accepted for fix in fixes)
        assert flown.expected().yaw < 3 * 0.1 / 2 and flown.expected().pose.yaw == pytest.approx(0.0, abs=1e-3)

    def test_the_way_is_turned_by_it(self) -> None:
        """Odometry whose heading is wrong flies another way: the error of it would be one of place within seconds."""
        flown = flight(turned=0.0)
        flown.clear(3)
        flown.track.judge(flown.candidate((0.0, 0.0, CLEAR), found=(0, 0, 0, 0, 0, 0.2)))
        flown.later(4)
        before = flown.expected().pose
        assert before.yaw == pytest.approx(0.2, abs=0.01)
        assert before.position[1] == pytest.approx(4 * 250 * np.sin(0.2), abs=2 * CELL)

    def test_a_height_is_kept(self) -> None:
        flown = flight(sigmas=(60.0, 60.0, 200.0, *SIGMAS[3:]))
        before = flown.expected()
        assert before.height == pytest.approx(3 * 200) and before.pose.position[2] == 2000
        assert flown.clear(1, found=(0, 0, 90.0, 0, 0, 0))[0].accepted
        after = flown.expected()
        assert after.pose.position[2] == pytest.approx(2090) and after.height < 300
        assert flown.clear(2, found=(0, 0, 5.0, 0, 0, 0))[-1].places[0][0].position[2] == pytest.approx(2100)

    def test_they_age_to_what_the_odometry_states_and_no_further(self) -> None:
        flown = flight(sigmas=(60.0, 60.0, 200.0, 1e-3, 1e-3, 0.1))
        flown.clear(2)
        soon = flown.expected()
        flown.later(600)
        aged = flown.expected()
        assert soon.yaw < aged.yaw and soon.height < aged.height
        assert aged.yaw <= 3 * 0.1 * 1.001 and aged.height <= 3 * 200 * 1.001

    def test_ground_of_unknown_height_is_as_unsure_as_it_is_told(self) -> None:
        flat = SimpleNamespace(has_dem=False, stride=2, levels=1, gsd=GSD, at=lambda level: SimpleNamespace(gsd=GSD))
        known, unknown = (Sightings(track(reference, **options)).expected().height for reference, options in (
            (flat, {"ground_sigma_m": 0.0}), (flat, {"ground_sigma_m": 300.0})))
        assert known == pytest.approx(60, rel=0.1) and unknown == pytest.approx(3 * np.hypot(300, 20))


class TestJumpOfTheOdometry:
    """All of the ground moves, and no line divides it: it is no dispute of the map."""

    @pytest.mark.parametrize("jump", [200.0, 500.0])
    def test_a_velocity_that_was_wrong_for_a_second_is_found_out(self, jump: float) -> None:
        flown = flight()
        flown.clear(6)
        flown.drift = (jump, 0.0)
        flown.later(1)
        flown.drift = HERE
        assert until_fixed(flown) <= 5
        fixes = flown.clear(15)
        assert sum(fix.accepted for fix in fixes) > 10 and fixes[-1].accepted
        assert all(abs(fix.pose.position[1]) < CELL for fix in fixes if fix.pose is not None)


@pytest.mark.parametrize(("evidence", "accepted"), [(0.5, True), (-0.5, False)])
def test_a_weak_match_beside_the_middle_of_its_place_is_no_fix(evidence: float, accepted: bool) -> None:
    """By 1.8 cells, 7 pixels, as tie points of featureless ground come to; a clear match knows better than cells of 4 pixels."""
    flown = flight()
    assert flown.clear(6, evidence=evidence)[-1].accepted
    beside = flown.clear(1, found=(0.0, 1.8 * CELL, 0.0, 0.0, 0.0, 0.0), evidence=evidence)[0]
    assert beside.probability > 0.99 and beside.accepted is accepted
    assert accepted or "beside its middle" in beside.sentence
