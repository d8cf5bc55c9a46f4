"""What `~/match_diagnostics` tells of an image: its keys, each with its value, its meaning and the rules by which it warns."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import degrees, pi

import numpy as np

from promptmid_core.geometry import Camera
from promptmid_core.georaster.geodetic import North
from promptmid_core.localization.dispute import Dispute
from promptmid_core.localization.fix import Fix, GroundPoint, State
from promptmid_core.localization.independent import Repetition
from promptmid_core.localization.protection import Protection
from promptmid_core.outputs.keys import ABSENT, Absent, Key, Value, above, is_one_of, is_other_than
from promptmid_core.reasons import Reason

INTERNAL_ERROR = "internal_error"
TELLING = 0.01  # probability of a place that is worth counting
STATES = ("`SEARCHING` until a place holds all but `risk` of the belief, `TRACKING` from then on, `LOST` once no place holds "
          "half of it")
FIND = "fly on over richer ground, give a pose on initialpose, or ask ~/relocalize"
FASTER = "leave the processor to the node, let the camera send fewer images, or take a smaller patch_px"
# reasons that flying on does not cure: somebody has to mend the set-up
SETUP_REASONS = (
    Reason.STAMP_ZERO, Reason.IMAGE_ENCODING, Reason.IMAGE_SIZE, Reason.CAMERA_INFO_MISSING, Reason.CAMERA_INFO_INVALID,
    Reason.CAMERA_MOUNT_UNKNOWN, Reason.PRIOR_MISSING, Reason.PRIOR_INVALID, Reason.PRIOR_FRAME, Reason.MAP_DAMAGED,
    Reason.DESCRIPTOR_INVALID,
)


def seconds(stamp_ns: int) -> str:
    """Return a stamp in seconds with all its digits, which a float would lose."""
    return f"{stamp_ns // 1_000_000_000}.{stamp_ns % 1_000_000_000:09d}"


@dataclass(frozen=True)
class Judged:
    """An image with its verdict, as `~/match_diagnostics` tells of it; without a `fix` the program failed on it.

    `processing_ms`: from its arrival to the verdict; `latency_ms`: from its stamp; `dropped`: images that were dropped since the
    one before; `north`: of the grid, where it was matched; `camera`: that took it, where that is known.
    """

    stamp_ns: int
    fix: Fix | None
    processing_ms: float | None = None
    latency_ms: float | None = None
    dropped: int = 0
    failure: str = ""
    north: North | None = None
    camera: Camera | None = None

    @property
    def summary(self) -> str:
        """The verdict in words."""
        if self.fix is None:
            return self.failure
        return "fix" if self.fix.accepted else f"{self.fix.reason}: {self.fix.sentence}"


def _of(get: Callable[[Fix], Value | Absent], failed: Value | Absent = ABSENT) -> Callable[[Judged], Value | Absent]:
    """The value from an image's verdict, and what it is where the program failed on the image."""
    return lambda judged: failed if judged.fix is None else get(judged.fix)


def _sigma_up(fix: Fix) -> Value | Absent:
    height = fix.candidate.height
    return float(np.sqrt(height[1])) if fix.accepted and height is not None else ABSENT


def _correction(axis: int, unit: float = 1.0) -> Callable[[Judged], Value | Absent]:
    def get(fix: Fix) -> Value | Absent:
        candidate = fix.candidate
        if candidate.pose is None or candidate.prior is None:
            return ABSENT
        return float(candidate.pose.correction_from(candidate.prior.pose)[axis]) * unit

    return _of(get)


def _north(get: Callable[[North], Value]) -> Callable[[Judged], Value | Absent]:
    return lambda judged: ABSENT if judged.north is None else get(judged.north)


def _sigma(fix: Fix) -> Value | Absent:
    covariance = fix.covariance
    return ABSENT if covariance is None else float(np.sqrt(np.trace(covariance[:2, :2])))


def _probability(fix: Fix) -> Value | Absent:
    return ABSENT if fix.candidate.pose is None else fix.probability


def _overruled(fix: Fix) -> Value | Absent:
    return fix.overruled if fix.accepted else ABSENT


def _hypotheses(fix: Fix) -> Value:
    return sum(probability > TELLING for _, probability in fix.places)


def _ground(get: Callable[[GroundPoint], Value | Absent]) -> Callable[[Judged], Value | Absent]:
    def read(fix: Fix) -> Value | Absent:
        ground = fix.ground
        return ABSENT if ground is None else get(ground)

    return _of(read)


def _separation(ground: GroundPoint) -> Value | Absent:
    return max((part.length for part in ground.separation), default=ABSENT)


def _part(name: str) -> Callable[[Judged], Value | Absent]:
    def sigma(fix: Fix) -> Value | Absent:
        parts = fix.parts
        return ABSENT if parts is None else float(np.sqrt(max(np.trace(getattr(parts, name)), 0.0)))

    return _of(sigma)


def _repetition(get: Callable[[Repetition], Value]) -> Callable[[Judged], Value | Absent]:
    def read(fix: Fix) -> Value | Absent:
        repetition = fix.repetition
        return ABSENT if repetition is None else get(repetition)

    return _of(read)


def _protection(get: Callable[[Protection], Value]) -> Callable[[Judged], Value | Absent]:
    def read(fix: Fix) -> Value | Absent:
        protection = fix.protection
        return ABSENT if protection is None else get(protection)

    return _of(read)


def _lever(row: int, col: int) -> Callable[[Judged], Value | Absent]:
    def metres(fix: Fix) -> Value | Absent:
        lever = fix.candidate.lever
        return ABSENT if lever is None or not fix.accepted else float(lever[row, col]) * pi / 180

    return _of(metres)


def _dispute(get: Callable[[Dispute], Value]) -> Callable[[Judged], Value | Absent]:
    def of(fix: Fix) -> Value | Absent:
        dispute = fix.dispute
        return ABSENT if dispute is None else get(dispute)

    return _of(of)


def _sight(axis: int) -> Callable[[Judged], Value | Absent]:
    return _ground(lambda ground: float(ground.sight[axis]))


def _dispute_at(axis: int) -> Callable[[Judged], Value | Absent]:
    return _dispute(lambda dispute: float(dispute.place[axis]))


def _scores(**meanings: str) -> dict[str, Key]:
    def score(name: str) -> Callable[[Judged], Value | Absent]:
        return _of(lambda fix: fix.candidate.scores.get(name, ABSENT))

    return {f"score_{name}": Key(score(name), meaning) for name, meaning in meanings.items()}


def _stages(**meanings: str) -> dict[str, Key]:
    def stage(name: str) -> Callable[[Judged], Value | Absent]:
        return _of(lambda fix: fix.candidate.stage_ms.get(name, ABSENT))

    return {f"stage_{name}_ms": Key(stage(name), f"Time spent {meaning}.") for name, meaning in meanings.items()}


def _prompt(fix: Fix) -> Value:
    prompt = fix.candidate.prompt
    return None if prompt is None else prompt.text


MATCH = {
    "verdict": Key(_of(lambda fix: "fix" if fix.accepted else "no fix", "no fix"), "`fix` or `no fix`.",
                   warn=is_other_than("fix")),
    "reason": Key(lambda judged: str(judged.fix.reason) if judged.fix else INTERNAL_ERROR,
                  "Why there is no fix, one of the codes below; `fix` where there is one.",
                  error=is_one_of([*SETUP_REASONS, INTERNAL_ERROR])),
    "sentence": Key(lambda judged: judged.fix.sentence if judged.fix else judged.failure,
                    "The reason with its figures; empty for a fix."),
    "state": Key(_of(lambda fix: str(fix.state)), f"After this image: {STATES}.",
                 warn=is_one_of([State.SEARCHING]), error=is_one_of([State.LOST]), cure=FIND),
    "stamp": Key(lambda judged: seconds(judged.stamp_ns), "The image's stamp, in seconds, less the delay that "
                 "`camera_calibration` tells."),
    "latency_ms": Key(lambda judged: judged.latency_ms if judged.fix else ABSENT,
                      "From the image's stamp to the verdict, by the node's clock; unknown where the stamp is more than a minute "
                      "off that clock, as that of a bag played without it.", warn=above(500), error=above(2000), cure=FASTER),
    "processing_ms": Key(lambda judged: ABSENT if judged.processing_ms is None else judged.processing_ms,
                         "From the arrival of the image to the verdict.",
                         warn=above(500), error=above(2000), cure=FASTER),
    "dropped": Key(lambda judged: judged.dropped, "Images dropped for newer ones since the one processed before."),
    "prompt": Key(_of(_prompt),
                  "What the descriptor was told about the image: the land use under it, as far as the image got."),
    "correction_east_m": Key(_correction(0), "Position of the match minus that of the prior, along the map's x."),
    "correction_north_m": Key(_correction(1), "The same along the map's y."),
    "correction_yaw_deg": Key(_correction(5, 180 / pi), "Heading of the match minus that of the prior, counter-clockwise."),
    "correction_up_m": Key(_correction(2), "Height above the ground by the scale that matched minus that of the prior. Over a "
                           "map without a DEM it tells the ground, which is higher than `ground_height_m` by minus this, as "
                           "far as the z of odometry is right."),
    "sigma_up_m": Key(_of(_sigma_up), "Standard deviation of that height, by the match and the prior together."),
    "grid_convergence_deg": Key(_north(lambda north: degrees(north.azimuth)), "Azimuth of the map's grid north, clockwise from "
                                "true north, where the image was matched, or else at its prior. The nose of an aircraft whose "
                                "yaw in `~/pose` is `yaw` points to the true azimuth 90 - `yaw` + this, in degrees."),
    "grid_scale": Key(_north(lambda north: north.scale), "Metres of the map for a metre on the ellipsoid, along grid north "
                      "there."),
    "sigma_m": Key(_of(_sigma), "Horizontal standard deviation of a fix by itself: the root of the summed variances of x "
                   "and y. What is published is `inflation` times the covariance.",
                   warn=above(100), cure="fixes say little here; state the attitude better, or fly lower or over richer ground"),
    "sigma_ground_m": Key(_ground(lambda ground: float(np.sqrt(np.trace(ground.covariance)))),
                          "The same of `~/ground_point`, in which errors of the attitude have no part."),
    "separation_m": Key(_ground(_separation), "Metres between the ground point and the one that some of the tie points by "
                        "themselves give, of the parts that differ most; left out where no parts were asked."),
    "sigma_matching_m": Key(_part("matching"), "The part of `sigma_m` that is new with each image."),
    "sigma_place_m": Key(_part("ground"), "The part that belongs to the ground, by what it looks like on both sides and by "
                         "the map: another fix shares it as far as it shows the same ground, 1 / e of it after `repeats_m`."),
    "sigma_attitude_m": Key(_part("attitude"), "The part that is of the prior's roll, pitch and height, which stay alike over "
                            "`repeats_s` and turn with the aircraft."),
    "sigma_camera_m": Key(_part("camera"), "The part that is of the camera's mount, its principal point and the delay of its "
                          "stamps, which are always the same: by `mount_sigma_deg`, `principal_point_sigma_px` and "
                          "`camera_delay_sigma_s`."),
    "repeats_m": Key(_repetition(lambda repetition: repetition.ground_m), "Metres flown after which two fixes share 1 / e of "
                     "the error of the ground."),
    "repeats_s": Key(_repetition(lambda repetition: repetition.attitude_s), "Seconds after which they share 1 / e of the error "
                     "of the attitude: `attitude_correlation_s`."),
    **{f"lever_{moved}_{about}_m_per_deg": Key(_lever(row, col), f"Metres that a fix moves {moved} by each degree that the "
                                               f"prior's attitude turns about the map's {about}.")
       for row, moved in enumerate(("east", "north")) for col, about in enumerate("xy")},
    "inflation": Key(_of(lambda fix: fix.inflation if fix.accepted else ABSENT),
                     "What the covariance of a fix is multiplied by as it is published, so that a filter which takes "
                     "each fix for independent stays honest; 1 with `independent_fixes` off."),
    "inflation_ground": Key(_ground(lambda ground: ground.inflation), "The same of `~/ground_point`."),
    "protection_m": Key(_protection(lambda protection: protection.position), "Metres that the horizontal error of the fix "
                        "exceeds with a probability of at most `integrity_risk`; `inf` where that cannot be told."),
    "protection_ground_m": Key(_protection(lambda protection: protection.ground), "The same of `~/ground_point`."),
    "protection_certified": Key(_protection(lambda protection: protection.certified), "Whether as many errors were seen, by "
                                "the descriptor's calibration, as that risk needs; else their tail is followed."),
    **{f"line_of_sight_{axis}": Key(_sight(i), f"Along which the ground point of a fix is seen, of length 1: its {axis} in the "
                                    "axes of `base_link`.") for i, axis in enumerate("xyz")},
    "probability": Key(_of(_probability), "Share of the belief that the place of the match holds, by all images so far."),
    "hypotheses": Key(_of(_hypotheses), "Places that hold more than 1 % of the belief; `~/hypotheses` has them."),
    "elsewhere": Key(_of(lambda fix: fix.elsewhere), "Share of the belief that is at none of the places that can be "
                     "told."),
    "prior_overruled": Key(_of(_overruled), "Standard deviations that a fix lies from the prior, as the prior states them, where "
                           "these are too many to be chance; else 0. The odometry is surer than it should be.", warn=above(0),
                           cure="state a larger covariance in the odometry, or more process noise in its filter"),
    "map_disagrees_m": Key(_dispute(lambda dispute: dispute.amount), "Metres by which parts of the map were found to lie apart; "
                           "the covariance of a fix is grown by them.", warn=above(0),
                           cure="look at the map there with promptmid map preview, and build it from rasters that fit"),
    **{f"map_disagrees_{axis}_m": Key(_dispute_at(i), f"Where that was found: its {axis} in `map`.")
       for i, axis in enumerate("xy")},
    **_scores(
        peak="Height of the best place on the score surface, in its standard deviations.",
        score="The same at full resolution.",
        margin="How far the best place stands above the next, in standard deviations.",
        similarity="Score of image and map at the best place.",
        ties="Tie points.",
        agreeing="Tie points that agree with the solution.",
        residual_px="Robust standard deviation of the tie points about the solution, in map pixels.",
        valid="Share of the patch that the image covers.",
        search_px="Search radius around the likeliest place, in map pixels.",
        evidence="Natural log-odds of the match being true, with what was believed of its place before."),
    **_stages(
        wait="waiting for odometry of a later stamp, and for what else belongs to the image", decode="decoding the image",
        check="checking image and prior", orthorectify="laying the image on the map's grid", map="reading the map",
        describe="describing the patch", search="correlating", solve="on tie points and pose",
        verify="comparing the best places at full resolution", judge="on the gates", track="on the belief and the verdict"),
}
