"""What each flight came to, kept in a file of its own, so that a run that was stopped goes on."""

from __future__ import annotations

import json
import re
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmarks.certify.plan import Task
from promptmid_core.files import digest, make_folder, write_json
from promptmid_core.georaster.identity import raster_identity
from promptmid_core.localization.settings import DEFAULTS, Settings
from promptmid_core.replay.criteria import is_right
from promptmid_core.replay.metrics import SAID, told_places
from promptmid_core.replay.run import ReplayedFrame
from promptmid_core.scenario.run import FlownLeg, fly
from promptmid_core.scenario.stage import NoRoom, Stage
from promptmid_core.scenario.store import code_of

Record = dict[str, Any]
# the rooms whose code decides what a flight comes to
CODE = ("arrays.py", "bags", "descriptors", "geometry", "georaster", "localization", "matching", "networks", "prompts",
        "reasons.py", "refmap", "replay", "runtime", "scenario", "simulation")
SEARCHED = "search"  # the stage of a frame that is held against the map


class Ledger:
    """Records of flights in a folder, each by its name and by all that it came from: scenario, ground, code, descriptor."""

    def __init__(self, folder: Path, stage: Stage) -> None:
        make_folder(folder)
        self._folder, self._stage = folder, stage
        self._grounds = dict[Path, str | None]()

    def record(self, task: Task, anew: bool = False) -> tuple[Record, bool]:
        """Return what a flight came to, and whether it was flown for that, as it is where `anew` or no record is of the same."""
        settings = Settings.read(DEFAULTS | dict(task.scenario.parameters))
        file = self._folder / f"{re.sub(r'[^a-z0-9]+', '-', task.name.lower())}.json"
        made_from = self._made_from(task, settings)
        if not anew and file.is_file():
            kept: Record = json.loads(file.read_text())
            if kept["made_from"] == made_from:
                return kept, False
        place = f"{self._identity(task.leg.ground.optical)} {task.leg.cell or ''}".strip()
        record = {"name": task.name, "class": task.of.name, "made_from": made_from, "place": place}
        try:
            record |= came_to(fly(task.scenario, task.leg, self._stage, settings), task.of.nowhere)
        except NoRoom as none:
            record |= {"left_out": str(none)}
        write_json(file, record)
        return record, True

    def _made_from(self, task: Task, settings: Settings) -> str:
        scenario, ground = task.scenario, task.leg.ground
        return digest({
            "flight": asdict(scenario.flight), "map": asdict(scenario.map), "parameters": dict(scenario.parameters),
            "start": asdict(scenario.start) if scenario.start else None, "leg": [task.leg.seed, task.leg.cell],
            "cells": asdict(scenario.cells) if scenario.cells else None, "nowhere": task.of.nowhere,
            "ground": [self._identity(path) for path in (ground.optical, ground.sar, ground.dem, ground.landcover) if path],
            "descriptor": self._stage.descriptor(scenario, settings.wanted).fingerprint, "code": code_of(CODE)})

    def _identity(self, raster: Path) -> str | None:
        if raster not in self._grounds:
            self._grounds[raster] = raster_identity(raster)
        return self._grounds[raster]


def came_to(flown: FlownLeg, nowhere: bool) -> Record:
    """Return what counts of a flight: frames held against the map, fixes, each false one, and the places that were told of.

    A fix is false where its ground error is above 5 px or cannot be known; where the ground is `nowhere` on the map every one is.
    """
    frames = flown.flight.frames
    told = [[frame.index, round(said, 6), right] for frame in frames for said, right in told_places(frame, flown.flight.gsd_m)
            if said >= SAID[0][0]]
    return {
        "frames": sum(SEARCHED in frame.fix.candidate.stage_ms for frame in frames), "flown": len(frames),
        "fixes": sum(frame.fix.accepted for frame in frames),
        "false_fixes": [_false(frame) for frame in frames if frame.fix.accepted and (nowhere or not is_right(frame))],
        "reasons": flown.course.summary["reasons"], "told": told,
        "seconds": round(sum(frame.latency_ms for frame in frames) / 1e3, 1)}


def _false(frame: ReplayedFrame) -> Record:
    fix = frame.fix
    error = frame.ground_error_px
    return {"frame": frame.index, "ground_error_px": None if error is None else round(error, 2), "probability": fix.probability,
            "overruled": fix.overruled, "scores": fix.candidate.scores}
