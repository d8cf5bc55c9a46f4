"""`python -m benchmarks.territory cost|simulate`: docs/territory.md."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from benchmarks.territory.cost import cost
from benchmarks.territory.simulation import simulate
from benchmarks.territory.stubs import Layout


def main() -> None:
    """Print what is measured, as JSON."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.territory")
    commands = parser.add_subparsers(dest="command", required=True)
    of_cost = commands.add_parser("cost")
    of_cost.add_argument("--descriptor", default="promptmid")
    of_cost.add_argument("--store", default="float16")
    of_cost.add_argument("--workers", type=int, default=64)
    of_cost.add_argument("--core-hour", type=float, default=0.05, help="price of an hour of a core")
    of_cost.add_argument("--gb-month", type=float, default=0.023, help="price of a gigabyte for a month")
    of_simulate = commands.add_parser("simulate")
    of_simulate.add_argument("--scenes", type=int, default=1000)
    of_simulate.add_argument("--px", type=int, default=1100, help="a side of a scene; 1100: 100,000 km2 of a thousand")
    of_simulate.add_argument("--workers", type=int, default=2)
    for command in (of_cost, of_simulate):
        command.add_argument("--out", type=Path, required=True, help="a new folder")
    args = parser.parse_args()
    if args.command == "cost":
        found = cost(args.descriptor, args.store, args.out, args.workers, args.core_hour, args.gb_month)
    else:
        found = simulate(Layout(args.scenes, args.px), args.out, args.workers)
    print(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
