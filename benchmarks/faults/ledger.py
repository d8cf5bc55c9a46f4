"""What was sent to a node and what it said of it, held against each other."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np

from promptmid_core.bags.messages import pose_from, stamp_ns
from promptmid_core.errors import Refusal
from promptmid_core.geometry import Camera, Pose, Terrain, boresight_point
from promptmid_core.replay.metrics import FALSE_FIX_PX


class Ledger:
    """The images of one activation by their stamps: where the aircraft truly was, how often each was sent and judged.

    For use by several threads. `worst_px`: the largest ground error of an accepted fix, in map pixels. `reasons` and `reason`:
    how often each reason was given, and the last one; `sentences`: the last one of each. `dropped`: images that the node dropped
    for newer ones.
    """

    def __init__(self, camera: Camera, terrain: Terrain, gsd_m: float) -> None:
        self._camera, self._terrain, self._gsd_m = camera, terrain, gsd_m
        self._came = threading.Condition()
        self._truth: dict[int, Pose] = {}
        self.sent: Counter[int] = Counter()
        self.judged: Counter[int] = Counter()
        self.reasons: Counter[str] = Counter()
        self.sentences: dict[str, str] = {}
        self.reason = self.state = ""
        self.fixes = self.dropped = 0
        self.worst_px = 0.0
        self.false_fixes: list[str] = []
        self.health: dict[str, str] = {}

    def send(self, stamp: int, truth: Pose) -> None:
        with self._came:
            self._truth[stamp] = truth
            self.sent[stamp] += 1

    def settle(self) -> None:
        """Expect no more verdicts on what was sent so far: what has none was dropped. Its stamp may come again."""
        with self._came:
            for stamp, count in self.sent.items():
                dropped = max(count - self.judged[stamp], 0)
                self.sent[stamp] -= dropped
                self.dropped += dropped

    def on_verdict(self, message: Any) -> None:
        """Take a message of ~/match_diagnostics."""
        values = {pair.key: pair.value for pair in message.status[0].values}
        with self._came:
            self.judged[stamp_ns(message.header)] += 1
            self.reason, self.state = values["reason"], values.get("state", "")
            self.reasons[self.reason] += 1
            self.sentences[self.reason] = values.get("sentence", "")
            self._came.notify_all()

    def on_pose(self, message: Any) -> None:
        """Take a message of ~/pose, an accepted fix."""
        stamp = stamp_ns(message.header)
        with self._came:
            self.fixes += 1
            truth = self._truth.get(stamp)
            off_px = None if truth is None else self._ground_error_px(pose_from(message.pose.pose), truth)
            if truth is None:
                self.false_fixes.append(f"the fix of stamp {stamp} is of no image that was sent")
            elif off_px is None or off_px > FALSE_FIX_PX:
                off = "past the ground" if off_px is None else f"{off_px:.1f} px off"
                self.false_fixes.append(f"the fix of stamp {stamp} is {off}")
            else:
                self.worst_px = max(self.worst_px, off_px)

    def on_health(self, message: Any) -> None:
        """Take a message of /diagnostics."""
        with self._came:
            for status in message.status:
                if status.name.endswith(": health"):
                    self.health = {pair.key: pair.value for pair in status.values}
            self._came.notify_all()

    def await_(self, true: Callable[[], bool], seconds: float) -> bool:
        """Wait until something is true of what came; whether it is within so many seconds."""
        with self._came:
            return self._came.wait_for(true, seconds)

    def await_verdict(self, stamp: int, seconds: float) -> bool:
        """Wait for the verdict on the last image of a stamp."""
        return self.await_(lambda: self.judged[stamp] >= self.sent[stamp], seconds)

    def counts(self) -> dict[str, int]:
        """Return what the node last counted itself, -1 where it did not tell."""
        return {name: int(self.health.get(f"images_{name}", -1)) for name in ("received", "processed", "dropped")}

    def totals(self) -> dict[str, Any]:
        """Return how many images were sent and what came of them so far."""
        with self._came:
            return {"images": sum(self.sent.values()) + self.dropped, "verdicts": sum(self.judged.values()), "fixes": self.fixes,
                    "false_fixes": len(self.false_fixes), "reasons": dict(self.reasons)}

    def add_up(self) -> bool:
        """Return whether the node's counters and what came of it agree, with no image in hand."""
        counts = self.counts()
        return counts["received"] == counts["processed"] + counts["dropped"] and counts["processed"] == sum(self.judged.values())

    def wrong(self) -> list[str]:
        """Return what must never be, as sentences: verdicts that are no image's, or more than one of an image; false fixes."""
        with self._came:
            surplus = [f"{self.judged[stamp]} verdicts on {self.sent[stamp]} images of stamp {stamp}"
                       for stamp in self.judged if self.judged[stamp] > self.sent[stamp]]
            return surplus + self.false_fixes

    def _ground_error_px(self, pose: Pose, truth: Pose) -> float | None:
        try:
            apart = boresight_point(self._camera, pose, self._terrain) - boresight_point(self._camera, truth, self._terrain)
        except Refusal:
            return None
        return float(np.hypot(apart[0], apart[1])) / self._gsd_m
