"""What a scenario file may say, read strictly: every fault is a sentence with file, line, field and cure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from promptmid_core.descriptors.name import DescriptorName
from promptmid_core.errors import InputError
from promptmid_core.localization.settings import DEFAULTS, PARAMETERS, Settings, check_names
from promptmid_core.replay.criteria import Criteria
from promptmid_core.scenario.cells import CELL_FIELDS, Division
from promptmid_core.scenario.ground import Chips, Rasters
from promptmid_core.sections import Section
from promptmid_core.simulation.flight.options import FlightOptions
from promptmid_core.simulation.world.alterations import AlterationOptions
from promptmid_core.simulation.world.options import WorldOptions

CURE = "docs/scenarios.md tells what a scenario says, config/scenarios/ has some"
FIELDS = {
    "shows": "What the scenario shows, in a sentence.",
    "world": "The ground: one of `simulated`, `rasters`, `chips`.",
    "map": "How its map is built, and what is wrong with it.",
    "flight": "The flight over it: options of `promptmid simulate flight`, with `_` for `-`.",
    "parameters": "Parameters of the node, as in `config/localizer.yaml`; the rest is at its defaults.",
    "start": "What is known of the place at first, where the prior does not tell it.",
    "seeds": "A list of whole numbers: the scenario is flown once for each, with that `flight.seed`, and for a simulated world "
             "that names no seed over the world of that seed.",
    "cells": "The ground is divided into square cells, and the scenario flown once in each of them that has room for the flight; "
             "the others are told of, and left out.",
    "criteria": "What each flight has to come to.",
}
MAP_FIELDS = {
    "descriptor": "What describes it: `promptmid` (the default), `structural`, or `promptmid:FOLDER`.",
    "dem": "`false` builds it without the world's heights; default: `true`.",
    "landcover": "`false` builds it without the world's land cover; default: `true`.",
    "alterations": "A list of what is done to the SAR raster before the map is built of it, one after the other.",
}
OTHER = "of replace: the world whose SAR raster the other ground comes from, as in `world`; default: its own, mirrored"
START_FIELDS = {
    "lost": "`true`: the odometry tells motion alone, no place.",
    "within_m": "How far the first place may be from where the odometry has it, m; default: anywhere on the map.",
    "heading_known_deg": "3 sigma of the heading at first, degrees; default: unknown.",
}
OF_MAP = ("map", "region", "descriptor")  # parameters that the scenario's map tells


Terrane = WorldOptions | Rasters | Chips


@dataclass(frozen=True)
class Alteration:
    """What is done to a SAR raster; `other` is the world that other ground comes from."""

    options: AlterationOptions
    other: Terrane | None = None


@dataclass(frozen=True)
class MapWanted:
    """How a map is built: its descriptor's name, with which of the world's rasters beside SAR, and what is done to that."""

    descriptor: str = "promptmid"
    dem: bool = True
    landcover: bool = True
    alterations: tuple[Alteration, ...] = ()


@dataclass(frozen=True)
class Start:
    """What is known of the place at first: within how many metres (None: anywhere on the map), and the heading's 3 sigma in
    degrees (None: unknown)."""

    within_m: float | None = None
    heading_known_deg: float | None = None


@dataclass(frozen=True)
class Scenario:
    """One scene and what is asked of it. `ground` is the world; `seeded` tells whether the world's seed is that of the flight."""

    path: Path
    shows: str
    ground: Terrane
    seeded: bool
    map: MapWanted
    flight: FlightOptions
    criteria: Criteria
    parameters: Mapping[str, Any] = field(default_factory=dict)
    start: Start | None = None
    seeds: tuple[int, ...] = ()
    cells: Division | None = None

    @property
    def name(self) -> str:
        """The file's name without its ending."""
        return self.path.stem

    def world(self, seed: int) -> Terrane:
        """Return the world that a flight of this seed is flown over."""
        return replace(self.ground, seed=seed) if self.seeded and isinstance(self.ground, WorldOptions) else self.ground

    @staticmethod
    def read(path: Path) -> Scenario:
        """Return the scenario of a YAML file. Raises InputError, one sentence with file, line, field and cure, where it is
        wrong."""
        whole = Section.read(path, CURE)
        whole.only(*FIELDS)
        ground, has_seed = _ground(whole.section("world"))
        flight = _flight(whole)
        seeds = _seeds(whole)
        return Scenario(
            path, whole.text("shows"), ground, bool(seeds) and not has_seed,
            _map(whole.section("map")) if "map" in whole else MapWanted(), flight, Criteria.of(whole.section("criteria")),
            _parameters(whole.section("parameters")) if "parameters" in whole else {},
            _start(whole.section("start")) if "start" in whole else None, seeds,
            _cells(whole.section("cells")) if "cells" in whole else None)


def _ground(world: Section) -> tuple[Terrane, bool]:
    """The world, and whether it names its seed."""
    kinds = ("simulated", "rasters", "chips")
    world.only(*kinds)
    if len(world.fields) != 1:
        raise InputError(f"{world.spelled()} has {' and '.join(world.fields) or 'nothing'} below it; it has to have one of "
                         f"{', '.join(kinds)}")
    kind = next(iter(world.fields))
    within = world.section(kind)
    if kind == "rasters":
        return Rasters.of(within), True
    if kind == "chips":
        return Chips.of(within), True
    with within.located():
        return WorldOptions.from_dict(within.values(), within.spelled), "seed" in within


def _flight(whole: Section) -> FlightOptions:
    within = whole.section("flight")
    if "seed" in within and "seeds" in whole:
        raise InputError(f"{within.spelled('seed')} is given beside seeds, one for each flight; leave one of them out")
    with within.located():
        return FlightOptions.from_dict(within.values(), within.spelled)


def _map(within: Section) -> MapWanted:
    within.only(*MAP_FIELDS)
    descriptor = within.text("descriptor") if "descriptor" in within else MapWanted.descriptor
    with within.located("descriptor"):
        DescriptorName.parse(descriptor)
    dem, landcover = (within.flag(name) if name in within else True for name in ("dem", "landcover"))
    alterations = tuple(map(_alteration, within.sections("alterations"))) if "alterations" in within else ()
    return MapWanted(descriptor, dem, landcover, alterations)


def _alteration(within: Section) -> Alteration:
    values = within.values()
    values.pop("other", None)
    with within.located():
        options = AlterationOptions.from_dict(values, within.spelled)
    if "other" not in within:
        return Alteration(options)
    if options.way != "replace":
        raise InputError(f"{within.spelled('other')} is given, and {options.way} takes no other ground; leave it out, or write "
                         "way: replace")
    return Alteration(options, _ground(within.section("other"))[0])


def _parameters(within: Section) -> dict[str, Any]:
    values = within.values()
    for name, value in values.items():
        with within.located(name):
            if name in OF_MAP:
                raise InputError("the map of a scenario tells that; leave it out")
            check_names([name], "the scenario")
            PARAMETERS[name].check(name, value)
    with within.located():
        Settings.read(DEFAULTS | values)
    return values


def _start(within: Section) -> Start | None:
    within.only(*START_FIELDS)
    lost = within.flag("lost")
    if not lost:
        if len(within.fields) > 1:
            raise InputError(f"{within.spelled('lost')} is false, and the rest tells of an aircraft that is lost; leave the rest "
                             "out, or write true")
        return None
    within_m = within.number("within_m", 1, 1e7) if "within_m" in within else None
    return Start(within_m, within.number("heading_known_deg", 0, 180) if "heading_known_deg" in within else None)


def _seeds(whole: Section) -> tuple[int, ...]:
    if "seeds" not in whole:
        return ()
    seeds = whole.entries("seeds", "whole numbers, 0 or more")
    if any(type(seed) is not int or seed < 0 for seed in seeds):
        raise whole.wrong("seeds", "a list of whole numbers, 0 or more")
    if len(set(seeds)) < len(seeds):
        raise whole.wrong("seeds", "a list of numbers that differ, as the same flight says nothing twice")
    return tuple(seeds)


def _cells(within: Section) -> Division:
    within.only(*CELL_FIELDS)
    side = within.count("side_px", 64, 16384)
    margin = within.count("margin_px", 0, 4096) if "margin_px" in within else 0
    return Division(side, margin, within.count("most", 1, 10_000) if "most" in within else None)
