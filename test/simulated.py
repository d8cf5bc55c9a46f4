"""A small simulated world with its map and a flight over it; the fixture `scene` makes it once for all tests."""

from dataclasses import dataclass
from pathlib import Path

from promptmid_core.descriptors import load
from promptmid_core.refmap import ReferenceMap
from promptmid_core.refmap.build import BuildOptions, Sources, build_map
from promptmid_core.simulation.flight.options import FlightOptions
from promptmid_core.simulation.flight.simulate import simulate_flight
from promptmid_core.simulation.world.options import WorldOptions
from promptmid_core.simulation.world.simulate import simulate_world


@dataclass(frozen=True)
class Scene:
    """The files of a small world of 1024 px at 10 m, its map with DEM, and a flight of 16 frames of 800x600 with a footprint of
    400 px, in a folder."""

    folder: Path

    @property
    def optical(self) -> Path:
        return self.folder / "world" / "optical.tif"

    @property
    def sar(self) -> Path:
        return self.folder / "world" / "sar.tif"

    @property
    def dem(self) -> Path:
        return self.folder / "world" / "dem.tif"

    @property
    def map_path(self) -> Path:
        return self.folder / "map"

    @property
    def bag(self) -> Path:
        return self.folder / "bag"

    def reference(self) -> ReferenceMap:
        return ReferenceMap.open(self.map_path)


def make_scene(folder: Path) -> Scene:
    scene = Scene(folder)
    world = simulate_world(folder / "world", WorldOptions.of(seed=3, size_px=1024))
    build_map(Sources(scene.sar, landcover=world.landcover, dem=scene.dem), scene.map_path, BuildOptions(load("structural")))
    simulate_flight(scene.optical, scene.bag, FlightOptions.of(frames=16, seed=2, footprint_px=400, drift_px=30,
                    yaw_error_deg=3, altitude_error_percent=2, image_size=(800, 600)), dem=scene.dem)
    return scene
