"""The journal of a bench run: each result as soon as it is there, so that a run that was killed goes on where it stopped."""

from __future__ import annotations

import csv
import io
import os
from pathlib import Path
from typing import TextIO

from promptmid_core.bench.matchers import Answer
from promptmid_core.errors import InputError
from promptmid_core.files import write_whole
from promptmid_core.folders import open_in_place

Done = dict[tuple[int, str], tuple[Answer | None, float]]

COLUMNS = ("trial", "method", "seconds", "x", "y", "accepted", "yaw", "scale")


class BenchJournal:
    """A text file: the fingerprint of the run, the names of the columns, then a line per trial and method."""

    def __init__(self, path: Path, fingerprint: str) -> None:
        self._path = path
        self._head = f"# {fingerprint}\n{','.join(COLUMNS)}\n"
        self._file: TextIO | None = None

    def read(self) -> Done:
        """Return what an earlier run of the same fingerprint wrote. Raises InputError where the file is another run's."""
        try:
            text = self._path.read_bytes().decode()
        except FileNotFoundError:
            return {}
        except (OSError, UnicodeDecodeError) as error:
            raise InputError(f"{self._path} cannot be read ({error}); delete it to start anew") from error
        # a kill may cut the last line short
        whole = text[:text.rfind("\n") + 1]
        if self._head.startswith(whole):
            return {}
        if not whole.startswith(self._head):
            raise InputError(f"{self._path} is the journal of an unfinished run with other settings, trials or methods; run that "
                             "command again to finish it, or delete the journal to start anew")
        try:
            done = {}
            for number, method, seconds, x, y, accepted, yaw, scale in csv.reader(io.StringIO(whole[len(self._head):])):
                answer = Answer(float(x), float(y), accepted == "1", float(yaw), float(scale)) if x else None
                done[int(number), method] = answer, float(seconds)
        except ValueError as error:
            raise InputError(f"{self._path} has a damaged line ({error}); delete it to start anew") from error
        # without what was cut short
        write_whole(self._path, whole, self._path.parent)
        return done

    def write(self, number: int, method: str, answer: Answer | None, seconds: float) -> None:
        """Add a result; it survives a kill from here on."""
        values = [answer.x, answer.y, int(answer.accepted), answer.yaw, answer.scale] if answer else [""] * 5
        try:
            if self._file is None:
                descriptor = open_in_place(self._path, os.O_WRONLY | os.O_APPEND)
                self._file = os.fdopen(descriptor, "a", newline="")
                if os.fstat(descriptor).st_size < len(self._head):
                    os.truncate(descriptor, 0)
                    self._file.write(self._head)
            csv.writer(self._file, lineterminator="\n").writerow([number, method, seconds, *values])
            self._file.flush()
        except OSError as error:
            raise InputError(
                f"{self._path} cannot be written ({error.strerror}); name a --json file in a writable folder") from error

    def close(self) -> None:
        """Close the file, which stays for the next run."""
        if self._file is not None:
            self._file.close()
            self._file = None
