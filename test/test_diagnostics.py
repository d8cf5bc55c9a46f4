"""What docs/diagnostics.md says is what the code does; rates and losses are what they are."""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="needs ROS 2's rclpy")

from promptmid_core.descriptors.structural import Structural
from promptmid_core.localization.fix import Candidate, Fix, GroundPoint, State
from promptmid_core.localization.parts import Parts
from promptmid_core.localization.separation import Separation
from promptmid_core.outputs.contents import diagnostics
from promptmid_core.outputs.health_keys import HEALTH, Health
from promptmid_core.outputs.keys import ERROR, NEVER, OK, WARN, level, text, values_of
from promptmid_core.outputs.match_keys import MATCH, SETUP_REASONS, Judged
from promptmid_core.outputs.rates import Rate, StampGaps, Verdicts, latency_ms
from promptmid_core.reasons import Reason
from promptmid_ros.autopilot.output_keys import OUTPUT
from promptmid_ros.autopilot.page import tables
from promptmid_ros.diagnostics import document

DOCS = Path(__file__).resolve().parent.parent / "docs" / "diagnostics.md"
ROS_PAGE = DOCS.parent / "ros.md"
SECOND = 1_000_000_000


def test_the_document_is_made_from_the_tables() -> None:
    assert DOCS.read_text() == document(), "run: python -m promptmid_ros.diagnostics > docs/diagnostics.md"
    for keys in (MATCH, HEALTH):
        for name, key in keys.items():
            assert f"| `{name}` | {key.meaning} | {key.warn.words} | {key.error.words} | {key.cure} |" in DOCS.read_text()


def test_what_is_worth_a_level_says_what_helps_but_for_what_the_summary_tells() -> None:
    unhelpful = {name for keys in (MATCH, HEALTH) for name, key in keys.items()
                 if (key.warn is not NEVER or key.error is not NEVER) and not key.cure}
    assert unhelpful == {"verdict", "reason"}
    for name, key in OUTPUT.items():
        worth = key.warn is not NEVER or key.error is not NEVER
        assert bool(key.cure) == worth and f"| `{name}` | {key.meaning} | " in ROS_PAGE.read_text(), name
    assert tables() in ROS_PAGE.read_text(), "run: python -m promptmid_ros.autopilot.page"
    assert OUTPUT["stamps_behind_s"].said("stamps_behind_s", 3.2).startswith("stamps_behind_s is 3.2, above 1 either way: synch")


def test_the_largest_separation_of_a_fix_is_told() -> None:
    fix = verdict(Reason.FIX, State.TRACKING)
    assert "separation_m" not in values_of(MATCH, Judged(SECOND, fix))
    parts = tuple(Separation(np.array(move), np.eye(2)) for move in ((1.0, 1.0), (3.0, -4.0)))
    ground = GroundPoint(np.zeros(3), Parts(*np.tile(np.eye(2), (4, 1, 1))), np.array([0.0, 0.0, -1.0]), separation=parts)
    assert values_of(MATCH, Judged(SECOND, replace(fix, ground=ground)))["separation_m"] == 5.0


def verdict(reason: Reason, state: State) -> Fix:
    candidate = Candidate(SECOND, None, reason, "as the test wants", scores={"evidence": 2.0}, stage_ms={"decode": 3.0})
    return Fix(SECOND, state, reason, "as the test wants", None, None, (), candidate)


def test_every_reason_has_the_level_that_the_document_gives_it() -> None:
    for reason in set(Reason) - {Reason.FIX}:
        values = values_of(MATCH, Judged(SECOND, verdict(reason, State.TRACKING), 50.0))
        its_level, _ = level(MATCH, values)
        assert its_level == (ERROR if reason in SETUP_REASONS else WARN)
        row = next(line for line in DOCS.read_text().splitlines() if line.startswith(f"| `{reason}` |"))
        assert row.endswith(f"| {'error' if its_level == ERROR else 'warn'} |")


@pytest.mark.parametrize(("descriptor", "told"), [
    (Structural(), "calibrated"), (Structural(ratio_decay=3.0), "not calibrated")])
def test_a_descriptor_that_is_not_calibrated_is_told(descriptor: Structural, told: str) -> None:
    setup = SimpleNamespace(localizer=SimpleNamespace(descriptor=descriptor))
    assert HEALTH["likelihood"].value(Health("inactive", setup)) == told


@pytest.mark.parametrize(("values", "expected"), [
    ({"lifecycle": "active"}, OK),
    ({"lifecycle": "inactive"}, WARN),
    ({"state": "SEARCHING"}, WARN),
    ({"state": "LOST"}, ERROR),
    ({"images_lost_percent": 5.0}, OK),
    ({"images_lost_percent": 5.1}, WARN),
    ({"images_lost_percent": 60.0}, ERROR),
    ({"odometry_rate_hz": 9.0}, WARN),
    ({"odometry_rate_hz": None}, OK),
    ({"last_fix_age_s": 61.0, "lifecycle": "inactive"}, ERROR),
    ({"odometry_problem": ""}, OK),
    ({"odometry_problem": "odometry is given in frame 'world'"}, ERROR),
    ({"attitude_understated": "", "boresight_suspect": ""}, OK),
    ({"attitude_understated": "roll and pitch are stated to"}, WARN),
    ({"boresight_suspect": "the camera looks as if"}, WARN),
    ({"camera_info": "missing"}, ERROR),
    ({"map": None}, ERROR),
    ({"likelihood": "calibrated"}, OK),
    ({"likelihood": "not calibrated"}, WARN),
    ({"last_reason": "prior_frame"}, ERROR),
    ({"last_reason": "low_texture"}, OK),
])
def test_rules_of_health(values: dict[str, object], expected: int) -> None:
    assert level(HEALTH, values)[0] == expected


def test_the_status_names_the_keys_to_blame_and_an_undocumented_key_is_an_error() -> None:
    array = diagnostics(SECOND + 5, "localizer: health", "", "TRACKING", HEALTH, {"lifecycle": "active", "odometry_rate_hz": 1.0})
    (status,) = array["status"]
    assert array["header"]["stamp"] == {"sec": 1, "nanosec": 5}
    assert status["level"] == ERROR
    assert status["message"] == f"TRACKING (odometry_rate_hz is 1, below 2: {HEALTH['odometry_rate_hz'].cure})"
    assert status["values"] == [{"key": "lifecycle", "value": "active"}, {"key": "odometry_rate_hz", "value": "1"}]
    with pytest.raises(KeyError):
        level(HEALTH, {"unheard_of": 1})
    assert text(None) == text(float("nan")) == "unknown"


def test_stamp_gaps_tell_what_was_lost() -> None:
    gaps = StampGaps()
    assert gaps.lost_percent() is None
    # 20 Hz with jitter; three of every four of the second half are lost
    for i in range(100):
        if i < 50 or i % 4 == 0:
            gaps.add(10 * SECOND + i * SECOND // 20 + (i % 3) * 1_000_000)
    assert gaps.camera_hz() == pytest.approx(20, rel=0.05)
    assert gaps.lost_percent() == pytest.approx(100 * 36 / 97, abs=2)


def test_stamps_of_zero_and_clocks_set_back_are_no_losses() -> None:
    gaps = StampGaps()
    for i in range(40):
        gaps.add(0 if i == 20 else (100 if i < 30 else 50) * SECOND + i * SECOND // 10)
    assert gaps.lost_percent() == 0


def test_rate_and_verdicts() -> None:
    now = [1000.0]
    rate, verdicts = Rate(lambda: now[0]), Verdicts(lambda: now[0])
    for i in range(240):
        now[0] += 0.5
        if i < 200:
            rate.count()
            verdicts.add("fix" if i % 4 else "low_texture", i % 4 != 0, 50.0, None if i % 2 else 70.0)
        if i == 10:
            assert rate.hz() is None
    assert rate.hz() == 0
    assert rate.age_s() == 20
    values = verdicts.values()
    assert verdicts.processed == 200
    assert values["fix_percent"] == pytest.approx(75, abs=1)
    assert values["last_fix_age_s"] == 20
    assert values["processing_ms_p50"] == 50
    assert values["latency_ms_p95"] == 70
    assert {name: count for name, count in values.items() if name.startswith("reason_")} == {
        "reason_fix": 61, "reason_low_texture": 20}


def test_a_stamp_of_another_clock_has_no_latency() -> None:
    assert latency_ms(10 * SECOND, 9 * SECOND) == 1000
    assert latency_ms(1000 * SECOND, 9 * SECOND) is None
