"""What is told of a fault of the program itself: a sentence, and its trace in a file."""

from __future__ import annotations

import platform
import sys
import tempfile
import traceback

from promptmid_core import __version__
from promptmid_core.errors import shortened


def told(error: Exception) -> str:
    """Return a sentence that says it is a fault of the program, what it is, and where its trace is: in a file of this user's, or
    where none can be written below the sentence."""
    trace = "".join(traceback.format_exception(error))
    what = shortened(" ".join(f"{type(error).__name__}: {error}".split()))
    sentence = f"a fault of the program, not of what it was given ({what})"
    try:
        with tempfile.NamedTemporaryFile("w", prefix="promptmid-fault-", suffix=".txt", errors="backslashreplace",
                                         delete=False) as file:
            file.write(f"promptmid {__version__}, Python {platform.python_version()}, {sys.argv}\n{trace}")
    except OSError:
        return f"{sentence}; please report it with the trace below\n{trace}"
    return f"{sentence}; please report it with its trace, {file.name}"
