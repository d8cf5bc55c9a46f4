"""`python -m benchmarks.faults`."""

from __future__ import annotations

import argparse
import signal
import sys
from pathlib import Path
from typing import Any

from benchmarks.faults import rounds
from benchmarks.faults.cameras import CAMERAS
from benchmarks.faults.clocks import CLOCKS
from benchmarks.faults.fault import Fault
from benchmarks.faults.images import IMAGES
from benchmarks.faults.maps import MAPS
from benchmarks.faults.priors import PRIORS
from benchmarks.faults.run import Faults, Result, summary
from benchmarks.faults.scene import prepare
from benchmarks.faults.system import SYSTEM
from promptmid_core.cli.parsing import positive_number
from promptmid_core.errors import InputError
from promptmid_core.files import write_json
from promptmid_ros.rehearsal.live import isolate, ros_node

ROUNDS = 500


def all_faults(number: int = ROUNDS) -> dict[str, Fault]:
    """Return all faults by their names; those of rounds with so many."""
    return {fault.name: fault for fault in (*IMAGES, *CAMERAS, *CLOCKS, *PRIORS, *MAPS, *SYSTEM, *rounds.of(number))}


def main(argv: list[str] | None = None) -> int:
    """Do all faults, or those that are named; exit status 1 where the node did not withstand one."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.faults", description=__doc__)
    parser.add_argument("--only", metavar="NAME", action="append", choices=sorted(all_faults()),
                        help="one fault; may be repeated")
    parser.add_argument("--rounds", type=positive_number, default=ROUNDS, metavar="N",
                        help=f"of lifecycle and reload_map; default: {ROUNDS}")
    parser.add_argument("--list", action="store_true", help="print the faults and do none")
    parser.add_argument("--json", type=Path, metavar="FILE", help="default: faults.json in the folder of --out")
    parser.add_argument("--out", type=Path, default=Path("faults_out"), metavar="DIR")
    args = parser.parse_args(argv)
    known = all_faults(int(args.rounds))
    if args.list:
        for fault in known.values():
            print(f"{fault.name:26} {fault.about}")
        return 0
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    isolate(args.out)
    faults = [known[name] for name in args.only or known]
    results: list[Result] = []
    try:
        scene = prepare(args.out, *sorted({fault.descriptor for fault in faults}))
        with ros_node("faults") as node:
            for result in Faults(node, scene, args.out).run(faults):
                results.append(result)
                print(_line(result), flush=True)
    except (InputError, KeyboardInterrupt) as error:
        print(f"faults: {str(error) or 'interrupted'}", file=sys.stderr)
        return 1
    finally:
        figures = summary(results)
        write_json(args.json or args.out / "faults.json", figures)
        print(_totals(figures))
    return 1 if figures["failed"] or len(results) < len(faults) else 0


def _line(result: Result) -> str:
    reasons = " ".join(f"{reason}:{count}" for reason, count in sorted(result.reasons.items(), key=lambda item: -item[1]))
    recovery = "-" if result.recovery is None else str(result.recovery)
    verdict = f"FAILED: {result.failure}" if result.failure else "withstood"
    return (f"{result.name:26} {result.images:4d} images {result.verdicts:4d} verdicts, fix after {recovery:>2}, "
            f"{result.seconds:6.1f} s  {verdict}  [{reasons}]" + (f" {result.figures}" if result.figures else ""))


def _totals(figures: dict[str, Any]) -> str:
    return (f"{figures['faults']} faults, {figures['failed']} failed; {figures['images']} images sent, "
            f"{figures['verdicts']} verdicts, {figures['fixes']} fixes, {figures['false_fixes']} false, "
            f"the worst fix {figures['worst_px']:g} px off")


if __name__ == "__main__":
    sys.exit(main())
