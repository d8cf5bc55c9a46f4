"""What a user may set about localization."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Options:
    """Lengths in px are pixels of the map's level that a frame is matched on, but `registration_sigma_px`, which is of level 0.

    Search: `patch_px` side of the ortho-rectified patch; `sigmas` how many prior sigmas the search covers; `least_radius_px`,
    `most_radius_px` bounds of the search radius.
    Gates on one frame: see integrity.py, which names each with its reason.
    Track: `least_evidence` is the least log-odds of a match being true, the track's word included; a first fix needs `confirm`
    agreeing candidates among the last `confirm_among`; `lose_after` rejections in a row lose the track; `drift_share` is how far
    the prior may drift, as a share of the distance flown.
    Covariance: `registration_sigma_px` is the map's own registration error, unless the map states a larger one; `correlation`
    inflates the tie points' covariance, since neighbouring blocks share ground and err together.
    """

    patch_px: int = 256
    sigmas: float = 3.0
    least_radius_px: float = 24.0
    most_radius_px: float = 256.0

    least_valid: float = 0.15
    least_map_valid: float = 0.5
    least_contrast: float = 1.5
    dark_level: float = 6.0
    bright_level: float = 249.0
    least_margin: float = 0.0
    agreement_px: float = 2.5
    least_ties: int = 6
    least_surplus: float = 0.15
    least_spread: float = 0.10
    halves_px: float = 5.0
    most_mahalanobis2: float = 18.5

    least_evidence: float = -0.5
    confirm: int = 3
    confirm_among: int = 5
    lose_after: int = 20
    drift_share: float = 0.15

    registration_sigma_px: float = 0.5
    correlation: float = 4.0
