"""What a closed loop came to: how far off and how honest, and what outages did."""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks.loop.log import Log
from promptmid_core.arrays import Float64
from promptmid_core.replay.run import D2_95

SETTLED_S = 60.0  # from the start, until what was wrong there is found
RECOVERED_PX = 3.0
AFTER = 10  # images after an outage that count as recovery
Outages = list[tuple[float, float]]


def figures_of(log: Log, gsd: float, outages: Outages, period_s: float) -> dict[str, Any]:
    """Return the figures of a flight: px of the map, seconds from its start; `outages` are begin and end of each.

    `coverage95` and `nees` are of all times from SETTLED_S on; `error_px`, `stated_px` leave out what is in an outage and in the
    AFTER images after it.
    """
    second = np.array([at for at, _, _ in log.states])
    off = np.array([error for _, error, _ in log.states]) / gsd
    covariance = np.array([each for _, _, each in log.states]) / gsd ** 2
    length, d2 = np.hypot(*off.T), np.einsum("ni,nij,nj->n", off, np.linalg.inv(covariance), off)
    settled = second >= SETTLED_S
    fed = settled.copy()
    for begin, end in outages:
        fed &= (second < begin) | (second >= end + AFTER * period_s)
    jumps = np.array(log.jumps)
    jumped = jumps[:, 0] >= SETTLED_S
    return {
        "seconds": round(float(second[-1]), 1), "images": len(log.reasons), "reasons": log.counts(),
        "error_px": _spread(length[fed]), "stated_px": round(float(np.median(np.sqrt(np.trace(covariance[fed].T)))), 3),
        "coverage95": round(float((d2[settled] <= D2_95).mean()), 4), "nees": round(float(d2[settled].mean()), 3),
        "largest_d2": round(float(d2[settled].max()), 2),
        "largest_jump": {"px": round(float(jumps[jumped, 1].max() / gsd), 2),
                         "sigmas": round(float((jumps[jumped, 1] / jumps[jumped, 2]).max()), 3)},
        "outages": [_outage(log, gsd, begin, end, (second, length, np.sqrt(np.linalg.eigvalsh(covariance)[:, 1])))
                    for begin, end in outages],
    }


def _outage(log: Log, gsd: float, begin: float, end: float, states: tuple[Float64, Float64, Float64]) -> dict[str, Any]:
    second, length, sigma = states
    last = np.flatnonzero(second < end)[-1]
    after = [(at, reason) for at, reason in log.reasons if at >= end]
    # the state that is noted after an image's fix has been taken
    back = next((number for number, (at, _) in enumerate(after, 1)
                 if length[min(np.searchsorted(second, at + 1.0), len(length) - 1)] <= RECOVERED_PX
                 and any(reason == "fix" for _, reason in after[:number])), None)
    jumps = [(metres / gsd, metres / stated) for at, metres, stated in log.jumps if end <= at < end + 60.0]
    return {"from_s": round(begin, 1), "seconds": round(end - begin, 1), "error_px": round(float(length[last]), 2),
            "sigma_px": round(float(sigma[last]), 2), "images_until_recovery": back,
            "largest_jump": {"px": round(max(px for px, _ in jumps), 2), "sigmas": round(max(own for _, own in jumps), 3)}
            if jumps else None}


def _spread(values: Float64) -> dict[str, float]:
    return {"p50": round(float(np.median(values)), 3), "p95": round(float(np.percentile(values, 95)), 3),
            "most": round(float(values.max()), 3)}
