"""Pairs of frames for the reasons of a match among its neighbours in time."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
from overflight import STAMP, Overflight
from reason_pairs import Verdict, flip, pair

from promptmid_core.geometry import DeadReckoning, Prior
from promptmid_core.localization.belief import PLACE
from promptmid_core.localization.fix import Candidate, Fix
from promptmid_core.localization.frozen import MOST_MOVED_M, FrozenImages
from promptmid_core.localization.localizer import Localizer
from promptmid_core.matching.sought import COARSE_FACTOR
from promptmid_core.reasons import Reason

SECOND = 1_000_000_000
SIGMAS = (80.0, 80.0, 20.0, 1e-3, 1e-3, 0.01)


def seen(over: Overflight, localizer: Localizer, second: int, at: float = 0.0, off: float = 0.0, blur: float = 0.0) -> Candidate:
    """What a frame comes to, taken `at` metres to the east and seen as if `off` metres further, after a flight to there."""
    stamp = STAMP + second * SECOND
    frame = over.frame(over.truth(at + off), stamp)
    if blur:
        frame = replace(frame, image=cv2.GaussianBlur(frame.image, (0, 0), blur))
    prior = over.prior(truth=over.truth(at), sigmas=SIGMAS, stamp_ns=stamp)
    prior = replace(prior, motion=DeadReckoning(prior.pose, at + 5000.0))
    candidate = localizer.match(frame, prior, localizer.expect)
    assert candidate.reason is Reason.FIX, candidate.sentence
    return candidate


@pair(Reason.AMBIGUOUS)
def a_smaller_risk(over: Overflight) -> tuple[Verdict, Verdict]:
    """A frame that is blurred until its place is likely but not sure."""
    blurred = seen(over, over.localizer(), 0, blur=8.0)

    def judged(exponent: float) -> Fix:
        return over.localizer(risk=10.0 ** exponent).track(blurred)

    return flip(Reason.AMBIGUOUS, judged, -9.0, -1.0, 1e-3)


@pair(Reason.MAP_DISAGREES)
def a_part_of_the_map_that_lies_apart(over: Overflight) -> tuple[Verdict, Verdict]:
    """The width of a place and three deviations of the drift over the way since the last fix."""
    flown = 1600.0
    first = seen(over, over.localizer(), 0, -flown / 2)

    def judged(off: float) -> Fix:
        localizer = over.localizer()
        assert localizer.track(first).accepted
        return localizer.track(seen(over, localizer, 1, flown / 2, off))

    reached, missed = flip(Reason.MAP_DISAGREES, judged, 420.0, 250.0, 0.5)
    allowed = PLACE * over.reference.stride * COARSE_FACTOR * over.reference.gsd + 3 * 0.05 * flown
    assert _moved(missed) < _moved(reached) and np.abs([_moved(fix) - allowed for fix in (reached, missed)]).max() < 5
    return reached, missed


def _moved(fix: Fix) -> float:
    pose, prior = fix.candidate.pose, fix.candidate.prior
    assert pose is not None and isinstance(prior, Prior)
    return float(np.hypot(*(pose.position - prior.pose.position)[:2]))


@pair(Reason.IMAGE_FROZEN)
def the_very_pixels_from_elsewhere(over: Overflight) -> tuple[Verdict, Verdict]:
    found, image = over.match(), over.frame().image

    def judged(moved: float) -> Candidate:
        frozen = FrozenImages()
        frozen.judged(found, image, np.zeros(3))
        return frozen.judged(found, image, np.array([0.0, moved, 0.0]))

    return judged(float(np.nextafter(MOST_MOVED_M, 9))), judged(MOST_MOVED_M)
