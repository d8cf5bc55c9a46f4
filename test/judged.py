"""Fixes of given errors at given places, judged as a replay judges them."""

import numpy as np
from flights import CAMERA, FRAME_NS, GSD, HEIGHT, START_NS

from promptmid_core.geometry import Pose, Terrain
from promptmid_core.localization.fix import Candidate, Fix, GroundPoint, State
from promptmid_core.localization.parts import Parts
from promptmid_core.reasons import Reason
from promptmid_core.replay.run import Flight, ReplayedFrame, judge

SIGMA_M = 5.0


def parts_of(sigma_m: float = 1.0) -> Parts:
    """Of a place that is off by its ground alone, with a standard deviation an axis."""
    none = np.zeros((2, 2))
    return Parts(none, sigma_m ** 2 * np.eye(2), none, none)


def level(place: np.ndarray) -> Pose:
    return Pose.from_rpy(np.array([*place, HEIGHT]), 0.0, 0.0, 0.0)


def fix_at(index: int, place: np.ndarray, error: np.ndarray, *, sigma_m: float = SIGMA_M,
           ground: GroundPoint | None = None, with_truth: bool = True) -> ReplayedFrame:
    """An accepted frame at the true `place` (2,), with the `error` (2,) of position and ground point, in metres."""
    stamp = START_NS + index * FRAME_NS
    covariance = np.diag([sigma_m ** 2, sigma_m ** 2, 1e6, 1e6, 1e6, 1e6])
    pose = level(place + error)
    candidate = Candidate(stamp, None, Reason.FIX, "", pose, covariance)
    fix = Fix(stamp, State.TRACKING, Reason.FIX, "", pose, covariance, ("x", "y"), candidate, ground=ground)
    return judge(ReplayedFrame(index, stamp, fix, 1.0, CAMERA, level(place) if with_truth else None), Terrain.flat(), GSD)


def refused_at(index: int, place: np.ndarray) -> ReplayedFrame:
    stamp = START_NS + index * FRAME_NS
    candidate = Candidate(stamp, None, Reason.LOW_TEXTURE, "no")
    fix = Fix(stamp, State.TRACKING, Reason.LOW_TEXTURE, "no", None, None, (), candidate)
    return judge(ReplayedFrame(index, stamp, fix, 1.0, CAMERA, level(place)), Terrain.flat(), GSD)


def flight_of(frames: list[ReplayedFrame]) -> Flight:
    return Flight(tuple(frames), (), (), bag="bag", map="map", crs="EPSG:32611", gsd_m=GSD, patch_px=256, descriptor="structural",
                  fingerprint="f")


def repeating(rng: np.random.Generator, count: int, rho: float) -> np.ndarray:
    """Normal errors (count, 2) of variance 1, each of which correlates with the next by `rho`."""
    drawn = rng.normal(size=(count, 2))
    for i in range(1, count):
        drawn[i] = rho * drawn[i - 1] + np.sqrt(1 - rho ** 2) * drawn[i]
    return drawn
