"""Scenes and a descriptor that cost next to nothing: what is left is planning, scheduling, writing and merging."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import rasterio
from affine import Affine

from promptmid_core.descriptors import Evidence
from promptmid_core.descriptors.likelihood import Likelihood
from promptmid_core.geometry import ChannelGroup, DescriptorMap, Patch
from promptmid_core.prompts.prompt import Modality, Prompt

CRS, EAST, NORTH, GSD = "EPSG:32611", 340_000.0, 4_200_000.0, 10.0
PATTERN_PX = 64
OVERLAP = 0.1


@dataclass(frozen=True)
class Stub:
    """Every eighth pixel as it is."""

    name: str = "stub"
    stride: int = 8
    halo: int = 0
    fingerprint: str = "stub-1"
    text_encoder: str | None = None
    evidence: Evidence = field(default_factory=lambda: Evidence(1, 1, 1, 0))
    likelihood: Likelihood = field(default_factory=lambda: Likelihood.line(1.0, 1.0, 0.5))
    calibration: None = None

    def groups(self, modality: Modality) -> tuple[ChannelGroup, ...]:
        return (ChannelGroup("pixel", 1, bound=8.0),)

    def describe(self, patch: Patch, prompt: Prompt) -> DescriptorMap:
        grid = patch.grid.every(8)
        cells = np.s_[0:8 * grid.height:8, 0:8 * grid.width:8]
        return DescriptorMap(patch.image[cells][None], patch.valid[cells], grid, 8, self.groups(Modality.SAR))


@dataclass(frozen=True)
class Layout:
    """Scenes in rows, each over a tenth of the next one."""

    count: int
    px: int

    @property
    def columns(self) -> int:
        return int(np.ceil(np.sqrt(self.count)))

    @property
    def step(self) -> int:
        return int(self.px * (1 - OVERLAP))

    def corner(self, number: int) -> tuple[int, int]:
        """Column and row of a scene's first pixel."""
        row, col = divmod(number, self.columns)
        return col * self.step, row * self.step

    def make(self, folder: Path) -> list[Path]:
        """Write what is not there yet; no two scenes hold the same."""
        folder.mkdir(parents=True, exist_ok=True)
        pattern = np.random.default_rng(0).gamma(4, 250, (PATTERN_PX, PATTERN_PX)).clip(1, 60_000)
        files = []
        for number in range(self.count):
            file, (col, row) = folder / f"{number:04d}.tif", self.corner(number)
            files.append(file)
            if file.exists():
                continue
            rolled = np.roll(pattern, (-(row % PATTERN_PX), -(col % PATTERN_PX)), (0, 1))
            pixels = np.tile(rolled, (self.px // PATTERN_PX + 1,) * 2)[:self.px, :self.px].astype(np.uint16)
            # a corner tells it from all others, and is worth nothing else
            pixels[0, :8] = [int(bit) + 1 for bit in f"{number:08b}"[-8:]] if number < 256 else 1 + number % 50_000
            transform = Affine(GSD, 0, EAST + GSD * col, 0, -GSD, NORTH - GSD * row)
            with rasterio.open(file, "w", driver="GTiff", width=self.px, height=self.px, count=1, dtype="uint16", crs=CRS,
                               transform=transform, nodata=0, tiled=True, compress="zstd") as target:
                target.write(pixels, 1)
        return files
