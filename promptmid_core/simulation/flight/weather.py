"""What the air does to an image: clouds below the aircraft, haze, and the streaks of a ground that moves while it is exposed."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from promptmid_core.arrays import Float32, Float64, UInt8
from promptmid_core.geometry import Pose
from promptmid_core.simulation.flight.options import FlightOptions
from promptmid_core.simulation.flight.sight import Sight
from promptmid_core.simulation.flight.view import View

STREAM = 79  # of the seed's random numbers
TILE = 512  # cells of the clouds' pattern, which repeats after them
TILE_FOOTPRINTS = 3.0  # how many footprints that is
CLOUD_SHARE = 0.4  # height of the clouds, of the aircraft's above the ground
SOFT = 0.3  # of a cloud's edge, in standard deviations of the pattern
HAZE = np.array([206, 212, 220], np.float32)
SAMPLE = 8  # pixels between those that tell how much of an image is covered


@dataclass(frozen=True)
class Weather:
    """`pattern` (TILE, TILE): how thick the clouds are, of deviation 1, on cells of `cell_m` at `above_m` over the ground below
    the aircraft; `cloud` and `haze` shares, 0 to 1."""

    pattern: Float32
    cell_m: float
    above_m: float
    cloud: float
    haze: float

    @staticmethod
    def of(options: FlightOptions, sight: Sight) -> Weather:
        conditions = options.conditions
        cloud, haze = conditions.cloud_percent / 100, conditions.haze_percent / 100
        pattern = _pattern(np.random.default_rng([options.plan.seed, STREAM])) if cloud else np.zeros((1, 1), np.float32)
        return Weather(pattern, sight.shorter * TILE_FOOTPRINTS / TILE, CLOUD_SHARE * sight.height, cloud, haze)

    def over(self, image: UInt8, view: View, pose: Pose) -> UInt8:
        """Return the image (h, w) or (h, w, 3), seen from a pose of `base_link`, with the haze and clouds above its ground."""
        if not self.cloud and not self.haze:
            return image
        seen = image.astype(np.float32)
        veil = HAZE if image.ndim == 3 else HAZE.mean()
        seen += np.float32(self.haze) * (veil - seen)
        if self.cloud:
            x, y = view.crossing(pose, float(view.terrain.height(pose.position[0], pose.position[1])) + self.above_m)
            at = ((x / np.float32(self.cell_m)) % TILE, (y / np.float32(self.cell_m)) % TILE)
            thick = cv2.remap(self.pattern, *at, cv2.INTER_LINEAR, borderMode=cv2.BORDER_WRAP)
            least = np.quantile(thick[::SAMPLE, ::SAMPLE], 1 - self.cloud)
            t = np.clip((thick - np.float32(least)) / np.float32(2 * SOFT) + np.float32(0.5), 0, 1)
            cover = t * t * (3 - 2 * t) if self.cloud < 1 else np.ones_like(t)
            bright = np.clip(np.float32(215) + 12 * (thick - np.float32(least)), 190, 250)
            if image.ndim == 3:
                cover, bright = cover[..., None], bright[..., None]
            seen += cover * (bright - seen)
        return np.clip(np.rint(seen), 0, 255).astype(np.uint8)


def streaked(image: UInt8, velocity: Float64, length_px: float) -> UInt8:
    """Return the image of a ground that moved by `length_px` during the exposure; `velocity` (3,) of the camera along the axes of
    its optical frame."""
    speed = float(np.hypot(velocity[0], velocity[1]))
    if speed == 0:
        return image
    reach = int(np.ceil(length_px / 2)) + 1
    kernel = np.zeros((2 * reach + 1, 2 * reach + 1), np.float32)
    for step in np.linspace(-0.5, 0.5, max(3, int(4 * length_px))):
        right, down = reach + step * length_px * velocity[0] / speed, reach + step * length_px * velocity[1] / speed
        col, row = int(right), int(down)
        u, v = right - col, down - row
        kernel[row:row + 2, col:col + 2] += np.outer((1 - v, v), (1 - u, u)).astype(np.float32)
    return np.asarray(cv2.filter2D(image, -1, kernel / kernel.sum()), np.uint8)


def _pattern(rng: np.random.Generator) -> Float32:
    """A random pattern (TILE, TILE) of mean 0 and deviation 1 that repeats without a seam."""
    f = np.hypot(np.fft.fftfreq(TILE)[:, None], np.fft.rfftfreq(TILE)[None])
    amplitude = (f * f + (1.5 / TILE) ** 2) ** -0.85
    amplitude[0, 0] = 0
    pattern = np.fft.irfft2(np.fft.rfft2(rng.standard_normal((TILE, TILE))) * amplitude, (TILE, TILE))
    return np.asarray((pattern - pattern.mean()) / pattern.std(), np.float32)
