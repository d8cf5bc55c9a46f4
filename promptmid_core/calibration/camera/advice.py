"""What flight would show what the flights so far have not shown of a camera."""

from __future__ import annotations

import numpy as np

from promptmid_core.calibration.camera.estimate import BEFORE, BESIDE, Estimate, is_observed
from promptmid_core.calibration.camera.model import UNKNOWNS

TURNS = ("fly turns of 90 degrees and more to both sides: what the mount is off by turns with the heading, and the odometry's "
         "drift does not")
FLIGHTS = {
    "roll": TURNS, "pitch": TURNS,
    "yaw": "fly longer, or with odometry whose heading is surer: what the mount is turned by looks like an error of the heading",
    "delay_s": "fly turns, roll and pitch that change by degrees within seconds, or two speeds: what stays the same all along "
               "shows no delay",
    "focal_scale": "fly at two heights 30 % apart with odometry whose height is surer, or with roll and pitch that change by "
                   "degrees: a longer focal length looks like a smaller height",
}
# of two that look alike: what tells them apart
APART = {
    frozenset(("pitch", "delay_s")): "fly at two speeds, at two heights 30 % apart at one speed, or with roll and pitch that "
                                     "change by degrees: at one speed and height a delay looks like a pitch",
    frozenset(("roll", "yaw")): "fly at two heights 30 % apart: of a camera that looks aside a turn looks like a roll",
}


def advice(found: Estimate) -> dict[str, str]:
    """Return for each of the unknowns that was not observed the sentence that says what flight would show it."""
    return {name: _sentence(found, i) for i, name in enumerate(UNKNOWNS) if not found.observed[i]}


def _sentence(found: Estimate, unknown: int) -> str:
    whole = found.information + np.eye(len(UNKNOWNS))
    for other, name in enumerate(UNKNOWNS):
        pair = frozenset((UNKNOWNS[unknown], name))
        if other != unknown and pair in APART:
            # were the other one known, it would be too
            kept = [i for i in range(len(UNKNOWNS)) if i != other]
            sigmas = BEFORE.copy()
            sigmas[kept] = np.sqrt(np.linalg.inv(whole[np.ix_(kept, kept)]).diagonal()) * BEFORE[kept]
            if is_observed(np.hypot(sigmas, BESIDE))[unknown]:
                return APART[pair]
    return FLIGHTS[UNKNOWNS[unknown]]
