"""What a scenario takes place on: the rasters of its world, the map built from them, and the flights recorded over them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from promptmid_core.descriptors import Descriptor, load
from promptmid_core.errors import InputError
from promptmid_core.georaster.identity import raster_identity
from promptmid_core.refmap import ReferenceMap
from promptmid_core.refmap.build import BuildOptions, Crew, Sources, build_map
from promptmid_core.runtime.backend import Wanted
from promptmid_core.scenario.ground import Chips, GroundFiles, Rasters, data_folder
from promptmid_core.scenario.scenario import Scenario, Terrane
from promptmid_core.scenario.store import Store
from promptmid_core.simulation.flight.simulate import simulate_flight
from promptmid_core.simulation.world.alter import alter_raster
from promptmid_core.simulation.world.alterations import AlterationOptions
from promptmid_core.simulation.world.simulate import simulate_world

Tell = Callable[[str], None]
OPTICAL, SAR, DEM, LANDCOVER = "optical.tif", "sar.tif", "dem.tif", "landcover.tif"


class NoRoom(Exception):
    """A cell in which no flight has room; the text says why."""


@dataclass(frozen=True)
class Leg:
    """One flight of a scenario: `label` tells it from the others, `place` is equal for flights over the same ground."""

    label: str
    place: str
    seed: int
    ground: GroundFiles
    cell: tuple[int, int] | None


class Stage:
    """Makes what a scenario needs, from `store` where it is there; `tell` is told what is being made."""

    def __init__(self, store: Store, tell: Tell) -> None:
        self._store, self.tell = store, tell
        self._descriptors: dict[tuple[str, Wanted], Descriptor] = {}

    def legs(self, scenario: Scenario) -> Iterator[Leg]:
        """Yield the flights of a scenario. Raises InputError where its ground cannot be had, NoData where that is real and
        nothing tells where it is."""
        for seed in scenario.seeds or (scenario.flight.plan.seed,):
            ground = self.ground(scenario.world(seed))
            for cell in scenario.cells.cells(ground.optical) if scenario.cells else (None,):
                named = [f"seed {seed}"] if scenario.seeds or cell is None else []
                named += [] if cell is None else [f"cell {cell[0]},{cell[1]}"]
                yield Leg(", ".join(named), f"{ground.optical} {cell}", seed, ground, cell)

    def descriptor(self, scenario: Scenario, wanted: Wanted) -> Descriptor:
        """Return what describes the scenario's map and frames, loaded once."""
        key = scenario.map.descriptor, wanted
        if key not in self._descriptors:
            self._descriptors[key] = load(scenario.map.descriptor, wanted=wanted)
        return self._descriptors[key]

    def map(self, scenario: Scenario, ground: GroundFiles, descriptor: Descriptor) -> Path:
        """Return the folder of the scenario's map."""
        wanted = scenario.map
        landcover, dem = ground.landcover if wanted.landcover else None, ground.dem if wanted.dem else None
        sources = Sources(self.sar(scenario, ground), landcover, dem)
        key = {"inputs": {name: raster_identity(path) for name, path in sources.files.items()},
               "descriptor": [descriptor.name, descriptor.fingerprint]}

        def build(folder: Path) -> None:
            self.tell(f"{scenario.name}: map by {descriptor.name}")
            build_map(sources, folder / "map", BuildOptions(load(descriptor.name, threads=1)), Crew())

        return self._store.made("maps", key, build) / "map"

    def bag(self, scenario: Scenario, leg: Leg, reference: ReferenceMap) -> Path:
        """Return the bag of a flight, in the CRS of its map and with pixels of the map's size.

        Raises NoRoom where its cell has none for it.
        """
        plan = scenario.flight.plan
        options = replace(scenario.flight, plan=replace(plan, seed=leg.seed, gsd=plan.gsd or reference.gsd))
        seen = [raster_identity(path) for path in (leg.ground.optical, leg.ground.dem) if path is not None]
        key = {"ground": seen, "options": asdict(options), "crs": reference.frame.crs, "cell": leg.cell,
               "cells": asdict(scenario.cells) if scenario.cells else None}

        def fly(folder: Path) -> None:
            self.tell(f"{scenario.name}: flight of {plan.frames} frames, {leg.label}")
            optical = leg.ground.optical
            if scenario.cells and leg.cell is not None:
                optical = folder / OPTICAL
                scenario.cells.cut(leg.ground.optical, leg.cell, optical)
            try:
                simulate_flight(optical, folder / "bag", options, dem=leg.ground.dem, crs=reference.frame.crs)
            except InputError as error:
                if leg.cell is None:
                    raise
                raise NoRoom(str(error).replace(str(optical), "its ground")) from error
            if leg.cell is not None:
                optical.unlink()

        return self._store.made("flights", key, fly) / "bag"

    def sar(self, scenario: Scenario, ground: GroundFiles) -> Path:
        """Return the SAR raster that the scenario's map is built of: the world's, altered."""
        sar = ground.sar
        for alteration in scenario.map.alterations:
            other = self.ground(alteration.other).sar if alteration.other else None
            key = {"sar": raster_identity(sar), "other": raster_identity(other) if other else None,
                   "options": asdict(alteration.options)}

            def alter(folder: Path, sar: Path = sar, options: AlterationOptions = alteration.options,
                      other: Path | None = other) -> None:
                alter_raster(sar, folder / SAR, options, other)

            sar = self._store.made("altered", key, alter) / SAR
        return sar

    def ground(self, wanted: Terrane) -> GroundFiles:
        """Return the rasters of a world. Raises InputError where they cannot be had, NoData where they are real and nothing tells
        where they are."""
        if isinstance(wanted, Rasters):
            return wanted.files()
        if isinstance(wanted, Chips):
            key = {"folder": wanted.folder, "names": wanted.names, "data": str(data_folder())}

            def join(folder: Path) -> None:
                self.tell(f"rasters of {wanted.folder}")
                wanted.join(folder)

            folder = self._store.made("rasters", key, join)
            return GroundFiles(folder / OPTICAL, folder / SAR)

        def simulate(folder: Path) -> None:
            self.tell(f"world of seed {wanted.seed}")
            simulate_world(folder, wanted)

        folder = self._store.made("worlds", {"options": asdict(wanted)}, simulate)
        return GroundFiles(*(folder / name for name in (OPTICAL, SAR, DEM, LANDCOVER)))
