"""Lens distortion: where a ray of the ideal pinhole camera meets the image plane of the real one."""

from __future__ import annotations

import cv2
import numpy as np

from promptmid_core.arrays import Float64

# how many coefficients a lens may have: OpenCV's k1 k2 p1 p2 | k3 | k4 k5 k6 | s1 s2 s3 s4 | tx ty, of which a list may leave out
# what follows, whichever of its two names it goes by; and those of its fisheye
_COUNTS = (0, 4, 5, 8, 12, 14)
COEFFICIENTS = {"plumb_bob": _COUNTS, "rational_polynomial": _COUNTS, "equidistant": (0, 4)}
TILTED = 14  # coefficients of a tilted sensor
# what other programs call the same
ALIASES = {"radtan": "plumb_bob", "fisheye": "equidistant"}
LEAST_BELOW = 1e-9  # denominator of a rational lens
PINHOLE = ("", "none", "pinhole")  # names of no distortion, which say nothing of coefficients


def plainly(model: str, d: Float64) -> tuple[str, Float64]:
    """Return the name and the fewest coefficients of COEFFICIENTS that mean the same lens; another lens comes back as it is."""
    name = model.strip().lower()
    name = ALIASES.get(name, name)
    if name in PINHOLE and not d.any():
        return "plumb_bob", d[:0]
    enough = [count for count in COEFFICIENTS.get(name, ()) if count <= len(d) and not d[count:].any()]
    return (name, d[:enough[0]]) if enough else (model, d)


def distorted(model: str, d: Float64, x: Float64, y: Float64) -> tuple[Float64, Float64]:
    """Ideal image coordinates at focal length 1 (N,) each -> distorted ones, by the models of sensor_msgs/distortion_models.hpp.

    Formulas of OpenCV (calib3d: k1 k2 p1 p2 k3 k4 k5 k6 s1 s2 s3 s4, fisheye: k1 k2 k3 k4). OpenCV's own projection always
    works out derivatives too, which takes several times as long as the rest.
    """
    d = np.asarray(d, np.float64)
    if not d.any():
        return (x, y) if model != "equidistant" else _equidistant(np.zeros(4), x, y)
    if model == "equidistant":
        return _equidistant(d, x, y)
    if len(d) == TILTED:
        rays = np.column_stack([x, y, np.ones_like(x)])[:, None]
        flat = np.asarray(cv2.projectPoints(rays, np.zeros(3), np.zeros(3), np.eye(3), d)[0], np.float64).reshape(-1, 2)
        return flat[:, 0], flat[:, 1]
    k1, k2, p1, p2, k3, k4, k5, k6, s1, s2, s3, s4 = np.concatenate([d, np.zeros(12 - len(d))])
    r2 = x * x + y * y
    scale = 1 + r2 * (k1 + r2 * (k2 + r2 * k3))
    if k4 or k5 or k6:
        below = 1 + r2 * (k4 + r2 * (k5 + r2 * k6))
        # from its pole on the model is no lens
        scale = np.divide(scale, below, out=np.zeros_like(scale), where=below > LEAST_BELOW)
    xy = 2 * x * y
    across, down = x * scale + p1 * xy + p2 * (r2 + 2 * x * x), y * scale + p1 * (r2 + 2 * y * y) + p2 * xy
    if s1 or s2 or s3 or s4:
        across, down = across + r2 * (s1 + r2 * s2), down + r2 * (s3 + r2 * s4)
    return across, down


def _equidistant(d: Float64, x: Float64, y: Float64) -> tuple[Float64, Float64]:
    k1, k2, k3, k4 = d
    r = np.hypot(x, y)
    angle = np.arctan(r)
    a2 = angle * angle
    bent = angle * (1 + a2 * (k1 + a2 * (k2 + a2 * (k3 + a2 * k4))))
    scale = np.divide(bent, r, out=np.ones_like(r), where=r > 1e-12)
    return x * scale, y * scale
