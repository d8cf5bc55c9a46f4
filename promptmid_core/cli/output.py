"""What commands show while they work and tell at their end: progress, words on stderr, figures as JSON."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable
from typing import Any

from promptmid_core.cli.parsing import STDOUT
from promptmid_core.files import write_json

EVERY_S = 10.0  # a line of progress in a log


class Bar:
    """Progress on stderr, as the callback (done, total) that long work takes: a bar on a terminal, and where stderr is a file or
    a pipe a line every EVERY_S by the `clock`, in s."""

    def __init__(self, name: str, unit: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._name, self._unit, self._clock = name, unit, clock
        self._bar: Any = None
        self._told = clock()

    def __enter__(self) -> Callable[[int, int], None]:
        return self._update

    def _update(self, done: int, total: int) -> None:
        if not sys.stderr.isatty():
            self._log(done, total)
            return
        from tqdm import tqdm

        if self._bar is None:
            self._bar = tqdm(total=total, initial=done, desc=self._name, unit=self._unit, dynamic_ncols=True)
        self._bar.update(done - self._bar.n)

    def _log(self, done: int, total: int) -> None:
        now = self._clock()
        if now - self._told >= EVERY_S:
            self._told = now
            say(f"{self._name}: {self._unit} {done} of {total}")

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.close()


def say(text: str) -> None:
    """A line on stderr, at once."""
    print(text, file=sys.stderr, flush=True)


def tell_json(args: argparse.Namespace, values: Any) -> None:
    """Write what a command measured where its --json says: to a file, to stdout, or nowhere."""
    if args.json == STDOUT:
        print(json.dumps(values, indent=2), file=args.stdout, flush=True)
    elif args.json is not None:
        write_json(args.json, values)
