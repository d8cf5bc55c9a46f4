"""One build of the scenes of a folder on a cluster, as a process of its own, so that it can be killed: a line of JSON a tile."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

from benchmarks.territory.stubs import GSD, Stub
from promptmid_core.refmap.build import BuildOptions, Crew, Sources, build_map


def main(scenes: Path, out: Path, scheduler: str) -> None:
    """Tell the seconds since the beginning and how many tiles are there, from the moment when all is planned."""
    started = time.monotonic()

    def told(done: int, total: int) -> None:
        print(json.dumps([round(time.monotonic() - started, 2), done, total]), flush=True)

    crew = Crew(scheduler, 1 if scheduler == "threads" else None, told)
    build_map(Sources(sorted(scenes.glob("*.tif"))), out, BuildOptions(Stub(), gsd=GSD), crew)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3])
