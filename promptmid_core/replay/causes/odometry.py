"""Odometry in another frame than it is taken for, and priors that are worse than they say."""

from __future__ import annotations

import numpy as np

from promptmid_core.reasons import Reason
from promptmid_core.replay.causes.cause import Cause
from promptmid_core.replay.causes.inspection import FEW, Inspection

SIGMAS, MOSTLY, FAR_M = 3.0, 0.5, 50.0
UNLIKELY_M = 5000.0  # no drift is that large and stays the same
SAME = 0.2  # of the distance: what an exchange of axes leaves, or what an offset changes by
ENU = "give it in map: x east, y north, z up from the map's origin (REP-103, REP-105)"


def other_frame(look: Inspection) -> Cause | None:
    """The odometry's axes or origin are not those of map."""
    count = look.reasons[Reason.PRIOR_FRAME]
    if count > MOSTLY * len(look.frames):
        first = next(frame for frame in look.frames if frame.fix.reason is Reason.PRIOR_FRAME)
        return Cause("odometry_frame", "the odometry is given in a frame that cannot be used", f"{_sentence(first.fix.sentence)}",
                     f"{ENU}; or in odom, with a pose on /initialpose")
    if len(look.priors) < FEW:
        return None
    below = float((look.heights < 0).mean()) if len(look.heights) else 0.0
    down = np.median([pose.position[2] for _, pose, _ in look.priors]) < 0
    if below > MOSTLY and down and (turned := _exchanged(look)) is not False:
        more = " and x and y are exchanged" if turned else ""
        return Cause("odometry_ned", "the odometry is given north, east, down (NED)",
                     f"Its z is below the ground in {100 * below:.0f} % of the frames{more}.",
                     f"{ENU}; autopilots tell NED: exchange x and y, negate z, and yaw is 90 degrees minus the heading")
    if _exchanged(look):
        return Cause("odometry_ned", "x and y of the odometry are exchanged, as north, east, down (NED) has them",
                     "With x and y exchanged it lies at the truth.", ENU)
    return _origin(look)


def beyond_sigma(look: Inspection) -> Cause | None:
    """The prior is off by more than it states."""
    times = [float(np.hypot(*(pose.position - truth.position)[:2])) / max(float(np.hypot(sigma[0], sigma[1])), 1e-9)
             for _, pose, sigma, truth in look.known]
    if len(times) >= FEW and float(np.median(times)) > SIGMAS:
        return Cause("prior_beyond_sigma", "the prior is worse than it says",
                     f"It lies {np.median(times):.1f} of its own standard deviations from the truth, in the middle.",
                     "let the odometry state what it is worth, or give a first position; an honest covariance opens the search "
                     "as wide as needed")
    fixes = [frame for frame in look.frames if frame.fix.accepted]
    overruled = sum(frame.fix.overruled > 0 for frame in fixes)
    if overruled < max(FEW, 0.2 * len(fixes)):
        return None
    return Cause("prior_beyond_sigma", "the prior is worse than it says",
                 f"{overruled} of {len(fixes)} fixes lie further from it than its covariance allows.",
                 "let the odometry state what it is worth")


def attitude(look: Inspection) -> Cause | None:
    """Roll and pitch jump by more than they are stated to."""
    told = look.flight.understated
    if told is None:
        return None
    return Cause("attitude_understated", "roll and pitch of the odometry are worse than they say",
                 f"They are stated to {told.stated_deg:.3f} degrees and jump by {told.shown_deg:.3f}.",
                 "state the variances of roll and pitch as the attitude source is worth")


def _exchanged(look: Inspection) -> bool | None:
    """Whether x and y are those of the truth exchanged; None where nothing tells."""
    if len(look.known) < FEW:
        return None
    given = np.array([pose.position[:2] for _, pose, _, _ in look.known])
    true = np.array([truth.position[:2] for _, _, _, truth in look.known])
    apart, across = (float(np.median(np.hypot(*(given - other).T))) for other in (true, true[:, ::-1]))
    return apart > FAR_M and across < SAME * apart


def _origin(look: Inspection) -> Cause | None:
    """A constant offset, far beyond what is stated."""
    if len(look.known) < FEW:
        return None
    apart = np.array([(pose.position - truth.position)[:2] for _, pose, _, truth in look.known])
    sigma = float(np.median([np.hypot(s[0], s[1]) for _, _, s, _ in look.known]))
    middle = np.median(apart, axis=0)
    size, change = float(np.hypot(*middle)), float(np.median(np.hypot(*(apart - middle).T)))
    outside = look.reasons[Reason.PRIOR_OUTSIDE_MAP] > MOSTLY * len(look.frames)
    if size < max(10 * sigma, FAR_M) or change > SAME * size or not (outside or size > UNLIKELY_M):
        return None
    return Cause("odometry_origin", "the odometry counts from another origin than the map's",
                 f"It lies {size:.0f} m from the truth in every frame: {middle[0]:+.0f} m east, {middle[1]:+.0f} m north.",
                 "name its frame odom and give the first position on /initialpose, or count it from the map's origin "
                 "(promptmid map info)")


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}."
