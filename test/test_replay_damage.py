"""A bad message of a bag costs its own frame only."""

from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from flights import FRAME, GSD, ODOMETRY_NS, Entries, messages, nan_position, reasons, run, stamps, without_times

from promptmid_core.bags import telemetry
from promptmid_core.bags.bag import open_bag
from promptmid_core.bags.messages import stamp_ns
from promptmid_core.bags.writer import BagWriter
from promptmid_core.descriptors import load
from promptmid_core.localization.localizer import Localizer
from promptmid_core.reasons import Reason
from promptmid_core.refmap import ReferenceMap
from promptmid_core.refmap.build import BuildOptions, Sources, build_map
from promptmid_core.replay.metrics import summarise
from promptmid_core.replay.run import Flight, replay
from promptmid_core.simulation.flight.options import FlightOptions
from promptmid_core.simulation.flight.simulate import simulate_flight


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
