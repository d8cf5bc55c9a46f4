"""A descriptor and rasters that make a small map quickly, and what is asked of its folder."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import rasterio
from numpy.typing import NDArray
from rasterio.transform import from_origin

from promptmid_core.descriptors import Evidence
from promptmid_core.descriptors.likelihood import Likelihood
from promptmid_core.geometry import ChannelGroup, DescriptorMap, Measure, Patch
from promptmid_core.prompts.prompt import Modality, Prompt
from promptmid_core.refmap import ReferenceMap

WEST, NORTH, PIXEL = -13183742.2, 4017420.3, 10.0
WIDTH, HEIGHT = 640, 560


@dataclass(frozen=True)
class BoxMean:
    """Means and spreads over boxes of 9 x 9 pixels: a descriptor with a halo, cheap enough for tests."""

    name: str = "boxmean"
    stride: int = 2
    halo: int = 5
    fingerprint: str = "boxmean-1"
    text_encoder: str | None = None
    evidence: Evidence = field(default_factory=lambda: Evidence(1, 1, 1, 0))
    likelihood: Likelihood = field(default_factory=lambda: Likelihood.line(1.0, 1.0, 0.5))
    calibration: None = None
    seen: list[Patch] = field(default_factory=list, compare=False)

    @property
    def corner(self) -> Patch:
        """The north-western window of the finest level; which one is described first is up to the threads."""
        return min(self.seen, key=lambda patch: (patch.grid.gsd, -patch.grid.y, patch.grid.x))

    def groups(self, modality: Modality) -> tuple[ChannelGroup, ...]:
        return ChannelGroup("mean", 1, bound=8.0), ChannelGroup("spread", 1, Measure.DEPENDENCE, 0.5, bound=8.0)

    def describe(self, patch: Patch, prompt: Prompt) -> DescriptorMap:
        assert prompt.modality is Modality.SAR
        assert patch.image.dtype == np.float32
        self.seen.append(patch)
        grid = patch.grid.every(2)
        image = patch.image * patch.valid
        mean, square = cv2.blur(image, (9, 9)), cv2.blur(image * image, (9, 9))
        valid = cv2.erode(patch.valid.astype(np.uint8), np.ones((5, 5), np.uint8), borderValue=1).astype(bool)
        cells = np.s_[..., 0:2 * grid.height:2, 0:2 * grid.width:2]
        array = np.stack([mean, np.sqrt(np.maximum(square - mean * mean, 0))])[cells]
        return DescriptorMap(array, valid[cells], grid, 2, self.groups(Modality.SAR))


def write(path: Path, pixels: NDArray[Any], pixel: float = PIXEL, **options: Any) -> Path:
    profile = {"crs": "EPSG:3395", "transform": from_origin(WEST, NORTH, pixel, pixel)} | options
    with rasterio.open(path, "w", driver="GTiff", width=pixels.shape[1], height=pixels.shape[0], count=1, dtype=pixels.dtype,
                       **profile) as target:
        target.write(pixels, 1)
    return path


def rasters(folder: Path) -> dict[str, Path]:
    """SAR with a hole, land cover of half of it, and a DEM that is a plane with a gap."""
    rng = np.random.default_rng(0)
    sar = np.clip(cv2.GaussianBlur(rng.gamma(4, 25, (HEIGHT, WIDTH)), (0, 0), 1.5), 1, 255).astype(np.uint8)
    sar[200:260, 300:380] = 0
    cover = np.full((HEIGHT, WIDTH // 2), 10, np.uint8)
    cover[:, WIDTH // 4:] = 80
    rows, cols = np.mgrid[0:HEIGHT // 3, 0:WIDTH // 3]
    dem = (100 + 2.0 * cols + 1.0 * rows).astype(np.float32)
    dem[30:34, 30:34] = -9999
    return {
        "sar": write(folder / "sar.tif", sar, nodata=0),
        "landcover": write(folder / "landcover.tif", cover),
        "dem": write(folder / "dem.tif", dem, 3 * PIXEL, nodata=-9999, crs="EPSG:3395+5773"),
    }


def contents(path: Path) -> dict[str, bytes]:
    return {file.relative_to(path).as_posix(): file.read_bytes() for file in path.rglob("*") if file.is_file()}


def whole(reference: ReferenceMap) -> tuple[int, int, int, int]:
    """The window of all whole cells."""
    return 0, 0, reference.grid.width // 2 * 2, reference.grid.height // 2 * 2
