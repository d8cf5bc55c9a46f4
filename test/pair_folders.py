"""Small pair folders of known truth: fields with corners and edges, seen by a camera and, through speckle, by a radar."""

import csv
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

COLUMNS = ["id", "optical", "sar", "gsd_m", "landuse", "a", "b", "c", "d", "e", "f"]
IDENTITY = (1, 0, 0, 0, 1, 0)


def scene(seed: int, size: int) -> np.ndarray:
    """Grey fields (size, size), float32, 0 to 1."""
    rng = np.random.default_rng(seed)
    seeds = rng.uniform(0, size, (size * size // 150, 2)).astype(np.float32)
    subdiv = cv2.distanceTransformWithLabels(_dots(seeds, size), cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL)[1]
    tones = rng.uniform(0.15, 1, subdiv.max() + 1).astype(np.float32)
    return cv2.GaussianBlur(tones[subdiv], (0, 0), 0.8)


def _dots(seeds: np.ndarray, size: int) -> np.ndarray:
    image = np.full((size, size), 255, np.uint8)
    image[seeds[:, 1].astype(int), seeds[:, 0].astype(int)] = 0
    return image


def write_pairs(folder: Path, count: int = 2, *, size: int = 200, affine: Sequence[float] = IDENTITY, inverted: bool = False,
                landuse: Sequence[str] = ("",), gsd: str = "10") -> Path:
    """`folder` with pairs.csv and its images; `inverted`: what is bright to the camera is dark to the radar."""
    (folder / "optical").mkdir(parents=True)
    (folder / "sar").mkdir()
    rows = []
    for number in range(count):
        fields = scene(number, size)
        rng = np.random.default_rng(100 + number)
        speckle = rng.gamma(25, 1 / 25, fields.shape)
        sar = np.clip(150 * (1.15 - fields if inverted else fields ** 0.7) * speckle, 1, 255)
        seen = cv2.warpAffine(fields, np.array(affine, float).reshape(2, 3), (size, size),
                              flags=cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP)
        optical = np.clip(np.stack([220 * seen, 200 * seen, 240 * seen], axis=-1), 0, 255)
        cv2.imwrite(str(folder / "optical" / f"{number}.png"), optical.astype(np.uint8))
        cv2.imwrite(str(folder / "sar" / f"{number}.png"), sar.astype(np.uint8))
        rows.append([f"p{number}", f"optical/{number}.png", f"sar/{number}.png", gsd, landuse[number % len(landuse)], *affine])
    with (folder / "pairs.csv").open("w", newline="") as file:
        csv.writer(file).writerows([COLUMNS, *rows])
    return folder
