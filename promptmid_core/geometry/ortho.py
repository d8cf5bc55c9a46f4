"""Ortho-rectification: a camera frame laid on the map grid."""

from __future__ import annotations

import cv2
import numpy as np

from promptmid_core.arrays import Float64, Mask, UInt8
from promptmid_core.errors import Refusal
from promptmid_core.geometry.camera import Camera
from promptmid_core.geometry.grid import Grid
from promptmid_core.geometry.image import Patch
from promptmid_core.geometry.pose import Pose
from promptmid_core.geometry.terrain import Terrain
from promptmid_core.reasons import Reason


def boresight_point(camera: Camera, pose: Pose, terrain: Terrain) -> Float64:
    """Return the ground point (3,) in `map` that the image centre looks at.

    Raises Refusal VIEW_NOT_DOWN where it looks past the ground, FOOTPRINT_SMALL where the camera is on the ground or below.
    """
    eye = pose @ camera.mount
    points, hit = terrain.intersect(eye.position, (eye.rotation @ camera.boresight())[None])
    if not hit[0]:
        above = float(eye.position[2] - terrain.height(*eye.position[:2, None])[0])
        if above <= 0:
            raise Refusal(Reason.FOOTPRINT_SMALL, f"the pose has the camera on the ground or below it, by {-above:.1f} m")
        raise Refusal(Reason.VIEW_NOT_DOWN, "with the pose's attitude and height the image centre does not look at the ground")
    point: Float64 = points[0]
    return point


def ground_resolution(camera: Camera, pose: Pose, terrain: Terrain) -> float:
    """Return the metres on the ground per image pixel around the image centre, the finer of the two image axes."""
    eye = pose @ camera.mount
    rays = camera.middle()
    reach = float(np.linalg.norm(boresight_point(camera, pose, terrain) - eye.position))
    points = rays / rays[:, 2:] * (reach * rays[0, 2])
    return float(min(np.linalg.norm(points[1] - points[0]), np.linalg.norm(points[2] - points[0])))


def orthorectify(image: UInt8, camera: Camera, pose: Pose, terrain: Terrain, grid: Grid) -> Patch:
    """Resample `image` (H, W[, C]) onto `grid` as seen from `pose`.

    Every pixel of the grid is lifted to the terrain and projected through the camera with its distortion, so no inverse of
    the lens model is needed. Where the frame is finer than the grid it is averaged first: a bare look-up would alias.
    """
    col, row, visible = _project_grid(camera, pose, terrain, grid)
    # a frame that covers less than a pixel of the grid is averaged as a whole
    ratio = min(grid.gsd / max(ground_resolution(camera, pose, terrain), 1e-9), float(min(image.shape[:2])))
    factor = max(int(ratio + 0.25), 1)
    height, width = image.shape[0] // factor, image.shape[1] // factor
    if factor > 1:
        col, row = (col - (factor - 1) / 2) / factor, (row - (factor - 1) / 2) / factor
        visible &= (col <= width - 0.5) & (row <= height - 0.5)
    (left, right), (top, bottom) = _reached(col, width), _reached(row, height)
    image = image[top * factor:bottom * factor, left * factor:right * factor]
    if factor > 1:
        image = np.asarray(cv2.resize(image, (right - left, bottom - top), interpolation=cv2.INTER_AREA), np.uint8)
    # cut after rounding, so that what is read does not depend on the cut
    across, down = col.astype(np.float32) - np.float32(left), row.astype(np.float32) - np.float32(top)
    warped = cv2.remap(image, across, down, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return Patch(np.asarray(warped, np.uint8), visible, grid)


def visible(camera: Camera, pose: Pose, terrain: Terrain, grid: Grid) -> Mask:
    """Return which pixels (H, W) of a grid the camera sees, by their middles."""
    return _project_grid(camera, pose, terrain, grid)[2]


def _reached(places: Float64, size: int) -> tuple[int, int]:
    """The span of an axis of `size` pixels that is read at `places`; those beyond its ends are read at the ends."""
    first, last = (min(max(float(end), 0.0), size - 1.0) for end in (places.min(), places.max()))
    return max(int(first) - 1, 0), min(int(last) + 3, size)


def _project_grid(camera: Camera, pose: Pose, terrain: Terrain, grid: Grid) -> tuple[Float64, Float64, Mask]:
    """Image column and row (H, W) of every grid pixel, and whether the camera sees it."""
    x, y = grid.axes()
    eye = pose @ camera.mount
    east, north = x - eye.position[0], (y - eye.position[1])[:, None]
    up = terrain.on_grid(grid) - eye.position[2]
    # sums of a row, a column and a height: a product of matrices would write out every point first, and wake a thread for it
    axes = ((east * a + north * b + up * c).ravel() for a, b, c in eye.rotation.T)
    col, row, seen = camera.image_of(*axes)
    return col.reshape(grid.shape), row.reshape(grid.shape), seen.reshape(grid.shape)
