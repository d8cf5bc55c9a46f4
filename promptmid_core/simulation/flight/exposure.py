"""What a camera does to the light: optics, exposure that hunts, vignetting, shot and read noise."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np

from promptmid_core.arrays import Float32, Float64, UInt8
from promptmid_core.simulation.flight.smooth_noise import limited, smooth_noise

BLUR_PX = 0.6
VIGNETTING = 0.25  # light lost in the corners
SHOT = 0.025  # variance per grey level
READ = 1.2  # standard deviation in grey levels
NIGHT_LIGHT = 0.2  # of the day's that an exposure gathers
NIGHT_SHOT, NIGHT_READ = 1.2, 4.0  # at the gain that this takes
STREAM = 77  # of the seed's random numbers: noise does not depend on what else was drawn


@dataclass(frozen=True)
class Exposure:
    """The light of every frame: `gain` (N,) and `gamma` (N,), both near 1 and smooth over the flight; at `night` little
    of it, and much noise."""

    seed: int
    gain: Float64
    gamma: Float64
    night: bool = False

    @staticmethod
    def over(seed: int, rng: np.random.Generator, frames: int, period_s: float, night: bool) -> Exposure:
        gain = np.exp(limited(0.12 * smooth_noise(rng, frames, period_s, 10.0), 0.3))
        gamma = np.exp(limited(0.06 * smooth_noise(rng, frames, period_s, 20.0), 0.15))
        return Exposure(seed, gain, gamma, night)

    def expose(self, image: UInt8, index: int) -> UInt8:
        """Return the image (h, w) or (h, w, 3) as frame `index` records it."""
        soft = cv2.GaussianBlur(image, (0, 0), BLUR_PX)
        dimmed, shot, read = (NIGHT_LIGHT, NIGHT_SHOT, NIGHT_READ) if self.night else (1.0, SHOT, READ)
        levels = (255 * dimmed * self.gain[index] * (np.arange(256) / 255) ** self.gamma[index]).astype(np.float32)
        light = cv2.LUT(soft, levels) * _vignette(image.shape)
        # noise of variance SHOT * light + READ^2 is even noise under a square root
        offset = np.float32(read**2 / shot)
        noise = np.random.default_rng([self.seed, STREAM, index]).standard_normal(image.shape, np.float32)
        noise *= np.float32(np.sqrt(shot) / 2)
        root = cv2.sqrt(light + offset) + noise
        return np.clip(np.rint(root * root - offset), 0, 255).astype(np.uint8)


@lru_cache(maxsize=4)
def _vignette(shape: tuple[int, ...]) -> Float32:
    """Share of the light, of the image's shape, that reaches each pixel."""
    rows, cols = shape[:2]
    down, across = np.linspace(-1, 1, rows)[:, None], np.linspace(-1, 1, cols)[None]
    fall = (1 - VIGNETTING * (across**2 + down**2) / 2).astype(np.float32)
    return fall if len(shape) == 2 else np.ascontiguousarray(np.broadcast_to(fall[..., None], shape))
