"""How a frame lies whose place is not known: turned and high as it is believed to be, over ground of about one height."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from promptmid_core.arrays import Float64
from promptmid_core.geometry import Bounds, Pose, Prior, boresight_point
from promptmid_core.geometry.pose import rotation_rpy
from promptmid_core.geometry.terrain import Terrain
from promptmid_core.localization.fix import Frame
from promptmid_core.localization.options import TrackOptions
from promptmid_core.refmap import ReferenceMap

SAMPLES = 48  # a side, at which the ground's height is asked for


@dataclass(frozen=True)
class Lie:
    """How a frame lies: its `pose` as believed, the boresight's `place` (2,) by that, the height of the `ground`, the `height` of
    the pose above it, and the standard deviation `sigma` of that; metres."""

    pose: Pose
    place: Float64
    ground: float
    height: float
    sigma: float

    @staticmethod
    def of(frame: Frame, pose: Pose, prior: Prior, ground: tuple[float, float]) -> Lie:
        """`ground`: its height, and the standard deviation of that. Raises Refusal VIEW_NOT_DOWN where the frame sees none."""
        level, sigma = ground
        place = boresight_point(frame.camera, pose, Terrain.flat(level))[:2]
        height = float(pose.position[2]) - level
        return Lie(pose, place, level, height, float(np.hypot(sigma, np.sqrt(prior.covariance[2, 2]))))

    def at(self, place: tuple[float, float], turn: float, ground: float, height: float) -> Pose:
        """The pose that is turned about the vertical and sees a place from a height above its ground."""
        c, s = np.cos(turn), np.sin(turn)
        east, north = np.array([[c, -s], [s, c]]) @ (self.place - self.pose.position[:2]) * (height / self.height)
        position = np.array([place[0] - east, place[1] - north, ground + height])
        return Pose(position, rotation_rpy(0.0, 0.0, turn) @ self.pose.rotation)


def ground_of(reference: ReferenceMap, terrain: Terrain, track: TrackOptions, bounds: Bounds | None) -> tuple[float, float]:
    """Return the height of the ground within bounds, and how far it may be another, one standard deviation.

    With a DEM that is the median, and the hills around it; without one what the options say.
    """
    if not reference.has_dem:
        return track.ground_height_m, track.ground_sigma_m
    west, south, east, north = common(bounds, reference.grid.bounds) or reference.grid.bounds
    x, y = np.meshgrid(np.linspace(west, east, SAMPLES), np.linspace(south, north, SAMPLES))
    low, middle, high = np.percentile(terrain.height(x, y), (2.5, 50, 97.5))
    return float(middle), float(max(high - middle, middle - low)) / 2


def common(one: Bounds | None, other: Bounds) -> Bounds | None:
    """Return what two bounds have in common, None where nothing; without the first the other."""
    if one is None:
        return other
    west, south, east, north = max(one[0], other[0]), max(one[1], other[1]), min(one[2], other[2]), min(one[3], other[3])
    return (west, south, east, north) if west < east and south < north else None
