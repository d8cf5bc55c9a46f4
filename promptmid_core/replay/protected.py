"""What the protection levels of a flight's fixes were worth."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from promptmid_core.replay.run import ReplayedFrame
from promptmid_core.replay.shares import bound95


def protection(fixes: Sequence[ReplayedFrame], gsd_m: float, samples: float | None) -> dict[str, Any]:
    """Return how wide the levels are, and how often the position was off by more.

    `level_px_median`: of the position; `exceeded`: fixes whose error is larger; `bound`: the upper end of the one-sided 95 %
    interval of the share of such fixes, of so many independent `samples`; `unbounded`: fixes without a finite level. None where
    nothing can be told: no fix, no level that is finite, no truth.
    """
    told = [(each.fix.protection.position / gsd_m, each.error_px) for each in fixes if each.fix.protection is not None]
    finite = np.array([level for level, _ in told if np.isfinite(level)])
    judged = [(level, error) for level, error in told if np.isfinite(level) and error is not None]
    exceeded = sum(error > level for level, error in judged)
    bound = bound95(exceeded / len(judged) * samples, samples) if judged and samples else None
    return {
        "level_px_median": round(float(np.median(finite)), 6) if len(finite) else None,
        "exceeded": exceeded if judged else None,
        "bound": bound,
        "unbounded": len(told) - len(finite),
    }
