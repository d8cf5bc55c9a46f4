"""Looks: single frames over known ground, matched to a map as in flight, at random places, heights and priors."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np

from promptmid_core.arrays import Float64, Mask, UInt8
from promptmid_core.calibration.ground import KnownGround
from promptmid_core.descriptors import Descriptor
from promptmid_core.descriptors.likelihood import Likelihood
from promptmid_core.errors import InputError
from promptmid_core.geometry import Pose, Prior
from promptmid_core.localization.belief import Belief, Cells
from promptmid_core.localization.fix import Frame
from promptmid_core.localization.localizer import Localizer
from promptmid_core.simulation.flight.exposure import Exposure
from promptmid_core.simulation.flight.options import FlightOptions
from promptmid_core.simulation.flight.sight import Sight
from promptmid_core.simulation.flight.weather import Weather

# what looks are taken with, and where the fit begins
START = Likelihood((0.0, 2.0, 4.0, 6.0, 8.0, 10.0, 13.0, 18.0), (-3.2, -0.6, 2.5, 5.2, 7.1, 8.5, 10.7, 15.1), 0.1, 1.2, 0.1)
STAMP_NS = 1_700_000_000_000_000_000
FOOTPRINTS_PX = 96.0, 384.0
SIGMA_PX, SIGMA_YAW, SIGMA_HEIGHT, SIGMA_TILT = 20.0, np.radians(1.5), 0.01, np.radians(0.2)  # of the prior; height: its share
TILT = 0.02  # radians, of the aircraft itself
CLOUDED, CLOUDS_PERCENT = 0.25, (10.0, 80.0)
LEAST_SEEN = 0.97  # share of an image that shows the orthophoto
DECOYS = 3  # one look in so many
TRIES = 200  # footprints and places that are tried for each look


@dataclass(frozen=True)
class Look:
    """What one frame said. `ground`: over whose map; `belief`: that of the prior alone; `cells`: what the frame says of its
    cells; `shift` (2,): the true correction in metres, where the frame is `true` and shows what is on the map."""

    ground: str
    belief: Belief
    cells: Cells
    shift: Float64
    true: bool

    @property
    def near(self) -> Mask:
        """The cells (n, n) of the true place, none of them where there is none."""
        near = self.belief.near(*self.shift.tolist())
        return near if self.true else np.zeros_like(near)


@dataclass(frozen=True)
class Looks:
    """The looks of which something can be told, and how many frames were `refused` before anything could."""

    looks: tuple[Look, ...]
    refused: int


class Refitted:
    """A descriptor with another likelihood, so that what was fitted before does not decide what is seen now."""

    calibration = None

    def __init__(self, descriptor: Descriptor, likelihood: Likelihood = START) -> None:
        self._descriptor, self.likelihood = descriptor, likelihood

    def __getattr__(self, name: str) -> Any:
        return getattr(self._descriptor, name)


def sample(grounds: Sequence[KnownGround], descriptor: Descriptor, count: int, seed: int,
           progress: Callable[[int, int], None] | None = None) -> Looks:
    """Take `count` looks over each ground; equal arguments give equal looks.

    Every third is a decoy: mirrored, or, where there is more than one ground, taken over the next of them. Raises InputError
    where a ground shows too little for a footprint.
    """
    looks: list[Look] = []
    refused = 0
    for number, ground in enumerate(grounds):
        rng = np.random.default_rng([seed, number])
        localizer = Localizer(ground.reference, cast(Descriptor, Refitted(descriptor)))
        for i in range(count):
            elsewhere = grounds[(number + 1) % len(grounds)] if i % (2 * DECOYS) == 2 * DECOYS - 1 and len(grounds) > 1 else None
            decoy = i % DECOYS == DECOYS - 1
            look = _look(ground, elsewhere, decoy, localizer, rng)
            if look is None:
                refused += 1
            else:
                looks.append(look)
            if progress:
                progress(number * count + i + 1, len(grounds) * count)
    return Looks(tuple(looks), refused)


def _look(ground: KnownGround, elsewhere: KnownGround | None, decoy: bool, localizer: Localizer,
          rng: np.random.Generator) -> Look | None:
    """One look, None where the frame was refused before its places were told apart."""
    shown = [ground, elsewhere] if elsewhere else [ground]
    for _ in range(TRIES):
        sight = ground.sight(float(np.exp(rng.uniform(*np.log(FOOTPRINTS_PX)))))
        poses = [_pose(each, sight, rng) for each in shown]
        if all(each.view(sight).valid_share(pose) >= LEAST_SEEN for each, pose in zip(shown, poses, strict=True)):
            break
    else:
        raise InputError(f"{' and '.join(each.name for each in shown)} had no place for a whole frame in {TRIES} tries; name "
                         "larger grounds, without holes")
    image, true = seen(shown[-1], sight, poses[-1], rng), poses[0]
    if decoy and not elsewhere:
        image = np.ascontiguousarray(image[:, ::-1])
    prior = prior_at(true, sight, ground.reference.gsd, rng)
    candidate = localizer.match(Frame(STAMP_NS, image, sight.camera), prior)
    if candidate.surface is None or candidate.expected is None:
        return None
    expected = candidate.expected
    cells = expected.belief.cells(candidate.surface.from_reckoned(expected.correction))
    return Look(ground.name, expected.belief, cells, true.position[:2] - expected.reckoned, not decoy)


def _pose(ground: KnownGround, sight: Sight, rng: np.random.Generator) -> Pose:
    """A pose over any place of a ground, about level, at any heading."""
    x, y = (float(value) for value in ground.grid.to_map(rng.uniform(0, ground.grid.width), rng.uniform(0, ground.grid.height)))
    above = float(ground.terrain.height(np.array(x), np.array(y))) + sight.height
    roll, pitch = rng.normal(0, TILT, 2).tolist()
    return Pose.from_rpy(np.array([x, y, above]), roll, pitch, rng.uniform(-np.pi, np.pi))


def prior_at(true: Pose, sight: Sight, gsd: float, rng: np.random.Generator) -> Prior:
    """Return a prior that is off from a true pose as it states, over a map of `gsd` metres."""
    sigma = np.array([SIGMA_PX * gsd] * 2 + [SIGMA_HEIGHT * sight.height, SIGMA_TILT, SIGMA_TILT, SIGMA_YAW])
    return Prior(STAMP_NS, true.corrected(rng.normal(0, 1, 6) * sigma), np.diag(sigma ** 2))


def seen(ground: KnownGround, sight: Sight, pose: Pose, rng: np.random.Generator) -> UInt8:
    """Return an image (H, W, 3) of a ground, under clouds now and then."""
    view = ground.view(sight)
    cloud = rng.uniform(*CLOUDS_PERCENT) if rng.uniform() < CLOUDED else 0.0
    options = FlightOptions.of(cloud_percent=cloud, seed=int(rng.integers(2**31)))
    image = Weather.of(options, sight).over(view.render(pose)[0], view, pose)
    return Exposure.over(int(rng.integers(2**31)), rng, 1, 1.0, False).expose(image, 0)
