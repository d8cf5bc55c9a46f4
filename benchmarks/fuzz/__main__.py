"""`python -m benchmarks.fuzz [TARGET ...] --seconds S`; exit status 1 where a target fails on a case."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

from benchmarks.fuzz.documents import Documents, Json
from benchmarks.fuzz.fuzzer import Tally, Target, fuzz
from benchmarks.fuzz.maps import Bytes, Headers
from benchmarks.fuzz.messages import Images, Messages


def _running() -> Target:
    # where ROS 2 is, and only then
    from benchmarks.fuzz.node import Running

    return Running()


TARGETS: dict[str, Callable[[], Target]] = {
    **{target.name: target for target in (Messages, Images, Headers, Bytes, Documents, Json)}, "node": _running}
SECONDS = 60.0
# numbers of cases of seed 0, by target, that failed once or show what a target does
CORPUS = Path(__file__).parent / "corpus.json"


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.fuzz", description="Give the program hostile input, case by case.",
        epilog="example: python -m benchmarks.fuzz images --seed 7 --case 1234")
    parser.add_argument("targets", nargs="*", choices=[[], *TARGETS], metavar="TARGET",
                        help=f"{', '.join(TARGETS)}; default: all")
    parser.add_argument("--seconds", type=float, default=SECONDS, metavar="S", help=f"for each target; default: {SECONDS:g}")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="default: 0")
    parser.add_argument("--case", type=int, metavar="N", help="this case alone, as a failure names it")
    args = parser.parse_args(argv)
    tallies = []
    for name in args.targets or TARGETS:
        target = TARGETS[name]()
        try:
            only = None if args.case is None else range(args.case, args.case + 1)
            tallies.append(fuzz(target, args.seed, args.seconds if only is None else None, only))
        finally:
            target.close()
        tell(tallies[-1], args.seed)
    failed = sum(tally.failed for tally in tallies)
    print(f"{sum(tally.executions for tally in tallies):,} executions of {len(tallies)} targets, {failed} failures")
    return 1 if failed else 0


def tell(tally: Tally, seed: int) -> None:
    """Print what came of a target's cases."""
    for number, trace in tally.failures.items():
        again = f"python -m benchmarks.fuzz {tally.name} --seed {seed} --case {number}"
        print(f"{tally.name} failed on case {number}: {again}\n{trace}", file=sys.stderr)
    outcomes = ", ".join(f"{outcome} {count:,}" for outcome, count in tally.outcomes.most_common())
    print(f"{tally.name:12}{tally.executions:>12,} executions{tally.failed:>6} failures: {outcomes}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
