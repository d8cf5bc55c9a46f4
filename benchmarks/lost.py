"""A lost aircraft: how often a search of the whole map finds a frame's place, with what z, and how soon frames are sure of it."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from promptmid_core.arrays import Float64
from promptmid_core.descriptors import Descriptor, load
from promptmid_core.errors import InputError
from promptmid_core.files import write_json
from promptmid_core.geometry import DescriptorMap, Pose, Terrain, boresight_point
from promptmid_core.georaster import map_frame
from promptmid_core.georaster.view import GeoImage, resample
from promptmid_core.localization.fix import Frame
from promptmid_core.localization.footprint import footprint
from promptmid_core.localization.options import Options
from promptmid_core.matching.overview import Overview
from promptmid_core.matching.survey import SWING, Layer, headings_for, headings_within, layers
from promptmid_core.prompts.prompt import Modality, Prompt
from promptmid_core.refmap import ReferenceMap
from promptmid_core.simulation.flight.exposure import Exposure
from promptmid_core.simulation.flight.simulate import nadir_sight
from promptmid_core.simulation.flight.view import View

IMAGE_SIZE = 800, 600
STEP_PX = 10.0  # between two frames
VALID = 0.97  # least share of a place that the orthophoto shows
ATTITUDE, HEIGHT = np.deg2rad(0.2), 0.01  # worst errors of roll and pitch, and of the height above ground
NEAR_PX, NEAR_CELLS = 5.0, 2.0  # a peak so near is the right one
SURE = 0.999  # of the product, in one place
TELLS_NOTHING = 0.05  # share of frames
# natural log of how much likelier a z is at the true place than elsewhere, by z: of the shape that the quantiles below have
LIKELIHOOD = np.array([[-2, 0, 2, 3, 4, 5, 6, 7, 8, 12, 20], [-5.0, -4.4, -1, 2.4, 5.3, 8.6, 11.2, 13.5, 15.8, 25, 40]])
QUANTILES = (0.0, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 1.0)
COUNTS = (1, 2, 3, 5, 10, 15, 20, 30)


@dataclass(frozen=True)
class Shot:
    """A frame as described, and the `place` in `map` where its heading, as it is believed, puts the boresight.

    `flown` (2,): metres since the first frame in the axes of the believed heading; `truth`: its true place, of no
    meaning on the land of decoys; `novelty`: share of it that no frame before showed.
    """

    described: DescriptorMap
    place: tuple[float, float]
    flown: Float64
    truth: tuple[float, float]
    novelty: float


@dataclass(frozen=True)
class Land:
    """What a camera flies over: an orthophoto, of the map's land or of another, which makes decoys."""

    ortho: GeoImage
    descriptor: Descriptor

    @cached_property
    def image(self) -> Any:
        return self.ortho.image.astype(np.uint8)

    def places(self, side: int) -> list[tuple[float, float]]:
        """Middles (column, row) of the disjoint squares of `side` px that are land."""
        high, wide = self.ortho.valid.shape
        corners = [(col, row) for row in range(0, high - side + 1, side) for col in range(0, wide - side + 1, side)]
        return [(col + side / 2, row + side / 2) for col, row in corners
                if self.ortho.valid[row:row + side, col:col + side].mean() >= VALID]

    def shots(self, place: tuple[float, float], side: float, frames: int, error: float,
              rng: np.random.Generator) -> Iterator[Shot]:
        """Frames of a straight flight across a place, their heading known but for `error` radians; `side` px is the footprint's
        shorter one."""
        grid, terrain = self.ortho.grid, Terrain.flat()
        sight = nadir_sight(*IMAGE_SIZE, side * grid.gsd)
        view = View(self.image, self.ortho.valid, grid, terrain, sight.camera)
        yaw = float(rng.uniform(-np.pi, np.pi))
        exposure = Exposure.over(int(rng.integers(2 ** 31)), rng, frames, 1.0, night=False)
        start = np.array(grid.to_map(*place)) - (frames - 1) / 2 * STEP_PX * grid.gsd * _along(yaw)
        for i in range(frames):
            way = i * STEP_PX * grid.gsd
            pose = Pose.from_rpy(np.array([*(start + way * _along(yaw)), sight.height]), 0.0, 0.0, yaw)
            roll, pitch, higher = rng.uniform(-1, 1, 3) * (ATTITUDE, ATTITUDE, HEIGHT)
            believed = Pose.from_rpy(np.array([0.0, 0.0, sight.height * (1 + higher)]), roll, pitch, yaw + error)
            frame = Frame(i + 1, exposure.expose(view.render(pose)[0], i), sight.camera)
            patch, middle = footprint(frame, believed, terrain, grid.gsd, Options())
            x, y, _ = boresight_point(sight.camera, pose, terrain).tolist()
            yield Shot(self.descriptor.describe(patch, Prompt(Modality.OPTICAL)), middle, way * _along(yaw + error),
                       (x, y), min(STEP_PX / side, 1.0) if i else 1.0)


def _along(yaw: float) -> Float64:
    return np.array([np.cos(yaw), np.sin(yaw)])


class Products:
    """The product of what frames say, by heading and by the place of the first of them."""

    def __init__(self, overview: Overview, headings: Float64) -> None:
        self.grid = overview.grid
        self.headings = headings
        self.logs = np.zeros((len(headings), *self.grid.shape), np.float32)

    def take(self, index: int, layer: Layer, shot: Shot) -> None:
        """Multiply by what a layer says, scaled by the share of new ground."""
        told = np.where(layer.known, np.interp(layer.z, *LIKELIHOOD), 0).astype(np.float32)
        told = np.float32(shot.novelty) * np.log((1 - TELLS_NOTHING) * np.exp(told) + np.float32(TELLS_NOTHING))
        east, north = self.flown(index, shot)
        high, wide = self.grid.shape
        back = np.array([[1.0, 0.0, east / self.grid.gsd], [0.0, 1.0, -north / self.grid.gsd]])
        self.logs[index] += cv2.warpAffine(told, back, (wide, high), flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP)

    def best(self, shot: Shot) -> tuple[float, float, float]:
        """The likeliest place now, metres in `map`, and how much of the belief lies around it."""
        highest = self.logs.max(axis=0)
        top = float(highest.max())
        summed = np.zeros_like(highest)
        for layer in self.logs:
            summed += np.exp(layer - np.float32(top))
        row, col = (int(i) for i in np.unravel_index(int(np.argmax(highest)), highest.shape))
        near = int(NEAR_CELLS)
        around = summed[max(row - near, 0):row + near + 1, max(col - near, 0):col + near + 1]
        east, north = self.flown(int(np.argmax(self.logs[:, row, col])), shot)
        x, y = self.grid.to_map(col, row)
        return float(x) + east, float(y) + north, float(around.sum(dtype=np.float64) / summed.sum(dtype=np.float64))

    def flown(self, index: int, shot: Shot) -> tuple[float, float]:
        c, s = np.cos(self.headings[index]), np.sin(self.headings[index])
        east, north = shot.flown
        return float(c * east - s * north), float(s * east + c * north)


@dataclass(frozen=True)
class Search:
    """Where places are looked for: how well the heading is known, in radians, and how dense headings are tried: half a step moves
    the footprint's rim, and the end of a way of `way_px`, by `swing` cells."""

    overview: Overview
    known: float
    swing: float
    way_px: float

    def products(self, shot: Shot) -> Products:
        for_rim = 2 * self.known / len(headings_for(shot.described, self.overview, self.known, swing=self.swing))
        for_way = 2 * self.swing * self.overview.cell_px / max(self.way_px, 1.0)
        return Products(self.overview, headings_within(self.known, min(for_rim, for_way)))


@dataclass(frozen=True)
class Trial:
    """What one place came to.

    Of its first frame the z at the truth, the best z elsewhere, and the z of the truth's own cell and heading; `sure`: the
    first frame (1-based) after which one place holds SURE of the product, and whether that is the `right` one; `wrong`: whether
    any frame was sure of another place; `likeliest`: the first frame from which on the right place is the likeliest.
    """

    true_z: float
    false_z: float
    cell_z: float
    sure: int | None
    right: bool
    wrong: bool
    likeliest: int | None
    survey_ms: float


def trial(shots: Iterator[Shot], search: Search, error: float, of_map: bool) -> Trial:
    """Fly over a place until the frames end."""
    overview = search.overview
    products: Products | None = None
    reach = max(NEAR_PX * overview.grid.gsd / overview.cell_px, NEAR_CELLS * overview.grid.gsd)
    first: tuple[float, float, float] | None = None
    sure: int | None = None
    likeliest: int | None = None
    right = wrong = False
    spent: list[float] = []
    for i, shot in enumerate(shots, 1):
        products = products or search.products(shot)
        before = time.process_time()
        found = list(layers(shot.described, overview, products.headings, place=shot.place))
        spent.append((time.process_time() - before) * 1e3)
        for index, layer in enumerate(found):
            products.take(index, layer, shot)
        first = first or heights(found, overview, shot, error, of_map)
        x, y, share = products.best(shot)
        here = of_map and bool(np.hypot(x - shot.truth[0], y - shot.truth[1]) <= reach)
        likeliest = (likeliest or i) if here else None
        if share >= SURE:
            right, sure = (here, i) if sure is None else (right, sure)
            wrong |= not here
    assert first is not None
    return Trial(*first, sure, right, wrong, likeliest, float(np.median(spent)))


def heights(found: list[Layer], overview: Overview, shot: Shot, error: float, of_map: bool) -> tuple[float, float, float]:
    """The best z at the truth, the best elsewhere, and that in the truth's own cell at the nearest heading."""
    highest = np.max([layer.z for layer in found], axis=0)
    if not of_map:
        return np.nan, float(highest.max()), np.nan
    col, row = (float(value) for value in overview.grid.to_pixel(*shot.truth))
    rows, cols = np.mgrid[:highest.shape[0], :highest.shape[1]]
    away = np.hypot(rows - row, cols - col)
    nearest = min(found, key=lambda layer: abs(np.angle(np.exp(1j * (layer.heading + error)))))
    return (float(highest[away <= NEAR_CELLS].max(initial=-np.inf)), float(highest[away > 2 * NEAR_CELLS].max()),
            float(nearest.z[int(np.clip(round(row), 0, len(rows) - 1)), int(np.clip(round(col), 0, rows.shape[1] - 1))]))


def measure(land: Land, search: Search, side: int, args: argparse.Namespace, of_map: bool) -> list[Trial]:
    """One trial a disjoint place, drawn by the seed."""
    rng = np.random.default_rng(args.seed)
    track = int((args.frames - 1) * STEP_PX)
    places = land.places(side + track)
    trials = []
    for i in rng.permutation(len(places))[:args.places]:
        error = float(rng.uniform(-search.known, search.known))
        trials.append(trial(land.shots(places[i], side, args.frames, error, rng), search, error, of_map))
    return trials


def report(name: str, side: int, trials: list[Trial], frames: int) -> dict[str, Any]:
    """Print the figures of a row and return them."""
    def quantiles(values: list[float]) -> list[float]:
        return [round(float(value), 1) for value in np.nanquantile(values, QUANTILES)] if not np.isnan(values).all() else []

    def share(those: Iterator[bool]) -> float:
        return round(sum(those) / len(trials), 3)

    row: dict[str, Any] = {
        "land": name, "footprint_px": side, "places": len(trials),
        "first_frame_right": share(t.true_z > t.false_z for t in trials),
        "true_z": quantiles([t.true_z for t in trials]), "cell_z": quantiles([t.cell_z for t in trials]),
        "false_z": quantiles([t.false_z for t in trials]),
        "likeliest_within": {n: share((t.likeliest or frames + 1) <= n for t in trials) for n in COUNTS if n <= frames},
        "sure_within": {n: share(t.right and (t.sure or frames + 1) <= n for t in trials) for n in COUNTS if n <= frames},
        "sure_of_wrong": sum(t.wrong for t in trials), "survey_ms": round(float(np.median([t.survey_ms for t in trials]))),
    }
    print("  ".join(f"{key} {value}" for key, value in row.items()), flush=True)
    return row


def main(argv: list[str] | None = None) -> int:
    """`python -m benchmarks.lost --map MAP --optical ORTHO.tif`."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.lost", description=__doc__)
    parser.add_argument("--map", type=Path, required=True, metavar="DIR", help="a map whose descriptor has oriented channels")
    parser.add_argument("--optical", type=Path, required=True, metavar="TIF", help="an orthophoto of its land")
    parser.add_argument("--decoys", type=Path, metavar="TIF", help="an orthophoto of other land, to fly over in vain")
    parser.add_argument("--footprint-px", type=int, nargs="+", default=[512, 256, 160], metavar="PX", help="shorter side")
    parser.add_argument("--heading-known-deg", type=float, metavar="D", help="worst error of the heading; default: unknown")
    parser.add_argument("--cell-px", type=int, default=8, metavar="PX", help="side of a cell of the overview; default: 8")
    parser.add_argument("--swing", type=float, default=SWING, metavar="C",
                        help="cells that half a step between headings moves a footprint's rim; default: %(default)g")
    parser.add_argument("--frames", type=int, default=5, metavar="N", help="frames a place, 10 px apart; default: 5")
    parser.add_argument("--places", type=int, default=1000, metavar="N", help="at most so many of the disjoint places")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", type=Path, metavar="FILE")
    args = parser.parse_args(argv)
    try:
        reference = ReferenceMap.open(args.map)
        descriptor = load(reference.descriptor_name).oriented
        known = np.pi if args.heading_known_deg is None else np.deg2rad(args.heading_known_deg)
        search = Search(Overview.of(reference, args.cell_px), known, args.swing, (args.frames - 1) * STEP_PX)
        lands = [("map", Land(resample(args.optical, reference.frame, like=reference.grid), descriptor), True)]
        if args.decoys:
            lands.append(("decoys", Land(resample(args.decoys, map_frame(args.decoys), reference.gsd), descriptor), False))
    except InputError as error:
        print(f"lost: {error}", file=sys.stderr)
        return 1
    rows = [report(name, side, measure(land, search, side, args, of_map), args.frames)
            for side in args.footprint_px for name, land, of_map in lands]
    if args.json:
        write_json(args.json, rows)
    return 0


if __name__ == "__main__":
    sys.exit(main())
