"""What is trained on: places of which there is an optical and a SAR image on one grid."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from promptmid_core.arrays import Float32, Mask, UInt8
from promptmid_core.bench.dates import across_dates
from promptmid_core.bench.pairs import Pair, landuse_of, read_images, read_pairs, several
from promptmid_core.errors import InputError
from promptmid_core.georaster import map_frame, resample
from promptmid_core.prompts import ClassTable
from promptmid_core.prompts.prompt import LAND_USES

WORLD_FILES = ("optical.tif", "sar.tif")


@dataclass(frozen=True)
class TrainingScene:
    """`optical` (H, W, 3) uint8; `sar` (H, W) float32 amplitude with median 1; `valid` (H, W): both are known; `landuse` (H, W)
    uint8 ids of LAND_USES, 0 unknown; `place`: the same at all dates of a place, and not shared by training and validation."""

    source: str
    name: str
    place: str
    optical: UInt8
    sar: Float32
    valid: Mask
    landuse: UInt8


def read_scenes(folders: Sequence[Path], sources: Sequence[str] | None = None) -> list[TrainingScene]:
    """Return the scenes of pair folders (`pairs.csv`) and of folders with `optical.tif`, `sar.tif` and, optionally,
    `landcover.tif` in classes of ESA WorldCover, as `promptmid simulate world` writes them. Of a data set of several sources only
    the named ones are read. A place that the pairs of a folder show at several dates gives scenes of the source `across-dates`
    too: the optical image of one date beside the SAR image of another. Raises InputError where a folder is neither."""
    scenes = []
    for folder in folders:
        if all((folder / name).is_file() for name in WORLD_FILES):
            scenes.append(_of_rasters(folder))
        elif (folder / "pairs.csv").is_file():
            pairs = read_pairs(folder, sources if several(folder) else None)
            scenes += [_of_pair(pair) for pair in [*pairs, *across_dates(pairs)]]
        else:
            raise InputError(f"{folder} is no training data; name a folder with pairs.csv, or with optical.tif and sar.tif")
    if not scenes:
        raise InputError("there is nothing to train on; name folders with --data")
    return scenes


def digest(scenes: Sequence[TrainingScene]) -> str:
    """Return the SHA-256 of all pixels, for the run record."""
    total = hashlib.sha256()
    for scene in scenes:
        for array in (scene.optical, scene.sar, scene.valid, scene.landuse):
            total.update(np.ascontiguousarray(array).tobytes())
    return total.hexdigest()


def _of_pair(pair: Pair) -> TrainingScene:
    images = read_images(pair)
    height, width = images.optical.shape[:2]
    grey = images.sar
    if not np.array_equal(pair.affine, ((1, 0, 0), (0, 1, 0))):
        flags = cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP
        grey = np.asarray(cv2.warpAffine(grey, pair.affine, (width, height), flags=flags), np.uint8)
    height, width = min(height, grey.shape[0]), min(width, grey.shape[1])
    optical, grey = images.optical[:height, :width], grey[:height, :width]
    landuse = landuse_of(pair.landuse)
    number = LAND_USES.index(landuse) + 1 if landuse else 0
    return TrainingScene(pair.source, pair.id, pair.dated.place, optical,
                         np.asarray(grey / np.float32(images.sar_median), np.float32), optical.any(axis=2) & (grey > 0),
                         np.full((height, width), number, np.uint8))


def _of_rasters(folder: Path) -> TrainingScene:
    optical_file, sar_file = (folder / name for name in WORLD_FILES)
    frame = map_frame(sar_file)
    radar = resample(sar_file, frame)
    seen = resample(optical_file, frame, like=radar.grid)
    valid = radar.valid & seen.valid
    if not valid.any():
        raise InputError(f"{optical_file} and {sar_file} have no valid pixel in common; give two images of one place")
    landuse = np.zeros(radar.grid.shape, np.uint8)
    cover = folder / "landcover.tif"
    if cover.is_file():
        codes = resample(cover, frame, resampling="nearest", like=radar.grid)
        landuse[codes.valid] = ClassTable.load("worldcover").prompt_ids()[codes.image[codes.valid].astype(np.uint16)]
    median = np.float32(np.median(radar.image[valid]))
    return TrainingScene(folder.name, sar_file.stem, folder.name, np.clip(np.rint(seen.image), 0, 255).astype(np.uint8),
                         np.asarray(radar.image / median, np.float32), valid, landuse)
