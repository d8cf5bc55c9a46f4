"""A small simulated world with its map and a flight over it; the fixture `scene` makes it once for all tests."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from promptmid_core.bags.bag import open_bag
from promptmid_core.descriptors import load
from promptmid_core.geometry import Pose, Prior, boresight_point
from promptmid_core.localization.fix import Candidate, Frame
from promptmid_core.localization.localizer import Localizer
from promptmid_core.refmap import ReferenceMap
from promptmid_core.refmap.build import BuildOptions, Sources, build_map
from promptmid_core.replay.recording import Recording
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


@dataclass(frozen=True)
class Flown:
    """The frames of the flight with their priors and true poses."""

    reference: ReferenceMap
    localizer: Localizer
    frames: list[Frame]
    priors: list[Prior]
    truths: list[Pose]

    def ground_error_px(self, candidate: Candidate, index: int) -> float:
        assert candidate.pose is not None
        camera, terrain = self.frames[index].camera, self.localizer.terrain
        found, true = (boresight_point(camera, pose, terrain) for pose in (candidate.pose, self.truths[index]))
        return float(np.linalg.norm(found - true)) / self.reference.gsd


def fly(scene: Scene) -> Flown:
    reference = scene.reference()
    recording = Recording(open_bag(scene.bag), reference.frame)
    frames, priors, truths = [], [], []
    for image in recording.images():
        truth = recording.truth(image.stamp_ns)
        assert truth is not None
        frames.append(recording.intake.frame(image.message))
        priors.append(recording.intake.odometry.at(image.stamp_ns)[0])
        truths.append(truth)
    return Flown(reference, Localizer(reference, load("structural")), frames, priors, truths)
