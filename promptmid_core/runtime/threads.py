"""How many threads the linear algebra of NumPy has."""

from __future__ import annotations

import os
from collections.abc import MutableMapping


def bound(environment: MutableMapping[str, str] | None = None) -> None:
    """One, unless the user has said otherwise; has to be called before anything imports NumPy, or for a process to be started.

    A frame multiplies small matrices alone. More threads gain nothing there, and go on waiting by spinning on the cores that the
    network runs on.
    """
    environment = os.environ if environment is None else environment
    if "OMP_NUM_THREADS" not in environment:
        environment.setdefault("OPENBLAS_NUM_THREADS", "1")
