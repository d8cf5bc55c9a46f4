"""Fixes over known ground, one for each piece of it, and how far they are off."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np

from promptmid_core.arrays import Float64
from promptmid_core.calibration.ground import KnownGround
from promptmid_core.calibration.looks import LEAST_SEEN, STAMP_NS, TILT, prior_at, seen
from promptmid_core.descriptors import Descriptor
from promptmid_core.descriptors.tail import Tail
from promptmid_core.geometry import Pose, boresight_point
from promptmid_core.localization.fix import Fix, Frame
from promptmid_core.localization.localizer import Localizer

FOOTPRINTS_PX = 160.0, 480.0
TRIES = 20  # headings and footprints that are tried for a frame that lies on the ground
FURTHEST_PX = 5.0  # a fix farther off is of another place, which the belief answers for


@dataclass(frozen=True)
class Placed:
    """A fix over a piece of a `ground`, as that of the first frame of a flight; `off` (2,) metres of its ground point, and
    `position_off` of its position; `gsd` metres of a pixel of the map."""

    ground: str
    fix: Fix
    off: Float64
    position_off: Float64
    gsd: float

    @property
    def wrong(self) -> bool:
        """Whether it is of another place."""
        return float(np.hypot(*self.off)) > FURTHEST_PX * self.gsd

    @property
    def score(self) -> float:
        """How far the ground point is off in its own standard deviations of matching and map, along the widest axis."""
        assert self.fix.ground is not None
        parts = self.fix.ground.parts
        return float(np.hypot(*self.off)) / float(np.sqrt(np.linalg.eigvalsh(parts.matching + parts.ground)[-1]))


@dataclass(frozen=True)
class Errors:
    """The `tail` of the fixes' errors; on how many pieces of ground there was a fix, and on how many `none`; how many fixes were
    `wrong`, of another place."""

    tail: Tail
    fixes: int
    none: int
    wrong: int


def errors_over(grounds: Sequence[KnownGround], descriptor: Descriptor, seed: int,
                progress: Callable[[int, int], None] | None = None) -> Errors:
    """Return how far fixes are off over the disjoint pieces of grounds; equal arguments give equal errors."""
    found = list(placed(grounds, descriptor, seed, FOOTPRINTS_PX, progress))
    fixes = [each for each in found if each is not None]
    right = [each for each in fixes if not each.wrong]
    tail = Tail(tuple(sorted(round(each.score, 3) for each in right)))
    return Errors(tail, len(fixes), len(found) - len(fixes), len(fixes) - len(right))


def placed(grounds: Sequence[KnownGround], descriptor: Descriptor, seed: int, footprints_px: tuple[float, float],
           progress: Callable[[int, int], None] | None = None) -> Iterator[Placed | None]:
    """Fly once to each piece of the grounds that is as large as what is matched, with a footprint between those of
    `footprints_px`, and give its fix, None where there is none or no room for the frame."""
    pieces = [(number, at) for number, ground in enumerate(grounds) for at in _middles(ground, descriptor, footprints_px[1])]
    for i, (number, at) in enumerate(pieces):
        ground, rng = grounds[number], np.random.default_rng([seed, number, *at.astype(int).tolist()])
        yield _placed(ground, at, Localizer(ground.reference, descriptor), footprints_px, rng)
        if progress:
            progress(i + 1, len(pieces))


def _middles(ground: KnownGround, descriptor: Descriptor, footprint_px: float) -> list[Float64]:
    """The middles (2,) of the pieces around the middle of a ground, in its pixels."""
    side_px = min(Localizer(ground.reference, descriptor).options.search.patch_px, footprint_px)
    side = round(side_px * ground.reference.gsd / ground.grid.gsd)
    sizes = np.array([ground.grid.width, ground.grid.height])
    counts = sizes // side
    first = (sizes - counts * side) / 2
    return [first + (np.array([col, row]) + 0.5) * side for row, col in product(range(counts[1]), range(counts[0]))]


def _placed(ground: KnownGround, at: Float64, localizer: Localizer, footprints_px: tuple[float, float],
            rng: np.random.Generator) -> Placed | None:
    """The fix over the piece with that middle (2,), in pixels of the ground; None where there is none or no room for a frame."""
    x, y = (float(value) for value in ground.grid.to_map(*at))
    low = float(ground.terrain.height(np.array(x), np.array(y)))
    for _ in range(TRIES):
        sight = ground.sight(float(np.exp(rng.uniform(*np.log(footprints_px)))))
        roll, pitch = rng.normal(0, TILT, 2).tolist()
        true = Pose.from_rpy(np.array([x, y, low + sight.height]), roll, pitch, rng.uniform(-np.pi, np.pi))
        if ground.view(sight).valid_share(true) >= LEAST_SEEN:
            break
    else:
        return None
    frame = Frame(STAMP_NS, seen(ground, sight, true, rng), sight.camera)
    gsd = ground.reference.gsd
    fix = localizer.track(localizer.match(frame, prior_at(true, sight, gsd, rng)))
    if fix.pose is None or fix.ground is None:
        return None
    off = fix.ground.point - boresight_point(sight.camera, true, ground.terrain)
    return Placed(ground.name, fix, off[:2], (fix.pose.position - true.position)[:2], gsd)
