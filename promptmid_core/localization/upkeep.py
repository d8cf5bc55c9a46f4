"""How the node looks after itself: how long it waits for its own parts, and how much it keeps."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from promptmid_core.errors import InputError
from promptmid_core.localization.parameter import made, option, tunable

REPLACE, EXIT = "replace", "exit"


@dataclass(frozen=True)
class Upkeep:
    """The parameters of the node's upkeep."""

    verdict_timeout_s: float = tunable(10.0, "How long an image may wait for its verdict, in seconds, before the thread that "
                                       "matches counts as hung; time in which a thread of the node stands in line for a "
                                       "processor does not count. A search over unknown headings on a slow computer may take "
                                       "that long.",
                                       1, 3600)
    on_verdict_timeout: str = option(REPLACE, "What is done then: 'replace' puts another thread in its place, and ends the "
                                     "process with status 1 where that hangs three times in a row; 'exit' ends the process with "
                                     "status 1 at once.")
    service_timeout_s: float = tunable(30.0, "How long ~/reload_map and ~/save_snapshot may take, in seconds, before they are "
                                       "answered with a failure.", 1, 3600)
    snapshots_most: int = tunable(100, "How many snapshots snapshot_dir may hold; no more are saved.", 1, 100000)
    snapshots_most_mb: int = tunable(1000, "How many megabytes they may take together.", 1, 1000000)

    @staticmethod
    def read(values: Mapping[str, Any]) -> Upkeep:
        """Return the upkeep among the checked values of all parameters. Raises InputError where one cannot be."""
        upkeep: Upkeep = made(Upkeep, values)
        if upkeep.on_verdict_timeout not in (REPLACE, EXIT):
            raise InputError(f"parameter on_verdict_timeout is '{upkeep.on_verdict_timeout}', not '{REPLACE}' or '{EXIT}'")
        return upkeep
