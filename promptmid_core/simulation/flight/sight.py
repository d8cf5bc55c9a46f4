"""The camera over the ground: how it is mounted and said to be, its footprint, and the height that this footprint takes."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import product

import numpy as np

from promptmid_core.arrays import Float64
from promptmid_core.geometry import NADIR, Camera, Pose
from promptmid_core.geometry.pose import rotation_rpy
from promptmid_core.simulation.flight.options import CameraOptions

VIEW_ANGLE_DEG = 45.0  # across the shorter side, were there no distortion
DISTORTION = np.array([-0.08, 0.03, 0.0005, -0.0004, 0.0])
FLATTEST = float(np.radians(85.0))  # from straight down: a flatter ray sees the sky
FAR_ROWS = 0.03  # of the image's height: the ground so far ahead may be missing
BORDER_POINTS = 24  # a side of the image


@dataclass(frozen=True)
class Sight:
    """`camera` as it is, `told` as messages tell it; its footprint in metres along and across the flight, at right angles to the
    boresight, and the height above ground that this takes."""

    camera: Camera
    told: Camera
    along: float
    across: float
    height: float

    @property
    def shorter(self) -> float:
        return min(self.along, self.across)

    @property
    def is_oblique(self) -> bool:
        """Whether the footprint is anywhere else than around the point below."""
        return not np.array_equal(self.camera.mount.rotation, NADIR.rotation)

    def scaled(self, share: float) -> Sight:
        """Return the sight from a share of the height."""
        return replace(self, along=share * self.along, across=share * self.across, height=share * self.height)

    def ground(self, tilt: float) -> tuple[float, float, float]:
        """Return how far ahead the nearest and the farthest ground is that may be seen while roll and pitch are at most `tilt`
        radians, and how far aside, in metres on level ground; without the rows farthest ahead."""
        width, height = self.camera.width, self.camera.height
        cols, rows = np.linspace(-0.5, width - 0.5, BORDER_POINTS), np.linspace(FAR_ROWS * height, height - 0.5, BORDER_POINTS)
        border = [(col, row) for col in cols for row in (rows[0], rows[-1])] + [(col, row) for row in rows
                                                                                for col in (cols[0], cols[-1])]
        rays = self.camera.rays(np.array(border)) @ self.camera.mount.rotation.T
        seen = []
        for roll, pitch in product((-tilt, 0.0, tilt), repeat=2):
            turned = rays @ rotation_rpy(roll, pitch, 0.0).T
            flat = np.hypot(turned[:, 0], turned[:, 1])
            reach = np.where(turned[:, 2] < 0, np.minimum(flat / np.maximum(-turned[:, 2], 1e-9), np.tan(FLATTEST)),
                             np.tan(FLATTEST))
            seen.append(turned[:, :2] * (self.height * reach / np.maximum(flat, 1e-9))[:, None])
        ahead, aside = np.concatenate(seen).T
        return float(ahead.min()), float(ahead.max()), float(np.abs(aside).max())


def nadir_sight(width: int, height: int, shorter_m: float) -> Sight:
    """Return a camera of mild distortion, and the height from which the shorter side of its image covers `shorter_m` metres."""
    focal = min(width, height) / 2 / np.tan(np.radians(VIEW_ANGLE_DEG / 2))
    # an optical axis is never quite in the middle
    k = np.array([[focal, 0.0, (width - 1) / 2 + 3.2], [0.0, focal, (height - 1) / 2 - 2.1], [0.0, 0.0, 1.0]])
    camera = Camera(width, height, k, "plumb_bob", DISTORTION)
    middle = (width - 1) / 2, (height - 1) / 2
    edges = camera.rays(np.array([[-0.5, middle[1]], [width - 0.5, middle[1]], [middle[0], -0.5], [middle[0], height - 0.5]]))
    at = edges[:, :2] / edges[:, 2:]
    across, along = float(at[1, 0] - at[0, 0]), float(at[3, 1] - at[2, 1])
    above = shorter_m / min(across, along)
    return Sight(camera, camera, along * above, across * above, above)


def mounted(sight: Sight, options: CameraOptions) -> Sight:
    """Return the sight of the camera pitched as asked and wrong as asked, from where its boresight is as long as before."""
    pitch = np.radians(options.camera_pitch_deg)
    told = replace(sight.camera, mount=_turned(NADIR, (0.0, -pitch, 0.0)))
    k = told.k.copy()
    k[(0, 1), (0, 1)] *= 1 + options.focal_error_percent / 100
    k[:2, 2] += options.principal_point_error_px
    true = replace(told, k=k, mount=_turned(told.mount, np.radians(options.boresight_error_deg)))
    return replace(sight, camera=true, told=told, height=float(sight.height * np.cos(pitch)))


def _turned(mount: Pose, rpy: tuple[float, ...] | Float64) -> Pose:
    roll, pitch, yaw = (float(angle) for angle in rpy)
    return Pose(mount.position, rotation_rpy(roll, pitch, yaw) @ mount.rotation)
