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

    # the match
    PEAK_AMBIGUOUS = "peak_ambiguous"
    PEAK_AT_EDGE = "peak_at_edge"
    FEW_TIE_POINTS = "few_tie_points"
    TIE_POINTS_CLUSTERED = "tie_points_clustered"
    IMPLAUSIBLE_SCALE = "implausible_scale"
    IMPLAUSIBLE_ROTATION = "implausible_rotation"
    HALVES_DISAGREE = "halves_disagree"

    # the fix among its neighbours
    PRIOR_DISAGREES = "prior_disagrees"
    NOT_CONFIRMED = "not_confirmed"
    TRACK_DISAGREES = "track_disagrees"
