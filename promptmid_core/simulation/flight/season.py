"""What a season does to the colours of vegetation in an orthophoto."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from promptmid_core.arrays import Float32, UInt8
from promptmid_core.errors import InputError

GREEN = 0.02, 0.10  # how much greener than its other colours, of its brightness, a pixel is that begins to be, and is, vegetation
# colour that vegetation takes on, share of it, and share of snow on ground that is no water, asphalt or roof
LOOKS = {"autumn": ((168, 122, 62), 0.65, 0.0), "drought": ((196, 178, 128), 0.75, 0.0), "snow": ((92, 88, 78), 0.5, 0.85)}
SNOW = np.array([238, 242, 248], np.float32)
ROWS = 256  # worked on at a time


def seasoned(image: UInt8, season: str, path: Path) -> UInt8:
    """Return an orthophoto (H, W, 3) as it looks in one of LOOKS. Raises InputError where it has no colours."""
    if image.ndim == 2:
        raise InputError(f"{path} is grey, so that nothing tells what is vegetation; leave season as it is, or give an "
                         "orthophoto of red, green and blue.")
    out = image.copy()
    for first in range(0, len(image), ROWS):
        part = np.s_[first:first + ROWS]
        out[part] = _seasoned(image[part].astype(np.float32), season)
    out[(image == 0).all(axis=-1)] = 0
    return out


def _seasoned(image: Float32, season: str) -> UInt8:
    colour, share, snow = LOOKS[season]
    bright = image.mean(axis=-1)
    greener = (image[..., 1] - np.maximum(image[..., 0], image[..., 2])) / np.maximum(bright, 1)
    plants = np.clip((greener - GREEN[0]) / (GREEN[1] - GREEN[0]), 0, 1)
    # the texture of what grows stays, in other colours: dark woods stay darker than meadows
    dull = np.array(colour, np.float32) * (np.float32(0.45) + np.float32(0.55) * bright / 110)[..., None]
    # fields are coloured, roads and most roofs grey
    coloured = np.clip((np.ptp(image, axis=-1) / np.maximum(bright, 1) - 0.12) / 0.15, 0, 1)
    image = image + (np.float32(share) * plants)[..., None] * (dull - image)
    if snow:
        # low plants and bare soil are buried, crowns stand out of the snow and are dark
        buried = np.float32(snow) * coloured * np.clip((bright - 40) / 30, 0, 1)
        image = image + buried[..., None] * (SNOW - image)
    return np.clip(np.rint(image), 1, 255).astype(np.uint8)
