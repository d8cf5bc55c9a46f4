"""A build of many scenes with stub pixels on a cluster of this machine: killed, gone on with, a worker lost, and merged."""

from __future__ import annotations

import json
import logging
import os
import signal
import subprocess
import sys
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.territory.stubs import EAST, GSD, NORTH, Layout
from promptmid_core.refmap import ReferenceMap, verify_map

KILLED_AT, WORKER_LOST_AT = 0.3, 0.6  # of all tiles
STRIP_PX = 512


def simulate(layout: Layout, out: Path, workers: int) -> dict[str, Any]:
    """Return what such a build shows: seconds until all is planned, tiles kept after the kill, tiles by worker, wrong pixels."""
    from distributed import Client, LocalCluster

    scenes, target = out / "scenes", out / "map"
    layout.make(scenes)
    with LocalCluster(n_workers=workers, threads_per_worker=1, processes=True, dashboard_address=None,
                      silence_logs=logging.CRITICAL) as cluster, Client(cluster) as client:
        client.get_task_stream()  # from here on it is kept
        address = cluster.scheduler_address
        first = _build(scenes, target, address, KILLED_AT, lambda process: process.send_signal(signal.SIGKILL))
        second = _build(scenes, target, address, WORKER_LOST_AT, lambda process: _lose_a_worker(client))
        made = Counter(task["worker"] for task in client.get_task_stream(start=0) if "_alone" in task["key"])
    assert second[-1][1] == second[-1][2], "the second build did not end"
    return {
        "scenes": layout.count, "px": layout.px, "workers": workers, "tiles": second[-1][2],
        "planned_s": first[0][0], "killed_at_tile": first[-1][1], "kept": second[0][1], "resumed_s": second[0][0],
        "ended_s": second[-1][0], "tiles_by_worker": sorted(made.values(), reverse=True), "damaged": verify_map(target),
        "px_of_another_scene": _wrong(layout, ReferenceMap.open(target)),
    }


def _build(scenes: Path, target: Path, address: str, share: float, act: Any) -> list[list[float]]:
    """What a build tells, tile by tile; once, at this share of its tiles, something is done to it."""
    command = [sys.executable, "-m", "benchmarks.territory.building", str(scenes), str(target), address]
    told: list[list[float]] = []
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        acted = False
        for line in process.stdout:
            with suppress(ValueError):  # the line that a kill cut short
                told.append(json.loads(line))
            if not acted and told[-1][1] >= share * told[-1][2]:
                acted = True
                act(process)
    return told


def _lose_a_worker(client: Any) -> None:
    pids = client.run(os.getpid)
    os.kill(next(iter(pids.values())), signal.SIGKILL)


def _wrong(layout: Layout, reference: ReferenceMap) -> int:
    """How many pixels do not come from the first scene that lies there."""
    left, top = reference.grid.to_pixel(EAST + GSD / 2 - reference.frame.origin[0], NORTH - GSD / 2 - reference.frame.origin[1])
    expected = np.full(reference.grid.shape, -1, np.int32)
    for number in reversed(range(layout.count)):
        col, row = (round(float(at)) + offset for at, offset in zip((left, top), layout.corner(number), strict=True))
        expected[row:row + layout.px, col:col + layout.px] = number
    wrong = 0
    for row in range(0, reference.grid.height, STRIP_PX):
        strip = expected[row:row + STRIP_PX]
        found = reference.scene(0, row, reference.grid.width, len(strip))
        assert found is not None
        wrong += int((np.where(found.valid, found.image.astype(np.int32), -1) != strip).sum())
    return wrong
