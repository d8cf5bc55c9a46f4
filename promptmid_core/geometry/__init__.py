"""Cameras, poses, ground and the map grid; the only place that knows the pixel convention."""

from promptmid_core.geometry.camera import NADIR, Camera
from promptmid_core.geometry.grid import Bounds, Grid
from promptmid_core.geometry.image import DescriptorMap, Patch
from promptmid_core.geometry.pose import Pose, Prior

__all__ = ["NADIR", "Bounds", "Camera", "DescriptorMap", "Grid", "Patch", "Pose", "Prior"]
