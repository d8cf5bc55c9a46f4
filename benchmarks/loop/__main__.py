"""A simulated hour in a closed loop, and how honest the filter is however its attitude errs: `make loop`."""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from filter_model import BORESIGHT, YAW_RATE, Options
from tqdm import tqdm

from benchmarks.loop.closed import Loop
from benchmarks.loop.figures import figures_of
from benchmarks.loop.flight import Ground, LongFlight
from benchmarks.loop.sensors import Wrong
from promptmid_core.descriptors import load
from promptmid_core.documents import read_json
from promptmid_core.errors import InputError
from promptmid_core.files import write_json
from promptmid_core.localization.localizer import Localizer
from promptmid_core.refmap import ReferenceMap
from promptmid_core.simulation.flight.options import FlightOptions

HOUR_S, LAW_S = 3600.0, 600.0
OUTAGES = ((600.0, 60.0), (1500.0, 600.0))
PLACE_PX = 170.0  # over which errors of fixes repeat, at a patch of 256 px
WORLD_PX, WORLD_SEED = 2048, 41
AIMS = {"p95_px": 3.0, "images": 10, "sigmas": 3.0}


@dataclass(frozen=True)
class Case:
    """A flight of so many `seconds`: what is `wrong` with its sensors, and with its boresight in degrees, and what the filter
    takes."""

    seconds: float
    wrong: Wrong = field(default_factory=Wrong)
    boresight_deg: float = 0.0
    outages: tuple[tuple[float, float], ...] = ()
    fixes: str = "ground_point"


CASES = {
    "hour": Case(HOUR_S, outages=OUTAGES),
    "hour-attitude": Case(HOUR_S, Wrong(attitude_bias_deg=0.1), outages=OUTAGES),
    "hour-boresight": Case(HOUR_S, boresight_deg=0.5, outages=OUTAGES),
} | {
    f"{name}-{fixes}": Case(LAW_S, Wrong(attitude_s=lasts), fixes=fixes)
    for fixes in ("ground_point", "pose") for name, lasts in (("5s", 5.0), ("white", 0.0), ("60s", 60.0), ("constant", np.inf))
}


def fly(case: Case, name: str, ground: Ground, localizer: Localizer, rate_hz: float, seed: int) -> dict[str, Any]:
    """Fly a case and return its figures."""
    frames = round(case.seconds * rate_hz)
    tilted = float(case.boresight_deg / np.sqrt(2))
    options = FlightOptions.of(
        frames=frames, seed=seed, footprint_px=400, image_size=(640, 480), speed_mps=60.0, frame_rate_hz=rate_hz,
        boresight_error_deg=(tilted, -tilted, 0.0), outage_of="images",
        outage=tuple((round(at * rate_hz), lasts) for at, lasts in case.outages))
    flight = LongFlight.over(ground, options)
    localizer.reset()
    loop = Loop(flight, localizer, case.wrong, Options(fixes=case.fixes, place_lasts_m=PLACE_PX * ground.gsd), seed)
    with tqdm(total=round(case.seconds), desc=name, unit="s", mininterval=5) as bar:
        log = loop.fly(lambda second: bar.update(int(second) - bar.n))
    begins = flight.clock.stamped
    outages = [(float(begins[round(at * rate_hz)]), float(begins[round(at * rate_hz)]) + lasts) for at, lasts in case.outages]
    return figures_of(log, ground.gsd, outages, 1 / rate_hz) | _found(loop)


def _found(loop: Loop) -> dict[str, Any]:
    """What the filter counted, and what it says of the sensors at the end."""
    belief = loop.filter.belief
    assert belief is not None
    sigma = np.degrees(np.sqrt(np.diag(belief.covariance)[6:]))
    told = {"boresight_deg": [round(float(each), 4) for each in np.degrees(belief.beside[BORESIGHT])],
            "boresight_sigma_deg": [round(float(each), 4) for each in sigma[BORESIGHT]],
            "yaw_rate_bias_deg_s": round(float(np.degrees(belief.beside[YAW_RATE])), 5),
            "yaw_rate_sigma_deg_s": round(float(sigma[YAW_RATE]), 5)}
    return {"taken": loop.filter.taken, "rejected": loop.filter.rejected, "restarts": loop.filter.restarts,
            "late": loop.filter.late, **told}


def missed(name: str, figures: dict[str, Any]) -> list[str]:
    """Return the aims that an hour has missed, each as a sentence."""
    found = []
    if figures["error_px"]["p95"] > AIMS["p95_px"]:
        found.append(f"{name}: 95 % of errors are up to {figures['error_px']['p95']:g} px, more than {AIMS['p95_px']:g}")
    if figures["largest_jump"]["sigmas"] > AIMS["sigmas"]:
        found.append(f"{name}: a jump of {figures['largest_jump']['sigmas']:g} stated sigmas, more than {AIMS['sigmas']:g}")
    for outage in figures["outages"]:
        if outage["images_until_recovery"] is None or outage["images_until_recovery"] > AIMS["images"]:
            found.append(f"{name}: {outage['images_until_recovery']} images until recovery from {outage['seconds']:g} s without, "
                         f"more than {AIMS['images']}")
    return found


def prepare(out: Path, descriptor: str) -> tuple[Ground, ReferenceMap]:
    """Return a simulated world in the folder `out`, and its map; what exists is taken as it is."""
    from promptmid_core.refmap.build import BuildOptions, Sources, build_map
    from promptmid_core.simulation.world.options import WorldOptions
    from promptmid_core.simulation.world.simulate import simulate_world

    world, built = out / "world", out / f"map_{descriptor}"
    if not world.exists():
        simulate_world(world, WorldOptions.of(seed=WORLD_SEED, size_px=WORLD_PX))
    if not built.exists():
        build_map(Sources(world / "sar.tif", landcover=world / "landcover.tif", dem=world / "dem.tif"), built,
                  BuildOptions(load(descriptor)))
    reference = ReferenceMap.open(built)
    return Ground(world / "optical.tif", world / "dem.tif", reference.frame, reference.gsd), reference


def main(argv: list[str] | None = None) -> int:
    """`python -m benchmarks.loop --out DIR`; exit status 1 where an hour misses an aim. What DIR has figures of is not flown
    again."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.loop", description=__doc__)
    parser.add_argument("--cases", nargs="+", default=list(CASES), choices=list(CASES), metavar="CASE", help=", ".join(CASES))
    parser.add_argument("--descriptor", default="structural", choices=("structural", "promptmid"))
    parser.add_argument("--rate-hz", type=float, default=0.5, metavar="F", help="images a second; default: 0.5")
    parser.add_argument("--seed", type=int, default=5, metavar="N")
    parser.add_argument("--optical", type=Path, metavar="FILE", help="to fly over, with --map; default: a simulated world")
    parser.add_argument("--map", type=Path, metavar="MAP", help="map of it, built with the descriptor")
    parser.add_argument("--out", type=Path, default=Path("loop_out"), metavar="DIR")
    args = parser.parse_args(argv)
    if (args.optical is None) != (args.map is None):
        parser.error("--optical and --map go together")
    failures = []
    try:
        args.out.mkdir(parents=True, exist_ok=True)
        if args.map:
            reference = ReferenceMap.open(args.map)
            ground = Ground(args.optical, None, reference.frame, reference.gsd)
        else:
            ground, reference = prepare(args.out, args.descriptor)
        localizer = Localizer(reference, load(args.descriptor))
        for name in args.cases:
            kept = args.out / f"{name}.json"
            if kept.exists():
                figures = read_json(kept)
            else:
                figures = fly(CASES[name], name, ground, localizer, args.rate_hz, args.seed)
                write_json(kept, figures)
            print(name, *(f"{key} {value}" for key, value in figures.items()), sep="\n  ")
            failures += missed(name, figures) if name.startswith("hour") else []
    except InputError as error:
        print(f"loop: {error}", file=sys.stderr)
        return 1
    for sentence in failures:
        print(f"missed: {sentence}", file=sys.stderr)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
