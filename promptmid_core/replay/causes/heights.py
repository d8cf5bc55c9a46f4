"""Heights of another datum, and flights that are too low or too high for the map."""

from __future__ import annotations

import numpy as np

from promptmid_core.reasons import Reason
from promptmid_core.replay.causes.cause import Cause
from promptmid_core.replay.causes.inspection import FEW, Inspection
from promptmid_core.replay.verdict import LEAST_RATE

SIGMAS, LEAST_SHARE, ALIKE = 3.0, 0.02, 0.8
# below this many px of the map in an image, flights over real ground lost their fixes: docs/results.md, "footprint"
LEAST_PX = 128
SCALE = (Reason.IMPLAUSIBLE_SCALE,)


def datum(look: Inspection) -> Cause | None:
    """The odometry's height is off by one and the same amount: by the truth, or by the scale of the matches."""
    off = [(pose.position[2] - truth.position[2], sigma[2]) for _, pose, sigma, truth in look.known]
    source = "truth"
    if len(off) < FEW:
        off = [(-frame.fix.candidate.height[0], sigma[2]) for frame, _, sigma in look.priors
               if frame.fix.candidate.height is not None]
        source = "scale of the matches"
    if len(off) < FEW or not len(look.heights):
        return None
    metres, sigma = np.array(off).T
    middle, height = float(np.median(metres)), float(np.median(look.heights))
    same = float((np.sign(metres) == np.sign(middle)).mean())
    if abs(middle) < max(SIGMAS * float(np.median(sigma)), LEAST_SHARE * abs(height)) or same < ALIKE:
        return None
    way = "high" if middle > 0 else "low"
    return Cause("heights_datum", "the heights of the odometry have another zero than the map's",
                 f"By the {source} the odometry is {abs(middle):.0f} m too {way} in {100 * same:.0f} % of the frames, where it "
                 f"states {np.median(sigma):.1f} m.",
                 "give heights above the map's vertical datum (promptmid map info names it): not above the ellipsoid, the "
                 "take-off point or the ground; or state the odometry's variance of z as it is")


def too_low(look: Inspection) -> Cause | None:
    """An image shows less of the map than a match needs."""
    px = _shown_px(look)
    if look.fix_rate >= LEAST_RATE or px is None or px >= LEAST_PX:
        return None
    height = float(np.median(look.heights))
    return Cause("too_low", "the flight is too low for this map and camera",
                 f"From {height:.0f} m above the ground an image shows {px:.0f} px of the map, {px * look.flight.gsd_m:.0f} m.",
                 f"fly above {height * LEAST_PX / px:.0f} m, take a wider lens, or a map of pixels finer than "
                 f"{look.flight.gsd_m:.4g} m")


def too_high(look: Inspection) -> Cause | None:
    """A pixel of the image covers more than the map's coarsest level has."""
    count = look.reasons[Reason.FRAME_TOO_COARSE]
    if count < FEW or look.fix_rate >= LEAST_RATE:
        return None
    return Cause("too_high", "the flight is too high for this map and camera",
                 f"{count} frames were refused as {Reason.FRAME_TOO_COARSE}.",
                 "fly lower, or take a longer lens or a larger image")


def _shown_px(look: Inspection) -> float | None:
    """The shorter side of what an image shows straight below, in px of the map."""
    cameras = [frame.camera for frame in look.frames if frame.camera is not None]
    if not cameras or not len(look.heights) or np.median(look.heights) <= 0:
        return None
    camera = cameras[len(cameras) // 2]
    side = min(camera.width / camera.k[0, 0], camera.height / camera.k[1, 1])
    return float(np.median(look.heights) * side / look.flight.gsd_m)
