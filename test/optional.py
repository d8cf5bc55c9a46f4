"""Libraries that not every installation has, for files whose tests all need them.

Under `colcon test` launch's plugin for pytest imports each file to see whether it is a launch test, and pytest cannot catch what
happens there: a file that cannot be imported ends the run, and one that skips itself as it is imported takes its whole folder
with it. So such a file imports a library only where none is lacking, and marks its tests.
"""

from importlib.util import find_spec


def lacking(*libraries: str) -> str:
    """Those of the libraries that are not installed, for the reason of a skip; empty where all are there."""
    return ", ".join(name for name in libraries if find_spec(name) is None)
