"""Honesty by strata: fixes over disjoint pieces of known ground, so that each is an independent sample.

    python -m benchmarks.strata --stratum hills world_1 world_2 --stratum city chip_1 --descriptor promptmid --out strata_out

A ground is a folder with optical.tif and sar.tif, and where there are, dem.tif and landcover.tif, as `promptmid simulate world`
writes them. Over each piece as large as what is matched one frame is taken, at any heading, with a prior that is off as it
states. Told for each stratum and footprint: the share of errors inside their 50 and 95 % ellipse, of ground point and position,
and how often errors exceed their protection level. Results of a ground are kept in --out, and are not made anew.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from promptmid_core.arrays import Float64
from promptmid_core.calibration.errors import Placed, placed
from promptmid_core.calibration.ground import KnownGround
from promptmid_core.descriptors import Descriptor, load
from promptmid_core.descriptors.tail import UNKNOWN, Tail
from promptmid_core.files import make_folder, write_json
from promptmid_core.localization.protection import OtherPlaces, protected
from promptmid_core.replay.run import D2_50, D2_95
from promptmid_core.replay.shares import bound95

RISKS = 1e-2, 1e-3
NEAR_PX = 24.0  # places as near as that to a fix are its own
SEED = 11


def main() -> None:
    """Run the strata that are asked for and print their table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--stratum", nargs="+", action="append", required=True, metavar=("NAME", "GROUND"))
    parser.add_argument("--descriptor", default="promptmid")
    parser.add_argument("--footprints-px", type=float, nargs="+", default=[160.0, 256.0, 480.0])
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    descriptor = load(args.descriptor, threads=1)
    make_folder(args.out / "grounds")
    rows = []
    for name, *folders in args.stratum:
        for footprint in args.footprints_px:
            found = [row for folder in folders for row in rows_of(Path(folder), descriptor, footprint, args.out)]
            rows.append({"stratum": name, "footprint_px": footprint, "descriptor": descriptor.name, **figures(found)})
            print(line(rows[-1]), flush=True)
    whole = {"stratum": "all", "footprint_px": None, "descriptor": descriptor.name,
             **figures([row for name, *folders in args.stratum for footprint in args.footprints_px for folder in folders
                        for row in rows_of(Path(folder), descriptor, footprint, args.out)])}
    print(line(whole))
    write_json(args.out / f"strata_{descriptor.name.replace(':', '_')}.json", [*rows, whole])


def rows_of(folder: Path, descriptor: Descriptor, footprint: float, out: Path) -> list[dict[str, Any]]:
    """The rows of a ground, of the file that keeps them where there is one."""
    kept = out / "grounds" / f"{folder.resolve().name}-{descriptor.name.replace(':', '_').replace('/', '_')}-{footprint:g}.json"
    if not kept.exists():
        ground = KnownGround.open(folder, descriptor, out / "maps")
        calibration = descriptor.calibration
        tail = calibration.errors if calibration else UNKNOWN
        rows = [None if each is None else row(each, tail) for each in placed([ground], descriptor, SEED, (footprint, footprint))]
        write_json(kept, {"pieces": len(rows), "rows": [each for each in rows if each]})
    rows = json.loads(kept.read_text())["rows"]
    return list(rows)


def row(each: Placed, tail: Tail) -> dict[str, Any]:
    """What is kept of a fix."""
    fix = each.fix
    assert fix.pose and fix.ground and fix.parts and fix.covariance is not None
    places = [(pose.position[:2], probability) for pose, probability in fix.places]
    others = OtherPlaces.of(fix.pose.position[:2], places, NEAR_PX * each.gsd, fix.elsewhere)
    levels = {f"{risk:g}": protected(fix.ground.parts, fix.parts, tail, risk, others, fix.ground.separation) for risk in RISKS}
    return {
        "off_px": float(np.hypot(*each.off)) / each.gsd, "position_px": float(np.hypot(*each.position_off)) / each.gsd,
        "d2": distance2(each.position_off, fix.covariance[:2, :2]), "d2_ground": distance2(each.off, fix.ground.covariance),
        "score": each.score,
        "levels": {risk: {"position_px": level.position / each.gsd, "ground_px": level.ground / each.gsd,
                          "certified": level.certified} for risk, level in levels.items()},
    }


def distance2(error: Float64, covariance: Float64) -> float:
    return float(error @ np.linalg.solve(covariance, error))


def figures(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Shares and levels of independent fixes."""
    if not rows:
        return {"fixes": 0}
    told: dict[str, Any] = {"fixes": len(rows), "false": sum(each["off_px"] > 5 for each in rows),
                            "median_px": float(np.median([each["off_px"] for each in rows])),
                            "p95_px": float(np.percentile([each["off_px"] for each in rows], 95))}
    for name, key in (("ground", "d2_ground"), ("position", "d2")):
        told |= {f"coverage95_{name}": share(each[key] <= D2_95 for each in rows),
                 f"coverage50_{name}": share(each[key] <= D2_50 for each in rows)}
    for risk in map("{:g}".format, RISKS):
        levels = [each["levels"][risk] for each in rows]
        exceeded = sum(each["position_px"] > level["position_px"] for each, level in zip(rows, levels, strict=True))
        ground = sum(each["off_px"] > level["ground_px"] for each, level in zip(rows, levels, strict=True))
        told[f"protection_{risk}"] = {
            "level_px_median": float(np.median([level["position_px"] for level in levels])), "exceeded": exceeded,
            "bound": bound95(exceeded, len(rows)), "exceeded_ground": ground,
            "over_p95": float(np.median([level["position_px"] for level in levels])
                              / np.percentile([each["position_px"] for each in rows], 95))}
    return told


def share(those: Iterable[bool]) -> float:
    return float(np.mean(list(those)))


def line(row: dict[str, Any]) -> str:
    """A row for people."""
    head = f"{row['stratum']:12}{row['footprint_px'] or '':>6} {row['descriptor']:12}{row['fixes']:>6}"
    if not row["fixes"]:
        return head
    levels = "   ".join(f"{risk:g}: {told['exceeded']}/{told['exceeded_ground']} beyond {told['level_px_median']:.1f} px"
                        f" ({told['over_p95']:.1f} of p95)" for risk in RISKS for told in [row[f"protection_{risk:g}"]])
    return (f"{head}{row['false']:>4} false{row['median_px']:>7.2f} px"
            f"   ground {row['coverage50_ground']:.2f} {row['coverage95_ground']:.2f}"
            f"   position {row['coverage50_position']:.2f} {row['coverage95_position']:.2f}   {levels}")


if __name__ == "__main__":
    main()
