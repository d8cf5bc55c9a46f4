"""A recorded flight run through the Localizer, offline, in the order of recording, as fast as it goes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from time import perf_counter

import numpy as np

from promptmid_core.arrays import Float64
from promptmid_core.bags.bag import Topics, open_bag
from promptmid_core.descriptors.calibration import uncalibrated
from promptmid_core.errors import Refusal
from promptmid_core.geometry import Camera, Pose
from promptmid_core.geometry.ortho import boresight_point
from promptmid_core.geometry.terrain import Terrain
from promptmid_core.localization.boresight import Suspicion
from promptmid_core.localization.fix import Candidate, Fix
from promptmid_core.localization.localizer import Localizer
from promptmid_core.localization.quest import Start
from promptmid_core.localization.rig import Rig
from promptmid_core.localization.tilts import Understated
from promptmid_core.refmap import ReferenceMap
from promptmid_core.refmap.age import aged, day_of
from promptmid_core.replay.examples import Album, Example
from promptmid_core.replay.health import HealthEntry, HealthLog
from promptmid_core.replay.recording import Recording
from promptmid_core.replay.timing import TimeOffset

# quantiles of the chi-square distribution with two degrees of freedom: 95 %, 50 %
D2_95 = 5.99
D2_50 = 1.39


@dataclass(frozen=True)
class ReplayedFrame:
    """The verdict on one camera image, and how far off it was where the truth is known.

    `bag_ns`: when the image was recorded; `fix.candidate` has lost its arrays; `latency_ms`: from the message to the
    verdict; `camera`: what took the image, where that is known. px are level-0 map pixels. `ground_error_px`: distance between
    the ground points of the boresight under the fix's and under the true pose; `error_m`, `error_px`: horizontal distance of
    `base_link`; `d2`: its squared Mahalanobis distance under the fix's horizontal covariance; `sigma_px`: sqrt(var x + var y);
    `prior_error_px`: as error_px, of the prior.

    The errors of an accepted fix as vectors (2,), east and north in metres: `error` of `base_link`, `ground_error` between the
    ground points. `true_ground` (2,): the true ground point in `map`; `d2_ground`: the squared Mahalanobis distance of
    `fix.ground` from it, under its own covariance.
    """

    index: int
    bag_ns: int
    fix: Fix
    latency_ms: float
    camera: Camera | None = None
    truth: Pose | None = None
    ground_error_px: float | None = None
    error_m: float | None = None
    error_px: float | None = None
    d2: float | None = None
    sigma_px: float | None = None
    prior_error_px: float | None = None
    error: Float64 | None = None
    ground_error: Float64 | None = None
    true_ground: Float64 | None = None
    d2_ground: float | None = None


@dataclass(frozen=True)
class Flight:
    """A replayed flight: one of `frames` per image message, some with pictures, and what it was replayed against.

    `understated`: the roll and pitch that odometry states better than they are, at their worst; `suspicion`: how the camera
    differs from what is told, by all fixes; both None where nothing is named. `truth_offset`: that of the truth's clock, where
    speeds and turns tell it; `health` what the node would have told of itself, where that was asked for.
    """

    frames: tuple[ReplayedFrame, ...]
    examples: tuple[Example, ...]
    notes: tuple[str, ...]
    bag: str
    map: str
    crs: str
    gsd_m: float
    patch_px: int
    descriptor: str
    fingerprint: str
    understated: Understated | None = None
    suspicion: Suspicion | None = None
    truth_offset: TimeOffset | None = None
    health: tuple[HealthEntry, ...] = ()


def replay(bag: Path, localizer: Localizer, reference: ReferenceMap, *, topics: Topics | None = None, rig: Rig | None = None,
           start: Start | None = None, progress: Callable[[int, int], None] | None = None,
           watch: Callable[[ReplayedFrame, Candidate], None] | None = None, health: HealthLog | None = None) -> Flight:
    """Run every image of a recording, or the part of it that `topics` says, through `localizer`, which starts afresh.

    `topics` names what the flight is taken from; `rig` is that of the parameters' defaults where none is given; `start` says
    whether the flight begins lost, with odometry that tells its motion alone, until a pose is given by hand; `progress` is told
    (images done, images in the bag), and `watch` of each frame, with the candidate as it was matched and whose arrays nobody
    keeps; `health` takes what the node would have told of itself. Apart from the wall times two runs give the same. A bad message
    costs its own frame only, which then has a reason.
    Raises InputError where the bag cannot be read or has no images, or its `map` frame is not the reference map's.
    """
    localizer.reset()
    if start is not None and start.lost:
        localizer.lose(start)
    recording = Recording(open_bag(bag, topics), reference.frame, reference.vertical_datum, rig)
    terrain = reference.terrain()
    frames: list[ReplayedFrame] = []
    album = Album()
    for image in recording.images():
        if image.anew:
            localizer.reset()
        started = perf_counter()
        localized = recording.intake.localize(image.message, localizer)
        latency_ms = (perf_counter() - started) * 1e3

        fix, camera = localized.fix, localized.frame.camera if localized.frame else None
        light = replace(fix, candidate=fix.candidate.light)
        frame = ReplayedFrame(len(frames), image.bag_ns, light, latency_ms, camera, recording.truth(fix.stamp_ns))
        frame = judge(frame, terrain, reference.gsd)
        frames.append(frame)
        album.add(frame.index, fix.candidate, str(fix.reason), _rank(frame))
        if watch is not None:
            watch(frame, fix.candidate)
        if health is not None:
            health.add(image.bag_ns, light, latency_ms, recording.intake, recording.heard)
        if progress is not None:
            progress(len(frames), recording.image_count)
    descriptor, notes = localizer.descriptor, list(recording.notes)
    if descriptor.calibration is None:
        notes.append(uncalibrated(descriptor.calibration_file))
    notes += _of_age(frames, reference, localizer)
    return Flight(
        tuple(frames), album.chosen(), tuple(notes), bag=str(bag), map=str(reference.path), crs=reference.frame.crs,
        gsd_m=reference.gsd, patch_px=localizer.options.search.patch_px, descriptor=descriptor.name,
        fingerprint=descriptor.fingerprint, understated=recording.intake.odometry.tilts.worst,
        suspicion=recording.intake.boresight.suspicion, truth_offset=recording.truth_offset,
        health=tuple(health.entries) if health else (),
    )


def _of_age(frames: Sequence[ReplayedFrame], reference: ReferenceMap, localizer: Localizer) -> list[str]:
    """What the age of the map on the day of the flight is worth a word for."""
    flown = day_of(frames[0].fix.stamp_ns) if frames else None
    cautions = aged(reference, flown, localizer.options.errors.registration_sigma_px)[1] if flown else []
    return [f"{caution[0].upper()}{caution[1:]}." for caution in cautions]


def judge(frame: ReplayedFrame, terrain: Terrain, gsd_m: float) -> ReplayedFrame:
    """Return the frame with its errors against its own `truth`; those that cannot be known stay None."""
    fix, truth = frame.fix, frame.truth
    if fix.covariance is not None:
        frame = replace(frame, sigma_px=float(np.sqrt(np.trace(fix.covariance[:2, :2]))) / gsd_m)
    if truth is None:
        return frame
    if fix.candidate.prior is not None:
        frame = replace(frame, prior_error_px=horizontal(fix.candidate.prior.pose, truth) / gsd_m)
    if fix.pose is None or fix.covariance is None:
        return frame
    error = (fix.pose.position - truth.position)[:2]
    error_m = horizontal(fix.pose, truth)
    frame = replace(frame, error=error, error_m=error_m, error_px=error_m / gsd_m,
                    d2=_squared_distance(error, fix.covariance[:2, :2]))
    return frame if frame.camera is None else _judge_ground(frame, frame.camera, fix.pose, truth, terrain, gsd_m)


def unbroken(frames: Sequence[ReplayedFrame]) -> list[list[ReplayedFrame]]:
    """Return the frames of each flight among those of several: indices grow in it, and so do the stamps of its fixes, unless its
    clock was set anew."""
    flights: list[list[ReplayedFrame]] = []
    newest_ns = 0
    for frame in frames:
        if not flights or frame.index <= flights[-1][-1].index or (frame.fix.accepted and frame.fix.stamp_ns <= newest_ns):
            flights.append([])
            newest_ns = 0
        flights[-1].append(frame)
        if frame.fix.accepted:
            newest_ns = frame.fix.stamp_ns
    return flights


def _judge_ground(frame: ReplayedFrame, camera: Camera, pose: Pose, truth: Pose, terrain: Terrain,
                  gsd_m: float) -> ReplayedFrame:
    # without heights the map's ground is as high as any other: it lies below the truth as far as the fix found it below itself
    beneath = terrain
    if terrain.heights is None:
        beneath = Terrain.flat(terrain.level + float(truth.position[2] - pose.position[2]))
    try:
        seen, true = boresight_point(camera, pose, terrain)[:2], boresight_point(camera, truth, beneath)[:2]
    except Refusal:
        return frame
    ground, error = frame.fix.ground, seen - true
    return replace(frame, ground_error=error, ground_error_px=float(np.hypot(*error)) / gsd_m, true_ground=true,
                   d2_ground=None if ground is None else _squared_distance(ground.point[:2] - true, ground.covariance))


def _squared_distance(error: Float64, covariance: Float64) -> float:
    return float(error @ np.linalg.solve(covariance, error))


def horizontal(pose: Pose, truth: Pose) -> float:
    """Return the horizontal distance between two positions of `base_link`, m."""
    return float(np.hypot(*(pose.position - truth.position)[:2]))


def _rank(frame: ReplayedFrame) -> float | None:
    """What accepted frames are ordered by: their error, or where it is unknown their sigma."""
    return frame.ground_error_px if frame.ground_error_px is not None else frame.sigma_px
