"""The closed loop in one process: the filter's estimate is the prior of an image, whose fix is the filter's next measurement."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

import numpy as np
from filter_gtsam import Filter
from filter_model import Belief, Fix, Options

from benchmarks.loop.flight import LongFlight, second_of, stamp_of
from benchmarks.loop.instruments import fix_of, motion_of, odometry_of, pose_of
from benchmarks.loop.log import Log
from benchmarks.loop.sensors import Sensors, Wrong
from promptmid_core.bags.messages import stamp_ns
from promptmid_core.localization.intake import Intake
from promptmid_core.localization.localizer import Localizer
from promptmid_core.localization.rig import Rig

STEP_S = 0.1
AHEAD_S = 0.2  # odometry has to bracket its image
LATE_S = 0.3  # from an image to its fix
START_M, START_DEG = 60.0, 2.0  # what is stated at the start


class Loop:
    """A flight with its sensors, the localizer and the filter."""

    def __init__(self, flight: LongFlight, localizer: Localizer, wrong: Wrong, options: Options, seed: int) -> None:
        self.flight, self.localizer, self.filter, self.log = flight, localizer, Filter(options), Log()
        self._sensors = Sensors(flight.trajectory, wrong, flight.seconds, STEP_S, seed)
        self._intake = Intake(Rig())
        self._read = 0
        self._waiting: deque[tuple[float, Fix]] = deque()
        pose = self._sensors.truth(0.0)
        sigmas = np.array([START_M, START_M, np.radians(START_DEG)])
        off = sigmas * np.random.default_rng([seed, 20]).choice([-1.0, 1.0], 3)
        self.filter.start(pose.position[:2] + off[:2], pose.yaw + off[2], np.diag(sigmas ** 2))

    def fly(self, progress: Callable[[float], None] = lambda second: None) -> Log:
        """Fly to the end; `progress` is told the seconds flown."""
        for info, image in self.flight.shots():
            second = second_of(stamp_ns(image.header))
            self._move(second + AHEAD_S)
            self._intake.cameras.add(info)
            fix = self._intake.localize(image, self.localizer).fix
            self.log.reasons.append((second, str(fix.reason)))
            given = fix_of(fix, self.filter.options.fixes)
            if given is not None:
                self._waiting.append((second + LATE_S, given))
            progress(second)
        return self.log

    def _move(self, until: float) -> None:
        """Let time pass."""
        while self._read < self._sensors.count and self._read * STEP_S <= until:
            told = self._sensors.read(self._read)
            belief = self.filter.move(motion_of(told, stamp_of(0.0)))
            assert belief is not None
            self._intake.odometry.add(odometry_of(belief))
            if self._read % round(1 / STEP_S) == 0:
                self._note(told.second, belief)
            while self._waiting and self._waiting[0][0] <= told.second:
                self._take(told.second, self._waiting.popleft()[1])
            self._read += 1

    def _take(self, second: float, fix: Fix) -> None:
        before = self.filter.now
        self.filter.take(fix)
        after = self.filter.now
        assert before is not None and after is not None
        jump = (pose_of(after).position - pose_of(before).position)[:2]
        self.log.jumps.append((second, float(np.hypot(*jump)), float(np.sqrt(np.linalg.eigvalsh(before.in_map()[:2, :2])[1]))))

    def _note(self, second: float, belief: Belief) -> None:
        error = (pose_of(belief).position - self._sensors.truth(second).position)[:2]
        self.log.states.append((second, error, belief.in_map()[:2, :2]))
