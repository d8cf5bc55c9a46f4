"""Where one footprint is too small: the surfaces of the frames of a stretch of flight added along the odometry, and the same
frames joined to one patch, each looked for around the true place."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from promptmid_core.arrays import Float64
from promptmid_core.bags.bag import open_bag
from promptmid_core.descriptors import Descriptor, load
from promptmid_core.errors import InputError, Refusal
from promptmid_core.files import write_json
from promptmid_core.geometry import Grid, Patch, Pose, Terrain, boresight_point, orthorectify
from promptmid_core.localization.belief import Belief, Surface
from promptmid_core.localization.fix import Frame
from promptmid_core.localization.ground import SeenGround
from promptmid_core.localization.options import TrackOptions
from promptmid_core.matching.pool import pooled
from promptmid_core.matching.surface import score_surface
from promptmid_core.prompts.prompt import Modality, Prompt
from promptmid_core.refmap import ReferenceMap
from promptmid_core.replay.recording import Recording

REACH_PX = 96  # around the true place, in which it is looked for
NEAR_PX, APART_PX = 4.0, 16.0
COARSE = 2


@dataclass(frozen=True)
class Seen:
    """A `frame`, its true pose, and where dead reckoning has it."""

    frame: Frame
    true: Pose
    reckoned: Pose


@dataclass(frozen=True)
class Bench:
    """Looks for patches of one map around where they truly lie."""

    reference: ReferenceMap
    descriptor: Descriptor
    side_px: int

    def single(self, seen: Seen, pose: Pose) -> Patch:
        """The ground under a frame that is taken to be taken from `pose`."""
        terrain = self.reference.terrain() if self.reference.has_dem else Terrain.flat(0.0)
        x, y, _ = boresight_point(seen.frame.camera, pose, terrain)
        return orthorectify(seen.frame.image, seen.frame.camera, pose, terrain, self._grid(float(x), float(y), self.side_px))

    def joined(self, patches: Sequence[Patch]) -> Patch:
        """One patch of several, the newest on top."""
        left = min(each.grid.x for each in patches)
        top = max(each.grid.y for each in patches)
        gsd = self.reference.gsd
        right = max(each.grid.x + (each.grid.width - 1) * gsd for each in patches)
        bottom = min(each.grid.y - (each.grid.height - 1) * gsd for each in patches)
        step = COARSE * self.reference.stride
        width, height = (int(np.ceil((round(span / gsd) + 1) / step) * step) for span in (right - left, top - bottom))
        image = np.zeros((height, width, *patches[0].image.shape[2:]), patches[0].image.dtype)
        valid = np.zeros((height, width), bool)
        for patch in patches:
            col, row = round((patch.grid.x - left) / gsd), round((top - patch.grid.y) / gsd)
            part = np.s_[row:row + patch.grid.height, col:col + patch.grid.width]
            image[part][patch.valid], valid[part] = patch.image[patch.valid], valid[part] | patch.valid
        return Patch(image, valid, Grid(left, top, gsd, width, height))

    def z(self, patch: Patch) -> Float64:
        """Scores by displacement in coarse cells, in standard deviations of those away from the middle."""
        grid, reach = patch.grid, REACH_PX
        col, row = (round(float(at)) for at in self.reference.grid.to_pixel(grid.x, grid.y))
        window = self.reference.descriptors(col - reach, row - reach, grid.width + 2 * reach, grid.height + 2 * reach)
        described = self.descriptor.describe(patch, Prompt(Modality.OPTICAL))
        scores = score_surface(pooled(described, COARSE), pooled(window, COARSE)).astype(np.float64)
        away = distances(scores.shape[0], self._cell) > APART_PX
        return np.asarray((scores - scores[away].mean()) / scores[away].std())

    def found(self, told: Float64) -> bool:
        """Whether the highest of all displacements is the true one."""
        return bool(distances(len(told), self._cell).ravel()[int(np.argmax(told))] <= NEAR_PX)

    def believed(self, part: Sequence[Seen], patches: Sequence[Patch], surfaces: Sequence[Float64]) -> bool:
        """Whether a belief that nothing was known of before has the true place for the likeliest, after all frames."""
        drift, cell = TrackOptions().odometry_drift, self._cell * self.reference.gsd
        belief, ground, last = Belief.of(np.eye(2) * (REACH_PX * self.reference.gsd) ** 2, cell), SeenGround(), part[0].reckoned
        for seen, patch, z in zip(part, patches, surfaces, strict=True):
            north, east = np.mgrid[1:-1:len(z) * 1j, -1:1:len(z) * 1j] * (len(z) // 2 * cell)
            way = float(np.linalg.norm(seen.reckoned.position - last.position))
            surface = Surface(z.ravel(), east.ravel(), north.ravel())
            belief = belief.spread(drift * way).seen([surface], ground.see(patch, np.zeros(2)), self.descriptor.likelihood)
            last = seen.reckoned
        return bool(np.hypot(belief.best.east, belief.best.north) <= NEAR_PX * self.reference.gsd)

    @property
    def _cell(self) -> int:
        return COARSE * self.reference.stride

    def _grid(self, x: float, y: float, side: int) -> Grid:
        # on the cells of the map, so that patches can be laid one over another
        col, row = (round((float(at) - side / 2) / self._cell) * self._cell for at in self.reference.grid.to_pixel(x, y))
        west, north = (float(at) for at in self.reference.grid.to_map(col, row))
        return Grid(west, north, self.reference.gsd, side, side)


def distances(side: int, cell: int) -> Float64:
    """The lengths of displacements (side, side), in pixels."""
    steps = (np.arange(side) - side // 2) * cell
    return np.asarray(np.hypot(steps, steps[:, None]), np.float64)


def stretches(bag: Path, reference: ReferenceMap, length_m: float, count: int) -> Iterator[list[Seen]]:
    """Yield frames of stretches of a flight that do not overlap, `count` over `length_m` metres each."""
    recording = Recording(open_bag(bag), reference.frame)
    part: list[Seen] = []
    begun = last = -np.inf
    for image in recording.images():
        try:
            frame, prior = recording.intake.frame(image.message), recording.intake.odometry.at(image.stamp_ns)[0]
        except Refusal:
            continue
        true, flown = recording.truth(image.stamp_ns), prior.way.flown
        # the last frame of a stretch sees a footprint beyond it
        if true is None or (flown - begun < 2 * length_m if len(part) > count else flown - last < length_m / count):
            continue
        if len(part) > count:
            part = []
        begun, last = begun if part else flown, flown
        part.append(Seen(frame, true, prior.way.pose))
        if len(part) > count:
            yield part


def measured(bag: Path, reference: ReferenceMap, descriptor: Descriptor, footprint_px: int, count: int) -> dict[str, int]:
    """Return in how many of `n` stretches the true place is the highest: by the last frame alone, by surfaces added, joined."""
    bench = Bench(reference, descriptor, footprint_px * 3 // 2 // 16 * 16)
    found = {"n": 0, "one": 0, "added": 0, "joined": 0}
    for part in stretches(bag, reference, footprint_px * reference.gsd, count):
        last = part[-1]
        patches = [bench.single(each, last.true @ last.reckoned.inverse() @ each.reckoned) for each in part]
        try:
            surfaces = [bench.z(patch) for patch in patches]
            together = bench.z(bench.joined(patches))
        except (Refusal, InputError):
            continue  # the rim of the map
        found["n"] += 1
        found["one"] += bench.found(surfaces[-1])
        found["joined"] += bench.found(together)
        found["added"] += bench.believed(part, patches, surfaces)
    return found


def main(argv: list[str] | None = None) -> int:
    """Measure the flights that are named."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.joined", description=__doc__)
    parser.add_argument("bags", nargs="+", type=Path, metavar="BAG", help="flights with truth, of frames of small footprints")
    parser.add_argument("--map", required=True, type=Path, dest="reference")
    parser.add_argument("--footprint-px", type=int, required=True)
    parser.add_argument("--frames", type=int, default=8, help="of a stretch of one footprint's length; default: 8")
    parser.add_argument("--json", type=Path)
    args = parser.parse_args(argv)
    try:
        reference = ReferenceMap.open(args.reference)
        descriptor = load(reference.descriptor_name)
        rows = {str(bag): measured(bag, reference, descriptor, args.footprint_px, args.frames) for bag in args.bags}
    except InputError as error:
        print(f"joined: {error}", file=sys.stderr)
        return 1
    for bag, row in rows.items():
        print(f"{bag}: of {row['n']} stretches found by the last frame {row['one']}, by surfaces added {row['added']}, "
              f"by patches joined {row['joined']}")
    if args.json:
        write_json(args.json, rows)
    return 0


if __name__ == "__main__":
    sys.exit(main())
