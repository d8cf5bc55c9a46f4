"""Why a frame gave no fix. One code per gate; the codes are an interface and never change their meaning."""

from enum import StrEnum


class Reason(StrEnum):
    """Reason codes, in the order in which a frame meets the gates."""

    FIX = "fix"

    # the image and its stamp
    STAMP_ZERO = "stamp_zero"
    STAMP_BACKWARDS = "stamp_backwards"
    IMAGE_CORRUPT = "image_corrupt"
    IMAGE_ENCODING = "image_encoding"
    IMAGE_SIZE = "image_size"
    IMAGE_BLACK = "image_black"
    IMAGE_SATURATED = "image_saturated"
    CAMERA_INFO_MISSING = "camera_info_missing"
    CAMERA_INFO_INVALID = "camera_info_invalid"
    CAMERA_MOUNT_UNKNOWN = "camera_mount_unknown"

    # the prior
    PRIOR_MISSING = "prior_missing"
    PRIOR_INVALID = "prior_invalid"
    PRIOR_FRAME = "prior_frame"
    PRIOR_TOO_UNCERTAIN = "prior_too_uncertain"
    PRIOR_OUTSIDE_MAP = "prior_outside_map"

    # what the frame and the map show
    VIEW_NOT_DOWN = "view_not_down"
    FRAME_TOO_COARSE = "frame_too_coarse"
    FOOTPRINT_SMALL = "footprint_small"
    MAP_NODATA = "map_nodata"
    MAP_DAMAGED = "map_damaged"
    LOW_TEXTURE = "low_texture"
    DESCRIPTOR_INVALID = "descriptor_invalid"

    # the match
    PEAK_AT_EDGE = "peak_at_edge"
    FEW_TIE_POINTS = "few_tie_points"
    TIE_POINTS_CLUSTERED = "tie_points_clustered"
    IMPLAUSIBLE_SCALE = "implausible_scale"
    IMPLAUSIBLE_ROTATION = "implausible_rotation"
    HALVES_DISAGREE = "halves_disagree"

    # the place, by all frames so far
    IMAGE_FROZEN = "image_frozen"
    AMBIGUOUS = "ambiguous"
    MAP_DISAGREES = "map_disagrees"
    FIX_LATE = "fix_late"


MEANINGS: dict[Reason, str] = {
    Reason.FIX: "The frame was localized.",
    Reason.STAMP_ZERO: "The image has no time stamp, so no prior can be looked up for it.",
    Reason.STAMP_BACKWARDS: "The stamp is not later than that of the message before it.",
    Reason.IMAGE_CORRUPT: "The image data cannot be decoded.",
    Reason.IMAGE_ENCODING: "The pixel encoding is not one that is read.",
    Reason.IMAGE_SIZE: "The image has another size than its camera_info says, or is larger than any that is decoded.",
    Reason.IMAGE_BLACK: "The image is black: lens covered, camera off or exposure far too short.",
    Reason.IMAGE_SATURATED: "The image is white: exposure far too long.",
    Reason.CAMERA_INFO_MISSING: "No camera_info has come.",
    Reason.CAMERA_INFO_INVALID: "The camera_info does not describe a camera, for example a zero K.",
    Reason.CAMERA_MOUNT_UNKNOWN: "Nothing tells how the camera is mounted on the aircraft.",
    Reason.PRIOR_MISSING: "No odometry brackets the stamp of the image.",
    Reason.PRIOR_INVALID: "The odometry has NaN, a non-unit quaternion or a covariance that is none.",
    Reason.PRIOR_FRAME: "The odometry is given in a frame that cannot be used.",
    Reason.PRIOR_TOO_UNCERTAIN: "The prior's tilt, or the part of the map left open by its place, is more than a search covers.",
    Reason.PRIOR_OUTSIDE_MAP: "The prior places the view outside the map.",
    Reason.VIEW_NOT_DOWN: "The middle of the image does not look at the ground.",
    Reason.FRAME_TOO_COARSE: "A pixel of the image covers more ground than the map can be matched with.",
    Reason.FOOTPRINT_SMALL: "The image covers too little ground to match.",
    Reason.MAP_NODATA: "The map has too little data under the view.",
    Reason.MAP_DAMAGED: "The map's files are damaged under the view.",
    Reason.LOW_TEXTURE: "Image or map show too little structure, as open water does.",
    Reason.DESCRIPTOR_INVALID: "The network gives values that are no descriptors: NaN, or beyond their bounds.",
    Reason.PEAK_AT_EDGE: "The best match lies at the edge of the search window, so the true one may lie beyond.",
    Reason.FEW_TIE_POINTS: "Too few parts of the image were found on the map.",
    Reason.TIE_POINTS_CLUSTERED: "The parts found on the map lie too close together to hold the solution.",
    Reason.IMPLAUSIBLE_SCALE: "The match implies a height that the prior rules out.",
    Reason.IMPLAUSIBLE_ROTATION: "The match implies a heading that the prior rules out.",
    Reason.HALVES_DISAGREE: "Two halves of the tie points give different places.",
    Reason.IMAGE_FROZEN: "The image has the very pixels of one before it, though the aircraft has moved.",
    Reason.AMBIGUOUS: "The frames so far leave more than one place.",
    Reason.MAP_DISAGREES: "Parts of the map lie apart from where others say that they should.",
    Reason.FIX_LATE: "The image is too old for its fix to be of use.",
}

# codes of gates that are no more; none of them is given another meaning
RETIRED = ("peak_ambiguous", "match_weak", "prior_disagrees", "not_confirmed", "track_disagrees")
