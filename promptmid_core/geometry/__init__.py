"""Cameras, poses, ground and the map grid; the only place that knows the pixel convention."""

from promptmid_core.geometry.camera import NADIR, Camera
from promptmid_core.geometry.grid import Bounds, Grid
from promptmid_core.geometry.image import ChannelGroup, DescriptorMap, Measure, Patch
from promptmid_core.geometry.ortho import boresight_point, ground_resolution, orthorectify
from promptmid_core.geometry.pose import Motion, Pose, Prior, interpolate
from promptmid_core.geometry.terrain import Terrain

__all__ = [
    "NADIR", "Bounds", "Camera", "ChannelGroup", "DescriptorMap", "Grid", "Measure", "Motion", "Patch", "Pose", "Prior",
    "Terrain", "boresight_point", "ground_resolution", "interpolate", "orthorectify",
]
