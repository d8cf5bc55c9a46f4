"""How often places were right of which the belief said how probable they are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np

from promptmid_core.calibration.fit import fit
from promptmid_core.calibration.looks import Look
from promptmid_core.descriptors.likelihood import Likelihood
from promptmid_core.localization.belief import PLACE

BANDS = (0.5, 0.9, 0.99, 0.999, 1.0)
PARTS = 3  # of the grounds, each of which is held back once


@dataclass(frozen=True)
class Said:
    """What the likeliest place of a look was said to hold, and whether it was the true one, or the look was a decoy."""

    probability: float
    right: bool
    decoy: bool


def held_back(looks: Sequence[Look]) -> list[Said]:
    """Return what was said of every look by a likelihood that was fitted on other grounds, two thirds of them all.

    Of one ground nothing can be said. Raises ValueError where what is left of the grounds has no true look, or no decoy.
    """
    grounds = sorted({look.ground for look in looks})
    said: list[Said] = []
    if len(grounds) < 2:
        return said
    decoys = sum(not look.true for look in looks) / len(looks)
    for part in range(min(PARTS, len(grounds))):
        back = set(grounds[part::PARTS])
        likelihood = fit([look for look in looks if look.ground not in back])
        said += [of(look, likelihood, decoys) for look in looks if look.ground in back]
    return said


def of(look: Look, likelihood: Likelihood, decoys: float) -> Said:
    """Return what a look says, where so many are `decoys`, a share of all, and that is known."""
    past = look.belief.past * ((1 - decoys) / float(look.belief.past.sum()))
    belief = replace(look.belief, past=past, beyond=decoys, told=look.cells.told(likelihood))
    best = belief.best
    right = look.true and bool(np.hypot(best.east - look.shift[0], best.north - look.shift[1]) <= PLACE * belief.cell)
    return Said(best.probability, right, not look.true)


def table(said: Sequence[Said]) -> list[dict[str, float]]:
    """Return of each band of probabilities how many places were said to be in it, how many of them were right, and how many were
    those of decoys."""
    rows = []
    for low, high in pairwise(BANDS):
        within = [each for each in said if low <= each.probability < high or each.probability == high == 1]
        rows.append({"said_low": low, "said_high": high, "n": len(within), "right": sum(each.right for each in within),
                     "decoys": sum(each.decoy for each in within)})
    return rows
