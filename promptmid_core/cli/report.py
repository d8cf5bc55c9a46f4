"""`promptmid report ...`: what replays came to, beside each other."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from promptmid_core.cli.parsing import command, group, output
from promptmid_core.files import write_whole


def add(commands: Any) -> None:
    """Declare the commands of this family."""
    of_report = group(commands, "report", "what replays came to")
    run = command(of_report, "compare", _compare, "figures of several replays beside each other, and what differs between them",
                  "promptmid report compare structural.json promptmid.json --out compared.html")
    run.add_argument("replays", type=Path, nargs="+", metavar="REPLAY", help="the --json file or the --out folder of a replay")
    output(run, "--out", metavar="FILE.html", help="a page in place of the text")


def _compare(args: argparse.Namespace) -> None:
    from promptmid_core.replay.compare import beside, page, read_replay, table

    compared = beside(args.replays, [read_replay(path) for path in args.replays])
    if args.out:
        write_whole(args.out, page(compared, args.command))
        print(f"report: {args.out}")
    else:
        print(table(compared))
