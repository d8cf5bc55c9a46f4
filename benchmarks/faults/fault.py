"""What a fault is: a name, what it does to an aircraft in flight, and what has to be seen of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from benchmarks.faults.aircraft import Aircraft, Failed

# how many images may pass until there is a fix again: a clock set anew takes two, and a place that is in doubt a few more
RECOVERY = 12


@dataclass(frozen=True)
class Fault:
    """A fault of a table. `act` does it to an aircraft that has a track; what it may not bring about is looked for by the run.

    `shows`: reasons of which one at least has to be given meanwhile, so that the fault has been there; empty where the node has
    to fly through it. `own`: it is done to a node of its own, over a map of its own, with these `parameters`. `cold`: before its
    first image. `expects`: keys of /diagnostics that it may move.
    """

    name: str
    about: str
    act: Callable[[Aircraft], None]
    shows: frozenset[str] = frozenset()
    own: bool = False
    cold: bool = False
    descriptor: str = "structural"
    parameters: Mapping[str, Any] = field(default_factory=dict)
    expects: frozenset[str] = frozenset()


def require(held: bool, sentence: str) -> None:
    """Raise Failed with the sentence where something does not hold."""
    if not held:
        raise Failed(sentence)
