"""Training samples: an optical patch, a SAR window around it, and where in the window the patch lies."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from promptmid_core.arrays import Float32, Float64
from promptmid_core.descriptors.cells import filled
from promptmid_core.descriptors.inputs import optical_input, sar_input
from promptmid_core.training.augment import optical_augmented, sar_augmented
from promptmid_core.training.scenes import TrainingScene

Rng = np.random.Generator

LEAST_VALID = 0.9  # share of the patch that must be known
TRIES = 20


@dataclass(frozen=True)
class Geometry:
    """Sides in px of patch and window, and how their images are cut: `zoom` scene px per image px, `turn` and `zoom_error` of the
    SAR window against the patch."""

    patch: int = 96
    window: int = 160
    zoom: tuple[float, float] = (0.7, 1.5)
    turn_error_deg: float = 1.5
    zoom_error: float = 0.015
    raw_share: float = 0.4  # of the samples that are cut without resampling, as maps and benches often are

    @property
    def reach(self) -> int:
        """The largest displacement in px."""
        return (self.window - self.patch) // 2


@dataclass(frozen=True)
class Sample:
    """`optical` (3, p, p), `sar` (3, w, w) network inputs; `shift` (2,) px (east, south) of the patch's middle from the window's;
    `landuse`: id of LAND_USES, 0 unknown."""

    optical: Float32
    sar: Float32
    shift: Float32
    landuse: int


class Samples:
    """An endless row of samples; number i is a function of the seed and i alone, so that training resumes where it was."""

    def __init__(self, scenes: Sequence[TrainingScene], weights: dict[str, float], seed: int, geometry: Geometry | None = None,
                 augmented: bool = True) -> None:
        self._scenes, self._seed, self._augmented = scenes, seed, augmented
        self._geometry = geometry or Geometry()
        area = np.array([scene.valid.size for scene in scenes], np.float64)
        for source in {scene.source for scene in scenes}:
            own = np.array([scene.source == source for scene in scenes])
            area[own] *= weights.get(source, 1.0) / area[own].sum()
        self._chances = area / area.sum()

    def __getitem__(self, number: int) -> Sample:
        rng = np.random.Generator(np.random.Philox(key=[self._seed, number]))
        for _ in range(TRIES):
            sample = self._cut(self._scenes[rng.choice(len(self._scenes), p=self._chances)], rng)
            if sample is not None:
                return sample
        raise RuntimeError("no scene gives a patch with enough known pixels")

    def _cut(self, scene: TrainingScene, rng: Rng) -> Sample | None:
        geometry = self._geometry
        shift = rng.uniform(-geometry.reach + 2, geometry.reach - 2, 2)
        if rng.random() < geometry.raw_share:
            shift, turn, error = np.rint(shift), np.eye(2), np.eye(2)
        else:
            zoom = np.exp(rng.uniform(*np.log(geometry.zoom)))
            turn = zoom * _turn(rng.uniform(0, 2 * np.pi))
            error = np.exp(rng.normal(0, geometry.zoom_error)) * _turn(np.radians(rng.normal(0, geometry.turn_error_deg)))
        middle = _middle(scene.valid.shape, turn, geometry.window, rng)
        if np.array_equal(turn, np.eye(2)):
            middle = np.floor(middle) + 0.5
        optical = _warped(scene.optical, turn, middle, geometry.patch)
        known = _warped(scene.valid, turn, middle, geometry.patch).astype(bool)
        if known.mean() < LEAST_VALID:
            return None
        # the window's middle lies `shift` before the patch's, and the window is turned and zoomed about the patch
        window_middle = middle - turn @ error @ shift
        sar = np.maximum(_warped(scene.sar, turn @ error, window_middle, geometry.window), 0)
        around = _warped(scene.valid, turn @ error, window_middle, geometry.window).astype(bool)
        landuse = _warped(scene.landuse, turn, middle, geometry.patch, cv2.INTER_NEAREST)
        if self._augmented:
            optical, sar = optical_augmented(optical, rng), sar_augmented(sar, rng)
        optical, sar = optical_input(filled(optical, known), known), sar_input(filled(sar, around))
        return Sample(*_flipped(optical, sar, shift, rng), _landuse(landuse, rng))


def _turn(angle: float) -> Float64:
    return np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])


def _middle(shape: tuple[int, ...], turn: Float64, side: int, rng: Rng) -> Float64:
    """A middle (x, y) for an image of that side that stays inside the scene as far as it can."""
    half = np.abs(turn).sum(axis=1) * side / 2
    size = np.array([shape[1], shape[0]], np.float64)
    low, high = np.minimum(half, size / 2), np.maximum(size - half, size / 2)
    return np.asarray(rng.uniform(low, np.maximum(high, low + 1e-6)), np.float64)


def _warped(image: NDArray[Any], turn: Float64, middle: Float64, side: int,
            flags: int = cv2.INTER_CUBIC) -> Float32:
    """A square image whose px p shows the scene at `middle + turn @ (p - its own middle)`, 0 outside; masks take the nearest."""
    if image.dtype == bool:
        image, flags = image.astype(np.uint8), cv2.INTER_NEAREST
    own = np.array([(side - 1) / 2, (side - 1) / 2])
    matrix = np.column_stack([turn, middle - turn @ own])
    return np.asarray(cv2.warpAffine(image, matrix, (side, side), flags=flags | cv2.WARP_INVERSE_MAP), np.float32)


def _flipped(optical: Float32, sar: Float32, shift: Float64, rng: Rng) -> tuple[Float32, Float32, Float32]:
    """Both images turned by the same quarter turns and perhaps mirrored, and the shift with them."""
    x, y = shift
    for _ in range(rng.integers(4)):
        optical, sar = np.rot90(optical, axes=(1, 2)), np.rot90(sar, axes=(1, 2))
        x, y = y, -x
    if rng.random() < 0.5:
        optical, sar, x = optical[..., ::-1], sar[..., ::-1], -x
    return np.ascontiguousarray(optical), np.ascontiguousarray(sar), np.array([x, y], np.float32)


def _landuse(ids: Float32, rng: Rng) -> int:
    """The land use of most of the patch; now and then unknown, so that the neutral prompt is learnt too."""
    counts = np.bincount(np.asarray(ids, np.int64).ravel(), minlength=1)
    chosen = int(counts.argmax())
    return 0 if rng.random() < 0.25 else chosen
