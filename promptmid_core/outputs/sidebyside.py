"""A frame beside the map: both in grey on one grid, where the match puts the frame, with the tie points in either."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from promptmid_core.arrays import Float32, Float64, Mask, UInt8
from promptmid_core.geometry import Grid, Pose
from promptmid_core.localization.fix import Candidate
from promptmid_core.preview.overview import grey
from promptmid_core.refmap import ReferenceMap


@dataclass(frozen=True)
class SideBySide:
    """A frame beside the map on the grid of its patch, (H, W) each: `optical` and `sar`, in grey where the match puts the frame,
    and the pixels (N, 2) of its tie points in either, with their `weight` (N,)."""

    optical: UInt8
    sar: UInt8
    seen: Float64
    found: Float64
    weight: Float64


def laid(candidate: Candidate, reference: ReferenceMap) -> SideBySide | None:
    """Lay a frame beside the map; None where it was refused before it could be laid on the ground."""
    if candidate.patch is None or candidate.prior is None:
        return None
    patch = candidate.patch
    from_pose = candidate.laid or candidate.prior.pose
    found = candidate.pose if candidate.pose is not None else from_pose
    middle = patch.grid.to_map((patch.grid.width - 1) / 2, (patch.grid.height - 1) / 2)
    affine = _moved(patch.grid, from_pose, found, float(reference.terrain().height(*middle)))
    sar, sar_valid = _sar_under(patch.grid, affine, reference)
    image = np.asarray(patch.image)
    optical = grey(cv2.cvtColor(image.astype(np.uint8), cv2.COLOR_RGB2GRAY) if image.ndim == 3 else image, patch.valid)
    seen = on_map = np.empty((0, 2))
    weight = np.empty(0)
    if candidate.ties is not None and len(candidate.ties.weight):
        weight = candidate.ties.weight
        seen = np.column_stack(patch.grid.to_pixel(candidate.ties.seen[:, 0], candidate.ties.seen[:, 1]))
        on_map = np.column_stack(patch.grid.to_pixel(candidate.ties.found[:, 0], candidate.ties.found[:, 1]))
        back = cv2.invertAffineTransform(affine)
        on_map = on_map @ back[:, :2].T + back[:, 2]
    return SideBySide(optical, grey(sar, sar_valid), seen, on_map, weight)


def draw_ties(image: UInt8, pixels: Float64, weight: Float64, scale: float, radius: int = 5) -> None:
    """Draw tie points (N, 2), coloured from purple to yellow by their weight (N,), into a picture `scale` times theirs."""
    if not len(weight):
        return
    for (x, y), colour in zip(pixels, ramp(weight), strict=True):
        if not (np.isfinite(x) and np.isfinite(y)):
            continue
        centre = round((x + 0.5) * scale - 0.5), round((y + 0.5) * scale - 0.5)
        cv2.circle(image, centre, radius + 2, (255, 255, 255), -1, cv2.LINE_AA)
        cv2.circle(image, centre, radius, tuple(int(c) for c in colour), -1, cv2.LINE_AA)


def ramp(share: Float64) -> UInt8:
    """Return the colours (N, 3) of numbers (N,) from 0 to 1, purple to yellow."""
    return np.asarray(cv2.applyColorMap(np.clip(share * 255, 0, 255).astype(np.uint8)[:, None], cv2.COLORMAP_VIRIDIS)[:, 0, ::-1])


def rgb(image: UInt8) -> UInt8:
    """Grey (H, W) to RGB (H, W, 3)."""
    return np.repeat(image[..., None], 3, axis=2)


def tinted(image: UInt8) -> UInt8:
    """Grey to a warm duotone, so that the two sensors can be told apart."""
    share = image[..., None].astype(np.float32) / 255
    dark, light = np.array([38.0, 22.0, 10.0]), np.array([255.0, 238.0, 214.0])
    return np.asarray(dark + share * (light - dark), np.uint8)


def _moved(grid: Grid, laid: Pose, found: Pose, ground_z: float) -> Float64:
    """The affine (2, 3) from pixels of a patch laid out with `laid` to the pixels of the same grid where `found` puts them.

    A ground point keeps its direction in the body; the ground under the patch is taken as level at `ground_z`.
    """
    corners = np.array([[0.0, 0.0], [grid.width - 1.0, 0.0], [0.0, grid.height - 1.0]])
    x, y = grid.to_map(corners[:, 0], corners[:, 1])
    ground = np.column_stack([x, y, np.full(3, ground_z)])
    rays = (ground - laid.position) @ laid.rotation @ found.rotation.T
    points = found.position + rays * ((ground_z - found.position[2]) / rays[:, 2])[:, None]
    pixels = np.column_stack(grid.to_pixel(points[:, 0], points[:, 1]))
    affine: Float64 = cv2.getAffineTransform(corners.astype(np.float32), pixels.astype(np.float32)).astype(np.float64)
    return affine


def _sar_under(grid: Grid, affine: Float64, reference: ReferenceMap) -> tuple[Float32, Mask]:
    """The SAR map resampled to where `affine` puts each pixel of `grid`, and where it has data."""
    right, bottom = grid.width - 1, grid.height - 1
    corners = np.array([[0, 0], [right, 0], [0, bottom], [right, bottom]]) @ affine[:, :2].T + affine[:, 2]
    col, row = reference.grid.to_pixel(*grid.to_map(corners[:, 0], corners[:, 1]))
    left, top = int(np.floor(col.min())) - 2, int(np.floor(row.min())) - 2
    window = reference.image(left, top, int(np.ceil(col.max())) + 3 - left, int(np.ceil(row.max())) + 3 - top)
    # patch pixel -> where it is on its own grid -> metres -> pixel of the window
    scale = grid.gsd / window.grid.gsd
    shift = window.grid.to_pixel(grid.x, grid.y)
    chain = np.column_stack([affine[:, :2] * scale, affine[:, 2] * scale + np.array([float(shift[0]), float(shift[1])])])
    size, flags = (grid.width, grid.height), cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    image = cv2.warpAffine(window.image.astype(np.float32) * window.valid, chain, size, flags=flags)
    valid = cv2.warpAffine(window.valid.astype(np.float32), chain, size, flags=flags)
    return np.asarray(image, np.float32), valid > 0.999
