"""How far fixes are off in their own standard deviations, over known ground, one fix for each piece of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
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
from promptmid_core.simulation.flight.sight import Sight

FOOTPRINTS_PX = 160.0, 480.0
FURTHEST_PX = 5.0  # a fix farther off is of another place, which the belief answers for


@dataclass(frozen=True)
class Errors:
    """The `tail` of the fixes' errors; of how many pieces of ground there was a fix, and of how many `none`; how many fixes were
    `wrong`, of a place more than FURTHEST_PX off."""

    tail: Tail
    fixes: int
    none: int
    wrong: int


def errors_over(grounds: Sequence[KnownGround], descriptor: Descriptor, seed: int,
                progress: Callable[[int, int], None] | None = None) -> Errors:
    """Fly to each disjoint piece of the grounds once, as large as what is matched, as in the first frame of a flight.

    Equal arguments give equal errors.
    """
    scores: list[float] = []
    none = wrong = 0
    places = [(number, at) for number, ground in enumerate(grounds) for at in _middles(ground, descriptor)]
    for i, (number, at) in enumerate(places):
        ground, rng = grounds[number], np.random.default_rng([seed, number, *at.astype(int).tolist()])
        fix, off = _fix(ground, at, Localizer(ground.reference, descriptor), rng)
        if fix is None or fix.ground is None:
            none += 1
        elif np.hypot(*off) > FURTHEST_PX * ground.reference.gsd:
            wrong += 1
        else:
            parts = fix.ground.parts
            widest = float(np.sqrt(np.linalg.eigvalsh(parts.matching + parts.ground)[-1]))
            scores.append(round(float(np.hypot(*off)) / widest, 3))
        if progress:
            progress(i + 1, len(places))
    return Errors(Tail(tuple(sorted(scores))), len(scores) + wrong, none, wrong)


def _middles(ground: KnownGround, descriptor: Descriptor) -> list[Float64]:
    """The middles (2,) of the pieces of a ground, in its pixels."""
    side = round(Localizer(ground.reference, descriptor).options.search.patch_px * ground.reference.gsd / ground.grid.gsd)
    counts = ground.grid.height // side, ground.grid.width // side
    return [np.array([(col + 0.5) * side, (row + 0.5) * side]) for row, col in product(*map(range, counts))]


def _fix(ground: KnownGround, at: Float64, localizer: Localizer, rng: np.random.Generator) -> tuple[Fix | None, Float64]:
    """The fix at a place (2,) in pixels of the ground, and how far (2,) its ground point is off, in metres; None without one."""
    nothing = np.zeros(2)
    sight = _sight(ground, rng)
    x, y = (float(value) for value in ground.grid.to_map(*at))
    above = float(ground.terrain.height(np.array(x), np.array(y))) + sight.height
    roll, pitch = rng.normal(0, TILT, 2).tolist()
    true = Pose.from_rpy(np.array([x, y, above]), roll, pitch, rng.uniform(-np.pi, np.pi))
    if ground.view(sight).valid_share(true) < LEAST_SEEN:
        return None, nothing
    frame = Frame(STAMP_NS, seen(ground, sight, true, rng), sight.camera)
    fix = localizer.track(localizer.match(frame, prior_at(true, sight, ground.reference.gsd, rng)))
    if fix.ground is None:
        return None, nothing
    return fix, (fix.ground.point - boresight_point(sight.camera, true, ground.terrain))[:2]


def _sight(ground: KnownGround, rng: np.random.Generator) -> Sight:
    return ground.sight(float(np.exp(rng.uniform(*np.log(FOOTPRINTS_PX)))))
