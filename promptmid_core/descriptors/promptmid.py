"""PromptMID: what the text-prompted network sees, beside the structural channels."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

import cv2
import numpy as np

from promptmid_core.arrays import Float32
from promptmid_core.descriptors import Evidence, calibration
from promptmid_core.descriptors.calibration import Calibration
from promptmid_core.descriptors.cells import filled
from promptmid_core.descriptors.inputs import SAR_REACH, optical_input, sar_input
from promptmid_core.descriptors.likelihood import CAUTIOUS, Likelihood
from promptmid_core.descriptors.name import PROMPTMID, DescriptorName
from promptmid_core.descriptors.structural import Structural
from promptmid_core.geometry import ChannelGroup, DescriptorMap, Patch
from promptmid_core.prompts.prompt import Modality, Prompt
from promptmid_core.runtime.backend import Choice
from promptmid_core.runtime.network import Network
from promptmid_core.runtime.profile import Profile

VERSION = 2
GROUP = "learned"


@dataclass(frozen=True)
class PromptMid:
    """The groups of `structural`, and a third, `learned`: channels of a network that reads the prompt, each cell's vector as long
    as the network is confident there. Compared by correlation.
    """

    profile: Profile
    network: Network
    choice: Choice
    structural: Structural = field(default_factory=Structural)

    @property
    def name(self) -> str:
        return str(DescriptorName(PROMPTMID, self.profile.name))

    @property
    def stride(self) -> int:
        return self.profile.stride

    @property
    def oriented(self) -> Structural:
        return self.structural

    @property
    def evidence(self) -> Evidence:
        return Evidence(*self.profile.evidence)

    @property
    def likelihood(self) -> Likelihood:
        return self.calibration.likelihood if self.calibration else CAUTIOUS

    @property
    def calibration_file(self) -> Path:
        return self.profile.folder / calibration.FILE

    @cached_property
    def calibration(self) -> Calibration | None:
        return Calibration.at(self.calibration_file, self.fingerprint)

    @property
    def halo(self) -> int:
        around = self.profile.windows[1] if self.profile.windows else self.profile.reach
        reach = max(self.structural.halo, around + SAR_REACH)
        return -(-reach // self.profile.multiple) * self.profile.multiple

    @property
    def fingerprint(self) -> str:
        return f"promptmid-{VERSION}-{self.profile.fingerprint}-{self.structural.fingerprint}"

    @property
    def text_encoder(self) -> None:
        return None  # the profile brings the embeddings of its prompts along

    def groups(self, modality: Modality) -> tuple[ChannelGroup, ...]:
        learned = ChannelGroup(GROUP, self.profile.channels, weight=self.profile.weight)
        return *self.structural.groups(modality), learned

    def describe(self, patch: Patch, prompt: Prompt) -> DescriptorMap:
        """Return patch (H, W[, C]) -> descriptors (C', H // 2, W // 2), float32: those of Structural, then the network's."""
        known = self.structural.describe(patch, prompt)
        image = filled(np.ascontiguousarray(patch.image, np.float32), patch.valid)
        if prompt.modality is Modality.SAR:
            pixels, modality = sar_input(image), 1.0
        else:
            pixels, modality = optical_input(image, patch.valid), 0.0
        told = np.array([modality], np.float32), self.profile.embedding(prompt)
        rows, cols = known.valid.shape
        padded = self._padded(pixels)
        learned = (self._in_windows(padded, *told) if self.profile.windows else self._run(padded, *told))[:, :rows, :cols]
        return replace(known, array=np.concatenate([known.array, learned]), groups=self.groups(prompt.modality))

    def _run(self, pixels: Float32, modality: Float32, prompt: Float32) -> Float32:
        descriptors, confidence = self.network(pixels[None], modality, prompt)
        return np.asarray(descriptors[0] * confidence[0], np.float32)

    def _in_windows(self, pixels: Float32, modality: Float32, prompt: Float32) -> Float32:
        """Of each window only the middle is kept. Windows stand on a lattice whose pitch divides the halo and the tiles of a map,
        so that a tile's descriptors equal those of the same place described with the whole level."""
        assert self.profile.windows
        side, margin = self.profile.windows
        pitch, stride = side - 2 * margin, self.stride
        height, width = pixels.shape[1:]
        around = np.stack([cv2.copyMakeBorder(each, margin, margin, margin, margin, cv2.BORDER_REPLICATE) for each in pixels])
        found = np.empty((self.profile.channels, height // stride, width // stride), np.float32)
        middle = slice(margin // stride, (margin + pitch) // stride)
        for row in range(0, height, pitch):
            for col in range(0, width, pitch):
                window = np.ascontiguousarray(around[:, row:row + side, col:col + side])
                cells = np.s_[:, row // stride:(row + pitch) // stride, col // stride:(col + pitch) // stride]
                found[cells] = self._run(window, modality, prompt)[:, middle, middle]
        return found

    def _padded(self, pixels: Float32) -> Float32:
        """Continued to the south and east to sides that the network takes."""
        bottom, right = (-size % self.profile.multiple for size in pixels.shape[1:])
        if not bottom and not right:
            return pixels
        return np.stack([cv2.copyMakeBorder(channel, 0, bottom, 0, right, cv2.BORDER_REPLICATE) for channel in pixels])
