"""A flight's frames laid on the ground by its truth, and matched: where the map has the ground that they show."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from promptmid_core.arrays import Float64
from promptmid_core.audit.places import Sightings
from promptmid_core.bags.bag import FlightBag, Topics, open_bag
from promptmid_core.bags.messages import NAVSAT_FIX
from promptmid_core.bags.topics import POINT
from promptmid_core.errors import InputError, Refusal
from promptmid_core.geometry import Pose, Prior, boresight_point
from promptmid_core.localization.fix import Candidate, Frame
from promptmid_core.localization.localizer import Localizer
from promptmid_core.localization.rig import Rig
from promptmid_core.localization.solve import moved_ground
from promptmid_core.reasons import Reason
from promptmid_core.replay.recording import Recording

SPREAD = 2.0  # how many times as far as in flight tie points may lie apart to agree: in hills those of a map's offset do
LEAST_FOUND = 0.25  # share of the frames over the map; by chance a few are found on any
BEYOND = (Reason.PRIOR_OUTSIDE_MAP, Reason.MAP_NODATA)
STEP = 1 / 8  # of the patch, by which the ground has to have moved on since the frame before
# how well the truth is known: 1 m and 0.01 degrees, so that frames are looked for where it has them
TRUSTED = np.diag([1.0, 1.0, 1.0, 3e-8, 3e-8, 3e-8])


@dataclass(frozen=True)
class TrueFrame:
    """A frame, the true pose it was taken from, the boresight's true ground point (2,), and what its match came to."""

    frame: Frame
    truth: Pose
    middle: Float64
    candidate: Candidate


def look(bag: Path, localizer: Localizer, rig: Rig, *, span_m: float, topics: Topics | None = None,
         progress: Callable[[int, int], None] | None = None) -> Sightings:
    """Return the tie points of a flight over `span_m` metres and more of its ground, errors of its place and attitude having no
    part in them.

    Frames are matched where the truth has them, each that shows enough ground that the one before did not; those that pass every
    gate of a single frame are used, and of their tie points those that roughly agree with one another. Raises InputError where
    the bag cannot be read, its truth tells no attitude, or few of its frames are found where the truth has them.
    """
    reference = localizer.reference
    flight = open_bag(bag, topics)
    check_truth(flight)
    recording = Recording(flight, reference.frame, reference.vertical_datum, rig)
    step, last = localizer.options.search.patch_px * reference.gsd * STEP, None
    looks: list[TrueFrame] = []
    tried = 0
    for done, image in enumerate(recording.images(), 1):
        if progress is not None:
            progress(done, recording.image_count)
        try:
            frame = recording.intake.frame(image.message)
            truth = recording.truth(frame.stamp_ns)
            if truth is None:
                continue
            middle = boresight_point(frame.camera, truth, localizer.terrain)[:2]
        except Refusal:
            continue
        if last is not None and np.hypot(*(middle - last)) < step:
            continue
        candidate = localizer.match(frame, Prior(frame.stamp_ns, truth, TRUSTED))
        last, tried = middle, tried + (candidate.reason not in BEYOND)
        if candidate.reason is Reason.FIX and candidate.scores["evidence"] > 0:
            looks.append(TrueFrame(frame, truth, middle, candidate))
    if len(looks) <= LEAST_FOUND * tried:
        raise InputError(f"{len(looks)} of {tried} frames of {bag} over {reference.path} are found where the truth has them, too "
                         "few to trust it; audit with flights whose 'promptmid replay' against this map brings fixes")
    return _sightings(str(bag), looks, localizer, span_m)


def _sightings(bag: str, looks: list[TrueFrame], localizer: Localizer, span_m: float) -> Sightings:
    # without a DEM nobody knows the ground's height but the matches, which find how much too high the flight is over the map's
    lift = 0.0
    if not localizer.reference.has_dem:
        lift = float(np.median([each.candidate.height[0] for each in looks if each.candidate.height is not None]))
    limit = SPREAD * localizer.options.gates.agreement_px * localizer.reference.gsd
    places, errors, times, numbers, middles = [], [], [], [], []
    for number, each in enumerate(looks):
        candidate, camera = each.candidate, each.frame.camera
        assert candidate.ties is not None and candidate.laid is not None and candidate.pose is not None
        ties = candidate.ties
        own = moved_ground(ties.seen, camera, candidate.laid, candidate.pose)
        agree = np.hypot(*(ties.found - own)[:, :2].T) <= limit
        raised = Pose(each.truth.position + np.array([0.0, 0.0, lift]), each.truth.rotation)
        true = moved_ground(ties.seen[agree], camera, candidate.laid, raised)[:, :2]
        places.append(true)
        errors.append(ties.found[agree, :2] - true)
        times.append(np.full(len(true), each.frame.stamp_ns / 1e9))
        numbers.append(np.full(len(true), number))
        middles.append(np.abs(true - each.middle).max(axis=1) <= span_m / 2)
    return Sightings(bag, np.concatenate(places), np.concatenate(errors), np.concatenate(times), np.concatenate(numbers),
                     np.concatenate(middles), len(looks))


def check_truth(flight: FlightBag) -> None:
    """Raise InputError where a flight has no ground truth, or one that tells no attitude."""
    name = flight.topic("ground_truth")
    if flight.topics[name] in (NAVSAT_FIX, POINT):
        raise InputError(f"{flight.path} has a ground truth ({name}) that tells no attitude, whose errors would be taken for "
                         "those of the map; audit against truth of whole poses, nav_msgs/Odometry or geometry_msgs/PoseStamped")
