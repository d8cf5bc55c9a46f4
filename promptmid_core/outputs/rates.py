"""Rates, ages and counts of the last while, as /diagnostics shows them."""

from __future__ import annotations

import os
import threading
import time
from collections import Counter, deque
from collections.abc import Callable
from pathlib import Path

import numpy as np

from promptmid_core.outputs.keys import Value

RATE_S, MINUTE_S = 10.0, 60.0
GAPS = 100
LONGEST_GAP_NS = 60_000_000_000
LONGEST_LATENCY_MS = 60_000.0

Clock = Callable[[], float]  # seconds


class Rate:
    """How often something happened over the last ten seconds of a `clock`."""

    def __init__(self, clock: Clock = time.monotonic) -> None:
        self._clock, self._since = clock, clock()
        self._times: deque[float] = deque(maxlen=10_000)

    def count(self) -> None:
        self._times.append(self._clock())

    def hz(self) -> float | None:
        """None in the first seconds, before it can be told."""
        now = self._clock()
        if now - self._since < RATE_S:
            return None
        return sum(1 for moment in tuple(self._times) if moment > now - RATE_S) / RATE_S

    def age_s(self) -> float:
        """Since the last time, or where there was none since the beginning."""
        times = tuple(self._times)
        return self._clock() - (times[-1] if times else self._since)


class StampGaps:
    """What the stamps of the received images tell about those that never came: a camera takes them at even intervals."""

    def __init__(self) -> None:
        self._last_ns = 0
        self._gaps: deque[int] = deque(maxlen=GAPS)

    def add(self, stamp_ns: int) -> None:
        gap, last_ns, self._last_ns = stamp_ns - self._last_ns, self._last_ns, stamp_ns
        # the first of all, stamps of zero and a clock set anew tell nothing
        if last_ns > 0 and 0 < gap < LONGEST_GAP_NS:
            self._gaps.append(gap)

    def camera_hz(self) -> float | None:
        """Return the rate of the shorter gaps: where images are lost, most of them may be multiples of the camera's own."""
        gaps = tuple(self._gaps)
        return 1e9 / float(np.percentile(gaps, 10)) if len(gaps) >= 5 else None

    def lost_percent(self) -> float | None:
        camera_hz, gaps = self.camera_hz(), tuple(self._gaps)
        if camera_hz is None:
            return None
        taken = sum(max(round(gap * 1e-9 * camera_hz), 1) for gap in gaps)
        return 100.0 * (taken - len(gaps)) / taken


class Verdicts:
    """The verdicts of the last minute of a `clock`; for use by several threads."""

    def __init__(self, clock: Clock = time.monotonic) -> None:
        self._clock, self._since = clock, clock()
        self._lock = threading.Lock()
        self._recent: deque[tuple[float, str, float, float | None]] = deque()
        self._last_fix = self._since
        self._given: set[str] = set()
        self.last_reason: str | None = None
        self.processed = 0

    def add(self, reason: str, accepted: bool, processing_ms: float, latency_ms: float | None) -> None:
        now = self._clock()
        with self._lock:
            self._recent.append((now, reason, processing_ms, latency_ms))
            self.last_reason = reason
            self._given.add(reason)
            self.processed += 1
            if accepted:
                self._last_fix = now

    def values(self) -> dict[str, Value]:
        now = self._clock()
        with self._lock:
            while self._recent and self._recent[0][0] < now - MINUTE_S:
                self._recent.popleft()
            recent = list(self._recent)
        reasons = Counter(reason for _, reason, _, _ in recent)
        latencies = [latency for _, _, _, latency in recent if latency is not None]
        settled = now - self._since >= RATE_S
        return {
            "images_processed": self.processed,
            "fix_percent": 100.0 * reasons["fix"] / len(recent) if recent and settled else None,
            "last_fix_age_s": now - self._last_fix,
            "last_reason": self.last_reason,
            **{f"reason_{reason}": reasons[reason] for reason in sorted(self._given)},
            "processing_ms_p50": float(np.median([ms for _, _, ms, _ in recent])) if recent else None,
            "processing_ms_p95": float(np.percentile([ms for _, _, ms, _ in recent], 95)) if recent else None,
            "latency_ms_p95": float(np.percentile(latencies, 95)) if latencies else None,
        }


def latency_ms(now_ns: int, stamp_ns: int) -> float | None:
    """Return the ms from a stamp until now; None where the stamp is of another clock."""
    elapsed = (now_ns - stamp_ns) / 1e6
    return elapsed if abs(elapsed) < LONGEST_LATENCY_MS else None


def memory_mb() -> float | None:
    """Resident memory of this process; None where it has no file handle left to ask for it."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
    except OSError:
        return None
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20
