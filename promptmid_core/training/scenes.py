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
from promptmid_core.training.layouts import ShardSample, in_two_folders, is_sharded, read_shards

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
    too: the optical image of one date beside the SAR image of another. Folders of public data are read as `layouts` knows them.
    Raises InputError where a folder is none of these."""
    scenes = []
    for folder in folders:
        if all((folder / name).is_file() for name in WORLD_FILES):
            scenes.append(_of_rasters(folder))
        elif (folder / "pairs.csv").is_file():
            pairs = read_pairs(folder, sources if several(folder) else None)
            scenes += [_of_pair(pair) for pair in [*pairs, *across_dates(pairs)]]
        elif is_sharded(folder):
            scenes += [_of_sample(folder.resolve().name, sample) for sample in read_shards(folder)]
        elif pairs := in_two_folders(folder):
            scenes += [_of_pair(pair) for pair in pairs]
        else:
            raise InputError(f"{folder} is no training data; name a folder with pairs.csv, with optical.tif and sar.tif, with "
                             "shards of SARLO-80, or with a folder opt and a folder sar of images")
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
    return TrainingScene(pair.source, pair.id, pair.dated.place, optical,
                         np.asarray(grey / np.float32(images.sar_median), np.float32), optical.any(axis=2) & (grey > 0),
                         _all_of(landuse_of(pair.landuse), grey.shape))


def _of_sample(source: str, sample: ShardSample) -> TrainingScene:
    valid = sample.optical.any(axis=2) & (sample.sar > 0)
    median = np.float32(np.median(sample.sar[valid])) if valid.any() else np.float32(1)
    return TrainingScene(source, sample.name, f"{source} {sample.place}", sample.optical,
                         np.asarray(sample.sar / median, np.float32), valid, _all_of(sample.landuse, sample.sar.shape))


def _all_of(landuse: str | None, shape: tuple[int, ...]) -> UInt8:
    """The id of one land use all over."""
    return np.full(shape, LAND_USES.index(landuse) + 1 if landuse else 0, np.uint8)


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
