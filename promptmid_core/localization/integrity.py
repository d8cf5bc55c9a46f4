"""The gates that one frame must pass, each with its reason."""

from __future__ import annotations

from functools import reduce

import cv2
import numpy as np

from promptmid_core.arrays import Float64, Mask
from promptmid_core.bags.size import check_size
from promptmid_core.descriptors import Evidence, fault_of
from promptmid_core.descriptors.cells import cells, f32, whole_cells
from promptmid_core.errors import Refusal
from promptmid_core.geometry import DescriptorMap, Patch, Pose
from promptmid_core.localization.fix import Frame, TiePoints
from promptmid_core.localization.options import Options
from promptmid_core.localization.solve import Solution
from promptmid_core.matching.search import Extent, Peak
from promptmid_core.matching.verification import Verification
from promptmid_core.reasons import Reason

CELL = 4  # px, over which a contrast is none of the sensor's
CHANCE_SHARE = 0.28
SHARED_GROUND = 4.0  # blocks overlap by half in both directions, so four tell about as much as one


def check_frame(frame: Frame, options: Options) -> None:
    """The image is one, of the size that the camera states, and neither black nor saturated."""
    if frame.stamp_ns <= 0:
        raise Refusal(Reason.STAMP_ZERO, "the image has stamp zero; the prior cannot be found without its time")
    height, width = frame.image.shape[:2]
    check_size((width, height), (frame.camera.width, frame.camera.height))
    sample = frame.image[::8, ::8]
    dark, bright = (np.count_nonzero(which) / sample.size for which in (
        sample <= options.gates.dark_level, sample >= options.gates.bright_level))
    if dark > 0.9:
        raise Refusal(Reason.IMAGE_BLACK, f"{dark:.0%} of the image is black")
    if bright > 0.9:
        raise Refusal(Reason.IMAGE_SATURATED, f"{bright:.0%} of the image is saturated")


def check_patch(patch: Patch, options: Options) -> None:
    """Enough of the patch is seen, and there is something to see."""
    share = float(patch.valid.mean())
    if share < options.gates.least_valid:
        raise Refusal(Reason.FOOTPRINT_SMALL,
                      f"the frame fills {share:.0%} of the patch, less than {options.gates.least_valid:.0%}; "
                      "fly higher, use a wider lens or a finer map")
    seen = whole_cells(patch.valid, CELL)
    channels = cv2.split(np.asarray(patch.image))
    grey = reduce(np.add, (cells(f32(channel), CELL) for channel in channels)) / len(channels)
    contrast = float(grey[seen].std()) if seen.any() else 0.0
    if contrast < options.gates.least_contrast:
        raise Refusal(Reason.LOW_TEXTURE, f"the ground shows a contrast of {contrast:.1f} grey levels, "
                                          f"less than {options.gates.least_contrast:.1f}")


def check_described(described: DescriptorMap, name: str) -> None:
    """The descriptors are numbers; `name` is that of the descriptor."""
    fault = fault_of(described, name)
    if fault:
        raise Refusal(Reason.DESCRIPTOR_INVALID, fault)


def check_place(peak: Peak) -> None:
    """The place is a maximum of its own, not the rim of what was searched."""
    if peak.on_edge:
        raise Refusal(Reason.PEAK_AT_EDGE, "the best place lies on the rim of the search; is the prior's covariance too small?")


def check_ties(ties: TiePoints, agree: Mask, side: float, options: Options) -> None:
    """Enough tie points agree (N,) on the solution, and from all over the patch of `side` metres."""
    count = int(agree.sum())
    if count < options.gates.least_ties or surplus(agree) < options.gates.least_surplus:
        limit = options.gates.agreement_px
        raise Refusal(Reason.FEW_TIE_POINTS, f"{count} of {len(agree)} tie points agree within {limit:g} px, "
                                             "too few or no more than by chance")
    extent = spread(ties.seen[agree, :2]) / side
    if extent < options.gates.least_spread:
        raise Refusal(Reason.TIE_POINTS_CLUSTERED, f"the agreeing tie points spread over {extent:.0%} of the patch in the narrow "
                                                   f"direction, less than {options.gates.least_spread:.0%}")


def evidence(verification: Verification, agree: Mask, weights: Evidence) -> float:
    """Return the natural log-odds that the match is true, from how its place stands out and how many tie points agree (N,).

    `weights` are the descriptor's, since each has scores of its own scale.
    """
    return float(weights.score * verification.score + weights.margin * verification.margin + weights.surplus * surplus(agree)
                 + weights.constant)


def surplus(agree: Mask) -> float:
    """Return how many more tie points agree (N,) than by chance, in standard deviations.

    CHANCE_SHARE of them agree with a wrong solution too, since it was fitted to them.
    """
    n, k = len(agree), float(agree.sum())
    return float((k - n * CHANCE_SHARE) / np.sqrt(max(n, 1) * CHANCE_SHARE * (1 - CHANCE_SHARE) * SHARED_GROUND))


def spread(points: Float64) -> float:
    """Return the standard deviation of points (N, 2) along their narrowest direction."""
    return float(np.sqrt(max(np.linalg.eigvalsh(np.cov(points.T))[0], 0.0))) if len(points) > 2 else 0.0


def check_plausible(solution: Solution, expected: Pose, extent: Extent, height: float) -> None:
    """Scale and heading stay within what was looked for; `height` metres above the ground."""
    delta = solution.pose.correction_from(expected)
    if abs(delta[5]) > 1.5 * extent.yaw + 0.02:
        raise Refusal(Reason.IMPLAUSIBLE_ROTATION, f"the match turns the frame by {np.rad2deg(delta[5]):.1f} degrees, "
                                                   f"beyond the {np.rad2deg(extent.yaw):.1f} that can be")
    # as the extent's own scale is reckoned
    share = float(delta[2]) / max(height, 1.0)
    if abs(share) > 1.5 * extent.scale + 0.01:
        raise Refusal(Reason.IMPLAUSIBLE_SCALE, f"the match changes the height by {share:.1%}, "
                                                f"beyond the {extent.scale:.1%} that can be")


def check_halves(apart: float, options: Options) -> None:
    """Two halves of the tie points put the ground at the same place; they are `apart` px."""
    if apart > options.gates.halves_px:
        raise Refusal(Reason.HALVES_DISAGREE, f"two halves of the tie points put the frame {apart:.1f} px apart, "
                                              f"more than {options.gates.halves_px:g}")
