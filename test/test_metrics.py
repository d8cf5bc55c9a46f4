"""The figures of a flight against flights whose errors are known."""

import json
from dataclasses import replace

import numpy as np
import pytest
from flights import CAMERA, GSD, HEIGHT, START_NS, true_pose
from judged import parts_of

from promptmid_core.geometry import Grid, Prior, Terrain
from promptmid_core.localization.boresight import Suspicion
from promptmid_core.localization.dispute import Dispute
from promptmid_core.localization.fix import Candidate, Fix, GroundPoint, State
from promptmid_core.localization.tilts import Understated
from promptmid_core.reasons import Reason
from promptmid_core.replay.metrics import summarise, table
from promptmid_core.replay.run import Flight, ReplayedFrame, judge

CONTRACT = {
    "frames", "fixes", "fix_rate", "false_fixes", "misleading", "bound_failures", "ground_error_px", "error_px", "error_m",
    "coverage95", "coverage50", "coverage95_ground", "coverage50_ground", "independent_samples", "autocorrelation", "filter",
    "latency_ms", "patch_px", "gsd_m", "reasons",
}


def flight(frames: list[ReplayedFrame]) -> Flight:
    return Flight(tuple(frames), (), (), bag="bag", map="map", crs="EPSG:32611", gsd_m=GSD, patch_px=256, descriptor="structural",
                  fingerprint="f")


def fixed(index: int, error: np.ndarray, covariance: np.ndarray | None = None, with_truth: bool = True,
          drift_m: float = 0.0) -> ReplayedFrame:
    """An accepted frame that is off by `error` (6,), its prior by `drift_m` to the east."""
    stamp = START_NS + index
    whole = np.diag([1.0, 1.0, 1e6, 1e6, 1e6, 1e6])
    whole[:2, :2] = np.eye(2) * 25.0 if covariance is None else covariance
    truth = true_pose(START_NS)
    pose = truth.corrected(error)
    prior = Prior(stamp, truth.corrected(np.array([drift_m, 0, 0, 0, 0, 0])), np.eye(6))
    candidate = Candidate(stamp, prior, Reason.FIX, "", pose, whole, stage_ms={"decode": 2.0, "match": 10.0 + index})
    fix = Fix(stamp, State.TRACKING, Reason.FIX, "", pose, whole, ("x", "y"), candidate)
    frame = ReplayedFrame(index, stamp, fix, latency_ms=12.0 + index, camera=CAMERA,
                          truth=truth if with_truth else None)
    return judge(frame, Terrain.flat(), GSD)


def refused(index: int, reason: Reason) -> ReplayedFrame:
    candidate = Candidate(START_NS + index, None, reason, "no", stage_ms={"decode": 2.0})
    return ReplayedFrame(index, START_NS + index, Fix(START_NS + index, State.LOST, reason, "no", None, None, (), candidate), 2.0)


def moved(east_px: float, north_px: float = 0.0) -> np.ndarray:
    return np.array([east_px * GSD, north_px * GSD, 0, 0, 0, 0])


def test_errors_of_known_displacements() -> None:
    errors_px = [0.0, 1.0, 2.0, 5.5, 11.0]
    summary = summarise(flight([fixed(i, moved(0.6 * e, -0.8 * e), drift_m=30.0) for i, e in enumerate(errors_px)]))
    p95 = float(np.percentile(errors_px, 95))
    assert summary["ground_error_px"] == pytest.approx({"median": 2.0, "p95": p95, "max": 11.0}, abs=1e-5)
    assert summary["error_px"] == pytest.approx(summary["ground_error_px"], abs=1e-5)
    assert summary["error_m"] == pytest.approx({key: GSD * value for key, value in summary["error_px"].items()}, abs=1e-4)
    assert summary["prior_error_px"]["max"] == pytest.approx(3.0)
    assert (summary["false_fixes"], summary["misleading"]) == (2, 1)
    assert summary["rms_error_px"] == pytest.approx(np.sqrt(np.mean(np.square(errors_px))), abs=1e-5)


def test_limits_are_exclusive() -> None:
    just_right = np.nextafter(5.0, 0), np.nextafter(10.0, 0)
    assert summarise(flight([fixed(i, moved(e)) for i, e in enumerate(just_right)]))["false_fixes"] == 1
    assert summarise(flight([fixed(0, moved(10.001))]))["misleading"] == 1


def test_attitude_error_is_a_ground_error_but_no_position_error() -> None:
    pitch = np.arctan(6 * GSD / HEIGHT)
    summary = summarise(flight([fixed(0, np.array([0, 0, 0, 0, pitch, 0]))]))
    assert summary["error_px"]["max"] == pytest.approx(0.0, abs=1e-9)
    assert summary["ground_error_px"]["max"] == pytest.approx(6.0, abs=1e-6)
    assert summary["false_fixes"] == 1


def test_attitude_and_position_that_compensate_are_no_ground_error() -> None:
    # the boresight leans to the west, and the position is too far east: the match itself was right
    lean = 6 * GSD / HEIGHT
    summary = summarise(flight([fixed(0, np.array([6 * GSD, 0, 0, 0, np.arctan(lean), 0]))]))
    assert summary["ground_error_px"]["max"] == pytest.approx(0.0, abs=1e-6)
    assert summary["error_px"]["max"] == pytest.approx(6.0)
    assert summary["false_fixes"] == 0


def test_the_ground_is_as_far_below_the_truth_as_it_was_found_to_be() -> None:
    # over a map without heights, from above land 60 m high: level ground at 0 m would lie 60 m further along a leaning boresight
    lean, found = 0.05, fixed(0, np.zeros(6))
    assert found.fix.pose is not None
    leaning = replace(found, fix=replace(found.fix, pose=found.fix.pose.corrected(np.array([0, 0, 0, 0, lean, 0]))),
                      truth=found.fix.pose.corrected(np.array([0, 0, 60.0, 0, lean, 0])))
    assert judge(leaning, Terrain.flat(), GSD).ground_error_px == pytest.approx(0.0, abs=1e-6)
    plain = Terrain.of(np.zeros((2, 2), np.float32), Grid(0.0, 0.0, 1e4, 2, 2))
    assert judge(leaning, plain, GSD).ground_error_px == pytest.approx(60 * np.tan(lean) / GSD, abs=1e-6)


@pytest.mark.parametrize("claimed", [0.5, 1.0, 2.0])
def test_coverage_and_sigma_of_drawn_errors(claimed: float) -> None:
    covariance = np.array([[40.0, 18.0], [18.0, 25.0]])
    errors = np.random.default_rng(5).multivariate_normal(np.zeros(2), covariance, 3000)
    frames = [fixed(i, np.append(e, np.zeros(4)), covariance * claimed**2) for i, e in enumerate(errors)]
    summary = summarise(flight(frames))
    # chi-square with two degrees of freedom, errors seen at a sigma that is `claimed` times too large
    for key, limit in (("coverage95", 5.99), ("coverage50", 1.39)):
        assert summary[key] == pytest.approx(1 - np.exp(-limit * claimed**2 / 2), abs=0.025)
    assert summary["bound_failures"] / 3000 == pytest.approx(np.exp(-9 * claimed**2 / 2), abs=0.02)
    assert summary["median_sigma_px"] == pytest.approx(claimed * np.sqrt(65.0) / GSD)
    assert summary["sigma_over_rms"] == pytest.approx(claimed, rel=0.03)


def test_bound_failures_are_counted_by_the_covariance_not_by_the_error() -> None:
    small, large = np.eye(2) * 0.1**2, np.eye(2) * 100.0**2
    frames = [fixed(0, moved(0.04), small), fixed(1, moved(12.0), large)]
    summary = summarise(flight(frames))
    assert (summary["bound_failures"], summary["misleading"]) == (1, 1)


def test_counts_rates_times_and_reasons() -> None:
    frames = [fixed(0, moved(1)), refused(1, Reason.LOW_TEXTURE), fixed(2, moved(1)), refused(3, Reason.IMAGE_CORRUPT),
              refused(4, Reason.LOW_TEXTURE)]
    summary = summarise(flight(frames))
    assert set(summary) >= CONTRACT
    assert (summary["frames"], summary["fixes"], summary["fix_rate"]) == (5, 2, 0.4)
    assert summary["reasons"] == {"low_texture": 2, "image_corrupt": 1}
    assert sum(summary["reasons"].values()) + summary["fixes"] == summary["frames"]
    assert summary["states"] == {"TRACKING": 2, "LOST": 3}
    assert summary["latency_ms"] == {"p50": 2.0, "p95": pytest.approx(np.percentile([12, 2, 14, 2, 2], 95), abs=1e-3)}
    assert summary["stages_ms"]["decode"]["frames"] == 5
    assert summary["stages_ms"]["match"] == {"p50": 11.0, "p95": 11.9, "frames": 2}
    assert (summary["patch_px"], summary["gsd_m"]) == (256, GSD)


def test_what_the_belief_says_is_counted() -> None:
    sure, overruling, disputed = (fixed(index, moved(1)) for index in range(3))
    dispute = Dispute(np.zeros(2), np.array([300.0, 0.0]), np.zeros(2), 0.0)
    overruling = replace(overruling, fix=replace(overruling.fix, overruled=6.0))
    disputed = replace(disputed, fix=replace(disputed.fix, dispute=dispute))
    other = refused(3, Reason.MAP_DISAGREES)
    other = replace(other, fix=replace(other.fix, dispute=dispute, overruled=6.0))
    summary = summarise(flight([sure, overruling, disputed, other, *(refused(index, Reason.AMBIGUOUS) for index in (4, 5, 6))]))
    assert (summary["ambiguous"], summary["prior_overruled"], summary["map_disagrees"]) == (3, 1, 2)
    assert "map disagrees         2   frames where parts of the map" in table(summary)


@pytest.mark.parametrize("frames", [[], [refused(0, Reason.PRIOR_MISSING)]], ids=["empty", "refused"])
def test_figures_without_samples_are_null(frames: list[ReplayedFrame]) -> None:
    summary = json.loads(json.dumps(summarise(flight(frames)), allow_nan=False))
    assert summary["fix_rate"] == (0.0 if frames else None)
    for key in ("ground_error_px", "error_px", "error_m"):
        assert summary[key] == {"median": None, "p95": None, "max": None}
    assert summary["coverage95"] is summary["coverage50"] is summary["median_sigma_px"] is summary["sigma_over_rms"] is None
    # no fix is no false fix
    assert summary["false_fixes"] == summary["misleading"] == summary["bound_failures"] == 0


def test_without_truth_nothing_is_claimed() -> None:
    summary = summarise(flight([fixed(i, moved(20), with_truth=False) for i in range(3)]))
    assert summary["fixes"] == 3
    assert summary["false_fixes"] is summary["misleading"] is summary["bound_failures"] is summary["coverage95"] is None
    assert summary["ground_error_px"]["median"] is summary["prior_error_px"]["median"] is summary["rms_error_px"] is None
    assert summary["median_sigma_px"] == pytest.approx(np.sqrt(50.0) / GSD)


def test_findings_are_told_with_their_figures_and_what_attitude_costs_at_this_height() -> None:
    camera, tilt = Suspicion(0.9, -0.4, 0.1, 0.2, False), Understated(0.05, 0.2)
    frames = []
    for frame in (fixed(i, moved(0.0)) for i in range(3)):
        ground = GroundPoint(np.array([0.0, 0.0, 0.0]), parts_of(), np.array([0.0, 0.0, -1.0]))
        frames.append(replace(frame, fix=replace(frame.fix, ground=ground)))
    summary = summarise(replace(flight(frames), suspicion=camera, understated=tilt))
    assert summary["boresight_suspect"] == {"roll_deg": 0.9, "pitch_deg": -0.4, "sigma_deg": 0.1, "delay_s": 0.2,
                                            "told_apart": False}
    assert summary["attitude_understated"] == {"stated_deg": 0.05, "shown_deg": 0.2, "times": 4.0}
    metres = HEIGHT * np.tan(np.deg2rad(0.1))
    assert summary["attitude"] == pytest.approx({"height_m": HEIGHT, "metres_per_tenth_deg": metres}, abs=1e-6)
    assert summary["findings"] == [str(tilt), str(camera)]
    shown = table(summary)
    assert f"finding: {tilt}" in shown and f"finding: {camera}" in shown
    assert "or, in place of the pitch, images stamped 0.20 s late" in shown
    assert f"move a fix by {metres:.2f} m, from {HEIGHT:.2f} m above the ground" in shown
    plain = summarise(flight(frames))
    assert plain["boresight_suspect"] is plain["attitude_understated"] is None and plain["findings"] == []
    json.dumps(summary, allow_nan=False)


def test_table_shows_the_figures_and_a_dash_where_there_is_none() -> None:
    summary = summarise(flight([*(fixed(i, moved(1.25)) for i in range(3)), refused(3, Reason.AMBIGUOUS)]))
    lines = {" ".join(line.split()) for line in table(summary).splitlines()}
    assert "fixes 3 75.0 % of frames" in lines
    assert "ground error px 1.25 1.25 1.25" in lines
    assert "position error m 12.50 12.50 12.50" in lines and "ground error m 12.50 12.50 12.50" in lines
    assert "ambiguous 1 frames that left more than one place" in lines and "ambiguous 1" in lines
    bare = table(summarise(flight([])))
    assert "None" not in bare and "nan" not in bare
    assert "ground error px - - -" in {" ".join(line.split()) for line in bare.splitlines()}


def test_places_are_held_against_what_was_said_of_them() -> None:
    near, far = (true_pose(START_NS).corrected(np.array([px * GSD, 0, 0, 0, 0, 0])) for px in (4.9, 5.1))
    said = [(near, 0.5), (far, 0.49), (near, 0.95), (far, 0.95), (near, 0.9989), (near, 1.0), (far, 0.9991)]
    frames = [fixed(i, moved(1)) for i in range(2)]
    told = [replace(frames[0], fix=replace(frames[0].fix, places=tuple(said))), frames[1]]
    summary = summarise(flight([refused(0, Reason.AMBIGUOUS), *told, replace(told[0], truth=None)]))
    assert [(row["n"], row["right"]) for row in summary["hypotheses"]] == [(1, 1), (2, 1), (1, 1), (2, 1)]
    assert [row["said_low"] for row in summary["hypotheses"]] == [0.5, 0.9, 0.99, 0.999]
    assert summary["first_fix_frame"] == 2
    assert summarise(flight([refused(0, Reason.AMBIGUOUS)]))["first_fix_frame"] is None
