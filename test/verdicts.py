"""What the frames of a flight come to, to the last bit; run as a program it does so with its own numbers of threads."""

from __future__ import annotations

import hashlib
import json
import sys
from pathlib import Path

import cv2
import numpy as np
import threadpoolctl
from places import Flown

from promptmid_core.localization.fix import Candidate
from promptmid_core.localization.localizer import Localizer


def bits(candidate: Candidate) -> str:
    """The verdict, and a hash of all that is published with it."""
    assert candidate.pose is not None and candidate.covariance is not None
    assert candidate.surface is not None and candidate.ties is not None and candidate.patch is not None
    surface = candidate.surface
    arrays = (candidate.pose.position, candidate.pose.rotation, candidate.covariance, np.array(candidate.height), surface.scores,
              surface.east, surface.north, candidate.ties.found, candidate.ties.weight, candidate.patch.image,
              candidate.patch.valid, np.array(list(candidate.scores.values())))
    whole = hashlib.sha256(b"".join(np.ascontiguousarray(array).tobytes() for array in arrays)).hexdigest()
    return f"{candidate.reason} {list(candidate.scores)} {whole}"


def verdicts(flown: Flown, localizer: Localizer, order: int = 1) -> list[str]:
    """The bits of all frames in the order of the flight, matched in that `order` or, with -1, in the opposite one; and what the
    track says of them."""
    found = [localizer.match(*each) for each in list(zip(flown.frames, flown.priors, strict=True))[::order]][::order]
    localizer.reset()
    believed = []
    for fix in map(localizer.track, found):
        places = np.array([[*pose.position, probability] for pose, probability in fix.places])
        believed.append(f"{fix.reason} {hashlib.sha256(places.tobytes()).hexdigest()}")
    return [f"{bits(each)} {belief}" for each, belief in zip(found, believed, strict=True)]


if __name__ == "__main__":
    folder, descriptor, threads = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
    cv2.setNumThreads(threads)
    flown = Flown.read(folder)
    found = verdicts(flown, flown.localizer(descriptor, threads))
    json.dump({"verdicts": found, "opencv": cv2.getNumThreads(),
               "algebra": sorted({each["num_threads"] for each in threadpoolctl.threadpool_info()})}, sys.stdout)
