"""Surfaces seen from a direction: slopes, and the shadow that the surface casts on itself. Serves the sun and the radar."""

from __future__ import annotations

from math import cos, sin, tan

import cv2
import numpy as np

from promptmid_core.arrays import Float32


def slopes(surface: Float32, gsd_m: float) -> tuple[Float32, Float32]:
    """Rise per metre towards east and towards north of a surface (H, W) in metres, by central differences."""
    along = np.array([[-0.5, 0.0, 0.5]], np.float32) / gsd_m
    east = cv2.filter2D(surface, cv2.CV_32F, along, borderType=cv2.BORDER_REPLICATE)
    north = cv2.filter2D(surface, cv2.CV_32F, -along.T, borderType=cv2.BORDER_REPLICATE)
    return np.asarray(east, np.float32), np.asarray(north, np.float32)


def shifted(field: Float32, azimuth: float, distance_px: float) -> Float32:
    """Return what lies `distance_px` away from each pixel in the direction `azimuth` (radians clockwise from north)."""
    move = np.array([[1, 0, distance_px * sin(azimuth)], [0, 1, -distance_px * cos(azimuth)]], np.float32)
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    rows, cols = field.shape
    return np.asarray(cv2.warpAffine(field, move, (cols, rows), flags=flags, borderMode=cv2.BORDER_REPLICATE), np.float32)


def shadow(surface: Float32, gsd_m: float, azimuth: float, elevation: float) -> Float32:
    """Return how far each point of a surface (H, W) lies in the dark, 0 to 1, for a source at `azimuth`, `elevation` (radians).

    A point is dark by the metres of what stands between it and the source above its line of sight; 3 m make full shadow, which
    stands for the partial shadow of a coarse pixel.
    """
    drop = tan(elevation) * gsd_m
    reach = float(surface.max() - surface.min()) / drop
    near = np.arange(1.0, 9.0)
    far = 8.0 * 1.2 ** np.arange(1, 40)
    ceiling = np.full_like(surface, -np.inf)
    for distance in np.concatenate([near, far]):
        if distance > reach:
            break
        np.maximum(ceiling, shifted(surface, azimuth, distance) - np.float32(distance * drop), out=ceiling)
    return np.asarray(np.clip((ceiling - surface) * np.float32(1 / 3), 0, 1), np.float32)
