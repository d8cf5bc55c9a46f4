"""What a replay leaves for other programs says what the replay found, and they read it."""

import csv
import json
import os
import shutil
import subprocess
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from flights import FRAME, GSD, KnownLocalizer, PlainMap, messages, run, stamps, true_pose
from simulated import Scene

from promptmid_core.bags.bag import open_bag
from promptmid_core.bags.messages import pose_from, stamp_ns
from promptmid_core.cli import main
from promptmid_core.georaster.geodetic import Geodetic
from promptmid_core.reasons import Reason
from promptmid_core.replay.live import read_verdicts
from promptmid_core.replay.metrics import summarise
from promptmid_core.replay.results.folder import OUTPUTS, SUMMARY, write_results
from promptmid_core.replay.run import Flight

FRAMES = 14
REFUSED = {stamps(FRAMES)[3]: Reason.LOW_TEXTURE, stamps(FRAMES)[8]: Reason.AMBIGUOUS}
EVO = os.environ.get("PROMPTMID_EVO")


@pytest.fixture(scope="module")
def flight(tmp_path_factory: pytest.TempPathFactory) -> Flight:
    rng = np.random.default_rng(2)
    errors = {stamp: np.append(rng.normal(size=2) * 7.0, [3.0, 0, 0, 0.01]) for stamp in stamps(FRAMES)}
    return run(tmp_path_factory.mktemp("flown"), messages(FRAMES), KnownLocalizer(errors.__getitem__, refused=REFUSED))


@pytest.fixture(scope="module")
def folder(flight: Flight, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("results") / "out"
    write_results(path, flight, summarise(flight), PlainMap())
    return path


def test_every_frame_is_a_row_and_a_line(flight: Flight, folder: Path) -> None:
    lines = [json.loads(line) for line in (folder / "frames.jsonl").read_text().splitlines()]
    with (folder / "frames.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(lines) == len(rows) == FRAMES
    for frame, line, row in zip(flight.frames, lines, rows, strict=True):
        assert line["frame"] == int(row["frame"]) == frame.index
        assert line["stamp_ns"] == int(row["stamp_ns"]) == frame.fix.stamp_ns
        assert line["reason"] == row["reason"] == str(frame.fix.reason)
        assert line["verdict"] == ("fix" if frame.fix.accepted else "no fix")
        assert float(row["truth_x"]) == pytest.approx(true_pose(frame.fix.stamp_ns).position[0], abs=1e-6)
        if frame.fix.accepted:
            assert line["error_m"] == pytest.approx(frame.error_m) and float(row["ground_error_px"]) == frame.ground_error_px
            assert np.array(line["covariance"]).reshape(6, 6) == pytest.approx(frame.fix.covariance)
            assert float(row["cov_x_x"]) == 25.0 and float(row["stage_match_ms"]) == 1.0
        else:
            assert row["x"] == row["cov_x_x"] == "" and line["x"] is None and line["sentence"] == "as the test wants"
    assert json.loads((folder / SUMMARY).read_text())["fixes"] == FRAMES - 2


def test_the_globe_has_tracks_frames_and_footprints_where_they_are(flight: Flight, folder: Path) -> None:
    features = json.loads((folder / "track.geojson").read_text())["features"]
    tracks = {each["properties"]["of"]: each["geometry"]["coordinates"] for each in features
              if each["properties"]["kind"] == "track"}
    assert {name: len(places) for name, places in tracks.items()} == {"truth": FRAMES, "prior": FRAMES, "fix": FRAMES - 2}
    geodetic = Geodetic(FRAME, "unknown")
    place = geodetic.place(*true_pose(stamps(FRAMES)[0]).position)
    assert tracks["truth"][0] == pytest.approx([place.longitude, place.latitude], abs=1e-8)
    points = [each for each in features if each["properties"]["kind"] == "frame"]
    assert [each["properties"]["frame"] for each in points] == list(range(FRAMES))
    footprints = [each for each in features if each["properties"]["kind"] == "footprint"]
    assert len(footprints) == FRAMES - 2
    (ring,) = footprints[0]["geometry"]["coordinates"]
    assert ring[0] == ring[-1] and len(ring) == 5
    # 63 by 47 pixels of 1000 / 60 m, counter-clockwise
    corners = np.array([geodetic.position(latitude, longitude, 0.0)[:2] for longitude, latitude in ring])
    area = float((corners[:-1, 0] * corners[1:, 1] - corners[1:, 0] * corners[:-1, 1]).sum() / 2)
    above = float(flight.frames[0].fix.pose.position[2]) if flight.frames[0].fix.pose else 0.0
    assert area == pytest.approx(63 * 47 * (above / 60) ** 2, rel=1e-3)


def test_the_bag_has_the_topics_of_the_node(flight: Flight, folder: Path) -> None:
    bag = open_bag(folder / OUTPUTS)
    counts = {name.removeprefix("/localizer/"): bag.count(name) for name in bag.topics}
    of_fixes = dict.fromkeys(("pose", "correction", "navsat_fix"), FRAMES - 2)
    assert counts == {"match_diagnostics": FRAMES, "hypotheses": FRAMES, **of_fixes}
    fixes = [frame for frame in flight.frames if frame.fix.accepted]
    for frame, (_, log_ns, message) in zip(fixes, bag.messages("/localizer/pose"), strict=True):
        assert frame.fix.pose is not None and log_ns == frame.bag_ns and stamp_ns(message.header) == frame.fix.stamp_ns
        assert pose_from(message.pose.pose).position == pytest.approx(frame.fix.pose.position)
        assert message.pose.covariance.reshape(6, 6) == pytest.approx(frame.fix.published)
    for frame, (_, _, message) in zip(flight.frames, bag.messages("/localizer/match_diagnostics"), strict=True):
        assert {pair.key: pair.value for pair in message.status[0].values}["reason"] == str(frame.fix.reason)
    # and it is read as what a live run recorded
    assert [verdict.reason for verdict in read_verdicts(bag)] == [frame.fix.reason for frame in flight.frames]


def test_the_bag_has_the_health_of_the_node_for_each_second(scene: Scene, tmp_path: Path) -> None:
    words = ["replay", str(scene.bag), "--map", str(scene.map_path), "--duration", "4", "--out", str(tmp_path / "out")]
    assert main(words) == 0
    bag = open_bag(tmp_path / "out" / OUTPUTS)
    told = [(log_ns, message) for _, log_ns, message in bag.messages("/diagnostics")]
    times = [log_ns for log_ns, _ in told]
    assert 3 <= len(told) <= 4 and all(1e9 <= later - earlier < 2e9 for earlier, later in pairwise(times))
    status = told[-1][1].status[0]
    values = {pair.key: pair.value for pair in status.values}
    assert status.name == "localizer: health" and values["lifecycle"] == "active" and values["camera_info"] == "received"
    assert values["map"] == str(scene.map_path) and values["state"] in status.message and "memory_mb" not in values
    # of the frames until then, by the times of recording
    until = [line for line in read_lines(tmp_path / "out" / "frames.jsonl") if line["recorded_ns"] <= times[-1]]
    assert int(values["images_processed"]) == int(values["images_received"]) == len(until)
    assert int(values.get("reason_fix", 0)) == sum(line["verdict"] == "fix" for line in until)
    fixes = [line["recorded_ns"] for line in until if line["verdict"] == "fix"]
    assert float(values["last_fix_age_s"]) == pytest.approx((times[-1] - max(fixes, default=times[0])) * 1e-9, abs=1e-3)


def read_lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_trajectories_are_those_of_the_frames_by_stamp(flight: Flight, folder: Path) -> None:
    for name, count in (("fix", FRAMES - 2), ("prior", FRAMES), ("truth", FRAMES)):
        rows = np.loadtxt(folder / f"{name}.tum")
        assert rows.shape == (count, 8) and (np.diff(rows[:, 0]) > 0).all()
    first = (folder / "truth.tum").read_text().split()[0]
    assert first == f"{stamps(FRAMES)[0] // 10**9}.{stamps(FRAMES)[0] % 10**9:09d}"
    errors = [np.hypot(*(row[1:3] - true[1:3])) for row in np.loadtxt(folder / "fix.tum")
              for true in np.loadtxt(folder / "truth.tum") if row[0] == true[0]]
    assert np.median(errors) == pytest.approx(summarise(flight)["error_m"]["median"], abs=1e-6)


@pytest.mark.skipif(not (EVO or shutil.which("evo_ape")), reason="evo, which is GPL and kept apart, is not there: make evo")
def test_evo_finds_the_position_error_of_the_report(flight: Flight, folder: Path, tmp_path: Path) -> None:
    program = str(Path(EVO, "bin", "evo_ape")) if EVO else "evo_ape"
    done = subprocess.run([program, "tum", "truth.tum", "fix.tum", "--project_to_plane", "xy"], cwd=folder, text=True,
                          capture_output=True, check=True, env=os.environ | {"HOME": str(tmp_path), "PYTHONPATH": ""})
    found = {name: float(value) for name, value in (line.split() for line in done.stdout.splitlines() if len(line.split()) == 2)
             if name in ("median", "max", "rmse")}
    summary = summarise(flight)
    assert found["median"] == pytest.approx(summary["error_m"]["median"], abs=1e-6)
    assert found["max"] == pytest.approx(summary["error_m"]["max"], abs=1e-6)
    assert found["rmse"] == pytest.approx(summary["rms_error_px"] * GSD, abs=2e-5)


def test_a_flight_without_truth_or_fix_leaves_its_files_too(tmp_path: Path) -> None:
    flown = run(tmp_path, messages(2, truth=False), KnownLocalizer(refused=dict.fromkeys(stamps(2), Reason.LOW_TEXTURE)))
    write_results(tmp_path / "deep" / "out", flown, summarise(flown), PlainMap())
    assert (tmp_path / "deep" / "out" / "fix.tum").read_text() == (tmp_path / "deep" / "out" / "truth.tum").read_text() == ""
    features = json.loads((tmp_path / "deep" / "out" / "track.geojson").read_text())["features"]
    assert [each["geometry"]["type"] for each in features] == ["LineString", "Point", "Point"]
