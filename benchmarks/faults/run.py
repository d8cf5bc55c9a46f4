"""Faults done to nodes, one after the other, and what came of each."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from rclpy.node import Node

from benchmarks.faults.aircraft import Aircraft, Failed
from benchmarks.faults.fault import RECOVERY, Fault
from benchmarks.faults.ledger import Ledger
from benchmarks.faults.roundtrip import RoundTrip
from benchmarks.faults.scene import PATCH_PX, Scene
from promptmid_core.errors import InputError

AFTER = 4
INTERNAL_ERROR = "internal_error"
COUNTED = ("images", "verdicts", "fixes", "false_fixes")


@dataclass
class Result:
    """What a fault came to. `recovery`: images until the first fix after it; `failure`: a sentence, empty where it was
    withstood."""

    name: str
    about: str
    images: int = 0
    verdicts: int = 0
    fixes: int = 0
    worst_px: float = 0.0
    false_fixes: int = 0
    reasons: dict[str, int] = field(default_factory=dict)
    recovery: int | None = None
    seconds: float = 0.0
    figures: dict[str, Any] = field(default_factory=dict)
    failure: str = ""


class Faults:
    """Does faults to nodes over a scene: those that leave map and system alone to one node in one long flight, each other one
    to a node of its own."""

    def __init__(self, node: Node, scene: Scene, out: Path) -> None:
        self._node, self._scene, self._out = node, scene, out

    def run(self, faults: Iterable[Fault]) -> Iterable[Result]:
        """Yield the result of each fault."""
        shared: Aircraft | None = None
        failed = False
        try:
            for fault in sorted(faults, key=lambda fault: fault.own):
                if shared is not None and (fault.own or failed):
                    # two nodes of one name would answer for each other
                    _end(shared)
                    shared = None
                if fault.own:
                    aircraft = self._aircraft(fault)
                else:
                    aircraft = shared = shared or self._aircraft(fault).__enter__()
                result = self._done(fault, aircraft)
                failed = bool(result.failure)
                yield result
        finally:
            if shared is not None:
                _end(shared)

    def _aircraft(self, fault: Fault) -> Aircraft:
        reference = self._scene.map(fault.descriptor)
        name = fault.name if fault.own else "flight"
        folder = self._out / "nodes" / name
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        if fault.own:
            reference = Path(shutil.copytree(reference, folder / "map"))
        parameters = {"patch_px": PATCH_PX, "snapshot_dir": str(folder.absolute() / "snapshots"), **fault.parameters}
        return Aircraft(self._node, RoundTrip(self._scene.bag), reference, folder / "localizer.log", **parameters)

    def _done(self, fault: Fault, aircraft: Aircraft) -> Result:
        result = Result(fault.name, fault.about)
        began = time.monotonic()
        try:
            if not fault.own:
                self._fly(fault, aircraft, result)
            else:
                with aircraft:
                    self._fly(fault, aircraft, result)
        except (Failed, InputError) as error:
            result.failure = str(error)
        result.seconds = round(time.monotonic() - began, 1)
        result.figures = aircraft.figures
        return result

    def _fly(self, fault: Fault, aircraft: Aircraft, result: Result) -> None:
        before = aircraft.ledger.totals()
        try:
            if not fault.cold:
                aircraft.until_fix(RECOVERY, "the flight before the fault")
            fault.act(aircraft)
            result.recovery = aircraft.until_fix(RECOVERY, "the flight after the fault")
            aircraft.fly(aircraft.trip.shots(AFTER))
            aircraft.settle()
        finally:
            _count(result, aircraft, before)
        wrong = aircraft.ledger.wrong()
        if wrong:
            raise Failed("; ".join(wrong[:3]))
        check(fault, aircraft.ledger, result)


def _count(result: Result, aircraft: Aircraft, before: dict[str, Any]) -> None:
    now = aircraft.ledger.totals()
    anew = now["verdicts"] < before["verdicts"]
    for name in COUNTED:
        setattr(result, name, now[name] - (0 if anew else before[name]))
    earlier = {} if anew else before["reasons"]
    result.reasons = {reason: count - earlier.get(reason, 0) for reason, count in now["reasons"].items()
                      if count > earlier.get(reason, 0)}
    result.worst_px = round(aircraft.ledger.worst_px, 2)


def check(fault: Fault, ledger: Ledger, result: Result) -> None:
    """Raise Failed where the verdicts and the health that the ledger holds are none of a node that withstood the fault."""
    if fault.shows and fault.shows.isdisjoint(result.reasons):
        raise Failed(f"none of {', '.join(sorted(fault.shows))} was given: {result.reasons}")
    if INTERNAL_ERROR in result.reasons and INTERNAL_ERROR not in fault.expects:
        raise Failed(f"{result.reasons[INTERNAL_ERROR]} images failed by a fault of the program, the last: "
                     f"{ledger.sentences[INTERNAL_ERROR]}")
    for key in ("program_errors", "workers_replaced"):
        if ledger.health.get(key) != "0" and key not in fault.expects:
            raise Failed(f"{key} is {ledger.health.get(key)}: "
                         f"{ledger.health.get('program_error') or ledger.health.get('worker_problem')}")


def _end(aircraft: Aircraft) -> None:
    try:
        aircraft.__exit__(None, None, None)
    except InputError as error:
        # of a node whose failure has been told
        print(error)


def summary(results: list[Result]) -> dict[str, Any]:
    """Return the counts over all faults and each one's result, for JSON."""
    def total(name: str) -> int:
        return sum(getattr(result, name) for result in results)

    return {"faults": len(results), "failed": sum(1 for result in results if result.failure),
            **{name: total(name) for name in COUNTED},
            "worst_px": max((result.worst_px for result in results), default=0.0),
            "results": [asdict(result) for result in results]}
