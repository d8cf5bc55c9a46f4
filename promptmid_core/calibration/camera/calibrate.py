"""The camera of some recorded flights: their frames matched as the camera is told to be, and again as it is found to be."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from promptmid_core.bags.bag import Topics, open_bag
from promptmid_core.calibration.camera.estimate import BEFORE, Estimate, estimate
from promptmid_core.calibration.camera.model import Observations
from promptmid_core.calibration.camera.observe import observe
from promptmid_core.localization.localizer import Localizer
from promptmid_core.localization.rig import Rig
from promptmid_core.replay.recording import Recording

Progress = Callable[[int, int], None]
LEAST_SIGMA_DEG = 0.3  # what a mount that was found may still be wrong by, at least


def calibrate(bags: Sequence[Path], localizer: Localizer, rig: Rig, *, topics: Topics | None = None,
              progress: Progress | None = None) -> tuple[Estimate, list[int]]:
    """Return the camera that the fixes of all flights show, and how many fixes each of them has.

    A mount that is wrong by degrees lays frames on the ground askew: they are matched once more with what was found.
    `progress` is told (images done, images of all bags, each counted twice). Raises InputError as `observe` and `estimate` do.
    """
    reference = localizer.reference
    every = [Recording(open_bag(bag, topics), reference.frame, reference.vertical_datum, rig).image_count for bag in bags]
    done = 0

    def flown(rig: Rig, sigma_deg: float) -> list[Observations]:
        nonlocal done
        found = []
        for bag, count in zip(bags, every, strict=True):
            told = _after(progress, done, 2 * sum(every))
            found.append(observe(bag, localizer, rig, topics=topics, mount_sigma=float(np.deg2rad(sigma_deg)), progress=told))
            done += count
        return found

    first = estimate(flown(rig, float(BEFORE[0])))
    sigma_deg = max(float(first.sigmas[:2].max()), LEAST_SIGMA_DEG)
    flights = flown(replace(rig, calibration=first.calibration), sigma_deg)
    return estimate(flights), [len(flight) for flight in flights]


def _after(progress: Progress | None, before: int, total: int) -> Progress | None:
    """Progress of one of several replays, `before` images being done already."""
    return None if progress is None else lambda done, _: progress(before + done, total)
