"""How many frames of short flights over known ground match alone, without a belief.

    python -m benchmarks.matchability sample GROUND... --footprints 128,160 --json SAMPLES --work FOLDER

GROUND is a folder with optical.tif and sar.tif, as for `promptmid calibrate descriptor`. A frame is right where `Localizer.match`
gives a candidate that passes its gates and whose ground lies within 5 px of the true one.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from promptmid_core.calibration.ground import KnownGround
from promptmid_core.calibration.looks import LEAST_SEEN, STAMP_NS, TILT, prior_at
from promptmid_core.descriptors import load
from promptmid_core.errors import InputError
from promptmid_core.files import write_json
from promptmid_core.geometry import Pose, boresight_point
from promptmid_core.localization.fix import Frame
from promptmid_core.localization.localizer import Localizer
from promptmid_core.simulation.flight.exposure import Exposure
from promptmid_core.simulation.flight.sight import Sight

RIGHT_PX = 5.0
LENGTH = 1.5  # of a piece, in footprints
TRIES = 400


@dataclass(frozen=True)
class Piece:
    """A straight piece of a flight over a map: `points` (K, 2) on the ground in `map`, and for each frame how far its match is
    off in pixels, None where there is none, and whether it passed all gates."""

    ground: str
    map: str
    footprint_px: float
    points: list[list[float]]
    off_px: list[float | None]
    passed: list[bool]

    @property
    def right(self) -> list[bool]:
        """Of each frame, whether its match alone is right."""
        return [ok and off is not None and off <= RIGHT_PX for off, ok in zip(self.off_px, self.passed, strict=True)]


def pieces(folder: Path, descriptor: str, footprints: list[float], count: int, frames: int, seed: int,
           work: Path) -> Iterator[Piece]:
    """Fly `count` pieces of each footprint over a ground. Raises InputError where it has no room for one."""
    loaded = load(descriptor)
    ground = KnownGround.open(folder, loaded, work)
    localizer = Localizer(ground.reference, loaded)
    for footprint in footprints:
        sight = ground.sight(footprint)
        for number in range(count):
            rng = np.random.default_rng([seed, round(footprint), number])
            poses = _piece(ground, sight, frames, rng)
            looks = [_look(ground, localizer, sight, pose, rng) for pose in poses]
            points = [boresight_point(sight.camera, pose, ground.terrain)[:2].tolist() for pose in poses]
            yield Piece(ground.name, str(ground.reference.path), footprint, points, [off for off, _ in looks],
                        [passed for _, passed in looks])


def _piece(ground: KnownGround, sight: Sight, frames: int, rng: np.random.Generator) -> list[Pose]:
    view = ground.view(sight)
    for _ in range(TRIES):
        heading = rng.uniform(-np.pi, np.pi)
        at = rng.uniform(0, ground.grid.width), rng.uniform(0, ground.grid.height)
        x, y = (float(value) for value in ground.grid.to_map(*at))
        poses = []
        for along in np.linspace(-0.5, 0.5, frames) * LENGTH * sight.shorter:
            east, north = x + along * np.cos(heading), y + along * np.sin(heading)
            above = float(ground.terrain.height(np.array(east), np.array(north))) + sight.height
            poses.append(Pose.from_rpy(np.array([east, north, above]), *rng.normal(0, TILT, 2).tolist(), heading))
        if all(view.valid_share(pose) >= LEAST_SEEN for pose in (poses[0], poses[-1], poses[frames // 2])):
            return poses
    raise InputError(f"{ground.name} had no place for a piece of {LENGTH:g} footprints in {TRIES} tries; name a larger ground")


def _look(ground: KnownGround, localizer: Localizer, sight: Sight, true: Pose,
          rng: np.random.Generator) -> tuple[float | None, bool]:
    from promptmid_core.reasons import Reason

    image = Exposure.over(int(rng.integers(2**31)), rng, 1, 1.0, False).expose(ground.view(sight).render(true)[0], 0)
    candidate = localizer.match(Frame(STAMP_NS, image, sight.camera), prior_at(true, sight, ground.reference.gsd, rng))
    if candidate.pose is None:
        return None, False
    seen, truly = (boresight_point(sight.camera, pose, ground.terrain) for pose in (candidate.pose, true))
    return float(np.hypot(*(seen - truly)[:2])) / ground.reference.gsd, candidate.reason is Reason.FIX


def main(argv: list[str] | None = None) -> int:
    """Take samples."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.matchability", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    words = parser.add_subparsers(required=True, dest="word")
    sample = words.add_parser("sample")
    sample.add_argument("grounds", type=Path, nargs="+")
    sample.add_argument("--footprints", default="256")
    sample.add_argument("--pieces", type=int, default=6)
    sample.add_argument("--frames", type=int, default=16)
    sample.add_argument("--seed", type=int, default=1)
    sample.add_argument("--descriptor", default="structural")
    sample.add_argument("--work", type=Path, required=True)
    sample.add_argument("--json", type=Path, required=True)
    args = parser.parse_args(argv)
    found: list[dict[str, Any]] = []
    for folder in args.grounds:
        footprints = [float(each) for each in args.footprints.split(",")]
        for piece in pieces(folder, args.descriptor, footprints, args.pieces, args.frames, args.seed, args.work):
            found.append(asdict(piece))
            print(piece.ground, piece.footprint_px, sum(piece.right), "of", len(piece.right), flush=True)
        write_json(args.json, found)
    return 0


if __name__ == "__main__":
    sys.exit(main())
