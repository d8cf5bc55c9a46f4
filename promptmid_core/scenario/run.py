"""Scenarios run: each flight replayed against its map, and held against the criteria."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from promptmid_core.errors import InputError
from promptmid_core.localization.localizer import Localizer
from promptmid_core.localization.settings import DEFAULTS, Settings
from promptmid_core.refmap import ReferenceMap
from promptmid_core.replay import figures
from promptmid_core.replay.criteria import Course, Standing
from promptmid_core.replay.metrics import summarise
from promptmid_core.replay.run import Flight, replay
from promptmid_core.scenario.events import crossings, jumps
from promptmid_core.scenario.ground import NoData
from promptmid_core.scenario.scenario import Scenario
from promptmid_core.scenario.stage import Leg, NoRoom, Stage

Plot = tuple[str, Callable[[Flight, ReferenceMap], str | None]]
ERRORS: Plot = ("errors over time", lambda flight, _: figures.errors_over_time(flight))
TRACK: Plot = ("track", figures.trajectory)


@dataclass(frozen=True)
class FlownLeg:
    """A flight that was replayed: its course, how it stands against each criterion, and its plots by what they
    show, where they were asked for."""

    leg: Leg
    flight: Flight
    course: Course
    standings: list[Standing]
    plots: Mapping[str, str] = field(default_factory=dict)

    @property
    def passed(self) -> bool:
        """Whether the flight passes every criterion."""
        return all(standing.passed for standing in self.standings)


@dataclass(frozen=True)
class Played:
    """A scenario that was run: its flights, or why there are none: `skipped` where it needs what is not here, `error` where it
    could not be run. `left_out` tells of cells that have no room for the flight."""

    scenario: Scenario
    legs: list[FlownLeg]
    standings: list[Standing]
    skipped: str = ""
    error: str = ""
    left_out: tuple[str, ...] = ()

    @property
    def passed(self) -> bool:
        """Whether enough flights pass; a scenario that was skipped asks for nothing."""
        return not self.error and all(standing.passed for standing in self.standings)


def play(scenario: Scenario, stage: Stage, parameters: Mapping[str, Any], with_plots: bool = False) -> Played:
    """Run a scenario; `parameters` of the node are taken where the scenario says nothing of them. `with_plots`: the errors of
    each flight, and the track of the first.

    What keeps it from being run is told in what is returned.
    """
    legs, left_out = list[FlownLeg](), list[str]()
    try:
        settings = Settings.read(DEFAULTS | dict(parameters) | dict(scenario.parameters))
        for leg in stage.legs(scenario):
            try:
                legs.append(fly(scenario, leg, stage, settings, (ERRORS, TRACK)[:2 - bool(legs)] if with_plots else ()))
            except NoRoom as none:
                left_out.append(f"{leg.label}: {none}")
                stage.tell(f"{scenario.name}: left out {left_out[-1]}")
    except NoData as absent:
        return Played(scenario, [], [], skipped=str(absent))
    except InputError as trouble:
        return Played(scenario, legs, [], error=str(trouble), left_out=tuple(left_out))
    if not legs:
        error = f"no cell has room for the flight ({left_out[0]})"
        return Played(scenario, [], [], error=error, left_out=tuple(left_out))
    standings = scenario.criteria.judge_all([leg.standings for leg in legs], whole_course(legs))
    return Played(scenario, legs, standings, left_out=tuple(left_out))


def whole_course(legs: Sequence[FlownLeg]) -> Course:
    """Return the frames of all flights, of which there is one at least, as if they were one."""
    frames = tuple(frame for leg in legs for frame in leg.course.frames)
    return Course(frames, summarise(replace(legs[0].flight, frames=frames)))


def fly(scenario: Scenario, leg: Leg, stage: Stage, settings: Settings, plots: Sequence[Plot] = ()) -> FlownLeg:
    """Return one flight of a scenario, replayed against its map and held against its criteria, with what `plots` draws of it.

    Raises NoRoom where its cell has none for it, InputError where it cannot be flown.
    """
    descriptor = stage.descriptor(scenario, settings.wanted)
    reference = ReferenceMap.open(stage.map(scenario, leg.ground, descriptor))
    bag = stage.bag(scenario, leg, reference)
    flight = replay(bag, Localizer(reference, descriptor, settings.options), reference, rig=settings.rig,
                    start=scenario.start)
    course = Course(flight.frames, summarise(flight), jumps(scenario.flight, flight.frames),
                    crossings(scenario.map, leg.ground.sar, reference, flight.frames))
    drawn = {name: picture for name, draw in plots if (picture := draw(flight, reference))}
    # pictures of frames are no part of the page, and hold patches
    return FlownLeg(leg, replace(flight, examples=()), course, scenario.criteria.judge(course), drawn)
