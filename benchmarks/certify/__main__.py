"""`python -m benchmarks.certify`: decoys flown at many places, and their false fixes counted; it goes on where it was stopped."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from benchmarks.certify.ledger import Ledger, Record
from benchmarks.certify.plan import CLASSES, Plan
from benchmarks.certify.tally import honesty, rows, table
from promptmid_core.errors import InputError
from promptmid_core.files import write_json
from promptmid_core.scenario.stage import Stage
from promptmid_core.scenario.store import Store

WANTED_PLACES, WANTED_FRAMES = 100, 5000


def main(argv: list[str] | None = None) -> int:
    """Fly all classes, or those that are named; exit status 1 where a fix was false or decoys were too few to tell."""
    names = [each.name for each in CLASSES]
    parser = argparse.ArgumentParser(prog="python -m benchmarks.certify", description=__doc__)
    parser.add_argument("--only", metavar="CLASS", action="append", default=[], choices=names,
                        help=f"one of {', '.join(names)}; may be repeated".replace("%", "%%"))
    parser.add_argument("--flight", metavar="TEXT", help="only flights whose name has this text, flown anew whatever is kept")
    parser.add_argument("--share", type=float, default=1.0, metavar="S", help="of the places, for a look; default: 1")
    parser.add_argument("--out", type=Path, default=Path("certify_out"), metavar="DIR", help="keeps worlds, maps, flights, "
                        "and what each flight came to; default: certify_out")
    args = parser.parse_args(argv)
    plan = Plan(only=args.only, share=args.share)
    try:
        records = fly_all(plan, args.out, args.flight)
        found = rows(plan.classes, records)
        honest = honesty(plan.classes, records)
        write_json(args.out / "certify.json", {
            "classes": found, "hypotheses": honest, "skipped": plan.skipped,
            "left_out": {record["name"]: record["left_out"] for record in records if "left_out" in record},
            "false_fixes": [record for record in records if record.get("false_fixes")]})
    except InputError as error:
        print(f"certify: {error}", file=sys.stderr)
        return 1
    print(table(found, honest))
    short = found[-1]["places"] < WANTED_PLACES or found[-1]["frames"] < WANTED_FRAMES
    if short:
        print(f"\nToo few to certify: {WANTED_PLACES} places and {WANTED_FRAMES} frames of decoys are wanted.")
    return int(short or any(row["false_fixes"] for row in found))


def fly_all(plan: Plan, out: Path, named: str | None = None) -> list[Record]:
    """Return what the flights of a plan came to, told of as they are flown; those whose name has the text `named`, anew."""
    stage = Stage(Store(out / "work"), lambda _: None)
    ledger = Ledger(out / "flights", stage)
    records = []
    for task in plan.tasks(stage):
        if named is None or named in task.name:
            record, flown = ledger.record(task, anew=named is not None)
            records.append(record)
            print(line(record, flown), flush=True)
    for name, why in plan.skipped.items():
        print(f"skipped: {name}, as {why}")
    return records


def line(record: Record, flown: bool) -> str:
    """Return what a flight came to in a line, with one for each false fix."""
    if "left_out" in record:
        return f"{record['class']}: {record['name']}: left out, {record['left_out']}"
    text = (f"{record['class']}: {record['name']}: {record['frames']} of {record['flown']} frames, {record['fixes']} fixes, "
            f"{len(record['false_fixes'])} false" + ("" if flown else " (kept)"))
    return "\n".join([text, *(f"  FALSE {false}" for false in record["false_fixes"])])


if __name__ == "__main__":
    sys.exit(main())
