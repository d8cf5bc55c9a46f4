"""Frames over a small world: where they were, how sure, and by what scores."""

import numpy as np
import pytest
from overflight import Overflight, overflight  # noqa: F401

from promptmid_core.localization.separation import spread
from promptmid_core.reasons import Reason

OFF = (60.0, -45.0, 25.0, 8e-4, -6e-4, 0.01)
# a place east and north of the middle in metres and a heading, and what a frame there came to when this was written
KNOWN = {
    (0.0, 0.0, 0.2): {"peak": 19.28, "score": 14.57, "margin": 14.62, "similarity": 0.64, "ties": 25, "agreeing": 24,
                      "residual_px": 0.38, "valid": 1.0, "search_px": 38.05, "evidence": 14.03, "yaw_sigma": 2.90e-3},
    (500.0, 500.0, 2.9): {"peak": 19.46, "score": 15.71, "margin": 15.50, "similarity": 0.54, "ties": 25, "agreeing": 24,
                          "residual_px": 0.54, "valid": 1.0, "search_px": 38.05, "evidence": 15.06, "yaw_sigma": 3.88e-3},
    (-800.0, 300.0, -1.3): {"peak": 33.21, "score": 19.57, "margin": 18.37, "similarity": 0.87, "ties": 25, "agreeing": 25,
                            "residual_px": 0.47, "valid": 1.0, "search_px": 38.05, "evidence": 18.81, "yaw_sigma": 3.33e-3},
    (1000.0, -900.0, 0.9): {"peak": 15.74, "score": 9.84, "margin": 9.86, "similarity": 0.57, "ties": 24, "agreeing": 23,
                            "residual_px": 0.51, "valid": 0.99, "search_px": 38.05, "evidence": 8.98, "yaw_sigma": 4.19e-3},
}


@pytest.mark.parametrize("place", KNOWN, ids=str)
def test_a_frame_comes_to_what_is_known_of_it(overflight: Overflight, place: tuple[float, float, float]) -> None:  # noqa: F811
    """Of the truth; and of frozen scores, which tell of every change to how a frame is matched."""
    truth = overflight.truth(*place)
    found = overflight.match(overflight.prior(*OFF, truth=truth), overflight.frame(truth))
    assert found.reason is Reason.FIX, found.sentence
    assert overflight.ground_error_px(found, truth) < 0.36
    assert found.pose is not None and found.covariance is not None and found.surface is not None
    assert abs(found.pose.correction_from(truth)[5]) < 0.005
    known = dict(KNOWN[place])
    sigmas = np.sqrt(np.diag(found.covariance))
    assert sigmas[5] == pytest.approx(known.pop("yaw_sigma"), rel=0.01)
    # registration, and roll and pitch from this height
    assert found.ground is not None
    sigmas = np.sqrt(sigmas[:2] ** 2 - np.diag(spread(found.ground.separation)))
    assert sigmas == pytest.approx(np.hypot(3.0, overflight.height * 1e-3 + 0.6), rel=0.1)
    # what the frame says of all places is highest where it is
    best = int(found.surface.scores.argmax())
    assert (found.surface.east[best], found.surface.north[best]) == pytest.approx(
        (truth.position - found.expected.pose.position)[:2], abs=15)
    assert found.surface.scores[best] > 10 and found.apart is None
    assert found.scores == pytest.approx(known, abs=0.02)
