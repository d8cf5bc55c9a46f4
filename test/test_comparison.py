"""A recorded live run is read back, judged like a replay, and held against it frame by frame."""

import json
import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import pytest
from flights import GSD, KnownLocalizer, PlainMap, messages, stamps, true_pose, write_bag
from judged import parts_of

from promptmid_core.bags import telemetry
from promptmid_core.bags.liverun import RUN, LiveRun, NotRun, read_run, write_run
from promptmid_core.bags.writer import BagWriter
from promptmid_core.cli import demo
from promptmid_core.errors import InputError
from promptmid_core.geometry import Pose
from promptmid_core.localization.fix import Fix, GroundPoint
from promptmid_core.replay.live import as_json, compare, read_live, sentence, table
from promptmid_core.replay.metrics import summarise
from promptmid_core.replay.report import render
from promptmid_core.replay.run import Flight, judge, replay

SENT_NS = 1_800_000_000_000_000_000
LATENCY_NS = 40_000_000


def fly(folder: Path, frames: int = 8) -> tuple[Path, Flight]:
    noise = {stamp: np.random.default_rng(stamp).normal(size=6) * [3, 3, 0, 0, 0, 0] for stamp in stamps(frames)}
    bag = write_bag(folder / "bag", messages(frames))
    return bag, replay(bag, KnownLocalizer(noise.__getitem__), PlainMap())


def outputs(folder: Path, flight: Flight, pose_off: dict[int, float] | None = None, drop: tuple[int, ...] = (),
            refuse: tuple[int, ...] = (), poses: bool = True, match_off: Mapping[int, float] = MappingProxyType({}),
            ground_off: Mapping[int, float | None] = MappingProxyType({}), sight: str = "0 0 -1") -> Path:
    """What a node would have published about the frames of a flight, with frames harmed by their index."""
    images = []
    with BagWriter(folder / "live" / "outputs") as bag:
        for frame in flight.frames:
            sent = SENT_NS + frame.index * 10**9
            images.append((frame.fix.stamp_ns, sent))
            if frame.index in drop:
                continue
            received = sent + LATENCY_NS + frame.index * 1_000_000
            reason = "ambiguous" if frame.index in refuse else str(frame.fix.reason)
            told = diagnostics(frame.fix, reason, match_off.get(frame.index, 0.0), sight)
            bag.write("/localizer/match_diagnostics", told, received)
            if reason == "fix" and poses:
                bag.write("/localizer/pose", pose(frame.fix, (pose_off or {}).get(frame.index, 0.0)), received)
            off = ground_off.get(frame.index, 0.0)
            if reason == "fix" and frame.fix.ground is not None and off is not None:
                bag.write("/localizer/ground_point", ground_point(frame.fix.stamp_ns, frame.fix.ground, off), received)
    write_run(folder / "live", LiveRun("bag", "map", 5.0, "compressed", 0, {"/image": len(images)}, {}, 0.0, tuple(images)))
    return folder / "live"


def ground_point(stamp: int, ground: GroundPoint, off: float) -> Any:
    covariance = np.diag([1e6] * 6)
    covariance[:2, :2] = ground.covariance
    return telemetry.pose_with_covariance(stamp, Pose(ground.point + np.array([0, off, 0]), np.eye(3)), covariance)


def diagnostics(fix: Fix, reason: str, match_off: float, sight: str) -> Any:
    assert fix.candidate.pose is not None and fix.candidate.prior is not None
    east, north, _ = fix.candidate.pose.position - fix.candidate.prior.pose.position
    told = {"reason": reason, "state": str(fix.state),
            "correction_east_m": f"{east + match_off:.10g}", "correction_north_m": f"{north:.10g}",
            **{f"line_of_sight_{axis}": value for axis, value in zip("xyz", sight.split(), strict=False)}}
    values = [telemetry.message("diagnostic_msgs/msg/KeyValue", key, value) for key, value in told.items()]
    status = telemetry.message("diagnostic_msgs/msg/DiagnosticStatus", 0, "localizer: match", "as the test wants", "map", values)
    return telemetry.message("diagnostic_msgs/msg/DiagnosticArray", telemetry.header(fix.stamp_ns, "map"), [status])


def pose(fix: Fix, off: float) -> Any:
    assert fix.pose is not None and fix.covariance is not None
    moved = Pose(fix.pose.position + np.array([off, 0, 0]), fix.pose.rotation)
    whole = telemetry.odometry(fix.stamp_ns, moved, fix.covariance, np.zeros(3), np.zeros(3), np.eye(6))
    return telemetry.message("geometry_msgs/msg/PoseWithCovarianceStamped", whole.header, whole.pose)


def test_the_same_outputs_agree_and_are_worth_the_same(tmp_path: Path) -> None:
    _, flight = fly(tmp_path)
    result = compare(read_live(outputs(tmp_path, flight)), flight, PlainMap())
    assert result.agrees and result.dropped == 0
    assert (result.sent, result.judged, result.common, result.same_verdicts) == (8, 8, 8, 8)
    assert result.live is not None and result.offline is not None
    for key in ("fixes", "false_fixes", "ground_error_px", "error_px", "coverage95", "prior_error_px"):
        assert result.live[key] == result.offline[key]
    assert result.live["error_px"]["max"] > 0.05
    # sent and received are told apart by 40 ms and one more each frame
    assert result.latency_ms == {"p50": 43.5, "p95": pytest.approx(46.65)}
    assert json.loads(json.dumps(as_json(result)))["agrees"] is True


@pytest.mark.parametrize(("off_m", "agrees"), [(5e-7, True), (2e-6, False), (300.0, False)])
def test_a_pose_that_differs_is_seen(tmp_path: Path, off_m: float, agrees: bool) -> None:
    _, flight = fly(tmp_path)
    result = compare(read_live(outputs(tmp_path, flight, pose_off={5: off_m})), flight, PlainMap())
    assert result.agrees == agrees
    assert result.furthest is not None and result.furthest["position_m"] == pytest.approx(off_m, abs=1e-9)
    assert result.live is not None and result.live["false_fixes"] == (1 if off_m > 5 * GSD else 0)


def grounded(flight: Flight) -> Flight:
    """The flight with a ground point of each fix: the true one."""
    told = []
    for frame in flight.frames:
        assert frame.true_ground is not None
        parts = replace(parts_of(), ground=np.array([[9.0, 1.0], [1.0, 4.0]]))
        ground = GroundPoint(np.array([*frame.true_ground, 0.0]), parts, -np.eye(3)[2])
        told.append(judge(replace(frame, fix=replace(frame.fix, ground=ground)), PlainMap().terrain(), PlainMap().gsd))
    return replace(flight, frames=tuple(told))


@pytest.mark.parametrize(("off_m", "agrees"), [(5e-7, True), (2e-6, False), (300.0, False)])
def test_a_ground_point_that_differs_is_seen(tmp_path: Path, off_m: float, agrees: bool) -> None:
    flight = grounded(fly(tmp_path)[1])
    result = compare(read_live(outputs(tmp_path, flight, ground_off={5: off_m})), flight, PlainMap())
    assert result.agrees == agrees and result.furthest is not None
    assert result.furthest["ground_point_m"] == pytest.approx(off_m, abs=1e-9)
    assert result.furthest["position_m"] < 1e-9 and result.furthest["ground_covariance"] < 1e-9
    assert result.live is not None and result.live["coverage95_ground"] == (1.0 if off_m < 1 else 7 / 8)
    assert "their ground points by" in sentence(result)


def test_a_ground_point_that_only_one_side_has_is_no_agreement(tmp_path: Path) -> None:
    flight = grounded(fly(tmp_path)[1])
    result = compare(read_live(outputs(tmp_path, flight, ground_off={2: None})), flight, PlainMap())
    assert not result.agrees
    told = json.loads(json.dumps(as_json(result), allow_nan=False))
    assert told["furthest"]["ground_point_m"] is None and told["furthest"]["position_m"] < 1e-9


@pytest.mark.parametrize("sight", ["", "0 0", "down"])
def test_a_line_of_sight_that_is_none_is_refused(tmp_path: Path, sight: str) -> None:
    flight = grounded(fly(tmp_path)[1])
    with pytest.raises(InputError, match=f"line_of_sight_x, _y and _z of '.*' at {stamps(8)[0]} ns, not three numbers"):
        read_live(outputs(tmp_path, flight, sight=sight))


def test_a_match_that_differs_is_seen_on_refused_frames_too(tmp_path: Path) -> None:
    _, flight = fly(tmp_path)
    result = compare(read_live(outputs(tmp_path, flight, refuse=(3,), match_off={3: 2e-6})), flight, PlainMap())
    assert result.matched == 8 and result.match_furthest == pytest.approx(2e-6, rel=1e-2)
    assert result.furthest is not None and max(result.furthest.values()) < 1e-9


def test_drops_and_other_verdicts_are_counted_and_told(tmp_path: Path) -> None:
    _, flight = fly(tmp_path)
    result = compare(read_live(outputs(tmp_path, flight, drop=(2, 6), refuse=(4,))), flight, PlainMap())
    assert (result.sent, result.judged, result.dropped, result.common) == (8, 6, 2, 6)
    assert result.same_verdicts == 5 and result.common_fixes == 5 and not result.agrees
    assert result.differences == ("frame 4: live ambiguous, offline fix",)
    assert "5 of 6 frames" in table(result) and "2 of 8 images were dropped at 5 times real time" in table(result)
    html = render(flight, summarise(flight), PlainMap(), live=result)
    assert "Live and offline" in html and "card live warn" in html and sentence(result) in html
    assert "frame 4: live ambiguous, offline fix" in html


def test_a_report_without_a_live_run_has_no_such_section(tmp_path: Path) -> None:
    _, flight = fly(tmp_path)
    assert "Live and offline" not in render(flight, summarise(flight), PlainMap())


def test_a_fix_without_its_pose_is_no_whole_recording(tmp_path: Path) -> None:
    _, flight = fly(tmp_path)
    with pytest.raises(InputError, match=f"{stamps(8)[0]}.*no /localizer/pose"):
        read_live(outputs(tmp_path, flight, poses=False))


def test_a_folder_that_is_no_live_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no live run"):
        read_live(tmp_path)
    for content in ("{", "[" * 20_000, '{"bag": 1, "bag": 2}', ""):
        (tmp_path / RUN).write_text(content)
        with pytest.raises(InputError, match="damaged"):
            read_live(tmp_path)
    (tmp_path / RUN).unlink()
    os.mkfifo(tmp_path / RUN)
    with pytest.raises(InputError, match=r"no live run: .* is a pipe"):
        read_live(tmp_path)


def test_what_a_live_run_says_of_itself_comes_back(tmp_path: Path) -> None:
    run = LiveRun("bag", "map", 2.5, "raw", 0, {"/image": 2, "/odometry": 7}, {"/localizer/pose": 1}, 0.125,
                  ((10, 1_800_000_000_000_000_001), (20, 1_800_000_000_000_000_002)))
    for said in (run, NotRun("the engine is cold")):
        write_run(tmp_path / "new" / "live", said)
        assert read_run(tmp_path / "new" / "live") == said


@pytest.mark.parametrize(("harm", "said"), [
    (lambda values: values.pop("images"), "images is missing"),
    (lambda values: values.pop("rate"), "rate is missing"),
    (lambda values: values.update(rate="fast"), "rate is 'fast'"),
    (lambda values: values.update(rate=float("nan")), "NaN, which is no number"),
    (lambda values: values.update(rate=1e308 * 10), "Infinity, which is no number"),
    (lambda values: values.update(rate=True), "rate is True"),
    (lambda values: values.update(images=[[1]]), "images are not pairs"),
    (lambda values: values.update(images=[[1, 2], [1, "2"]]), "images are not pairs"),
    (lambda values: values.update(images=3), "images is 3"),
    (lambda values: values.update(sent={"/image": "many"}), "/image is 'many'"),
    (lambda values: values.update(exit_code=None), "exit_code is None"),
    (lambda values: values.update(not_run=7), "not_run is 7"),
    (lambda values: [], "not a table"),
])
def test_a_live_run_that_is_damaged_is_refused_in_one_sentence(tmp_path: Path, harm: Any, said: str) -> None:
    values: Any = LiveRun("bag", "map", 1.0, "raw", 0, {}, {}, 0.0, ((1, 2),)).to_dict()
    left = harm(values)
    (tmp_path / RUN).write_text(json.dumps(left if left == [] else values))
    with pytest.raises(InputError) as refused:
        read_live(tmp_path)
    assert str(refused.value).startswith(f"{tmp_path / RUN} is damaged (") and said in str(refused.value)
    assert str(refused.value).endswith("; run it again") and "\n" not in str(refused.value)


def test_without_ros_the_demo_says_so_in_table_and_report(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    python = tmp_path / "python"
    python.write_text("#!/bin/sh\necho \"ModuleNotFoundError: No module named 'rclpy'\" >&2\nexit 1\n")
    python.chmod(0o755)
    monkeypatch.setattr("sys.executable", str(python))
    bag, flight = fly(tmp_path)
    assert demo._fly_live(bag, tmp_path / "map", tmp_path / "live") is None
    result = compare(read_live(tmp_path / "live"), flight, PlainMap())
    assert "not flown live: ROS 2 cannot be used from this Python (ModuleNotFoundError: No module named 'rclpy')" in table(result)
    html = render(flight, summarise(flight), PlainMap(), live=result)
    assert "card live warn" in html and "was not flown live" in html


def test_a_live_run_that_fails_is_told_in_the_report_and_by_the_demo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    python = tmp_path / "python"
    python.write_text("#!/bin/sh\n[ \"$2\" = promptmid_ros.probe ] && echo rmw_any\n")
    python.chmod(0o755)
    monkeypatch.setattr("sys.executable", str(python))
    failed = demo._fly_live(tmp_path / "bag", tmp_path / "map", tmp_path / "live")
    assert failed is not None and "exit code 1" in failed and "localizer.log" in failed
    assert read_live(tmp_path / "live") == NotRun(failed)


def test_the_truth_judges_a_live_pose(tmp_path: Path) -> None:
    """A live fix exactly on the truth has no error, whatever the replay said."""
    _, flight = fly(tmp_path)
    at = flight.frames[3]
    assert at.fix.pose is not None
    off = true_pose(at.fix.stamp_ns).position - at.fix.pose.position
    result = compare(read_live(outputs(tmp_path, flight, pose_off={3: float(off[0])})), flight, PlainMap())
    assert result.live is not None and result.offline is not None
    assert result.live["error_px"] != result.offline["error_px"]
