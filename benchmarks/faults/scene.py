"""The simulated world, its maps and the flight over it that all faults share."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

PATCH_PX = 128


@dataclass(frozen=True)
class Scene:
    """A world of 1024 px at 10 m, its maps by the name of their descriptor, and a flight of 60 small frames."""

    folder: Path

    @property
    def bag(self) -> Path:
        return self.folder / "flight"

    def map(self, descriptor: str) -> Path:
        return self.folder / f"map_{descriptor}"


def prepare(out: Path, *descriptors: str) -> Scene:
    """Return the scene in the folder `out`, with maps of these descriptors; what exists is taken as it is."""
    from promptmid_core.descriptors import load
    from promptmid_core.refmap.build import BuildOptions, Sources, build_map
    from promptmid_core.simulation.flight.options import FlightOptions
    from promptmid_core.simulation.flight.simulate import simulate_flight
    from promptmid_core.simulation.world.options import WorldOptions
    from promptmid_core.simulation.world.simulate import simulate_world

    scene, world = Scene(out), out / "world"
    if not scene.bag.exists():
        print("simulating a world and a flight", file=sys.stderr, flush=True)
        if not world.exists():
            simulate_world(world, WorldOptions.of(seed=3, size_px=1024))
        simulate_flight(world / "optical.tif", scene.bag, FlightOptions.of(frames=60, seed=2, footprint_px=170, drift_px=12,
                        yaw_error_deg=1, altitude_error_percent=1, image_size=(320, 240)), dem=world / "dem.tif")
    for descriptor in descriptors:
        if not scene.map(descriptor).exists():
            print(f"building its map for {descriptor}", file=sys.stderr, flush=True)
            sources = Sources(world / "sar.tif", landcover=world / "landcover.tif", dem=world / "dem.tif")
            build_map(sources, scene.map(descriptor), BuildOptions(load(descriptor)))
    return scene
