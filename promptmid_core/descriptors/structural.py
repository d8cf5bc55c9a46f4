"""The structural descriptor: oriented gradients, and the dependence between colour and radar brightness. Needs no weights."""

from __future__ import annotations

import hashlib
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path

import cv2
import numpy as np

from promptmid_core.descriptors import Evidence, calibration, gradients, radiometry
from promptmid_core.descriptors.calibration import Calibration
from promptmid_core.descriptors.cells import eroded, f32, filled, whole_cells
from promptmid_core.descriptors.likelihood import CAUTIOUS, Likelihood
from promptmid_core.geometry import ChannelGroup, DescriptorMap, Measure, Patch
from promptmid_core.prompts.prompt import Modality, Prompt

VERSION = 2
EVIDENCE = Evidence(0.49, 0.55, 1.25, -5.21, refined=0.42)


@dataclass(frozen=True)
class Structural:
    """Two groups of channels that err differently.

    `gradient`: five harmonics of oriented gradients by their strength (ROEWA on the SAR side), and five of plain gradients by
    their direction alone, each pixel's vector at unit length times `direction_weight`. Compared by correlation.
    `radiometry`: nine channels of colour against four of radar brightness. Compared by dependence.
    """

    optical_sigma: float = 1.0
    ratio_decay: float = 2.0
    ratio_sigma: float = 1.5
    ratio_floor: float = 0.05  # of the median amplitude: keeps shadow and receiver noise from looking like strong edges
    amplitude_power: float = 0.5
    harmonics: tuple[float, float, float] = (0.375, 0.312, 0.1)
    strength_sigma: float = 1.0  # cells
    direction_sigma: float = 0.75  # cells
    direction_weight: float = 0.7
    optical_rest: float = 1.0  # share of the mean strength that is added to the norm, so that flat ground stays weak
    sar_rest: float = 0.04
    brightness_floor: float = 0.2  # of the median amplitude
    brightness_span: float = 0.6
    radiometry_weight: float = 1.25  # of its score, in nats per cell, beside the correlation of the gradients
    stride: int = 2
    name: str = "structural"

    def groups(self, modality: Modality) -> tuple[ChannelGroup, ...]:
        colours = radiometry.SAR_CHANNELS if modality is Modality.SAR else radiometry.optical_channels()
        return ChannelGroup(gradients.GROUP, 10), ChannelGroup(
            "radiometry", colours, Measure.DEPENDENCE, self.radiometry_weight, radiometry.BOUND)

    @property
    def text_encoder(self) -> None:
        return None  # prompts are not heeded

    @property
    def choice(self) -> None:
        return None

    @property
    def oriented(self) -> Structural:
        return self

    @property
    def evidence(self) -> Evidence:
        return EVIDENCE

    @property
    def likelihood(self) -> Likelihood:
        return self.calibration.likelihood if self.calibration else CAUTIOUS

    @property
    def calibration_file(self) -> Path:
        return calibration.STRUCTURAL

    @cached_property
    def calibration(self) -> Calibration | None:
        found = Calibration.read(self.calibration_file) if self.calibration_file.exists() else None
        # that of the shipped one; others are what somebody tries
        return found if found and found.fingerprint == self.fingerprint else None

    @property
    def halo(self) -> int:
        return radiometry.reach(self.stride)

    @property
    def fingerprint(self) -> str:
        text = f"{VERSION} {sorted(asdict(self).items())}"
        return f"structural-{hashlib.sha256(text.encode()).hexdigest()[:16]}"

    def describe(self, patch: Patch, prompt: Prompt) -> DescriptorMap:
        """Return patch (H, W[, C]) -> descriptors (C', H // 2, W // 2), float32: 19 channels of an optical, 14 of a SAR image."""
        seen = whole_cells(patch.valid, self.stride)
        valid = whole_cells(eroded(patch.valid, self._reach()), self.stride)
        image = filled(np.ascontiguousarray(patch.image, np.float32), patch.valid)
        if prompt.modality is Modality.SAR:
            steep = gradients.ratio_gradient(image, self.ratio_decay, self.ratio_sigma, self.ratio_floor, self.amplitude_power)
            grey, rest = image, self.sar_rest
            colours = radiometry.sar_radiometry(image, self.stride, self.brightness_floor, self.brightness_span)
        else:
            grey = f32(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)) if image.ndim == 3 else image
            steep, rest = gradients.optical_gradient(grey, self.optical_sigma), 0.0
            colours = radiometry.optical_radiometry(image, seen, self.stride)
        strong = gradients.harmonics(steep, self.harmonics, self.stride, self.strength_sigma)
        strength = gradients.length(strong)
        if not rest:
            rest = self.optical_rest * float(strength[seen].mean()) if seen.any() else 1.0
        strong /= strength + np.float32(max(rest, 1e-6))
        directed = gradients.harmonics(gradients.plain_gradient(grey), self.harmonics, self.stride, self.direction_sigma)
        directed *= np.float32(self.direction_weight) / (gradients.length(directed) + np.float32(1e-6))
        return DescriptorMap(np.concatenate([strong, directed, colours]), valid, patch.grid.every(self.stride), self.stride,
                             self.groups(prompt.modality))

    def _reach(self) -> int:
        """Pixels next to a hole whose gradient is that of the hole's rim."""
        return int(np.ceil(2 * self.stride * self.strength_sigma + self.ratio_decay))
