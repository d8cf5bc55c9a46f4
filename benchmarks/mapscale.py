"""What the map store promises, measured: build rate, room, queries, memory, kills, flipped bits. `make scale` runs it all."""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from numpy.typing import NDArray

from promptmid_core.descriptors import Descriptor, load
from promptmid_core.descriptors.name import FAMILIES, STRUCTURAL
from promptmid_core.geometry import ChannelGroup, DescriptorMap, Grid, Patch
from promptmid_core.prompts.prompt import Modality, Prompt
from promptmid_core.prompts.vocabulary import Vocabulary
from promptmid_core.refmap import ReferenceMap, verify_map
from promptmid_core.refmap.build import BuildOptions, Crew, Sources, build_map
from promptmid_core.refmap.build.plan import plan_build
from promptmid_core.refmap.build.workers import default_workers
from promptmid_core.refmap.format.arrays import create, metadata_files, plan, write_tile
from promptmid_core.refmap.format.header import Header
from promptmid_core.refmap.format.manifest import Built, Content, Manifest
from promptmid_core.refmap.format.quantisation import STORES
from promptmid_core.refmap.tile import Tile

BLOCK_PX = 512
DEM_STRIDE = 4
QUERY_PX = 384
PLACES = 12
GIB = 2 ** 30
FAMILY_CHANNELS = 16  # those of the family that the room of a map is promised for


class Timed:
    """A descriptor that counts the processor time spent in it, whatever thread that was."""

    def __init__(self, inner: Descriptor) -> None:
        self.inner = inner
        self.seconds: list[float] = []
        self.name, self.stride, self.halo, self.fingerprint = inner.name, inner.stride, inner.halo, inner.fingerprint
        self.text_encoder, self.evidence, self.choice = inner.text_encoder, inner.evidence, inner.choice

    def groups(self, modality: Modality) -> tuple[ChannelGroup, ...]:
        return self.inner.groups(modality)

    def describe(self, patch: Patch, prompt: Prompt) -> DescriptorMap:
        before = time.thread_time()
        described = self.inner.describe(patch, prompt)
        self.seconds.append(time.thread_time() - before)
        return described


@dataclass(frozen=True)
class Rate:
    """A build: wall time, processor time of all of it and of the descriptor alone, in seconds."""

    mpx: float
    workers: int
    wall: float
    processor: float
    describe: float

    def __str__(self) -> str:
        return (f"{self.mpx:8.1f} {self.workers:7d} {self.wall:8.1f} {self.mpx / self.wall:8.2f} {self.processor:8.1f} "
                f"{self.describe:9.1f} {self.wall * self.workers / self.describe:14.2f} "
                f"{self.wall * self.workers / self.processor:15.2f}")

    HEADING = ("     Mpx workers   wall s    Mpx/s    cpu s describe s  wall/(desc/w)  wall/(cpu/w)")


def simulated_sar(path: Path, side: int, seed: int = 1) -> Path:
    """Return a square GeoTIFF of `side` pixels of 10 m in World Mercator, speckle over rolling brightness, written block by
    block."""
    import rasterio
    from rasterio.transform import from_origin
    from rasterio.windows import Window

    rng = np.random.default_rng(seed)
    speckle = rng.gamma(4, 12, (4, BLOCK_PX, BLOCK_PX))
    with rasterio.open(path, "w", driver="GTiff", width=side, height=side, count=1, dtype="uint8", nodata=0, tiled=True,
                       blockxsize=BLOCK_PX, blockysize=BLOCK_PX, crs="EPSG:3395", BIGTIFF="IF_SAFER",
                       transform=from_origin(-13_183_740, 4_017_420, 10, 10)) as target:
        for row in range(0, side, BLOCK_PX):
            for col in range(0, side, BLOCK_PX):
                height, width = min(BLOCK_PX, side - row), min(BLOCK_PX, side - col)
                wave = 1.2 + np.sin((row + np.arange(height))[:, None] / 90) * np.cos((col + np.arange(width)) / 70)
                block = (speckle[rng.integers(4), :height, :width] * wave).clip(1, 255)
                target.write(block.astype(np.uint8), 1, window=Window(col, row, width, height))
    return path


def build_rate(sar: Path, folder: Path, workers: int, repeats: int = 3, name: str = "structural") -> Rate:
    """Return the build whose wall time is the median of `repeats`."""
    rates = []
    for i in range(repeats):
        descriptor, out = Timed(load(name, threads=1)), folder / f"rate_{i}"
        wall, processor = time.perf_counter(), time.process_time()
        built = build_map(Sources(sar), out, BuildOptions(descriptor), Crew(workers=workers))
        wall, processor = time.perf_counter() - wall, time.process_time() - processor
        rates.append(Rate(built.grid.width * built.grid.height / 1e6, workers, wall, processor, sum(descriptor.seconds)))
        shutil.rmtree(out)
    return sorted(rates, key=lambda rate: rate.wall)[len(rates) // 2]


@dataclass(frozen=True)
class Size:
    """The room of a map in bytes per level-0 pixel: its level-0 descriptors, those for one channel, and all of its files."""

    store: str
    descriptors: float
    channel: float
    total: float

    def __str__(self) -> str:
        columns = (self.descriptors, FAMILY_CHANNELS * self.channel, self.total)
        return f"{self.store:8}" + "".join(f"{column / gsd ** 2:16.4f}" for gsd in (10, 1) for column in columns)

    HEADING = (f"{'':8}{'at 10 m':>16}{'':32}{'at 1 m':>16}\n{'store':8}"
               + 2 * f"{'descriptors':>16}{f'of {FAMILY_CHANNELS} channels':>16}{'all files':>16}")


def sizes(sar: Path, folder: Path, workers: int) -> list[Size]:
    """Return the room of a map of this raster by store."""
    found = []
    for store in STORES:
        built = build_map(Sources(sar), folder / f"size_{store}", BuildOptions(load("structural"), store=store),
                          Crew(workers=workers))
        pixels = built.grid.width * built.grid.height
        described, total = (sum(file.stat().st_size for file in path.rglob("*") if file.is_file()) / pixels
                            for path in (built.path / "0/descriptors", built.path))
        found.append(Size(store, described, described / built.channels, total))
        shutil.rmtree(built.path)
    return found


@dataclass(frozen=True)
class Cost:
    """Medians in milliseconds: opening a map, a window read for the first time, again from memory, and the ground under it."""

    tiles: int
    open: float
    cold: float
    warm: float
    ground: float

    def __str__(self) -> str:
        return f"{self.tiles:8d} {self.open:9.2f} {self.cold:9.2f} {self.warm:9.2f} {self.ground:9.2f}"

    HEADING = "   tiles   open ms   cold ms   warm ms ground ms"


def query_costs(sar: Path, folder: Path, sizes: tuple[int, ...], repeats: int = 5) -> list[Cost]:
    """Return the cost of queries on sparse maps of about so many tiles; the maps take turns, so that all see the same machine."""
    maps = [sparse(sar, folder / f"sparse_{tiles}", tiles) for tiles in sizes]
    taken: list[list[tuple[float, ...]]] = [[] for _ in maps]
    for _ in range(repeats):
        for (path, places), times in zip(maps, taken, strict=True):
            for place in places:
                times.append(_query(path, place))
    return [Cost(tiles, *(1e3 * median(column) for column in zip(*times, strict=True)))
            for tiles, times in zip(sizes, taken, strict=True)]


def _query(path: Path, tile: Tile) -> tuple[float, ...]:
    """Seconds to open a map, to read a window for the first time, and again, and the heights under it."""
    moments = [time.perf_counter()]
    reference = ReferenceMap.open(path)
    moments.append(time.perf_counter())
    for _ in range(2):
        window = reference.descriptors(tile.col, tile.row, QUERY_PX, QUERY_PX)
        assert window.valid.all()
        moments.append(time.perf_counter())
    rim = (tile.width - QUERY_PX) // 2  # beyond the tile a sparse map has no heights
    heights = reference.terrain().on_grid(reference.grid.cut(tile.col + rim, tile.row + rim, QUERY_PX, QUERY_PX))
    assert heights.any()
    moments.append(time.perf_counter())
    return tuple(np.diff(moments).tolist())


def sparse(sar: Path, path: Path, tiles: int) -> tuple[Path, list[Tile]]:
    """A map of that many tiles of which a few, at random places, have files; and those. The manifest names all the others too."""
    task = plan_build(path, Sources(sar), BuildOptions(load("structural"), levels=1), Vocabulary())
    side = task.header.tile_px
    across = max(1, round(tiles ** 0.5))
    grid = Grid(task.header.grid.x, task.header.grid.y, task.header.grid.gsd, across * side, -(-tiles // across) * side)
    inputs = task.header.inputs | {"dem": "0" * 64}
    header = replace(task.header, grid=grid, dem_stride=DEM_STRIDE, dem_range=(0.0, 100.0), inputs=inputs)
    path.mkdir(parents=True)
    create(path, header)
    rng, every = np.random.default_rng(tiles), list(header.tiles())
    places = [every[i] for i in rng.choice(len(every), min(PLACES, len(every)), replace=False)]
    for tile in places:
        write_tile(path, header, tile, _noise(header, tile, rng))
    files = {f"0/descriptors/c/0/{tile.row // side}/{tile.col // side}": "0" * 64 for tile in every}
    files |= {file.as_posix(): "0" * 64 for file in metadata_files(header)}
    Manifest(files, Content(header.to_dict(), 1.0, 1.0, None, {}, 0), Built("", 0.0, "", {}, {})).write(path)
    return path, places


def _noise(header: Header, tile: Tile, rng: np.random.Generator) -> dict[str, NDArray[np.generic]]:
    values: dict[str, NDArray[np.generic]] = {}
    for name, array in plan(header, 0).items():
        shape = (*array.shape[:-2], tile.height // array.stride, tile.width // array.stride)
        values[name] = np.ones(shape, bool) if array.dtype == "bool" else (rng.random(shape) * 100).astype(array.dtype)
    return values


def _command(sar: Path, out: Path, workers: int) -> list[str]:
    return [sys.executable, "-m", "promptmid_core.cli", "map", "build", str(sar), str(out), "--descriptor", "structural",
            "--workers", str(workers)]


def peak_memory(sar: Path, out: Path, workers: int) -> int:
    """Return how many bytes a build in a process of its own had in memory at most."""
    # not ru_maxrss, which begins with what the process had that started this one
    program = ("import sys; from pathlib import Path; from promptmid_core import cli; code = cli.main(sys.argv[1:]); "
               "print(Path('/proc/self/status').read_text().partition('VmHWM:')[2].split()[0]); sys.exit(code)")
    done = subprocess.run([sys.executable, "-c", program, *_command(sar, out, workers)[3:]], capture_output=True, text=True,
                          check=True, env=os.environ | {"TQDM_DISABLE": "1"})
    return int(done.stdout.splitlines()[-1]) * 1024


def random_kills(sar: Path, folder: Path, kills: int, workers: int, seed: int = 1) -> tuple[int, bool]:
    """Kill a build at random moments and start it again; how often that hit it, and whether it ended as the undisturbed one."""
    rng = np.random.default_rng(seed)
    started = time.perf_counter()
    subprocess.run(_command(sar, folder / "undisturbed", workers), check=True, capture_output=True)
    whole = time.perf_counter() - started
    hits = 0
    while hits < kills:
        builder = subprocess.Popen(_command(sar, folder / "killed", workers), stderr=subprocess.DEVNULL,
                                   stdout=subprocess.DEVNULL)
        try:
            if builder.wait(rng.uniform(0.1, 1.0) * whole):
                raise subprocess.CalledProcessError(builder.returncode, "promptmid map build")
        except subprocess.TimeoutExpired:
            builder.kill()
            hits += builder.wait() != 0
        if (folder / "killed/manifest.json").exists():
            # this one is finished: the rest of the kills go to a new one, and the two must be equal too
            if not _equal(folder / "killed", folder / "undisturbed"):
                return hits, False
            shutil.rmtree(folder / "killed")
    subprocess.run(_command(sar, folder / "killed", workers), check=True, capture_output=True)
    return hits, _equal(folder / "killed", folder / "undisturbed")


def _equal(one: Path, other: Path) -> bool:
    files: list[Any] = [json.loads((path / "manifest.json").read_bytes())["files"] for path in (one, other)]
    return bool(files[0] == files[1])


def flipped_bits(path: Path, flips: int, seed: int = 1) -> int:
    """Return how many of so many single bits, flipped at random places of a map one at a time, `verify` finds."""
    rng, found = np.random.default_rng(seed), 0
    files = [file for file in sorted(path.rglob("*")) if file.is_file() and file.name != "manifest.json"]
    sizes = np.array([file.stat().st_size for file in files], float)
    for _ in range(flips):
        file = files[rng.choice(len(files), p=sizes / sizes.sum())]
        sound = file.read_bytes()
        spoilt = bytearray(sound)
        spoilt[rng.integers(len(spoilt))] ^= 1 << rng.integers(8)
        file.write_bytes(spoilt)
        found += verify_map(path) == [file.relative_to(path).as_posix()]
        file.write_bytes(sound)
    return found


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.mapscale", description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("scale_out"), help="a folder for what is made; new or empty")
    parser.add_argument("--sar", type=Path, help="the raster of build rate and bytes; default: a simulated one of 12.6 Mpx")
    parser.add_argument("--mpx", type=float, default=1000, help="pixels of the raster of the memory test, in millions")
    parser.add_argument("--workers", type=int, default=default_workers())
    parser.add_argument("--descriptor", default=STRUCTURAL, choices=FAMILIES, help="that of the build rate; default: %(default)s")
    parser.add_argument("--only", choices=("rate", "bytes", "query", "memory", "kill", "flip"), help="one measurement alone")
    args = parser.parse_args(argv)
    args.out.mkdir(parents=True, exist_ok=True)
    small = simulated_sar(args.out / "small.tif", 1600)
    steps: dict[str, Callable[[], None]] = {
        "rate": lambda: _show_rate(args), "bytes": lambda: _show_sizes(args), "query": lambda: _show_query(small, args),
        "memory": lambda: _show_memory(args), "kill": lambda: _show_kills(small, args), "flip": lambda: _show_flips(small, args)}
    for name, step in steps.items():
        if args.only in (None, name):
            step()
            print(flush=True)


def _raster(args: argparse.Namespace) -> Path:
    return args.sar or simulated_sar(args.out / "rate.tif", 3550)


def _show_sizes(args: argparse.Namespace) -> None:
    # per pixel the room does not depend on the pixel's size
    print(f"room in MB per square kilometre: level-0 descriptors, the same of {FAMILY_CHANNELS} channels, all files")
    print(Size.HEADING)
    for size in sizes(_raster(args), args.out, args.workers):
        print(size)


def _show_rate(args: argparse.Namespace) -> None:
    sar = _raster(args)
    print(f"build rate, median of 3\n{Rate.HEADING}")
    for workers in sorted({1, args.workers}):
        print(build_rate(sar, args.out, workers, name=args.descriptor), flush=True)


def _show_query(small: Path, args: argparse.Namespace) -> None:
    print(f"query of {QUERY_PX} x {QUERY_PX} px, medians\n{Cost.HEADING}")
    for cost in query_costs(small, args.out, (10, 1000, 100_000)):
        print(cost)


def _show_memory(args: argparse.Namespace) -> None:
    side = round((args.mpx * 1e6) ** 0.5)
    started = time.perf_counter()
    peak = peak_memory(simulated_sar(args.out / "large.tif", side), args.out / "large", args.workers)
    print(f"peak memory of a build of {side ** 2 / 1e6:.0f} Mpx with {args.workers} workers: {peak / GIB:.2f} GiB "
          f"({time.perf_counter() - started:.0f} s)")


def _show_kills(small: Path, args: argparse.Namespace) -> None:
    hits, equal = random_kills(small, args.out, 20, args.workers)
    print(f"{hits} random kill -9, resumed each time: files {'equal' if equal else 'NOT equal'} to the undisturbed")


def _show_flips(small: Path, args: argparse.Namespace) -> None:
    build_map(Sources(small), args.out / "flipped", BuildOptions(load("structural")), Crew(workers=args.workers))
    print(f"{flipped_bits(args.out / 'flipped', 50)} of 50 flipped bits found by verify")


if __name__ == "__main__":
    main()
