"""A replay gives every image its verdict, in the map's frame, and keeps examples."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from flights import (
    DRIFT,
    FRAME,
    GSD,
    ODOMETRY_NS,
    Entries,
    KnownLocalizer,
    PlainMap,
    messages,
    nan_position,
    odometry,
    reasons,
    run,
    stamps,
    true_pose,
    without_times,
    write_bag,
)

from promptmid_core.bags import telemetry
from promptmid_core.bags.bag import open_bag
from promptmid_core.bags.messages import stamp_ns
from promptmid_core.errors import InputError
from promptmid_core.georaster import MapFrame
from promptmid_core.reasons import Reason
from promptmid_core.replay.metrics import summarise
from promptmid_core.replay.run import replay


def test_every_image_has_one_row_with_its_errors(tmp_path: Path) -> None:
    step = {stamp: np.array([3.0 * i, -4.0 * i, 0, 0, 0, 0]) for i, stamp in enumerate(stamps(6))}
    refused = {stamps(6)[4]: Reason.LOW_TEXTURE}
    flight = run(tmp_path, messages(6), KnownLocalizer(step.__getitem__, sigma_m=10.0, refused=refused))
    assert [frame.fix.stamp_ns for frame in flight.frames] == stamps(6)
    assert reasons(flight) == ["fix"] * 4 + ["low_texture", "fix"]
    for i, frame in enumerate(flight.frames):
        assert frame.prior_error_px == pytest.approx(np.hypot(*DRIFT[:2]) / GSD, abs=1e-6)
        if i == 4:
            assert frame.error_m is frame.ground_error_px is frame.d2 is frame.sigma_px is None
            assert frame.error is frame.ground_error is frame.true_ground is frame.d2_ground is None
        else:
            assert frame.error_m == pytest.approx(5.0 * i, abs=1e-6)
            assert frame.ground_error_px == pytest.approx(5.0 * i / GSD, abs=1e-6)
            assert frame.error == pytest.approx([3.0 * i, -4.0 * i], abs=1e-6)
            assert frame.ground_error == pytest.approx([3.0 * i, -4.0 * i], abs=1e-6)
            assert frame.true_ground == pytest.approx(true_pose(frame.fix.stamp_ns).position[:2], abs=1e-6)
            assert frame.d2 == pytest.approx((0.5 * i) ** 2, abs=1e-6)
            assert frame.sigma_px == pytest.approx(np.sqrt(200) / GSD)
    assert {"decode", "match", "track"} == set(flight.frames[0].fix.candidate.stage_ms)
    assert all(frame.latency_ms >= frame.fix.candidate.stage_ms["decode"] > 0 for frame in flight.frames)


def test_two_replays_with_one_localizer_agree(tmp_path: Path) -> None:
    noise = {stamp: np.random.default_rng(stamp).normal(size=6) * 0.01 for stamp in stamps(8)}
    bag, localizer = write_bag(tmp_path / "bag", messages(8)), KnownLocalizer(noise.__getitem__)
    once, again = (repr([without_times(f) for f in replay(bag, localizer, PlainMap()).frames]) for _ in range(2))
    assert once == again
    assert "TRACKING" in once


def test_poses_of_another_origin_are_shifted_into_the_map(tmp_path: Path) -> None:
    moved = np.array([1000.0, -2500.0, 0.0])
    entries = []
    for topic, log_ns, message in messages(3):
        if hasattr(message, "pose"):
            message.pose.pose.position.x += moved[0]
            message.pose.pose.position.y += moved[1]
        entries.append((topic, log_ns, message))
    origin = (FRAME.origin[0] - moved[0], FRAME.origin[1] - moved[1])
    flight = run(tmp_path, entries, frame=MapFrame(FRAME.crs, origin))
    assert [frame.error_m for frame in flight.frames] == pytest.approx([0.0] * 3, abs=1e-6)
    assert flight.frames[0].prior_error_px == pytest.approx(np.hypot(*DRIFT[:2]) / GSD, abs=1e-6)


def test_a_bag_in_another_crs_is_refused_with_the_way_out(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"EPSG:32610.*EPSG:32611.*--crs EPSG:32610"):
        run(tmp_path, messages(2), frame=MapFrame("EPSG:32610", FRAME.origin))


def test_a_crs_spelled_otherwise_is_the_same(tmp_path: Path) -> None:
    from pyproj import CRS

    flight = run(tmp_path, messages(2), frame=MapFrame(CRS("EPSG:32611").to_wkt(), FRAME.origin))
    assert reasons(flight) == ["fix", "fix"]


def test_a_bag_without_a_frame_is_taken_in_the_maps_own_and_says_so(tmp_path: Path) -> None:
    flight = run(tmp_path, messages(2), frame=None)
    assert any("reference map's own" in note and FRAME.crs in note for note in flight.notes)
    assert summarise(flight)["notes"] == list(flight.notes)
    assert not run(tmp_path / "named", messages(2)).notes


def test_an_image_before_its_camera_info_is_not_lost_but_one_beyond_the_odometry_is(tmp_path: Path) -> None:
    entries = [entry for entry in messages(4) if not (entry[0] == "/odometry" and entry[1] > stamps(4)[2] + ODOMETRY_NS)]
    first_info = next(i for i, entry in enumerate(entries) if entry[0] == "/camera_info")
    flight = run(tmp_path, entries[:first_info] + entries[first_info + 1:])
    assert reasons(flight) == ["fix", "fix", "fix", "prior_missing"]


def test_raw_images_are_read_too(tmp_path: Path) -> None:
    pixels = np.arange(48 * 64, dtype=np.uint32).astype(np.uint8)
    entries = []
    for topic, log_ns, message in messages(2):
        if topic == "/image/compressed":
            its = pixels + np.uint8(len(entries))
            topic, message = "/image", telemetry.message("sensor_msgs/msg/Image", message.header, 48, 64, "mono8", 0, 64, its)
        entries.append((topic, log_ns, message))
    assert reasons(run(tmp_path, entries)) == ["fix", "fix"]


def test_truth_is_interpolated_but_not_across_a_gap_nor_beyond_its_ends(tmp_path: Path) -> None:
    wanted = stamps(6)
    entries = messages(6, truth=False)
    for stamp in (wanted[1] - 200_000_000, wanted[1] + 300_000_000, wanted[4] - 900_000_000, wanted[4] + 900_000_000):
        entries.append(("/ground_truth", stamp, odometry(stamp, true_pose(stamp))))
    entries.append(("/ground_truth", wanted[5], damaged_truth(wanted[5])))
    flight = run(tmp_path, sorted(entries, key=lambda entry: entry[1]))
    known = [frame.error_m for frame in flight.frames]
    assert known[1] == pytest.approx(0.0, abs=1e-6)
    assert [i for i, error in enumerate(known) if error is not None] == [1, 2]
    assert any("1 ground truth message could not be used" in note for note in flight.notes)


def damaged_truth(stamp_ns: int) -> Any:
    message = odometry(stamp_ns, true_pose(stamp_ns))
    nan_position(message)
    return message


def test_without_truth_fixes_have_no_errors(tmp_path: Path) -> None:
    flight = run(tmp_path, messages(3, truth=False))
    assert reasons(flight) == ["fix"] * 3
    assert {(f.truth, f.error_m, f.ground_error_px, f.prior_error_px) for f in flight.frames} == {(None,) * 4}
    assert any("no ground truth" in note for note in flight.notes)


def test_progress_is_told_as_it_comes(tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    bag = write_bag(tmp_path / "bag", messages(5))
    replay(bag, KnownLocalizer(), PlainMap(), progress=lambda done, all_: told.append((done, all_)))
    assert told == [(i, 5) for i in range(1, 6)]


def test_a_bag_without_odometry_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="/odometry"):
        run(tmp_path, [entry for entry in messages(2) if entry[0] != "/odometry"])


def test_odometry_that_comes_later_than_the_node_waits_is_told(tmp_path: Path) -> None:
    entries = [(topic, log_ns + 300_000_000 * (topic == "/odometry"), message) for topic, log_ns, message in messages(4)]
    flight = run(tmp_path, sorted(entries, key=lambda entry: entry[1]))
    assert reasons(flight) == ["fix"] * 4
    assert any("For 4 of the images odometry of a later stamp was recorded more than 100 ms after them" in note
               for note in flight.notes)
    assert not any("odometry of a later stamp" in note for note in run(tmp_path / "in time", messages(4)).notes)


def test_a_stray_image_stamp_does_not_use_up_the_camera_infos_of_a_zoom_lens(tmp_path: Path) -> None:
    from dataclasses import replace as with_fields

    from promptmid_core.replay.recording import Recording

    entries: Entries = []
    for i, (topic, log_ns, message) in enumerate(messages(80)):
        if topic == "/camera_info":
            zoom = 1 + i / 1e4
            message = with_fields(message, k=np.array(message.k) * [zoom, 1, 1, 1, zoom, 1, 1, 1, 1])
        entries.append((topic, log_ns, message))
    third = [message for topic, _, message in entries if topic == "/image/compressed"][3]
    own = stamp_ns(third.header)
    third.header.stamp.sec += 3600
    recording = Recording(open_bag(write_bag(tmp_path / "bag", entries)), FRAME)
    infos = {stamp_ns(message.header): message.k[0] for topic, _, message in entries if topic == "/camera_info"}
    for image in recording.images():
        if image.stamp_ns < own + 3600 * 10**9:
            assert recording.intake.frame(image.message).camera.k[0, 0] == infos[image.stamp_ns]
