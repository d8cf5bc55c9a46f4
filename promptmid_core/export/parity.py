"""Whether a network gives the same answers elsewhere: an export against the PyTorch that it was made from."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from promptmid_core.arrays import Float32
from promptmid_core.descriptors.inputs import optical_input, sar_input
from promptmid_core.georaster.source import opened
from promptmid_core.simulation.world.options import WorldOptions
from promptmid_core.simulation.world.simulate import simulate_world

Run = Callable[[Float32, Float32, Float32], tuple[Float32, Float32]]
SEED = 1


@dataclass(frozen=True)
class Parity:
    """Cosines between descriptors of the same cells, over all cells of all images, and the greatest difference in confidence."""

    images: int
    least: float
    first_percentile: float
    median: float
    confidence: float

    def __str__(self) -> str:
        return (f"cosine of descriptors over {self.images} images: least {self.least:.7f}, 1 % {self.first_percentile:.7f}, "
                f"median {self.median:.7f}; greatest difference in confidence {self.confidence:.1e}")


def compare(reference: Run, other: Run, side_px: int, prompts: Float32) -> Parity:
    """Compare both on views of a simulated world, optical and SAR, each with another of the prompts (2, P, ...)."""
    cosines, confidences = [], []
    views = list(simulated_views(side_px, prompts))
    for view in views:
        (one, sure), (two, also) = reference(*view), other(*view)
        length = np.linalg.norm(one, axis=1) * np.linalg.norm(two, axis=1)
        cosines.append((np.asarray(one, np.float64) * two).sum(1) / np.maximum(length, 1e-12))
        confidences.append(float(np.abs(sure - also).max()))
    found = np.concatenate([each.ravel() for each in cosines])
    if not np.isfinite(found).all():  # a network that overflows is no match at all
        found = np.where(np.isfinite(found), found, -1)
    return Parity(len(views), float(found.min()), float(np.percentile(found, 1)), float(np.median(found)), max(confidences))


def simulated_views(side_px: int, prompts: Float32) -> Iterator[tuple[Float32, Float32, Float32]]:
    """Yield images (1, 3, side, side) as the network takes them, the modality, and a prompt: four places of a world in both
    sensors."""
    with TemporaryDirectory() as folder:
        world = simulate_world(Path(folder), WorldOptions.of(seed=SEED, size_px=max(2 * side_px, 256)))
        images = []
        for path in (world.optical, world.sar):
            with opened(path) as source:
                images.append(source.read().transpose(1, 2, 0).astype(np.float32))
    optical, amplitude = images[0], images[1][..., 0] / np.float32(np.median(images[1]))
    for place in range(4):
        rows, cols = (slice(at * side_px, (at + 1) * side_px) for at in divmod(place, 2))
        known = np.ones((side_px, side_px), bool)
        for modality, pixels in enumerate((optical_input(optical[rows, cols], known), sar_input(amplitude[rows, cols]))):
            prompt = prompts[modality, place % prompts.shape[1]]
            yield pixels[None], np.array([modality], np.float32), np.asarray(prompt, np.float32)[None]
