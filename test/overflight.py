"""A camera over a small simulated world: any frame that an aircraft might take there, with the truth that it was taken from."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from promptmid_core.descriptors import load
from promptmid_core.geometry import Camera, Pose, Prior, boresight_point
from promptmid_core.georaster import RasterView
from promptmid_core.localization.expectation import Expectation
from promptmid_core.localization.fix import Candidate, Frame
from promptmid_core.localization.hypothesis import FrameMatcher, Hypothesis
from promptmid_core.localization.localizer import Localizer
from promptmid_core.localization.options import Options
from promptmid_core.localization.reach import Scope, scope_of
from promptmid_core.localization.stopwatch import Stopwatch
from promptmid_core.localization.windows import Windows
from promptmid_core.refmap import ReferenceMap
from promptmid_core.refmap.build import BuildOptions, Sources, build_map
from promptmid_core.simulation.flight.flightplan import drape
from promptmid_core.simulation.flight.sight import nadir_sight
from promptmid_core.simulation.flight.view import View
from promptmid_core.simulation.world.options import WorldOptions
from promptmid_core.simulation.world.simulate import simulate_world

STAMP = 1_700_000_000_000_000_000
PATCH_PX, FOOTPRINT_PX = 192, 240
SIGMAS = (30.0, 30.0, 20.0, 1e-3, 1e-3, 0.01)
LENIENT = {"patch_px": PATCH_PX}


@dataclass(frozen=True)
class Overflight:
    """`view` of a world of 512 px at 10 m from `height` metres above its middle, and the `reference` map of the same world."""

    reference: ReferenceMap
    view: View
    height: float

    @property
    def camera(self) -> Camera:
        return self.view.camera

    def truth(self, east: float = 0.0, north: float = 0.0, yaw: float = 0.2) -> Pose:
        ground = float(self.view.terrain.height(np.array(east), np.array(north)))
        return Pose.from_rpy(np.array([east, north, ground + self.height]), 0.01, -0.02, yaw)

    def frame(self, truth: Pose | None = None, stamp_ns: int = STAMP) -> Frame:
        return Frame(stamp_ns, self.view.render(truth or self.truth())[0], self.camera)

    def prior(self, *off: float, truth: Pose | None = None, sigmas: tuple[float, ...] = SIGMAS, stamp_ns: int = STAMP) -> Prior:
        """A prior that is `off` by so much from the truth, in ROS order."""
        delta = np.zeros(6)
        delta[:len(off)] = off
        return Prior(stamp_ns, (truth or self.truth()).corrected(delta), np.diag(np.square(sigmas)))

    def localizer(self, **options: Any) -> Localizer:
        return Localizer(self.reference, load("structural"), Options.of(**LENIENT | options))

    def match(self, prior: Prior | None = None, frame: Frame | None = None, **options: Any) -> Candidate:
        return self.localizer(**options).match(frame or self.frame(), prior or self.prior())

    def expected(self, prior: Prior, frame: Frame, **options: Any) -> Expectation:
        """Where a frame is expected by its prior alone."""
        return self.localizer(**options).expect(frame, prior)

    def scope(self, prior: Prior, frame: Frame, **options: Any) -> Scope:
        return scope_of(frame, self.expected(prior, frame, **options), self.reference, self.reference.terrain(),
                        Options.of(**LENIENT | options))

    def matcher(self, windows: Windows | None = None, **options: Any) -> FrameMatcher:
        chosen = Options.of(**LENIENT | options)
        windows = windows or Windows(chosen.gates.least_map_valid)
        return FrameMatcher(self.reference, self.reference.terrain(), load("structural"), chosen, windows)

    def hypothesis(self, prior: Prior, frame: Frame, windows: Windows | None = None, **options: Any) -> Hypothesis:
        """What the gates are given of a frame."""
        expected, scope = self.expected(prior, frame, **options), self.scope(prior, frame, **options)
        return self.matcher(windows, **options).best(frame, expected, scope, Stopwatch())

    def ground_error_px(self, candidate: Candidate, truth: Pose) -> float:
        assert candidate.pose is not None
        found, true = (boresight_point(self.camera, pose, self.reference.terrain()) for pose in (candidate.pose, truth))
        return float(np.linalg.norm(found - true)) / self.reference.gsd

    def over(self, path: Path) -> Overflight:
        """The same with another copy of the map."""
        return replace(self, reference=ReferenceMap.open(path))


def narrowed(camera: Camera, left: int, right: int) -> Camera:
    """The camera without so many columns on either side."""
    k = camera.k.copy()
    k[0, 2] -= left
    return replace(camera, width=camera.width - left - right, k=k)


def make_overflight(folder: Path) -> Overflight:
    world = simulate_world(folder / "world", WorldOptions.of(seed=3, size_px=512))
    build_map(Sources(world.sar, landcover=world.landcover, dem=world.dem), folder / "map", BuildOptions(load("structural")))
    reference = ReferenceMap.open(folder / "map")
    ortho = RasterView.of(world.optical, reference.frame)
    sight = nadir_sight(480, 360, FOOTPRINT_PX * reference.gsd)
    seen = ortho.read(0, 0, ortho.grid.width, ortho.grid.height)
    image = np.where(seen.valid[..., None], seen.image, 0).astype(np.uint8)
    view = View(image, seen.valid, seen.grid, drape(world.dem, ortho, sight), sight.camera)
    return Overflight(reference, view, sight.height)


@pytest.fixture(scope="session")
def overflight(tmp_path_factory: pytest.TempPathFactory) -> Overflight:
    return make_overflight(tmp_path_factory.mktemp("overflight"))
