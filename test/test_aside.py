"""What the ground beside the patch in the middle says, of a frame that shows more, and what tie points say of places that were
not asked."""

from dataclasses import fields, is_dataclass, replace
from typing import Any

import numpy as np
import pytest
from overflight import Overflight, overflight  # noqa: F401

from promptmid_core.descriptors.likelihood import Likelihood
from promptmid_core.localization.belief import ALIKE, LESSER, Agreement, Belief, Surface
from promptmid_core.localization.quest import Start
from promptmid_core.reasons import Reason

CELL = 40.0
LIKELIHOOD = Likelihood((0.0, 4.0, 9.0), (-3.0, 0.5, 6.0), surplus=1.0, surplus_even=0.0)
SURE = 30.0, 30.0, 20.0, 1e-3, 1e-3, 0.01


def surface(*peaks: tuple[float, float], agreement: Agreement | None = None, own: float = 1.0) -> Surface:
    """Scores of 0 over 2 km by 2 km, with one of its own at each (east, score)."""
    axis = np.arange(-1000.0, 1001.0, CELL)
    east, north = (each.ravel() for each in np.meshgrid(axis, axis))
    scores = np.zeros(east.shape)
    for x, score in peaks:
        scores[(east == x) & (north == 0)] = score
    return Surface(scores, east, north, 1, agreement, own)


def prior() -> Belief:
    return Belief.of(np.eye(2) * 200.0 ** 2, CELL)


def test_what_patches_of_one_frame_say_adds_up_by_the_ground_of_their_own() -> None:
    one, other = surface((200.0, 8.0)), surface((200.0, 6.0), own=0.75)
    alone, both = (prior().seen(each, 1.0, LIKELIHOOD).told for each in ([one], [one, other]))
    second = prior().seen([surface((200.0, 6.0))], 1.0, LIKELIHOOD).told
    assert both == pytest.approx(alone + 0.75 * second)
    assert prior().seen([one, other], 1.0, LIKELIHOOD).probability(200.0, 0.0) > prior().seen([one], 1.0, LIKELIHOOD).probability(
        200.0, 0.0)


def test_a_surface_is_counted_from_elsewhere_with_its_tie_points() -> None:
    moved = surface((200.0, 8.0), agreement=Agreement(200.0, 0.0, 3.0)).from_reckoned(np.array([80.0, -40.0]))
    best = int(moved.scores.argmax())
    assert (moved.east[best], moved.north[best]) == (280.0, -40.0)
    assert moved.agreement == Agreement(280.0, -40.0, 3.0)


def test_tie_points_tell_of_a_place_against_lesser_ones_alone() -> None:
    """In country that repeats itself they would agree at each place of the lattice, were they asked there."""
    agreement = Agreement(200.0, 0.0, 3.0)
    peaks = (200.0, 8.0), (-200.0, 8.0 - ALIKE), (-600.0, 8.0 - LESSER), (600.0, 8.0 - (ALIKE + LESSER) / 2)
    plain, told = (prior().seen([surface(*peaks, agreement=each)], 1.0, LIKELIHOOD) for each in (None, agreement))
    more = {east: float((told.told - plain.told)[64, 64 + round(east / CELL)]) for east, _ in peaks}
    assert more == pytest.approx({200.0: 3.0, -200.0: 3.0, -600.0: 0.0, 600.0: 1.5})
    alike = prior().seen([surface((200.0, 8.0), (-200.0, 8.0), agreement=agreement)], 1.0, LIKELIHOOD)
    assert alike.probability(200.0, 0.0) == pytest.approx(alike.probability(-200.0, 0.0))


def test_a_frame_is_looked_at_beside_its_middle_where_that_is_not_enough(overflight: Overflight) -> None:  # noqa: F811
    """By a prior that is 200 m off and says 30 m, at the least risk; and not where the patch in the middle is enough."""
    far = overflight.match(overflight.prior(200.0, 0.0, sigmas=SURE), patch_px=96, risk=1e-9)
    assert 2 <= len(far.aside) <= 4
    truth = overflight.truth()
    for aside in far.aside:
        best = int(aside.surface.scores.argmax())
        found = aside.surface.east[best], aside.surface.north[best]
        assert far.expected is not None
        assert found == pytest.approx((truth.position - far.expected.pose.position)[:2], abs=40)
        assert aside.patch.valid.mean() >= 0.5
    assert not overflight.match(overflight.prior(10.0, 0.0, sigmas=SURE), patch_px=96).aside


def test_a_track_takes_in_what_is_beside_the_middle(overflight: Overflight) -> None:  # noqa: F811
    at = overflight.localizer(patch_px=96, risk=1e-9)
    prior_, frame = overflight.prior(200.0, 0.0, sigmas=SURE), overflight.frame()
    candidate = at.match(frame, prior_, at.expect)
    fix = at.track(candidate)
    assert candidate.aside and fix.reason in (Reason.FIX, Reason.AMBIGUOUS)
    alone = overflight.localizer(patch_px=96, risk=1e-9)
    assert fix.probability > alone.track(replace(candidate, aside=())).probability


def test_what_a_replay_keeps_of_a_frame_is_small(overflight: Overflight) -> None:  # noqa: F811
    """It keeps thousands: a frame looked at beside its middle has megabytes, and so has a search of the whole map."""
    at = overflight.localizer(patch_px=96, risk=1e-9)
    frame, prior = overflight.frame(), overflight.prior(200.0, 0.0, sigmas=SURE)
    beside = at.match(frame, prior, at.expect)
    at.lose(Start(True, None, 10.0))
    lost = at.match(frame, prior, at.expect)
    assert beside.aside and lost.sought is not None
    for candidate in (beside, lost):
        assert size(candidate) > 500_000 and size(candidate.light) < 2 ** 12
        assert (candidate.light.pose, candidate.light.scores) == (candidate.pose, candidate.scores)


def size(value: Any) -> int:
    """The bytes of all arrays that a value holds."""
    if isinstance(value, np.ndarray):
        return value.nbytes
    if is_dataclass(value):
        return sum(size(getattr(value, each.name)) for each in fields(value))
    if isinstance(value, list | tuple):
        return sum(map(size, value))
    return sum(map(size, value.values())) if isinstance(value, dict) else 0
