"""What the looks of a lost aircraft tell: the z of coarse looks and the scores of close ones, at true places and elsewhere, and
the tables that they give."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from promptmid_core.arrays import Float64
from promptmid_core.bags.bag import open_bag
from promptmid_core.descriptors import load
from promptmid_core.descriptors.likelihood import Likelihood
from promptmid_core.errors import InputError, Refusal
from promptmid_core.files import write_json
from promptmid_core.geometry import Pose, Prior, Terrain, boresight_point
from promptmid_core.localization.closely import CLOSE, Seen
from promptmid_core.localization.fix import Frame
from promptmid_core.localization.footprint import footprint
from promptmid_core.localization.lie import Lie, ground_of
from promptmid_core.localization.localizer import Localizer
from promptmid_core.localization.lost import SURVEYED, Whereabout
from promptmid_core.localization.quest import Anywhere, Start
from promptmid_core.localization.reach import scope_of
from promptmid_core.localization.seek import Seeker
from promptmid_core.localization.stopwatch import Stopwatch
from promptmid_core.matching.survey import layers
from promptmid_core.prompts.prompt import Modality, Prompt
from promptmid_core.refmap import ReferenceMap
from promptmid_core.replay.recording import Recording

EDGES = np.arange(-6.0, 40.01, 0.25)  # of the bins that z are counted in
NEAR_CELLS, FAR_CELLS = 2.5, 6.0  # from the truth: what is the true place, and what is surely another
SPOT = 1.75  # cells around a coarse peak in which a close look's score is that of the same place
FALSE_LOOKS = 8  # the highest places of a frame that are not the true one
ENOUGH = 10  # z that must be counted above one for their density there to be known
FAR_SLOPE = 1.4  # nats a z beyond, by the highest z of flights over other land: half of 187 above 5.2, one at 8.5
WIDTH = 1.5  # z over which true places are taken to scatter: those of all footprints make one table
LEAST_TRUE = 0.005  # of a true place's z a unit, up to the highest that was seen
KNOTS = np.array([0, 1, 2, 3, 4, 5, 6, 7, 8.5, 12, 16, 28])


@dataclass
class Looks:
    """What frames came to: `true_z`, the highest z at the true place, and `counts` of the z of all places and headings elsewhere,
    by EDGES; `true_close`, `false_close`: the scores of close looks at the true place, and at the highest others."""

    true_z: list[float] = field(default_factory=list)
    true_close: list[float] = field(default_factory=list)
    false_close: list[float] = field(default_factory=list)
    highest: list[float] = field(default_factory=list)
    counts: list[int] = field(default_factory=lambda: [0] * (len(EDGES) - 1))

    def __add__(self, other: Looks) -> Looks:
        return Looks(self.true_z + other.true_z, self.true_close + other.true_close, self.false_close + other.false_close,
                     self.highest + other.highest, [one + more for one, more in zip(self.counts, other.counts, strict=True)])


def surveyed(true_z: Float64, counts: Float64) -> Float64:
    """Return (K, 2): z, and by how many nats it is likelier at the true place than elsewhere."""
    above = np.append(np.cumsum(counts[::-1])[::-1], 0.0)
    total, last = float(above[0]), int(np.flatnonzero(above >= ENOUGH)[-1])

    def elsewhere(z: float) -> float:
        """The logarithm of the density."""
        known = min(z, float(EDGES[last]))
        low, high = (float(np.interp(known + side, EDGES, above)) for side in (-0.25, 0.25))
        return float(np.log(max(low - high, 1.0) / 0.5 / total)) - FAR_SLOPE * (z - known)

    def there(z: float) -> float:
        density = np.exp(-((z - true_z) / WIDTH) ** 2 / 2).mean() / (WIDTH * np.sqrt(2 * np.pi))
        return float(np.log(max(density, LEAST_TRUE)))

    nats = np.array([there(z) - elsewhere(z) for z in KNOTS])
    return np.column_stack([KNOTS, np.maximum.accumulate(nats)])


def close(true: Float64, false: Float64) -> Likelihood:
    """Return what the score of a close look tells of the place that a coarse one has chosen: by logistic regression, so that its
    middle counts, where both are seen."""
    scores, labels = np.concatenate([true, false]), np.repeat([1.0, 0.0], [len(true), len(false)])
    weights = np.where(labels == 1, 0.5 / len(true), 0.5 / len(false))
    seen = np.column_stack([scores, np.ones_like(scores)])
    told = np.zeros(2)
    for _ in range(100):
        odds = 1 / (1 + np.exp(-seen @ told))
        bend = (seen * (weights * odds * (1 - odds))[:, None]).T @ seen + 1e-6 * np.eye(2)
        told = told + np.linalg.solve(bend, seen.T @ (weights * (labels - odds)) - 1e-6 * told)
    slope, even = float(told[0]), float(-told[1] / told[0])
    return Likelihood.line(slope, even, float(max((true < even).mean(), 0.02)))


def looks(reference: ReferenceMap, bag: Path, every: int, known_deg: float | None, of_map: bool) -> Iterator[Looks]:
    """Yield what each `every`-th frame of a flight tells. Raises InputError where the bag cannot be read, or has no truth."""
    localizer = Localizer(reference, load(reference.descriptor_name))
    localizer.lose(Start(True, None, known_deg))
    recording = Recording(open_bag(bag, None), reference.frame, reference.vertical_datum)
    for i, image in enumerate(recording.images()):
        if i % every:
            continue
        truth = recording.truth(image.stamp_ns)
        if truth is None:
            raise InputError(f"{bag} has no truth for frame {i}; give a flight of 'promptmid simulate flight'")
        frame, prior = recording.intake.frame(image.message), recording.intake.odometry.at(image.stamp_ns)[0]
        yield _look(localizer, frame, prior, truth, of_map)


def _look(localizer: Localizer, frame: Frame, prior: Prior, truth: Pose, of_map: bool) -> Looks:
    seeker, reference = localizer.seeker, localizer.reference
    asked = localizer.expect(frame, prior)
    assert isinstance(asked, Anywhere)
    lie = Lie.of(frame, asked.quest.pose(prior), prior, ground_of(reference, localizer.terrain, localizer.options.track, None))
    level = seeker.level(frame, lie, None)
    patch, place = footprint(frame, lie.pose, Terrain.flat(lie.ground), level.gsd, localizer.options)
    described = localizer.descriptor.oriented.describe(patch, Prompt(Modality.OPTICAL))
    search = seeker.begun(asked.quest, described, patch, lie, level, prior.way)
    grid, turns = search.overview.grid, search.whereabouts.turns
    away = np.full(grid.shape, np.inf)
    if of_map:
        rows, cols = np.mgrid[:grid.height, :grid.width]
        col, row = grid.to_pixel(*boresight_point(frame.camera, truth, localizer.terrain)[:2])
        away = np.hypot(rows - float(row), cols - float(col))
    found = list(layers(described, search.overview, turns, place=place))
    z = np.stack([np.where(layer.known, layer.z, -np.inf) for layer in found])
    counts = np.histogram(z[:, away > FAR_CELLS], EDGES)[0]
    highest, heading = z.max(axis=0), z.argmax(axis=0)
    result = Looks(counts=counts.tolist(), highest=[float(highest[away > FAR_CELLS].max())])

    def closely(among: Float64) -> float | None:
        row, col = (int(i) for i in np.unravel_index(int(np.argmax(among)), among.shape))
        among[max(row - 4, 0):row + 5, max(col - 4, 0):col + 5] = -np.inf
        x, y = (float(value) for value in grid.to_map(col, row))
        at = Whereabout(x, y, float(turns[heading[row, col]]), 0.0)
        return _score(seeker, Seen(frame, prior, lie, 1.0, seeker.scales(described, search, lie)[2],
                                   seeker.reference.has_dem), at, search, localizer)

    if of_map and (away <= NEAR_CELLS).any():
        result.true_z.append(float(highest[away <= NEAR_CELLS].max()))
        score = closely(np.where(away <= NEAR_CELLS, highest, -np.inf))
        result.true_close += [] if score is None else [score]
    others = np.where(away > FAR_CELLS, highest, -np.inf)
    result.false_close += [score for _ in range(FALSE_LOOKS) if (score := closely(others)) is not None]
    return result


def _score(seeker: Seeker, seen: Seen, at: Whereabout, search: Any, localizer: Localizer) -> float | None:
    """The highest score of a close look at the spot of a coarse peak; None where it could not be looked at."""
    whereabouts = search.whereabouts
    try:
        expected = seeker.closely.expected(seen, at, whereabouts, search.level)
        scope = scope_of(seen.frame, expected, localizer.reference, localizer.terrain, localizer.options)
        best = seeker.closely.matcher.best(seen.frame, expected, scope, Stopwatch())
    except Refusal:
        return None
    told = seeker.closely.told(best, at, seeker.closely.place(seen, best, at))
    near = np.hypot(told.x - at.x, told.y - at.y) <= SPOT * whereabouts.grid.gsd
    return float(best.surface.scores[near].max(initial=0.0))


def fitted(samples: Looks) -> dict[str, Any]:
    """Return the tables that samples give, beside those that fly. Raises InputError where there are too few."""
    if min(len(samples.true_z), len(samples.true_close), len(samples.false_close)) < 10 or sum(samples.counts) < ENOUGH:
        raise InputError("fewer than ten looks at true places, or at others, tell too little to fit; give more flights")
    table = surveyed(np.array(samples.true_z), np.array(samples.counts, np.float64))
    likelihood = close(np.array(samples.true_close), np.array(samples.false_close))
    return {"surveyed": table.round(1).tolist(), "close": asdict(likelihood),
            "flying": {"surveyed": np.column_stack([SURVEYED.scores, SURVEYED.nats]).tolist(), "close": asdict(CLOSE)}}


def main(argv: list[str] | None = None) -> int:
    """`python -m benchmarks.looks --map MAP --json SAMPLES FLIGHT...`, then `python -m benchmarks.looks --fit SAMPLES...`."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.looks", description=__doc__)
    parser.add_argument("paths", type=Path, nargs="+", metavar="PATH", help="flights that have truth; samples, with --fit")
    parser.add_argument("--map", type=Path, metavar="DIR", help="the map over which the flights are lost")
    parser.add_argument("--fit", action="store_true", help="print the tables that samples give together")
    parser.add_argument("--decoys", action="store_true", help="the flights are over other land than the map's")
    parser.add_argument("--heading-known-deg", type=float, metavar="D", help="worst error of the heading; default: unknown")
    parser.add_argument("--every", type=int, default=10, metavar="N", help="every N-th frame is looked at; default: 10")
    parser.add_argument("--json", type=Path, metavar="FILE", help="where the samples are written")
    args = parser.parse_args(argv)
    try:
        if args.fit:
            print(json.dumps(fitted(sum((Looks(**json.loads(path.read_text())) for path in args.paths), Looks())), indent=1))
            return 0
        if args.map is None or args.json is None:
            raise InputError("flights are looked for on a map, and the samples written: give --map and --json")
        reference, samples = ReferenceMap.open(args.map), Looks()
        for bag in args.paths:
            for one in looks(reference, bag, args.every, args.heading_known_deg, not args.decoys):
                samples += one
                print(f"{bag.name}: z {one.true_z} {one.highest}, close {one.true_close} {max(one.false_close, default=0):.1f}",
                      flush=True)
    except InputError as error:
        print(f"looks: {error}", file=sys.stderr)
        return 1
    write_json(args.json, asdict(samples))
    return 0


if __name__ == "__main__":
    sys.exit(main())
