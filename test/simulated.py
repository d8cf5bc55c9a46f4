"""A small simulated world with its map and a flight over it; the fixture `scene` makes it once for all tests."""

from dataclasses import dataclass
from pathlib import Path

from promptmid_core.descriptors import load
from promptmid_core.refmap import ReferenceMap
from promptmid_core.refmap.build import BuildOptions, Sources, build_map
from promptmid_core.simulation.flight.options import FlightOptions
from promptmid_core.simulation.flight.simulate import simulate_flight
from promptmid_core.simulation.world.options import WorldOptions
from promptmid_core.simulation.world.simulate import World, simulate_world


@dataclass(frozen=True)
class Scene:
    """`world` of 1024 px at 10 m; `map_path` built with its DEM; `bag` of 16 frames of 800x600 with a footprint of 400 px."""

    world: World
    map_path: Path
    bag: Path

    def reference(self) -> ReferenceMap:
        return ReferenceMap.open(self.map_path)


def make_scene(folder: Path) -> Scene:
    world = simulate_world(folder / "world", WorldOptions.of(seed=3, size_px=1024))
    build_map(Sources(world.sar, landcover=world.landcover, dem=world.dem), folder / "map", BuildOptions(load("structural")))
    simulate_flight(world.optical, folder / "bag", FlightOptions.of(frames=16, seed=2, footprint_px=400, drift_px=30,
                    yaw_error_deg=3, altitude_error_percent=2, image_size=(800, 600)), dem=world.dem)
    return Scene(world, folder / "map", folder / "bag")
