"""The command `promptmid`: parse, call, print. A family of commands is one file here and does its work elsewhere."""

from __future__ import annotations

import argparse
import logging
import sys
from contextlib import redirect_stdout
from io import TextIOWrapper
from itertools import chain
from pathlib import Path

from promptmid_core import __version__
from promptmid_core.cli import (
    bench,
    calibrate,
    completion,
    demo,
    doctor,
    export,
    fault,
    map,
    plan,
    replay,
    report,
    scenario,
    simulate,
    train,
)
from promptmid_core.cli.parsing import STDOUT, Parser
from promptmid_core.errors import InputError
from promptmid_core.files import check_apart, check_target

FAMILIES = (map, plan, simulate, replay, report, scenario, bench, train, calibrate, export, doctor, demo, completion)
FAILED, FAULT, INTERRUPTED = 1, 70, 130


def main(argv: list[str] | None = None) -> int:
    """Run one command; returns the exit status and never ends in a traceback.

    An expected error is one sentence on stderr; a fault of the program is another one, which tells where its trace is.
    """
    for stream in (sys.stdout, sys.stderr):
        # the name of a file may hold what the encoding of a terminal or a pipe cannot say
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    args = parser().parse_args(argv)
    try:
        return run(args)
    except InputError as error:
        print(f"promptmid: {error}", file=sys.stderr)
        return FAILED
    except KeyboardInterrupt:
        print("promptmid: interrupted", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:
        sys.stderr.close()
        return FAILED
    except MemoryError:
        print("promptmid: the memory that this process may have is used up; give it more, or less to do at once", file=sys.stderr)
        return FAILED
    except Exception as error:
        print(f"promptmid: {fault.told(error)}", file=sys.stderr)
        return FAULT


def run(args: argparse.Namespace) -> int:
    """Run a command that was parsed, when all files that it is to write can be written; returns its exit status.

    Raises InputError where one cannot be, where two of them are one, or where one is a file that the command reads.
    """
    targets: list[Path] = []
    for name, written in args.outputs.items():
        path: Path | None = getattr(args, name)
        if path is not None and path != STDOUT:
            targets += [path, *(path.with_name(path.name + ending) for ending in written.beside)]
            if not (written.is_kept and path.exists()):
                check_target(path)
    given = (value for name, value in vars(args).items() if name not in args.outputs)
    every = chain.from_iterable(value if isinstance(value, list) else [value] for value in given)
    check_apart(targets, [value for value in every if isinstance(value, Path)])
    if getattr(args, "json", None) != STDOUT:
        return int(args.run(args) or 0)
    # what people read goes where it disturbs no program that reads the JSON
    args.stdout = sys.stdout
    with redirect_stdout(sys.stderr):
        return int(args.run(args) or 0)


def parser() -> argparse.ArgumentParser:
    """Return every command with its options."""
    whole = Parser(prog="promptmid", description="Localize aircraft without satellite navigation: frames against a SAR map.")
    whole.add_argument("--version", action="version", version=f"promptmid {__version__}")
    whole.set_defaults(outputs={}, command=f"promptmid {' '.join(sys.argv[1:])}")
    commands = whole.add_subparsers(title="commands", required=True, metavar="COMMAND")
    for family in FAMILIES:
        family.add(commands)
    return whole
