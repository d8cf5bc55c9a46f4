"""What is known of matchability: pieces of flights over known ground, and how many of their frames match alone, without a belief.

    python -m benchmarks.matchability sample GROUND... --footprints 128,160 --json SAMPLES --work FOLDER
    python -m benchmarks.matchability fit SAMPLES... --out promptmid_core/weights/matchability.json
    python -m benchmarks.matchability judge SAMPLES...

GROUND is a folder with optical.tif and sar.tif, as for `promptmid calibrate descriptor`. A frame is right where `Localizer.match`
gives a candidate that passes its gates and whose ground lies within 5 px of the true one, from a prior of 20 px. `fit` makes of
samples what `promptmid plan` reckons with; `judge` holds that against others.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from promptmid_core.calibration.ground import KnownGround
from promptmid_core.calibration.looks import LEAST_SEEN, STAMP_NS, TILT, prior_at
from promptmid_core.descriptors import load
from promptmid_core.documents import read_json
from promptmid_core.errors import InputError
from promptmid_core.files import write_json
from promptmid_core.geometry import Pose, boresight_point
from promptmid_core.localization.fix import Frame
from promptmid_core.localization.localizer import Localizer
from promptmid_core.plan.matchability import FEATURES, Matchability, features
from promptmid_core.plan.texture import Edges, Texture, cells_of, texture_at
from promptmid_core.refmap import ReferenceMap
from promptmid_core.simulation.flight.exposure import Exposure
from promptmid_core.simulation.flight.sight import Sight

RIGHT_PX = 5.0
BINS = 5  # of the probabilities, for calibration
RIDGE = 1.0
LOOKED = 4  # points of a piece that its texture is taken at
LENGTH = 1.5  # of a piece, in footprints
TRIES = 400


Looked = list[tuple["Piece", list[Texture | None]]]


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


@dataclass(frozen=True)
class Sampling:
    """So many pieces of each of the `footprints`, in map pixels, of so many `frames`, drawn by `seed`."""

    footprints: list[float]
    count: int
    frames: int
    seed: int


def pieces(folder: Path, descriptor: str, sampling: Sampling, work: Path) -> Iterator[Piece]:
    """Fly pieces over a ground, whose map is kept in the folder `work`. Raises InputError where it has no room for one."""
    loaded = load(descriptor)
    ground = KnownGround.open(folder, loaded, work)
    localizer = Localizer(ground.reference, loaded)
    for footprint in sampling.footprints:
        sight = ground.sight(footprint)
        for number in range(sampling.count):
            rng = np.random.default_rng([sampling.seed, round(footprint), number])
            poses = _piece(ground, sight, sampling.frames, rng)
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


def textures(piece: Piece, edges: Edges) -> list[Texture | None]:
    """Return the textures along a piece."""
    points = piece.points[::max(1, len(piece.points) // LOOKED)]
    return [texture_at(edges, x, y, cells_of(piece.footprint_px)) for x, y in points]


def looked_at(files: Sequence[Path]) -> Looked:
    """Return the pieces of files of samples, with their textures."""
    found = [Piece(**each) for path in files for each in read_json(path)]
    edges = {name: Edges.of(ReferenceMap.open(Path(name))) for name in {piece.map for piece in found}}
    return [(piece, textures(piece, edges[piece.map])) for piece in found]


def alike(pieces: Looked, each: int) -> Looked:
    """Return at most `each` pieces of a ground and footprint, those of most frames, the first of them."""
    kept: dict[tuple[str, float], Looked] = {}
    for piece, along in sorted(pieces, key=lambda looked: -len(looked[0].right)):
        group = kept.setdefault((piece.ground, piece.footprint_px), [])
        group += [(piece, along)] if len(group) < each else []
    return [looked for group in kept.values() for looked in group]


def fitted(pieces: Looked) -> Matchability:
    """Return the logistic regression of the shares of right frames, by Newton's method with a little ridge."""
    rows = [(features(texture), np.mean(piece.right), len(piece.right) / len(along))
            for piece, along in pieces for texture in along if texture is not None]
    seen, share, count = (np.array(column, np.float64) for column in zip(*rows, strict=True))
    middle, scale = seen.mean(axis=0), seen.std(axis=0)
    design = np.column_stack([(seen - middle) / scale, np.ones(len(seen))])
    ridge, told = np.diag([RIDGE] * len(FEATURES) + [0.0]), np.zeros(len(FEATURES) + 1)
    for _ in range(50):
        odds = 1 / (1 + np.exp(-design @ told))
        bend = (design.T * (count * odds * (1 - odds))) @ design + ridge
        told = told + np.linalg.solve(bend, design.T @ (count * (share - odds)) - ridge @ told)
    weights = told[:-1] / scale
    return Matchability(tuple(weights.tolist()), float(told[-1] - weights @ middle))


def held(model: Matchability, pieces: Looked) -> dict[str, Any]:
    """Return how a model does on pieces: rank correlation, the shares in bins of its probability, and by ground."""
    from scipy.stats import spearmanr

    said = np.array([np.mean([model.probability(texture) for texture in along]) for _, along in pieces])
    share = np.array([np.mean(piece.right) for piece, _ in pieces])
    bins = [{"pieces": len(at), "probability": round(float(said[at].mean()), 3), "share": round(float(share[at].mean()), 3)}
            for at in np.array_split(np.argsort(said), BINS)]
    names = np.array([f"{piece.ground} {piece.footprint_px:.0f} px" for piece, _ in pieces])
    return {"pieces": len(pieces), "frames": sum(len(piece.right) for piece, _ in pieces),
            "rank_correlation": round(float(spearmanr(said, share)[0]), 3),
            "worst_bin": round(max(abs(each["probability"] - each["share"]) for each in bins), 3), "bins": bins,
            "grounds": {str(name): [round(float(values[names == name].mean()), 2) for values in (said, share)]
                        for name in sorted(set(names))}}


def main(argv: list[str] | None = None) -> int:
    """Run one of the three."""
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
    fit, judge = words.add_parser("fit"), words.add_parser("judge")
    for each in (fit, judge):
        each.add_argument("samples", type=Path, nargs="+")
    judge.add_argument("--each", type=int, default=8, metavar="N", help="pieces of a ground and footprint, that all weigh alike")
    fit.add_argument("--out", type=Path, required=True)
    args = parser.parse_args(argv)
    if args.word == "judge":
        print(json.dumps(held(Matchability.shipped(), alike(looked_at(args.samples), args.each)), indent=1))
        return 0
    if args.word == "fit":
        known = looked_at(args.samples)
        model = fitted(known)
        write_json(args.out, {"weights": dict(zip(FEATURES, (round(value, 4) for value in model.weights), strict=True)),
                              "constant": round(model.constant, 4), "pieces": len(known),
                              "frames": sum(len(piece.right) for piece, _ in known),
                              "grounds": sorted({piece.ground for piece, _ in known})})
        print(json.dumps(held(model, known), indent=1))
        return 0
    found: list[dict[str, Any]] = []
    sampling = Sampling([float(each) for each in args.footprints.split(",")], args.pieces, args.frames, args.seed)
    for folder in args.grounds:
        for piece in pieces(folder, args.descriptor, sampling, args.work):
            found.append(asdict(piece))
            print(piece.ground, piece.footprint_px, sum(piece.right), "of", len(piece.right), flush=True)
        write_json(args.json, found)
    return 0


if __name__ == "__main__":
    sys.exit(main())
