"""The buffer of priors: stray stamps, disorder, the way flown, and what it keeps."""

import tracemalloc

import numpy as np
import pytest
from odometry_messages import SECOND, START, flown, prior

from promptmid_core.errors import Refusal
from promptmid_core.geometry import Pose, Prior
from promptmid_core.localization.prior import PriorBuffer
from promptmid_core.localization.reckoning import Twist
from promptmid_core.reasons import Reason


class TestLiveBuffer:
    """PriorBuffer.add."""

    def filled(self) -> PriorBuffer:
        buffer = PriorBuffer()
        for i in range(20):
            buffer.add(prior(START + i * SECOND // 10))
        return buffer

    @pytest.mark.parametrize("away", [10**6 * SECOND, 31 * SECOND, -2 * SECOND, -10**6 * SECOND])
    def test_a_stray_stamp_changes_nothing(self, away: int) -> None:
        buffer = self.filled()
        before = buffer.at(START + SECOND)
        buffer.add(prior(START + 2 * SECOND + away))
        buffer.add(prior(START + 2 * SECOND))
        assert buffer.at(START + SECOND) is before
        assert buffer.newest_ns == START + 2 * SECOND

    @pytest.mark.parametrize("away", [10**6 * SECOND, -2 * SECOND, -10**6 * SECOND])
    def test_two_in_a_row_start_anew(self, away: int) -> None:
        buffer = self.filled()
        for i in (0, 1):
            buffer.add(prior(START + 2 * SECOND + away + i * SECOND // 10))
        assert buffer.at(START + 2 * SECOND + away + SECOND // 20).pose.position[0] == pytest.approx(
            flown(START + 2 * SECOND + away + SECOND // 20).position[0])
        with pytest.raises(Refusal):
            buffer.at(START + SECOND)

    def test_a_little_disorder_is_put_in_order(self) -> None:
        buffer = PriorBuffer()
        for tenth in (0, 2, 1, 3):
            buffer.add(prior(START + tenth * SECOND // 10))
        assert buffer.at(START + SECOND // 20).pose.position[0] == pytest.approx(5.0)

    def test_nothing_is_interpolated_across_an_unusable_sample(self) -> None:
        buffer = self.filled()
        buffer.refuse(START + SECOND + SECOND // 20, Refusal(Reason.PRIOR_INVALID, "as the test wants"))
        with pytest.raises(Refusal, match="as the test wants"):
            buffer.at(START + SECOND + SECOND // 30)
        assert buffer.at(START + SECOND).stamp_ns == START + SECOND
        assert buffer.at(START + SECOND + SECOND // 9)


def travelled(buffer: PriorBuffer, stamp: int) -> float:
    motion = buffer.at(stamp).motion
    assert motion is not None
    return motion.flown


def test_the_way_is_measured_and_not_the_displacement_or_the_noise() -> None:
    buffer, rng, tenth = PriorBuffer(keep_ns=10**18), np.random.default_rng(1), SECOND // 10
    for i in range(1001):
        out_and_back = 10.0 * min(i, 1000 - i)
        place = np.array([out_and_back, 0.0, 0.0]) + rng.normal(0, 0.05, 3)
        twist = Twist(np.array([100.0 if i < 500 else -100.0, 0, 0]), np.zeros(3))
        buffer.add(prior(START + i * tenth, Pose(place, np.eye(3))), twist)
    assert travelled(buffer, START + 1000 * tenth) == pytest.approx(10_000, rel=2e-3)
    assert travelled(buffer, START + 250 * tenth) == pytest.approx(2500, rel=2e-3)
    assert travelled(buffer, START + 250 * tenth + tenth // 2) == pytest.approx(2505, rel=2e-3)
    for i in range(1001, 5000):
        buffer.add(prior(START + i * tenth, Pose(rng.normal(0, 0.05, 3), np.eye(3))))
    assert travelled(buffer, START + 4999 * tenth) == pytest.approx(10_000, rel=2e-3)
    buffer.clear()
    buffer.add(prior(5, Pose(np.array([9000.0, 0.0, 0.0]), np.eye(3))))
    assert travelled(buffer, 5) == pytest.approx(10_000, rel=2e-3)


def test_the_buffer_keeps_what_the_images_to_come_need_and_no_more() -> None:
    """Any length of flight in the memory of a minute; a replay, which reads the odometry first, needs all of it."""
    live, replayed = PriorBuffer(), PriorBuffer(keep_ns=10**18)

    def at(second: int) -> Prior:
        return prior(START + second * SECOND, Pose(np.array([2.0 * second, 0.0, 0.0]), np.eye(3)))

    tracemalloc.start()
    for second in range(1200):
        if second == 400:
            before = tracemalloc.get_traced_memory()[0]
        live.add(at(second))
    grown = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    assert grown < 20_000
    assert travelled(live, START + 1185 * SECOND) == pytest.approx(2370.0)
    for second in range(1200):
        replayed.add(at(second))
    assert [travelled(replayed, START + second * SECOND) for second in (0, 10, 1199)] == pytest.approx([0.0, 20.0, 2398.0])
