"""What an optical sensor sees of a landscape from above: reflected sunlight in red, green and blue."""

from __future__ import annotations

from dataclasses import dataclass
from math import cos, radians, sin

import numpy as np

from promptmid_core.arrays import Float32, Float64, UInt8
from promptmid_core.simulation.world.illumination import shadow, slopes
from promptmid_core.simulation.world.landscape import Ground, Landscape
from promptmid_core.simulation.world.noise import blurred, fractal, normal, uniform


@dataclass(frozen=True)
class Sun:
    """Where the light comes from, in radians: azimuth clockwise from north, elevation above the horizon."""

    azimuth: float = radians(152)
    elevation: float = radians(53)


# surface reflectance of red, green, blue, of the order of such materials' spectra (Kokaly et al. 2017, doi 10.3133/ds1035)
CROPS = np.array([
    [0.045, 0.085, 0.045],  # cereals, green
    [0.235, 0.195, 0.120],  # cereals, ripe
    [0.165, 0.185, 0.060],  # oilseed in flower
    [0.110, 0.115, 0.070],  # maize, rows not closed
    [0.040, 0.095, 0.038],  # beet
    [0.090, 0.110, 0.060],  # potatoes
    [0.190, 0.165, 0.110],  # stubble
], np.float32)  # fmt: skip
GROUNDS = np.zeros((len(Ground), 3), np.float32)
GROUNDS[Ground.WATER] = 0.020, 0.036, 0.046
GROUNDS[Ground.SOIL] = 0.165, 0.130, 0.095
GROUNDS[Ground.MEADOW] = 0.070, 0.108, 0.050
GROUNDS[Ground.FALLOW] = 0.115, 0.120, 0.072
GROUNDS[Ground.REED] = 0.095, 0.095, 0.055
GROUNDS[Ground.GRAVEL] = 0.290, 0.265, 0.225
GROUNDS[Ground.FOREST] = 0.060, 0.062, 0.038
GROUNDS[Ground.GARDEN] = 0.085, 0.108, 0.064
GROUNDS[Ground.YARD] = 0.170, 0.165, 0.158
# relative spread of brightness from parcel to parcel
SPREAD = np.array([0.0, 0.16, 0.22, 0.16, 0.15, 0.15, 0.15, 0.1, 0.2, 0.22], np.float32)
ROOFS = np.array([
    [0.200, 0.110, 0.080],  # red tile
    [0.155, 0.100, 0.078],  # old tile
    [0.130, 0.130, 0.132],  # slate, bitumen
    [0.075, 0.076, 0.080],  # dark membrane
    [0.300, 0.300, 0.300],  # concrete, sheet
    [0.460, 0.460, 0.460],  # white membrane
], np.float32)  # fmt: skip
CONIFER = np.array([0.018, 0.034, 0.021], np.float32)
BROADLEAF = np.array([0.034, 0.066, 0.027], np.float32)
ASPHALT = np.array([0.118, 0.116, 0.114], np.float32)
SILT = np.array([0.070, 0.075, 0.055], np.float32)
HAZE = np.array([0.006, 0.010, 0.019], np.float32)

CROP_SALT, BRIGHT_SALT, FURROW_SALT = 101, 102, 112  # of what a parcel's key decides: crop, brightness, depth of furrows

SKYLIGHT = 0.24  # share of the light on level ground that comes from the sky
FULL_SCALE = 0.30  # reflectance that is shown white


def optical_image(rng: np.random.Generator, land: Landscape, sun: Sun) -> UInt8:
    """Return RGB (H, W, 3) as an orthophoto of a multispectral satellite: no pixel is black, which stands for nodata.

    Reflectance by material and parcel, mixed by their shares of a pixel; Lambertian shading and cast shadows under sun and sky
    light; haze; a point spread of about one pixel; a mild tone curve to 8 bits.
    """
    gsd_m, size = land.gsd_m, land.size
    colour = _materials(rng, land)

    east, north = slopes(land.dem + np.float32(0.35) * (land.surface() - land.dem), gsd_m)
    towards = east * np.float32(sin(sun.azimuth)) + north * np.float32(cos(sun.azimuth))
    facing = np.float32(sin(sun.elevation)) - np.float32(cos(sun.elevation)) * towards
    facing = np.maximum(facing, 0) / np.sqrt(1 + east * east + north * north) / np.float32(sin(sun.elevation))
    dark = shadow(land.surface(), gsd_m, sun.azimuth, sun.elevation)
    light = (1 - SKYLIGHT) * np.minimum(facing, 1.7) * (1 - np.float32(0.9) * dark) + SKYLIGHT
    # water mirrors and does not shade
    light = light + land.water * (1 - light) * np.float32(0.8)
    colour *= light[..., None]

    haze = np.float32(1) + np.float32(0.25) * fractal(rng, size, 9000 / gsd_m, 1500 / gsd_m, 1.5)
    colour += haze[..., None] * HAZE
    colour = blurred(colour, 0.5)
    colour += rng.standard_normal(colour.shape, dtype=np.float32) * np.float32(0.0016)
    shown = np.clip(colour * np.float32(1 / FULL_SCALE), 0, 1) ** np.float32(0.72)
    return np.asarray(np.clip(np.rint(shown * 255), 1, 255), np.uint8)


def _materials(rng: np.random.Generator, land: Landscape) -> Float32:
    """Reflectance (H, W, 3) before light."""
    gsd_m, size = land.gsd_m, land.size
    key = land.worked(100, 0.3)
    colour = GROUNDS[land.ground]
    crop = land.ground == Ground.CROP
    colour[crop] = CROPS[(uniform(key[crop], CROP_SALT) * len(CROPS)).astype(np.intp)]

    # a parcel differs from the next of its kind, and varies within: soil patches, growth along the furrows, crowns
    broad = fractal(rng, size, 700 / gsd_m, 40 / gsd_m, 1.2)
    fine = fractal(rng, size, 80 / gsd_m, 2.0, 0.6)
    bright = 1 + SPREAD[land.ground] * normal(key, BRIGHT_SALT)
    bright = np.maximum(bright, 0.45) * (1 + 0.07 * broad + 0.05 * fine + 0.05 * _furrows(land))
    hue = np.float32(0.07) * normal(key, 103) + np.float32(0.03) * broad
    colour *= bright[..., None]
    colour[..., 0] *= 1 + hue
    colour[..., 2] *= 1 - hue
    silt = np.float32(0.3) + np.float32(0.5) * fractal(rng, size, 4000 / gsd_m, 200 / gsd_m, 1.5)
    _blend(colour, SILT, (land.ground == Ground.WATER) * np.clip(silt, 0, 0.9))

    trees = BROADLEAF + (CONIFER - BROADLEAF) * land.conifer[..., None]
    trees *= (np.maximum(1 + 0.16 * fine + 0.10 * normal(key, 105), 0.4))[..., None]
    _blend(colour, trees, land.canopy)
    pick = uniform(key, 106) ** np.float32(1.3)
    tall = (land.roof_m > 7.5).astype(np.float32)
    style = np.clip((pick * 0.55 + tall * uniform(key, 107) * 0.6) * len(ROOFS), 0, len(ROOFS) - 1)
    roofs = ROOFS[style.astype(np.intp)] * np.maximum(1 + 0.2 * normal(key, 108), 0.4)[..., None]
    _blend(colour, roofs, land.roof)
    asphalt = ASPHALT * (1 + np.float32(0.12) * broad + np.float32(0.08) * fine)[..., None]
    _blend(colour, asphalt, land.paved)
    if land.paint is not None:
        _blend(colour, land.paint.colour, land.paint.share)
    return colour


def _furrows(land: Landscape) -> Float32:
    """(H, W) stripes of tracks and growth along the furrows of cultivated parcels, each parcel its own; -1 to 1."""
    rows, cols = np.nonzero((land.ground == Ground.CROP) | (land.ground == Ground.SOIL))
    key, axis = land.parcel[rows, cols], land.axis[rows, cols]
    across = -rows * np.cos(axis) - cols * np.sin(axis)
    wave = np.float32(2.6) + 4 * uniform(key, 111)
    stripes = np.sin((across + 3 * np.sin(across / (3.1 * wave))) * (2 * np.pi / wave)) * uniform(key, FURROW_SALT)
    out = np.zeros(land.dem.shape, np.float32)
    out[rows, cols] = stripes
    return out


def _blend(colour: Float32, other: Float32, share: Float32 | Float64) -> None:
    """Put `other` over `share` of each pixel, in place."""
    colour += (other - colour) * np.asarray(share, np.float32)[..., None]
