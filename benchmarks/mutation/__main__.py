"""Run a sample of the mutants of matching, geometry, solve, intake and messages, and tell how many some test noticed."""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import sys
from collections import Counter
from dataclasses import asdict
from importlib.util import find_spec
from math import sqrt
from pathlib import Path
from typing import Any

from benchmarks.mutation.equivalent import EQUIVALENT
from benchmarks.mutation.mutants import Mutant, difference, mutants
from benchmarks.mutation.targets import TARGETS, stages
from benchmarks.mutation.trial import SURVIVED, hold, tried

ROOT = Path(__file__).resolve().parent.parent.parent
JUDGED = "equivalent"
Change = tuple[str, str]


class Journal:
    """The results so far, a line each, by mutant and by the text of its file; a run that was stopped goes on from here."""

    def __init__(self, path: Path) -> None:
        self._path = path
        lines = path.read_text().splitlines() if path.exists() else []
        self._found: dict[str, dict[str, Any]] = {each["key"]: each for each in map(json.loads, lines)}

    @staticmethod
    def key(mutant: Mutant, code: str) -> str:
        return f"{mutant.file} {mutant.operator} {mutant.occurrence} {hashlib.sha256(code.encode()).hexdigest()[:12]}"

    def result(self, key: str) -> str | None:
        found = self._found.get(key)
        return None if found is None else str(found["result"])

    def add(self, key: str, mutant: Mutant, result: str, becomes: str) -> None:
        entry = {"key": key, "result": result, "becomes": becomes} | asdict(mutant)
        self._found[key] = entry
        with self._path.open("a") as file:
            file.write(json.dumps(entry) + "\n")


def wilson(killed: int, run: int) -> tuple[float, float]:
    """The 95 % confidence interval of a share (Wilson 1927)."""
    if not run:
        return 0.0, 1.0
    z, share = 1.96, killed / run
    middle, half = share + z * z / (2 * run), z * sqrt(share * (1 - share) / run + z * z / (4 * run * run))
    return max((middle - half) / (1 + z * z / run), 0.0), min((middle + half) / (1 + z * z / run), 1.0)


def chosen(files: list[str], sample: int, seed: int) -> tuple[list[Mutant], int]:
    """Mutants drawn at random from all of some files, the judged ones apart; and how many there are in all."""
    every = [mutant for file in files for mutant in mutants(ROOT, file)]
    ordered = sorted(every, key=lambda mutant: mutant.place(seed))
    return (ordered[:sample] if sample else ordered), len(every)


class Limits:
    """The processor time that tests may take on a mutant, from what they take on the code as it is."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, ...], float] = {}

    def of(self, tests: tuple[str, ...]) -> float:
        """Return the limit; end the program where the tests fail as the code is."""
        if tests not in self._known:
            result, seconds, output = tried(ROOT, "", None, tests, 600)
            if result != SURVIVED:
                sys.exit(f"mutation: {' '.join(tests)} fail as the code is, so that they can judge no mutant:\n{output[-3000:]}")
            self._known[tests] = 5 * seconds + 10
            print(f"{seconds:.1f} s of processor time without a change: {' '.join(tests)}", flush=True)
        return self._known[tests]


def judge(mutant: Mutant, code: str, limits: Limits) -> str:
    """What became of a mutant of a code: noticed by the tests of its own file, else by whole frames, else not."""
    result = SURVIVED
    for tests in stages(mutant.file):
        result, _, _ = tried(ROOT, mutant.file, code, tests, limits.of(tests))
        if result != SURVIVED:
            break
    return result


def report(results: list[tuple[Mutant, str, Change]], all_of_them: int, least: float) -> int:
    by_file: dict[str, Counter[str]] = {}
    for mutant, result, _ in results:
        by_file.setdefault(mutant.file, Counter())[result] += 1
    print(f"\n{'file':45} {'run':>5} {'noticed':>8} {'survived':>9} {'equivalent':>11} {'rate':>7}")
    for file, counts in sorted(by_file.items()):
        _row(file, counts)
    total = sum(by_file.values(), Counter[str]())
    _row("all", total)
    run = sum(total.values()) - total[JUDGED]
    killed = run - total[SURVIVED]
    low, high = wilson(killed, run)
    print(f"\n{run + total[JUDGED]} of {all_of_them} mutants run; noticed {killed} of {run}, {killed / max(run, 1):.1%} "
          f"(95 % confidence {low:.1%} to {high:.1%}); of these {total['broken']} not even imported, {total['ended']} crashed or "
          f"out of time. {total[JUDGED]} judged equivalent are left out; with them it would be "
          f"{killed / max(run + total[JUDGED], 1):.1%}")
    for mutant, result, (was, becomes) in results:
        if result == SURVIVED:
            print(f"\n{mutant.file}:{mutant.line} {mutant.operator}\n  - {was}\n  + {becomes}")
    return 0 if killed >= least * run else 1


def _row(name: str, counts: Counter[str]) -> None:
    run = sum(counts.values()) - counts[JUDGED]
    rate = f"{1 - counts[SURVIVED] / run:7.1%}" if run else ""
    print(f"{name:45} {run:5} {run - counts[SURVIVED]:8} {counts[SURVIVED]:9} {counts[JUDGED]:11} {rate}")


def main() -> int:
    parser = argparse.ArgumentParser(prog="benchmarks.mutation", description=__doc__)
    parser.add_argument("files", nargs="*", help="files, or folders of them; all of benchmarks/mutation/targets.py by default")
    parser.add_argument("--sample", type=int, default=0, help="so many mutants, drawn at random; 0 for all")
    parser.add_argument("--seed", type=int, default=1, help="of the sample; with one seed a larger sample holds the smaller")
    parser.add_argument("--again", action="store_true", help="run those anew that survived before, as after tests were added")
    parser.add_argument("--least", type=float, default=0.85, help="share that has to be noticed, else the status is 1")
    parser.add_argument("--out", type=Path, default=Path("mutation_out"))
    arguments = parser.parse_args()
    files = [file for file in TARGETS if not arguments.files or any(Path(file).is_relative_to(each) for each in arguments.files)]
    if not files:
        sys.exit(f"mutation: nothing of {' '.join(arguments.files)} is mutated; benchmarks/mutation/targets.py lists what is")
    os.nice(10)
    # behind all else, so that the tests have the versions of their own
    sys.path.append(str((arguments.out / "tool").resolve()))
    if find_spec("cosmic_ray") is None:
        sys.exit(f"mutation: cosmic-ray is not there; 'make mutation' puts it into {arguments.out / 'tool'}")
    sample, every = chosen(files, arguments.sample, arguments.seed)
    print(f"{len(sample)} of {every} mutants of {len(files)} files", flush=True)
    journal = Journal(arguments.out / "journal.jsonl")
    hold()
    limits = Limits()
    codes = {file: (ROOT / file).read_text() for file in files}
    results = []
    for i, mutant in enumerate(sample):
        code = codes[mutant.file]
        changed = mutant.of(code)
        change = difference(code, changed)
        key = journal.key(mutant, code)
        result = JUDGED if (mutant.file, *change) in EQUIVALENT else journal.result(key)
        if result is None or (arguments.again and result == SURVIVED):
            result = judge(mutant, changed, limits)
            journal.add(key, mutant, result, change[1])
            print(f"{i + 1}/{len(sample)} {result:9} {mutant.file}:{mutant.line} {change[1]}", flush=True)
        results.append((mutant, result, change))
    return report(results, every, arguments.least)


if __name__ == "__main__":
    sys.exit(main())
