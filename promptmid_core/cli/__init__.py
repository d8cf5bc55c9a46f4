"""The command `promptmid`: parse, call, print. A family of commands is one file here and does its work elsewhere."""

from __future__ import annotations

import argparse
import logging
import sys
from io import TextIOWrapper

from promptmid_core import __version__
from promptmid_core.cli import bench, demo, doctor, export, map, replay, simulate, train
from promptmid_core.cli.parsing import Parser
from promptmid_core.errors import InputError

FAMILIES = (map, simulate, replay, bench, train, export, doctor, demo)
FAILED, INTERRUPTED = 1, 130


def main(argv: list[str] | None = None) -> int:
    """Run one command; returns the exit status and never lets an expected error end in a traceback."""
    for stream in (sys.stdout, sys.stderr):
        # the name of a file may hold what the encoding of a terminal or a pipe cannot say
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    args = parser().parse_args(argv)
    try:
        return int(args.run(args) or 0)
    except InputError as error:
        print(f"promptmid: {error}", file=sys.stderr)
        return FAILED
    except KeyboardInterrupt:
        print("promptmid: interrupted", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:
        sys.stderr.close()
        return FAILED


def parser() -> argparse.ArgumentParser:
    """Return every command with its options."""
    whole = Parser(prog="promptmid", description="Localize aircraft without satellite navigation: frames against a SAR map.")
    whole.add_argument("--version", action="version", version=f"promptmid {__version__}")
    whole.set_defaults(command=f"promptmid {' '.join(sys.argv[1:])}")
    commands = whole.add_subparsers(title="commands", required=True, metavar="COMMAND")
    for family in FAMILIES:
        family.add(commands)
    return whole
