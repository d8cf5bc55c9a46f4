"""How a camera differs from what its messages tell: boresight, delay, focal length. Applied to each frame, and kept in a file."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from reprlib import repr as shown
from typing import Any

import numpy as np

from promptmid_core.documents import read_yaml
from promptmid_core.errors import InputError
from promptmid_core.geometry import Camera, Pose
from promptmid_core.geometry.pose import rotation_rpy

MOST_BYTES = 2**16
ANGLES = ("roll", "pitch", "yaw")
# each value with the most that it may be off from that of a camera which is as told
LIMITS = {"roll": 30.0, "pitch": 30.0, "yaw": 30.0, "delay_s": 2.0, "focal_scale": 0.3}
AS_TOLD = {"roll": 0.0, "pitch": 0.0, "yaw": 0.0, "delay_s": 0.0, "focal_scale": 1.0}
CURE = "make it with: promptmid calibrate camera BAG... --map MAP --out FILE.yaml"


@dataclass(frozen=True)
class CameraCalibration:
    """How a camera differs from what its messages and its mount tell.

    `roll`, `pitch`, `yaw`: fixed-axis turns of the housing in `base_link` beside the mount that is told, in degrees as the
    parameter camera_rpy_deg has them; `delay_s`: seconds from when an image was taken to its stamp, positive where stamps are
    late; `focal_scale`: the focal length by that of camera_info; `mount_sigma_deg`, `delay_sigma_s`: standard deviations of the
    angle that is known worst, and of the delay, of those that were observed.
    """

    roll: float = 0.0
    pitch: float = 0.0
    yaw: float = 0.0
    delay_s: float = 0.0
    focal_scale: float = 1.0
    mount_sigma_deg: float = 0.0
    delay_sigma_s: float = 0.0

    def __str__(self) -> str:
        return (f"turned by {self.roll:g}, {self.pitch:g}, {self.yaw:g} degrees, images taken {self.delay_s:g} s before their "
                f"stamp, focal length times {self.focal_scale:g}")

    def camera(self, told: Camera) -> Camera:
        """Return the camera as it is, of the one that is told."""
        if (self.roll, self.pitch, self.yaw, self.focal_scale) == (0.0, 0.0, 0.0, 1.0):
            return told
        k = told.k.copy()
        k[[0, 1], [0, 1]] *= self.focal_scale
        turn = rotation_rpy(*np.deg2rad((self.roll, self.pitch, self.yaw)))
        return replace(told, k=k, mount=Pose(told.mount.position, turn @ told.mount.rotation))

    def taken_ns(self, stamp_ns: int) -> int:
        """Return when an image was taken, of its stamp."""
        return max(stamp_ns - round(self.delay_s * 1e9), 0)

    @staticmethod
    def read(path: Path) -> CameraCalibration:
        """Return what a file of `promptmid calibrate camera` says; what it says was not observed stays as told.

        Raises InputError where it cannot be read or is no calibration of a camera.
        """
        values = read_yaml(path, MOST_BYTES, CURE)
        try:
            return CameraCalibration(**_values(values))
        except ValueError as error:
            raise InputError(f"{path} is no calibration of a camera ({error}); {CURE}") from error


def _values(values: Any) -> dict[str, float]:
    if not isinstance(values, dict) or not set(AS_TOLD) <= set(values):
        raise ValueError(f"it has to state {', '.join(AS_TOLD)}, each with value, sigma and observed")
    found = {name: _value(name, values[name]) for name in AS_TOLD}
    sigmas = {name: abs(float(values[name]["sigma"])) if values[name]["observed"] else 0.0 for name in AS_TOLD}
    return found | {"mount_sigma_deg": min(max(sigmas[name] for name in ANGLES), LIMITS["roll"]),
                    "delay_sigma_s": min(sigmas["delay_s"], LIMITS["delay_s"])}


def _value(name: str, told: Any) -> float:
    if not isinstance(told, dict) or not {"value", "sigma", "observed"} <= set(told):
        raise ValueError(f"{name} is {shown(told)}, not a table of value, sigma and observed")
    for each in ("value", "sigma"):
        if isinstance(told[each], bool) or not isinstance(told[each], int | float) or not np.isfinite(told[each]):
            raise ValueError(f"{name}.{each} is {shown(told[each])}, not a finite number")
    if not isinstance(told["observed"], bool):
        raise ValueError(f"{name}.observed is {shown(told['observed'])}, not true or false")
    if not told["observed"]:
        return AS_TOLD[name]
    value = float(told["value"])
    if abs(value - AS_TOLD[name]) > LIMITS[name]:
        low, high = AS_TOLD[name] - LIMITS[name], AS_TOLD[name] + LIMITS[name]
        raise ValueError(f"{name}.value is {value:g}; it has to be from {low:g} to {high:g}")
    return value
