"""`promptmid demo`: the other commands, one after the other."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from promptmid_core.cli.parsing import command
from promptmid_core.errors import InputError


def add(commands: Any) -> None:
    """Declare the commands of this family."""
    show = command(commands, "demo", _demo,
                   "from a simulated world to a report, in one command", "promptmid demo --out demo_out")
    show.add_argument("--out", type=Path, default=Path("demo_out"), metavar="DIR")
    show.add_argument("--seed", type=int, default=1)
    show.add_argument("--frames", type=int, default=120)


def _demo(args: argparse.Namespace) -> None:
    from promptmid_core.evaluation.demo import demo

    demo(args.out, seed=args.seed, frames=args.frames, run=_step)


def _step(words: list[str]) -> None:
    """Run a command as its user would type it; a step that fails ends the demo with that step's own sentence."""
    from promptmid_core.cli import parser

    print(f"\n$ promptmid {' '.join(words)}", flush=True)
    args = parser().parse_args(words)
    args.command = f"promptmid {' '.join(words)}"
    if args.run(args):
        raise InputError(f"'promptmid {' '.join(words)}' failed")
