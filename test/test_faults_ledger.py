"""The judge of faults finds what must not be: false fixes, verdicts of no image, counters that do not add up."""

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="needs ROS 2's rclpy")

from builtin_interfaces.msg import Time
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from flights import CAMERA, DRIFT, GSD, START_NS, messages, true_pose, write_bag
from geometry_msgs.msg import PoseWithCovarianceStamped

from benchmarks.faults.aircraft import Failed
from benchmarks.faults.fault import Fault
from benchmarks.faults.ledger import Ledger
from benchmarks.faults.roundtrip import SECOND, RoundTrip
from benchmarks.faults.run import Result, check
from promptmid_core.bags.messages import pose_from, stamp_ns
from promptmid_core.errors import InputError
from promptmid_core.geometry import Terrain
from promptmid_core.outputs.contents import pose_with_covariance, time
from promptmid_ros.conversions import message as made

FRAMES = 5


@pytest.fixture
def ledger() -> Ledger:
    return Ledger(CAMERA, Terrain.flat(), GSD)


def verdict(stamp: int, reason: str = "fix", sentence: str = "") -> DiagnosticArray:
    told = {"reason": reason, "sentence": sentence, "state": "TRACKING"}
    values = [KeyValue(key=key, value=value) for key, value in told.items()]
    message = DiagnosticArray(status=[DiagnosticStatus(values=values)])
    message.header.stamp = made(Time, time(stamp))
    return message


def health(received: int, processed: int, dropped: int) -> DiagnosticArray:
    counts = {"images_received": received, "images_processed": processed, "images_dropped": dropped}
    values = [KeyValue(key=key, value=str(value)) for key, value in counts.items()]
    return DiagnosticArray(status=[DiagnosticStatus(name="localizer: health", values=values)])


@pytest.mark.parametrize(("off_px", "false"), [(0.0, False), (4.9, False), (5.1, True), (300.0, True)])
def test_a_fix_is_false_beyond_five_pixels_on_the_ground(ledger: Ledger, off_px: float, false: bool) -> None:
    ledger.send(START_NS, true_pose(START_NS))
    off = true_pose(START_NS).corrected(np.array([0, off_px * GSD, 0, 0, 0, 0]))
    ledger.on_pose(made(PoseWithCovarianceStamped, pose_with_covariance(START_NS, off, np.eye(6))))
    assert (ledger.fixes, len(ledger.false_fixes), bool(ledger.wrong())) == (1, int(false), false)
    assert ledger.worst_px == pytest.approx(0.0 if false else off_px, abs=0.01)


def test_a_fix_of_no_image_is_false(ledger: Ledger) -> None:
    ledger.on_pose(made(PoseWithCovarianceStamped, pose_with_covariance(START_NS, true_pose(START_NS), np.eye(6))))
    assert "no image that was sent" in ledger.wrong()[0]


def test_verdicts_are_one_for_each_image(ledger: Ledger) -> None:
    for _ in range(2):
        ledger.send(START_NS, true_pose(START_NS))
    ledger.on_verdict(verdict(START_NS))
    assert not ledger.await_verdict(START_NS, 0.0)
    ledger.on_verdict(verdict(START_NS, "stamp_backwards"))
    assert ledger.await_verdict(START_NS, 0.0)
    assert not ledger.wrong()
    ledger.on_verdict(verdict(START_NS))
    assert ledger.wrong() == [f"3 verdicts on 2 images of stamp {START_NS}"]


def test_what_the_program_failed_on_is_told(ledger: Ledger) -> None:
    ledger.on_verdict(verdict(START_NS, "internal_error", "ZeroDivisionError: as the test wants"))
    ledger.on_verdict(verdict(START_NS + 1))
    fault, result = Fault("none", "nothing is done", lambda aircraft: None), Result("none", "", reasons=dict(ledger.reasons))
    with pytest.raises(Failed, match="1 images failed by a fault of the program, the last: ZeroDivisionError: as the test wants"):
        check(fault, ledger, result)


@pytest.mark.parametrize(("counts", "agree"), [((3, 2, 1), True), ((3, 2, 0), False), ((3, 1, 2), False), ((3, 3, 0), False)])
def test_counters_add_up_and_are_those_of_the_verdicts(ledger: Ledger, counts: tuple[int, int, int], agree: bool) -> None:
    for number in range(2):
        ledger.send(START_NS + number, true_pose(START_NS))
        ledger.on_verdict(verdict(START_NS + number))
    assert not ledger.add_up()
    ledger.on_health(health(*counts))
    assert ledger.add_up() == agree


@pytest.fixture(scope="module")
def bag(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_bag(tmp_path_factory.mktemp("round") / "bag", messages(FRAMES))


def test_the_flight_goes_to_and_fro_and_its_odometry_with_it(bag: Path) -> None:
    trip = RoundTrip(bag)
    shots = trip.shots(4 * FRAMES)
    stamps = [shot.stamp_ns for shot in shots]
    assert np.diff(stamps).tolist() == [SECOND // 2] * (len(shots) - 1)
    heard: list[tuple[int, np.ndarray]] = []
    for shot in shots:
        heard += [(stamp_ns(message.header), pose_from(message.pose.pose).position) for message in shot.odometry]
        times, places = zip(*heard, strict=True)
        assert list(times) == sorted(set(times))
        # the prior of each image errs by the drift, wherever the flight has turned round
        if shot.stamp_ns > stamps[0]:
            assert times[-1] > shot.stamp_ns
            prior = np.array([np.interp(shot.stamp_ns, times, np.array(places)[:, axis]) for axis in range(2)])
            assert prior - shot.truth.position[:2] == pytest.approx(DRIFT[:2], abs=1.0)
    ends = [shot.truth.position[0] for shot in shots]
    assert ends[FRAMES - 1] == max(ends) and ends[2 * (FRAMES - 1)] == pytest.approx(ends[0])
    data = [bytes(shot.image.data) for shot in shots]
    assert len(set(data)) == len(data)


def test_its_clock_can_be_set_and_it_can_begin_anew(bag: Path) -> None:
    trip = RoundTrip(bag)
    first, second = trip.shots(2)
    trip.set_clock(-3600 * SECOND)
    assert trip.next().stamp_ns == second.stamp_ns + SECOND // 2 - 3600 * SECOND
    trip.restart()
    assert trip.next().stamp_ns == first.stamp_ns


def test_a_round_trip_needs_three_images(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="2 images; a round trip needs three"):
        RoundTrip(write_bag(tmp_path / "bag", messages(2)))


def test_the_stamp_of_an_image_that_was_dropped_may_come_again(ledger: Ledger) -> None:
    """As where a bag begins anew: one verdict is awaited then, and not that on the dropped image as well."""
    ledger.send(START_NS, true_pose(START_NS))
    ledger.settle()
    ledger.send(START_NS, true_pose(START_NS))
    assert not ledger.await_verdict(START_NS, 0.0)
    ledger.on_verdict(verdict(START_NS))
    assert ledger.await_verdict(START_NS, 0.0)
    assert ledger.totals()["images"] == 2
    assert ledger.wrong() == []
