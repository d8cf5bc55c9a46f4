"""How long the threads of this process stand in line for a processor that others hold."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

TASKS = Path("/proc/self/task")


class Queues:
    """Looks at the threads of the process again and again."""

    def __init__(self) -> None:
        self._seen: dict[str, float] = {}

    def longest_s(self) -> float:
        """Return for how long the one of the threads that did so longest has stood in line since the last look, in seconds.

        0 where the system does not tell.
        """
        before, self._seen = self._seen, dict(_queued_s())
        return max((told - before[thread] for thread, told in self._seen.items() if thread in before), default=0.0)


def _queued_s() -> Iterator[tuple[str, float]]:
    """Each thread with all the time in which it could have run and did not."""
    # a thread may end meanwhile, and a system without such an account or without a handle left tells nothing
    tasks: list[Path] = []
    with suppress(OSError):
        tasks = sorted(TASKS.glob("*"))
    for task in tasks:
        with suppress(OSError, ValueError):
            _, waiting_ns, _ = (task / "schedstat").read_text().split()
            yield task.name, int(waiting_ns) / 1e9
