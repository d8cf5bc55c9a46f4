"""Pairs of frames for the reasons of a match among its neighbours in time."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
from overflight import STAMP, Overflight
from reason_pairs import Verdict, flip, pair

from promptmid_core.localization.fix import Candidate, Fix
from promptmid_core.localization.frozen import MOST_MOVED_M, FrozenImages
from promptmid_core.reasons import Reason

SECOND = 1_000_000_000


def candidate(over: Overflight, second: int, east: float = 0.0, blur: float = 0.0) -> Candidate:
    """A match of a frame over the middle whose prior is so far to the east of the truth."""
    stamp = STAMP + second * SECOND
    frame = over.frame(stamp_ns=stamp)
    if blur:
        frame = replace(frame, image=cv2.GaussianBlur(frame.image, (0, 0), blur))
    found = over.match(over.prior(east, stamp_ns=stamp, sigmas=(80.0, 80.0, 20.0, 1e-3, 1e-3, 0.01)), frame)
    assert found.reason is Reason.FIX, found.sentence
    return found


def tracked(over: Overflight, *candidates: Candidate, **options: float) -> Fix:
    """The verdict on the last."""
    localizer = over.localizer(**options)
    return [localizer.track(each) for each in candidates][-1]


@pair(Reason.MATCH_WEAK)
def while_searching(over: Overflight) -> tuple[Verdict, Verdict]:
    found = candidate(over, 0)
    evidence = found.scores["evidence"]
    return tracked(over, found, least_evidence=float(np.nextafter(evidence, 99))), tracked(over, found, least_evidence=evidence)


@pair(Reason.MATCH_WEAK)
def where_the_track_expects_it(over: Overflight) -> tuple[Verdict, Verdict]:
    """A blurred frame after a sharp one is likelier by how much smaller the place is where it is expected than that searched."""
    first, second = candidate(over, 0), candidate(over, 1, blur=4.0)
    assert first.ground is not None and second.ground is not None
    sigma = np.sqrt(np.linalg.eigvalsh(first.ground.covariance + second.ground.covariance)[-1])
    searched = second.scores["search_px"] * over.reference.gsd
    expected = float(second.scores["evidence"] + 2 * np.log(searched / (3 * sigma)))
    assert second.scores["evidence"] + 0.5 < expected < first.scores["evidence"]
    return (tracked(over, first, second, least_evidence=expected + 1e-6),
            tracked(over, first, second, least_evidence=expected - 1e-6))


@pair(Reason.NOT_CONFIRMED)
def two_of_three(over: Overflight) -> tuple[Verdict, Verdict]:
    found = [candidate(over, second) for second in range(3)]
    return tracked(over, *found[:2], confirm=3), tracked(over, *found, confirm=3)


@pair(Reason.NOT_CONFIRMED)
def too_long_ago(over: Overflight) -> tuple[Verdict, Verdict]:
    """Of the matches looked back at, one agrees; the frame before those does not count."""
    first, last = candidate(over, 0), candidate(over, 9)
    refused = [replace(candidate(over, second), reason=Reason.LOW_TEXTURE, sentence="as of open water") for second in (1, 2)]
    options = {"confirm": 2, "confirm_among": 2}
    return tracked(over, first, *refused, last, **options), tracked(over, first, refused[0], last, **options)


@pair(Reason.TRACK_DISAGREES)
def a_jump(over: Overflight) -> tuple[Verdict, Verdict]:
    """Three deviations of both fixes and the drift over the way that the prior went, further along the first correction: it
    does not shrink."""
    first = candidate(over, 0)
    assert first.ground is not None
    side = -np.sign(first.ground.shift[0])

    def judged(east: float) -> Fix:
        return tracked(over, first, candidate(over, 1, east))

    reached, missed = flip(Reason.TRACK_DISAGREES, judged, side * 200, side * 10, 0.1)
    past = []
    for fix in (reached, missed):
        now, then = fix.candidate, first
        assert now.ground and then.ground and now.prior and then.prior
        sigma = np.sqrt(np.linalg.eigvalsh(now.ground.covariance + then.ground.covariance)[-1])
        flown = np.linalg.norm((now.prior.pose.position - then.prior.pose.position)[:2])
        past.append(np.linalg.norm(now.ground.shift - then.ground.shift) - 3 * sigma - 0.15 * flown)
    assert past[1] <= 0 < past[0] < past[1] + 1
    return reached, missed


@pair(Reason.IMAGE_FROZEN)
def the_very_pixels_from_elsewhere(over: Overflight) -> tuple[Verdict, Verdict]:
    found, image = candidate(over, 0), over.frame().image

    def judged(moved: float) -> Candidate:
        frozen = FrozenImages()
        frozen.judged(found, image, np.zeros(3))
        return frozen.judged(found, image, np.array([0.0, moved, 0.0]))

    return judged(float(np.nextafter(MOST_MOVED_M, 9))), judged(MOST_MOVED_M)
