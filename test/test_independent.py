"""What is published for filters that take each fix for independent: they stay honest although errors repeat."""

import numpy as np
import pytest
from flights import GSD
from judged import parts_of

from promptmid_core.localization.independent import MOST, NOTHING, SHARE, STRETCH_PX, Follower, Moment, Repetition
from promptmid_core.localization.options import ErrorOptions
from promptmid_core.localization.parts import Parts

STEP_M, FIXES, FILTERS = 60.0, 250, 300
GROUND_M, TILT_M = 4.0, 6.0
SIDE_M = 256 * GSD
ALWAYS = ErrorOptions().attitude_correlation_s
NONE = np.zeros((2, 2))
PARTS = Parts(NONE, GROUND_M ** 2 * np.eye(2), TILT_M ** 2 * np.eye(2), NONE)


def repetition(attitude_s: float = ALWAYS) -> Repetition:
    return Repetition.of(GSD, SIDE_M, attitude_s)


def factors(parts: Parts, attitude_s: float = ALWAYS, step_m: float = STEP_M, turn: float = 0.0,
            fixes: int = FIXES) -> list[float]:
    """Of fixes one second apart on an even way that turns by so many radians from each to the next."""
    estimate, found = NOTHING, []
    for i in range(fixes):
        estimate, factor = estimate.with_fix(Moment(1 + i * 10 ** 9, i * step_m, i * turn), parts, repetition(attitude_s))
        found.append(factor)
    return found


def alike(rng: np.random.Generator, rho: float, sigma: float) -> np.ndarray:
    """Errors (FIXES, FILTERS, 2), each of which correlates with the next by `rho`."""
    drawn = rng.normal(0, sigma, (FIXES, FILTERS, 2))
    for i in range(1, FIXES):
        drawn[i] = rho * drawn[i - 1] + np.sqrt(1 - rho ** 2) * drawn[i]
    return drawn


def covered(errors: np.ndarray, published: list[float]) -> float:
    """Share of plain filters' errors inside their 95 % ellipses, of fixes with errors (FIXES, FILTERS, 2) that are published with
    a variance times these factors."""
    rng = np.random.default_rng(7)
    variance = float(np.trace(PARTS.total)) / 2
    held, state = variance, errors[0]
    noise = SHARE ** 2 * STRETCH_PX * GSD * STEP_M
    inside = []
    for error, factor in zip(errors[1:], published[1:], strict=True):
        held, state = held + noise, state + rng.normal(0, np.sqrt(noise), state.shape)
        gain = held / (held + factor * variance)
        held, state = (1 - gain) * held, state + gain * (error - state)
        inside.append((state ** 2).sum(axis=1) / held <= 5.99)
    return float(np.mean(inside))


def test_the_first_fix_is_published_as_it_is() -> None:
    assert factors(PARTS, fixes=1) == [1.0]


def test_errors_that_never_repeat_are_published_as_they_are() -> None:
    white = Parts(GROUND_M ** 2 * np.eye(2), NONE, NONE, NONE)
    assert factors(white) == pytest.approx([1.0] * FIXES)
    # an attitude whose errors are new with each image is nothing else
    level = Parts(NONE, NONE, GROUND_M ** 2 * np.eye(2), NONE)
    assert factors(level, attitude_s=0.0) == pytest.approx([1.0] * FIXES)


@pytest.mark.parametrize("lives_s", [0.0, 5.0, 60.0, np.inf])
def test_a_plain_filter_stays_honest_whatever_the_attitude_does(lives_s: float) -> None:
    """On a straight way, where nothing takes a constant error out."""
    rng = np.random.default_rng(3)
    rho = 0.0 if lives_s == 0 else float(np.exp(-1 / lives_s))
    errors = alike(rng, float(np.exp(-STEP_M / repetition().ground_m)), GROUND_M) + alike(rng, rho, TILT_M)
    assert covered(errors, factors(PARTS)) >= 0.93
    if lives_s:
        assert covered(errors, [1.0] * FIXES) < 0.75, "without it the filter believes too much"


def test_what_is_known_of_the_attitude_makes_fixes_worth_more() -> None:
    rng = np.random.default_rng(4)
    errors = alike(rng, float(np.exp(-STEP_M / repetition().ground_m)), GROUND_M) + alike(rng, float(np.exp(-1 / 5)), TILT_M)
    known = factors(PARTS, attitude_s=5.0)
    assert 0.93 <= covered(errors, known) <= 0.985
    assert np.median(known) < np.median(factors(PARTS)) / 5


def test_an_error_of_the_attitude_turns_with_the_aircraft() -> None:
    """A circle takes out what is fixed in the aircraft."""
    assert np.median(factors(PARTS, turn=np.deg2rad(12))) < np.median(factors(PARTS)) / 5


def test_where_nothing_is_new_a_fix_tells_a_filter_nothing() -> None:
    assert factors(PARTS, step_m=0.0)[1:] == pytest.approx([MOST] * (FIXES - 1))


def test_after_an_outage_a_fix_counts_by_itself() -> None:
    """A filter that has drifted far from its last fix has forgotten its error."""
    estimate, _ = NOTHING.with_fix(Moment(1, 0.0, 0.0), PARTS, repetition())
    _, factor = estimate.with_fix(Moment(10 ** 11, 100_000.0, 0.0), PARTS, repetition())
    assert 1.0 <= factor < 1.3


def test_what_the_filter_believes_is_what_its_estimate_has() -> None:
    """By hand, of one fix after another."""
    before = Follower(Moment(1, 0.0, 0.0), 100.0, np.array([5.0, 3.0, 2.0], complex))
    after, factor = before.with_fix(Moment(2, 0.0, 0.0), parts_of(6.0), repetition())
    gain = 80.0 / (80.0 + 36.0)
    assert factor == pytest.approx(100.0 / 80.0)
    assert after.variance == pytest.approx((1 - gain) * 100.0)
    assert after.variance == pytest.approx((1 - gain) ** 2 * 100 + gain ** 2 * 36 + 2 * gain * (1 - gain) * 10)
    assert after.shared.real == pytest.approx([(1 - gain) * 5 + gain * 36, (1 - gain) * 3, (1 - gain) * 2], rel=1e-6)
