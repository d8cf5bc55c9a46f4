"""A place that the prior speaks against: by how much, and what it takes for it to be the first one."""

from dataclasses import replace

import numpy as np
import pytest
from overflight import Overflight, overflight  # noqa: F401
from refusals import refused

from promptmid_core.geometry import Pose, Prior
from promptmid_core.localization.likeliest import Likeliest
from promptmid_core.localization.overrule import LEAST_GROUND, OVERRULED, check_ground, overruled
from promptmid_core.reasons import Reason

PRIOR = Prior(1, Pose(np.array([100.0, 200.0, 3000.0]), np.eye(3)), np.diag([16.0, 9.0, 1.0, 1.0, 1.0, 1.0]))
EXACT = np.diag([9.0, 16.0, 1e6, 1e6, 1e6, 1e6])


def at(east: float, north: float) -> Pose:
    return Pose(PRIOR.pose.position + np.array([east, north, 500.0]), np.eye(3))


def test_the_distance_is_in_standard_deviations_of_both() -> None:
    assert overruled(at(30.0, 40.0), EXACT, PRIOR) == pytest.approx(10.0)
    assert overruled(at(0.0, 5 * OVERRULED + 0.01), EXACT, PRIOR) == pytest.approx(OVERRULED, rel=1e-3)
    assert overruled(at(0.0, 5 * OVERRULED - 0.01), EXACT, PRIOR) == 0.0, "that may be chance"


def test_full_correlation_and_no_covariance_leave_numbers() -> None:
    flat = np.zeros((6, 6))
    flat[:2, :2] = 25.0
    told = overruled(at(300.0, -300.0), flat, replace(PRIOR, covariance=np.zeros((6, 6))))
    assert np.isfinite(told) and told > 1e4


def test_it_takes_more_than_one_look_at_ground() -> None:
    check_ground(0.0, 0.0)
    check_ground(9.0, LEAST_GROUND)
    sentence = refused(Reason.AMBIGUOUS, check_ground, 9.4, 1.04)
    assert "by 9 standard deviations" in sentence and "1.0 footprints" in sentence


def test_the_ground_of_a_place_counts_from_when_it_is_the_likeliest() -> None:
    """Dead reckoning is turned by 90 degrees: 100 m along its x are 100 m north. A piece of the map that lies elsewhere too comes
    into view after much other ground."""

    def stood(north: float, reckoned: float) -> Likeliest:
        return Likeliest(Pose.from_rpy(np.array([500.0, north, 3000.0]), 0.0, 0.0, np.pi / 2),
                        Pose(np.array([reckoned, 0.0, 3000.0]), np.eye(3)), 1e6)

    first = stood(100.0, 0.0).after(None, 1.0, 50.0)
    second = stood(205.0, 100.0).after(first, 0.25, 50.0)
    assert (first.ground, first.frames) == (1e6, 1) and (second.ground, second.frames) == (1.25e6, 2)
    elsewhere = stood(900.0, 200.0).after(second, 0.25, 50.0)
    assert (elsewhere.ground, elsewhere.frames) == (1e6, 1), "what was seen before spoke for another place"
    hovering = stood(205.0, 100.0).after(second, 0.0, 50.0)
    assert (hovering.ground, hovering.frames) == (1.25e6, 3), "the same ground counts once"


def test_a_first_place_against_the_prior_waits_for_ground_and_a_tracked_one_does_not(overflight: Overflight) -> None:  # noqa: F811
    """200 m off by a prior that says 20 m, over ground that the frame shows once; the next frame shows some more."""
    sigmas = 20.0, 20.0, 20.0, 1e-3, 1e-3, 0.01
    track, fixes = overflight.localizer(patch_px=256), []
    for second, east in enumerate((0.0, 60.0, 1300.0, 1300.0)):
        truth = overflight.truth(east, 0.0)
        stamp = 1_700_000_000_000_000_000 + second * 5_000_000_000
        prior = overflight.prior(150.0, -130.0, truth=truth, sigmas=sigmas, stamp_ns=stamp)
        fixes.append(track.track(track.match(overflight.frame(truth, stamp), prior, track.expect)))
    assert fixes[0].reason is Reason.AMBIGUOUS and "overrules the prior" in fixes[0].sentence
    assert fixes[1].reason is Reason.AMBIGUOUS
    assert [fix.reason for fix in fixes[2:]] == [Reason.FIX] * 2
    assert fixes[3].overruled > OVERRULED


def test_a_prior_that_is_right_needs_no_more_ground(overflight: Overflight) -> None:  # noqa: F811
    track = overflight.localizer()
    assert track.track(track.match(overflight.frame(), overflight.prior(20.0, 0.0), track.expect)).reason is Reason.FIX
