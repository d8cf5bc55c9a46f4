"""A replay gives every image its verdict, in the map's frame, and a bad message costs its own frame only."""

from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from flights import (
    DRIFT,
    FRAME,
    GSD,
    ODOMETRY_NS,
    KnownLocalizer,
    PlainMap,
    messages,
    odometry,
    stamps,
    true_pose,
    without_times,
    write_bag,
)

from promptmid_core.bags import telemetry
from promptmid_core.bags.bag import open_bag
from promptmid_core.bags.messages import stamp_ns
from promptmid_core.bags.writer import BagWriter
from promptmid_core.descriptors import load
from promptmid_core.errors import InputError
from promptmid_core.georaster import MapFrame
from promptmid_core.localization.fix import Candidate
from promptmid_core.localization.localizer import Localizer
from promptmid_core.reasons import Reason
from promptmid_core.refmap import ReferenceMap
from promptmid_core.refmap.build import BuildOptions, Sources, build_map
from promptmid_core.replay.examples import KEPT, Album
from promptmid_core.replay.metrics import summarise
from promptmid_core.replay.run import Flight, replay
from promptmid_core.simulation.flight.options import FlightOptions
from promptmid_core.simulation.flight.simulate import simulate_flight

Entries = list[tuple[str, int, Any]]


def run(path: Path, entries: Entries, localizer: KnownLocalizer | None = None, **options: Any) -> Flight:
    reference = options.pop("reference", PlainMap())
    return replay(write_bag(path / "bag", entries, **options), localizer or KnownLocalizer(), reference)


def reasons(flight: Flight) -> list[str]:
    return [str(frame.fix.reason) for frame in flight.frames]


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
        else:
            assert frame.error_m == pytest.approx(5.0 * i, abs=1e-6)
            assert frame.ground_error_px == pytest.approx(5.0 * i / GSD, abs=1e-6)
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


def damage(topic: str, number: int, change: Callable[[Any], Any]) -> Callable[[Entries], Entries]:
    """Change the `number`th message of a topic."""
    def changed(entries: Entries) -> Entries:
        at = [i for i, entry in enumerate(entries) if entry[0] == topic][number]
        message = deepcopy(entries[at][2])
        return [*entries[:at], (topic, entries[at][1], change(message) or message), *entries[at + 1:]]
    return changed


def halve(message: Any) -> None:
    message.data = message.data[: len(message.data) // 2].copy()


def set_stamp(stamp_ns: int) -> Callable[[Any], None]:
    def change(message: Any) -> None:
        message.header = telemetry.header(stamp_ns, message.header.frame_id)
    return change


def zero_k(message: Any) -> None:
    message.k = np.zeros(9)


def nan_position(message: Any) -> None:
    message.pose.pose.position.x = float("nan")


def nan_covariance(message: Any) -> None:
    message.pose.covariance[7] = float("nan")


def long_quaternion(message: Any) -> None:
    message.pose.pose.orientation.w = 2.0


# the frame that suffers is number 3; the odometry before it and after it has these numbers
BEFORE = (stamps(4)[3] - stamps(4)[0] + 517_000_000) // ODOMETRY_NS
AFTER = BEFORE + 1


@pytest.mark.parametrize(("harm", "reason"), [
    (damage("/image/compressed", 3, halve), Reason.IMAGE_CORRUPT),
    (damage("/image/compressed", 3, set_stamp(0)), Reason.STAMP_ZERO),
    (damage("/image/compressed", 3, set_stamp(stamps(8)[1])), Reason.STAMP_BACKWARDS),
    (damage("/image/compressed", 3, set_stamp(stamps(8)[2])), Reason.STAMP_BACKWARDS),
    (damage("/image/compressed", 3, set_stamp(stamps(8)[3] + 10**15)), Reason.PRIOR_MISSING),
    (damage("/camera_info", 3, zero_k), Reason.CAMERA_INFO_INVALID),
    (damage("/odometry", BEFORE, nan_position), Reason.PRIOR_INVALID),
    (damage("/odometry", AFTER, nan_position), Reason.PRIOR_INVALID),
    (damage("/odometry", BEFORE, nan_covariance), Reason.PRIOR_INVALID),
    (damage("/odometry", AFTER, long_quaternion), Reason.PRIOR_INVALID),
])
def test_a_bad_message_costs_its_own_frame_only(tmp_path: Path, harm: Callable[[Entries], Entries], reason: Reason) -> None:
    flight = run(tmp_path, harm(messages(8)))
    assert reasons(flight) == ["fix"] * 3 + [str(reason)] + ["fix"] * 4
    assert flight.frames[3].fix.sentence
    assert [f.error_m for f in flight.frames if f.fix.accepted] == pytest.approx([0.0] * 7, abs=1e-6)


def test_bad_odometry_between_frames_costs_none_and_is_told(tmp_path: Path) -> None:
    flight = run(tmp_path, damage("/odometry", BEFORE - 4, nan_position)(messages(8)))
    assert reasons(flight) == ["fix"] * 8
    assert any("1 odometry message could not be used" in note and "NaN" in note for note in flight.notes)


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


def test_rows_are_light_and_examples_keep_their_patches(tmp_path: Path) -> None:
    sizes = {stamp: np.array([float((7 * i) % 21), 0, 0, 0, 0, 0]) for i, stamp in enumerate(stamps(21))}
    flight = run(tmp_path, messages(21), KnownLocalizer(sizes.__getitem__))
    assert all(frame.fix.candidate.patch is None and frame.fix.candidate.ties is None for frame in flight.frames)
    assert [example.title for example in flight.examples] == ["good", "median", "worst"]
    errors = [flight.frames[example.index].error_m for example in flight.examples]
    ordered = sorted(float(size[0]) for size in sizes.values())
    assert errors == pytest.approx([ordered[2], ordered[10], ordered[20]], abs=1e-6)
    assert all(example.candidate.patch is not None and example.candidate.ties is not None for example in flight.examples)


@pytest.mark.parametrize("order", [1, -1], ids=["rising", "falling"])
def test_album_of_a_long_flight_is_bounded_even_and_its_worst_exact(order: int) -> None:
    ranks = np.arange(5000.0)[::order]
    album, patch = Album(), PlainMap().image(0, 0, 4, 4)
    for i, rank in enumerate(ranks):
        album.add(i, Candidate(i, None, Reason.FIX, "", patch=patch), "fix", float(rank))
        assert len(album._sample) <= KEPT
    good, median, worst = album.chosen()
    assert worst.index == int(ranks.argmax())
    assert good.rank == pytest.approx(500, abs=150)
    assert median.rank == pytest.approx(2500, abs=150)


def test_where_nothing_was_accepted_the_most_frequent_reasons_are_shown(tmp_path: Path) -> None:
    wanted = [Reason.LOW_TEXTURE, Reason.AMBIGUOUS, Reason.AMBIGUOUS, Reason.FEW_TIE_POINTS, Reason.FEW_TIE_POINTS,
              Reason.FEW_TIE_POINTS, Reason.HALVES_DISAGREE]
    flight = run(tmp_path, messages(7), KnownLocalizer(refused=dict(zip(stamps(7), wanted, strict=True))))
    assert [(e.title, e.index) for e in flight.examples] == [("few_tie_points", 3), ("ambiguous", 1), ("low_texture", 0)]


def test_a_bag_without_odometry_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="/odometry"):
        run(tmp_path, [entry for entry in messages(2) if entry[0] != "/odometry"])


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A map and a flight over the ground that it shows: patches of eleven kinds, of unrelated grey in camera and SAR."""
    import rasterio
    from affine import Affine

    folder = tmp_path_factory.mktemp("real")
    rng = np.random.default_rng(4)
    rough = sum(cv2.GaussianBlur(rng.normal(size=(640, 640)), (0, 0), sigma) * sigma for sigma in (4, 9, 20))
    classes = np.searchsorted(np.quantile(rough, np.linspace(0, 1, 12)[1:-1]), rough)
    grey = rng.permutation(np.linspace(40, 210, 11))[classes]
    amplitude = 60 * np.sqrt(np.linspace(0.3, 2.5, 11)[rng.permutation(11)][classes] * rng.gamma(6.0, 1 / 6.0, (640, 640)))
    profile = {"driver": "GTiff", "count": 1, "width": 640, "height": 640, "dtype": "uint8", "crs": FRAME.crs,
               "transform": Affine(GSD, 0, FRAME.origin[0], 0, -GSD, FRAME.origin[1])}
    for name, pixels in (("optical", cv2.GaussianBlur(grey, (0, 0), 0.7)), ("sar", np.clip(amplitude, 1, 255))):
        with rasterio.open(folder / f"{name}.tif", "w", **profile) as target:
            target.write(pixels.astype(np.uint8), 1)
    build_map(Sources(folder / "sar.tif"), folder / "map", BuildOptions(load("structural")))
    simulate_flight(folder / "optical.tif", folder / "bag", FlightOptions.of(frames=14, seed=3, footprint_px=256, drift_px=10,
                    yaw_error_deg=1, altitude_error_percent=1, image_size=(480, 360)))
    return folder / "map", folder / "bag"


def test_the_localizer_itself_replays_the_same_twice(real: tuple[Path, Path]) -> None:
    reference = ReferenceMap.open(real[0])
    flights = [replay(real[1], Localizer(reference, load("structural")), reference) for _ in range(2)]
    once, again = ([repr(without_times(frame)) for frame in flight.frames] for flight in flights)
    assert once == again
    summary = summarise(flights[0])
    assert summary["frames"] == 14
    assert summary["fixes"] >= 12, summary["reasons"]
    assert summary["ground_error_px"]["max"] < 2.0 < summary["prior_error_px"]["max"]
    assert flights[0].bag == str(real[1]) and flights[0].map == str(real[0]) and flights[0].descriptor == "structural"


def replay_harmed(real: tuple[Path, Path], out: Path, *harms: Callable[[Entries], Entries]) -> Flight:
    bag = open_bag(real[1])
    entries = list(bag.messages("/odometry", "/camera_info", "/image/compressed", "/ground_truth"))
    for harm in harms:
        entries = harm(entries)
    with BagWriter(out / "bag", bag.custom) as writer:
        for topic, log_ns, message in entries:
            writer.write(topic, message, log_ns)
    reference = ReferenceMap.open(real[0])
    return replay(out / "bag", Localizer(reference, load("structural")), reference)


def test_bad_frames_of_a_real_flight_leave_the_track_alone(real: tuple[Path, Path], tmp_path: Path) -> None:
    flight = replay_harmed(
        real, tmp_path, damage("/image/compressed", 3, halve), damage("/image/compressed", 5, set_stamp(0)),
        damage("/image/compressed", 7, lambda message: set_stamp(stamp_ns(message.header) - 1_000_000_000)(message)),
        damage("/image/compressed", 9, black), damage("/camera_info", 11, narrow))
    assert reasons(flight)[:3] == ["fix"] * 3
    assert reasons(flight)[4::2] == ["fix"] * 5
    assert reasons(flight)[3::2] == ["image_corrupt", "stamp_zero", "stamp_backwards", "image_black", "image_size", "fix"]


@pytest.mark.parametrize(("step_ns", "reason"), [(-3 * 10**9, "stamp_backwards"), (10**13, "prior_missing")])
def test_one_stray_stamp_of_a_real_flight_leaves_the_track_alone(real: tuple[Path, Path], tmp_path: Path, step_ns: int,
                                                                 reason: str) -> None:
    def stray(message: Any) -> None:
        set_stamp(stamp_ns(message.header) + step_ns)(message)

    flight = replay_harmed(real, tmp_path, damage("/image/compressed", 7, stray))
    assert reasons(flight)[6:] == ["fix", reason, *["fix"] * 6]


def black(message: Any) -> None:
    message.data = np.frombuffer(cv2.imencode(".jpg", np.zeros((360, 480), np.uint8))[1].tobytes(), np.uint8)


def narrow(message: Any) -> None:
    message.width = 400


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
