"""The calibration of a descriptor: looks over known ground, the likelihood that explains them, how reliable it is, and how far
fixes are off."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import cast

from promptmid_core import __version__
from promptmid_core.calibration.errors import errors_over
from promptmid_core.calibration.fit import Pool, fit
from promptmid_core.calibration.ground import KnownGround
from promptmid_core.calibration.looks import Looks, Refitted, sample
from promptmid_core.calibration.reliability import held_back, table
from promptmid_core.descriptors import Descriptor
from promptmid_core.descriptors.calibration import Calibration
from promptmid_core.descriptors.tail import UNKNOWN
from promptmid_core.errors import InputError

Progress = Callable[[int, int], None]

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Sampling:
    """So many `looks` a ground, drawn by `seed`."""

    looks: int = 24
    seed: int = 1


def calibrate(folders: Sequence[Path], descriptor: Descriptor, work: Path, sampling: Sampling | None = None,
              progress: Progress | None = None) -> Calibration:
    """Fit the likelihood of a descriptor on grounds, whose maps are kept in the folder `work`, and see how far its fixes are off.

    Equal arguments give the same. Raises InputError where a ground cannot be used, two have one name, or too few frames of them
    are matched.
    """
    sampling = sampling or Sampling()
    grounds = [KnownGround.open(folder, descriptor, work) for folder in folders]
    names = [ground.name for ground in grounds]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise InputError(f"{len(names)} folders are given, and several are called {twice[0]}; give each ground a name of its own")
    looks = sample(grounds, descriptor, sampling.looks, sampling.seed, progress)
    found = calibration(looks, descriptor.fingerprint, sampling)
    flown = errors_over(grounds, cast(Descriptor, Refitted(descriptor, found.likelihood)), sampling.seed, progress)
    return replace(found, errors=flown.tail, looks=found.looks | {
        "places": flown.fixes, "places_without_fix": flown.none, "places_wrong": flown.wrong})


def calibration(looks: Looks, fingerprint: str, sampling: Sampling) -> Calibration:
    """Return what looks that were taken by a descriptor come to. Raises InputError where none are true, or none decoys."""
    true = sum(look.true for look in looks.looks)
    decoys = len(looks.looks) - true
    if not true or not decoys:
        raise InputError(f"{true} frames and {decoys} decoys could be matched and {looks.refused} could not, too few to fit "
                         "anything; take more looks, or larger grounds without holes")
    log.info("fitting on %d frames and %d decoys", true, decoys)
    likelihood = fit(looks.looks)
    return Calibration(
        fingerprint, likelihood, UNKNOWN,
        {"grounds": len({look.ground for look in looks.looks}), "true": true, "decoys": decoys, "refused": looks.refused,
         "looks_a_ground": sampling.looks, "seed": sampling.seed,
         "mean_log_score": round(Pool.of(looks.looks).score(likelihood), 4)},
        table(held_back(looks.looks)), {"promptmid": __version__, **{name: version(name) for name in ("numpy", "scipy")}})
