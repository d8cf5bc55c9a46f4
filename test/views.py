"""Cameras of every lens model, and hills for them to look at."""

import numpy as np

from promptmid_core.geometry import Camera, Grid, Terrain

K = np.array([[900.0, 0, 639.5], [0, 905.0, 479.5], [0, 0, 1]])
CAMERAS = {
    "plumb_bob": Camera(1280, 960, K, "plumb_bob", np.array([-0.22, 0.08, 0.001, -0.0007, -0.01])),
    "rational_polynomial": Camera(
        1280, 960, K, "rational_polynomial", np.array([0.4, -0.1, 0.0005, 0.0003, 0.01, 0.6, -0.05, 0.02])),
    "equidistant": Camera(1280, 960, K, "equidistant", np.array([-0.02, 0.004, -0.002, 0.0004])),
}


def hills(size: int = 200, gsd: float = 20.0) -> Terrain:
    x, y = np.meshgrid(np.arange(size), np.arange(size))
    z = 120 + 60 * np.sin(x / 17) * np.cos(y / 23) + 25 * np.sin(x / 5 + y / 7)
    return Terrain.of(z.astype(np.float32), Grid(-size * gsd / 2, size * gsd / 2, gsd, size, size))
