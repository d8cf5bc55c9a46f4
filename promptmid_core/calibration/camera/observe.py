"""What the fixes of a recorded flight say of its camera."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from promptmid_core.arrays import Float64
from promptmid_core.bags.bag import Topics, open_bag
from promptmid_core.bags.messages import stamp_ns
from promptmid_core.calibration.camera.model import AFTER_S, BEFORE_S, STEP_S, Observations
from promptmid_core.errors import InputError, Refusal
from promptmid_core.geometry import Camera, Pose, Prior
from promptmid_core.localization.expectation import Expectation
from promptmid_core.localization.fix import Candidate, Fix, Frame, GroundPoint
from promptmid_core.localization.localizer import Localizer
from promptmid_core.localization.odometry import MAP, Odometry
from promptmid_core.localization.parts import ErrorBudget
from promptmid_core.localization.quest import Anywhere
from promptmid_core.localization.rig import Rig
from promptmid_core.localization.solve import OBSERVED, solve
from promptmid_core.replay.recording import Recording

HEIGHT_SHARE = 0.3  # of the height above ground: so little the prior may say of it where the image's own scale is asked for
NO_SCALE = np.inf
MOST_FIXES = 400  # of a flight: the time and the room that they take go with their square and cube


@dataclass(frozen=True)
class Sighting:
    """One fix: when its image was stamped, in ns, the camera as told, and what it says, as the fields of `Observations` are
    named."""

    stamped_ns: int
    told: Camera
    ground: GroundPoint
    seen: Float64
    heading_variance: float
    scale: float
    scale_variance: float


class Unsure:
    """A localizer that takes the prior's place to be as unsure as a camera makes it whose mount nobody has measured."""

    def __init__(self, localizer: Localizer, tilt: float) -> None:
        self._localizer, self._tilt = localizer, tilt
        self.terrain = localizer.terrain

    def expect(self, frame: Frame, prior: Prior) -> Expectation | Anywhere:
        return self._localizer.expect(frame, prior)

    def match(self, frame: Frame, prior: Prior, expect: Callable[[Frame, Prior], Expectation | Anywhere]) -> Candidate:
        above = float(prior.pose.position[2] - self._localizer.terrain.height(*prior.pose.position[:2, None])[0])
        covariance = prior.covariance.copy()
        covariance[[0, 1], [0, 1]] += (self._tilt * above) ** 2
        return self._localizer.match(frame, replace(prior, covariance=covariance), expect)

    def track(self, candidate: Candidate) -> Fix:
        return self._localizer.track(candidate)


def observe(bag: Path, localizer: Localizer, rig: Rig, *, topics: Topics | None = None, mount_sigma: float = 0.0,
            progress: Callable[[int, int], None] | None = None) -> Observations:
    """Return what the fixes of a recorded flight say, its frames matched with the rig's own calibration of the camera.

    `mount_sigma`: radians by which the mount may be wrong beside that, which widens the search. Raises InputError where the bag
    cannot be read, is of another CRS than the map, or its odometry is not given in `map`.
    """
    localizer.reset()
    reference = localizer.reference
    recording = Recording(open_bag(bag, topics), reference.frame, reference.vertical_datum, rig)
    unsure = Unsure(localizer, mount_sigma)
    sightings: list[Sighting] = []
    for done, image in enumerate(recording.images(), 1):
        localized = recording.intake.localize(image.message, unsure)
        if recording.intake.odometry.frame not in ("", MAP):
            raise InputError(f"{bag} has odometry in the frame '{recording.intake.odometry.frame}'; a camera is calibrated with "
                             "that of a filter, in 'map'")
        fix, frame = localized.fix, localized.frame
        if fix.accepted and frame is not None:
            header, intake = image.message.header, recording.intake
            told = intake.cameras.camera(stamp_ns(header), intake.mounts.mount(header.frame_id))
            sightings.append(_sighting(fix, frame, told, stamp_ns(header), localizer))
        if progress is not None:
            progress(done, recording.image_count)
    if not sightings:
        raise InputError(f"{bag} gives no fix on {reference.path}, so that nothing is known of its camera; 'promptmid replay' "
                         "tells why")
    height_sigma = 0.0 if reference.has_dem else localizer.options.track.ground_sigma_m
    return joined(sightings, recording.intake.odometry, height_sigma)


def joined(sightings: list[Sighting], odometry: Odometry, height_sigma: float) -> Observations:
    """Return what the sightings of a flight say together; those without odometry all around are left out, and of more than
    MOST_FIXES so many of each few that they are not.

    The aircraft's way is that of dead reckoning, free of jumps of the filter, from the first place on.
    """
    spans = [round(offset * 1e9) for offset in np.arange(-round(BEFORE_S / STEP_S), round(AFTER_S / STEP_S) + 1) * STEP_S]
    kept, priors = [], []
    for sighting in sightings[::-(-len(sightings) // MOST_FIXES)]:
        try:
            priors.append([odometry.at(sighting.stamped_ns + span)[0] for span in spans])
        except Refusal:
            continue
        kept.append(sighting)
    if not kept:
        raise InputError(f"none of {len(sightings)} fixes has odometry from {BEFORE_S:g} s before its image to {AFTER_S:g} s "
                         "after it; a camera is calibrated with odometry all along")
    first = priors[0][0].map_from_motion
    middle = len(spans) - round(AFTER_S / STEP_S) - 1
    stated = np.sqrt(np.median([around[middle].covariance.diagonal() for around in priors], axis=0))
    start_ns = kept[0].stamped_ns
    return Observations(
        times=np.array([(sighting.stamped_ns - start_ns) / 1e9 for sighting in kept]),
        flown=np.array([around[middle].way.flown for around in priors]),
        positions=np.array([[_place(first, prior) for prior in around] for around in priors]),
        rotations=np.array([[prior.pose.rotation for prior in around] for around in priors]),
        camera=kept[0].told,
        ground=np.array([sighting.ground.point for sighting in kept]),
        ground_covariance=np.array([sighting.ground.covariance for sighting in kept]),
        seen=np.array([sighting.seen for sighting in kept]),
        heading_variance=np.array([sighting.heading_variance for sighting in kept]),
        scale=np.array([sighting.scale for sighting in kept]),
        scale_variance=np.array([sighting.scale_variance for sighting in kept]),
        height_sigma=float(np.hypot(stated[2], height_sigma)),
        heading_sigma=float(stated[5]))


def _place(first: Pose, prior: Prior) -> Float64:
    """Where dead reckoning from the first place has the aircraft, at the height of odometry."""
    place: Float64 = np.append((first @ prior.way.pose).position[:2], prior.pose.position[2])
    return place


def _sighting(fix: Fix, frame: Frame, told: Camera, stamped_ns: int, localizer: Localizer) -> Sighting:
    candidate = fix.candidate
    assert fix.pose is not None and fix.ground is not None and candidate.prior is not None and fix.covariance is not None
    pose, scale_variance, heading_variance = fix.pose, NO_SCALE, np.inf
    if fix.observed == OBSERVED and candidate.ties is not None:
        above = float(pose.position[2] - fix.ground.point[2])
        covariance = candidate.prior.covariance.copy()
        covariance[2, :] = covariance[:, 2] = 0.0
        covariance[2, 2] = (HEIGHT_SHARE * above) ** 2
        solution = solve(candidate.ties, frame.camera, pose, replace(candidate.prior, covariance=covariance),
                         ErrorBudget(localizer.options.errors.correlation, floor=0.0))
        pose, heading_variance = solution.pose, float(solution.covariance[5, 5])
        scale_variance = solution.height_variance
    eye = pose @ frame.camera.mount
    reach = max(float(eye.position[2] - fix.ground.point[2]), 1.0)
    seen = pose.rotation @ frame.camera.mount.rotation @ told.mount.rotation.T
    return Sighting(stamped_ns, told, fix.ground, seen, heading_variance,
                float(np.log(reach / frame.camera.k[0, 0])), scale_variance / reach ** 2)
