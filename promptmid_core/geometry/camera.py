"""The camera: intrinsics and distortion of sensor_msgs/CameraInfo, and how it is mounted."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import cv2
import numpy as np

from promptmid_core.arrays import Float64, Mask
from promptmid_core.geometry.lens import COEFFICIENTS, distorted
from promptmid_core.geometry.pose import Pose

# pixels; less is what rounding leaves of a calibration without skew
LEAST_SKEW = 1e-6
# pixels and coefficients; what lies beyond is none of a camera's, and products stay finite
LEAST_FOCAL, MOST = 1e-3, 1e9
LEAST_RISE = 1e-6  # of a ray out of the image plane, as a share of its length

# base_link is x forward, y left, z up (REP-103); the camera looks straight down with the image's top forward
NADIR = Pose(np.zeros(3), np.array([[0.0, -1.0, 0.0], [-1.0, 0.0, 0.0], [0.0, 0.0, -1.0]]))


@dataclass(frozen=True)
class Camera:
    """A pinhole camera with distortion.

    `k` (3, 3) in pixels, pixel centres at integers; `model` one of COEFFICIENTS; `d` as many as it may have;
    `mount` is the pose of the optical frame (x right, y down, z forward) in `base_link`.
    Raises ValueError with one sentence where these do not make a camera.
    """

    width: int
    height: int
    k: Float64
    model: str = "plumb_bob"
    d: Float64 = field(default_factory=lambda: np.zeros(5))
    mount: Pose = NADIR

    def __post_init__(self) -> None:
        if self.width <= 0 or self.height <= 0:
            raise ValueError(f"camera_info has size {self.width}x{self.height}")
        if not np.isfinite(self.k).all() or not np.isfinite(self.d).all():
            raise ValueError("camera_info has NaN or infinite intrinsics")
        if max(np.abs(self.k).max(), np.abs(self.d).max(initial=0.0)) > MOST:
            raise ValueError(f"camera_info has intrinsics beyond {MOST:g}, which are none of a camera")
        skew = max(self.k[0, 1], self.k[1, 0], key=abs)
        if abs(skew) > LEAST_SKEW:
            raise ValueError(f"camera_info has skewed pixels ({skew:g} beside a focal length in K), which no distortion model "
                             "knows; calibrate the camera without skew")
        if self.k[0, 0] < LEAST_FOCAL or self.k[1, 1] < LEAST_FOCAL or not np.allclose(self.k[2], (0, 0, 1)):
            raise ValueError("camera_info has no focal length (K is zero or not of the form [fx s cx; 0 fy cy; 0 0 1])")
        if self.model not in COEFFICIENTS:
            raise ValueError(f"camera_info has distortion model '{self.model}' with {len(self.d)} coefficients; known are "
                             f"{', '.join(COEFFICIENTS)}: calibrate the camera with one of these, or rectify its images and send "
                             "zero coefficients")
        if len(self.d) not in COEFFICIENTS[self.model]:
            counts = ", ".join(map(str, COEFFICIENTS[self.model]))
            raise ValueError(f"camera_info has {len(self.d)} coefficients for distortion model '{self.model}', it has {counts}")
        self.middle()

    def project(self, points: Float64) -> tuple[Float64, Mask]:
        """Project points (N, 3) in the optical frame to pixels (N, 2), and tell whether each lies in front and inside the
        image."""
        col, row, seen = self.image_of(*np.asarray(points, np.float64).reshape(-1, 3).T)
        return np.stack([col, row], axis=1), seen

    def image_of(self, across: Float64, down: Float64, depth: Float64) -> tuple[Float64, Float64, Mask]:
        """Do what `project` does, by coordinates (N,) to the right, down and ahead: column, row and whether seen, (N,) each."""
        ahead = depth > LEAST_RISE * np.sqrt(across * across + down * down + depth * depth)
        if not ahead.all():
            across, down, depth = np.where(ahead, across, 0.0), np.where(ahead, down, 0.0), np.where(ahead, depth, 1.0)
        x, y = across / depth, down / depth
        # beyond the radius up to which the lens model is monotonic it folds back and would place far-off ground in the image
        invertible = x * x + y * y <= self._monotonic_radius ** 2
        x, y = distorted(self.model, self.d, x, y)
        col, row = (np.clip(self.k[i, i] * at + self.k[i, 2], -MOST, MOST) for i, at in enumerate((x, y)))
        inside = (col >= -0.5) & (col <= self.width - 0.5) & (row >= -0.5) & (row <= self.height - 0.5)
        return col, row, ahead & inside & invertible

    def rays(self, pixels: Float64) -> Float64:
        """Turn pixels (N, 2) into unit directions (N, 3) in the optical frame.

        Raises ValueError where the lens has none for one of them.
        """
        pixels = np.ascontiguousarray(pixels, dtype=np.float64).reshape(-1, 1, 2)
        # OpenCV's default of five iterations leaves tenths of a pixel at the rim of a strong lens
        criteria = (cv2.TERM_CRITERIA_COUNT | cv2.TERM_CRITERIA_EPS, 60, 1e-10)
        if self.model == "equidistant":
            flat = cv2.fisheye.undistortPoints(pixels, self.k, self._coefficients(), criteria=criteria)
        else:
            flat = cv2.undistortPointsIter(pixels, self.k, self._coefficients(), np.eye(3), np.eye(3), criteria)
        flat = np.asarray(flat, np.float64).reshape(-1, 2)
        # also of NaN; OpenCV says -1e6 where it finds none
        if not (np.abs(flat) < 1 / LEAST_RISE).all():
            raise ValueError("camera_info has a lens by which no ray can be told for some of its pixels")
        directions = np.column_stack([flat, np.ones(len(flat))])
        unit: Float64 = directions / np.linalg.norm(directions, axis=1, keepdims=True)
        return unit

    def middle(self) -> Float64:
        """Return the unit directions (3, 3) in the optical frame through the image centre, and a pixel right of it and below."""
        return self._middle.copy()

    def boresight(self) -> Float64:
        """Return the unit direction (3,) in the optical frame through the image centre."""
        direction: Float64 = self._middle[0].copy()
        return direction

    def _coefficients(self) -> Float64:
        d = np.asarray(self.d, float)
        return d if len(d) else np.zeros(4 if self.model == "equidistant" else 5)

    @cached_property
    def _middle(self) -> Float64:
        col, row = (self.width - 1) / 2, (self.height - 1) / 2
        return self.rays(np.array([[col, row], [col + 1, row], [col, row + 1]]))

    @cached_property
    def _monotonic_radius(self) -> float:
        radii = np.linspace(0.0, 4.0, 401)
        image, _ = distorted(self.model, self.d, radii, np.zeros_like(radii))
        folds = np.flatnonzero(np.diff(image) <= 0)
        return float(radii[folds[0]]) if len(folds) else np.inf
