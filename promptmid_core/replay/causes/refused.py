"""What usually stands behind a reason that most frames are refused for."""

from __future__ import annotations

from promptmid_core.reasons import MEANINGS, Reason
from promptmid_core.replay.causes.cause import Cause
from promptmid_core.replay.causes.inspection import Inspection
from promptmid_core.replay.verdict import LEAST_RATE

SHARE = 0.2  # of the frames, from which on a reason is told
MATCHING = "see whether the map shows this place at all (its age, a flood, snow), whether the camera is turned about its axis " \
           "(camera_rpy_deg), and fly higher, so that a frame shows more"
CURES: dict[Reason, tuple[str, str]] = {
    Reason.STAMP_ZERO: ("images have no stamps", "let the camera's driver stamp images at exposure"),
    Reason.STAMP_BACKWARDS: ("stamps go back", "record one camera a topic, in the order of exposure"),
    Reason.IMAGE_CORRUPT: ("images are damaged", "look for loss on the way from the camera: cable, network, disk"),
    Reason.IMAGE_ENCODING: ("images are encoded as nothing that is read", "record JPEG, PNG, mono, rgb, bgr or bayer"),
    Reason.IMAGE_SIZE: ("camera_info is that of another image size",
                        "calibrate at the size that is flown, or name the right topic"),
    Reason.IMAGE_BLACK: ("images are black", "take the lens cap off, or expose longer"),
    Reason.IMAGE_SATURATED: ("images are white", "expose for less time"),
    Reason.CAMERA_INFO_MISSING: ("there is no camera_info", "name its topic, or a file of the camera's calibration"),
    Reason.CAMERA_INFO_INVALID: ("camera_info describes no camera",
                                 "calibrate the camera; a driver without calibration sends zeros"),
    Reason.CAMERA_MOUNT_UNKNOWN: ("nothing tells how the camera is mounted",
                                  "record /tf_static, or set camera_rpy_deg in --params"),
    Reason.PRIOR_MISSING: ("there is no odometry at the time of the images",
                           "see that both are stamped by one clock, and that the odometry comes ten times a second; odometry in "
                           "odom needs a pose on /initialpose"),
    Reason.PRIOR_INVALID: ("the odometry cannot be used", "let it state a unit quaternion and a covariance, or set "
                           "default_sigma_* in --params"),
    Reason.PRIOR_TOO_UNCERTAIN: ("the prior says that it knows too little",
                                 "give roll and pitch to a few degrees, and a first place"),
    Reason.PRIOR_OUTSIDE_MAP: ("the odometry lies outside the map", "see that it counts from the map's origin and in its CRS "
                               "(promptmid map info), and that this is the map of the flight"),
    Reason.VIEW_NOT_DOWN: ("the camera does not look down",
                           "set how it is mounted: camera_rpy_deg in --params, or /tf_static; see "
                           "the odometry's roll and pitch"),
    Reason.FOOTPRINT_SMALL: ("an image shows too little ground",
                             "fly higher, or see the heights: the camera may be below the ground by them"),
    Reason.MAP_NODATA: ("the map has no data there", "build it of scenes that cover the route"),
    Reason.MAP_DAMAGED: ("the map is damaged", "promptmid map verify names the files; map build repairs them"),
    Reason.LOW_TEXTURE: ("there is nothing to see: water, haze or cloud", "plan the route over ground with structure"),
    Reason.DESCRIPTOR_INVALID: ("the network gives no descriptors", "name another --network or --backend"),
    Reason.PEAK_AT_EDGE: ("the aircraft is further off than is searched",
                          "let the odometry state what it is worth, or give a first position"),
    Reason.FEW_TIE_POINTS: ("images and map do not look alike", MATCHING),
    Reason.TIE_POINTS_CLUSTERED: ("only a part of an image is like the map", MATCHING),
    Reason.IMPLAUSIBLE_SCALE: ("the heights do not fit the map's",
                               "see their datum: the odometry's z is above the map's vertical datum, not above the ground"),
    Reason.IMPLAUSIBLE_ROTATION: ("the heading does not fit", "see the odometry's yaw, counter-clockwise from grid east, and "
                                  "camera_rpy_deg"),
    Reason.HALVES_DISAGREE: ("matches are no more than chance", MATCHING),
    Reason.IMAGE_FROZEN: ("the camera repeats its images", "restart it, or look at its driver"),
    Reason.AMBIGUOUS: ("the ground looks alike in several places, or nowhere as the map does", MATCHING),
    Reason.MAP_DISAGREES: ("the map lies apart from itself", "look at the map there: promptmid map preview"),
}


def refused_for(look: Inspection) -> list[Cause]:
    """Return a cause for each reason that a good part of the frames of a failed flight was refused for, the most frequent
    first."""
    if look.fix_rate >= LEAST_RATE:
        return []
    found = []
    for reason, count in look.reasons.most_common():
        if reason in CURES and count >= SHARE * len(look.frames):
            what, cure = CURES[reason]
            found.append(Cause(str(reason), what, f"{count} of {len(look.frames)} frames: {MEANINGS[reason][0].lower()}"
                               f"{MEANINGS[reason][1:]}", cure))
    return found
