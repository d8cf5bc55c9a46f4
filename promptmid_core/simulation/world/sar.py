"""What a side-looking radar sees of a landscape: backscatter, made from the land itself and never from the optical image."""

from __future__ import annotations

from dataclasses import dataclass
from math import cos, pi, radians, sin, tan

import cv2
import numpy as np
from numpy.typing import NDArray

from promptmid_core.arrays import Float32
from promptmid_core.simulation.world.illumination import shadow, shifted, slopes
from promptmid_core.simulation.world.landscape import Ground, Landscape
from promptmid_core.simulation.world.noise import blurred, fractal, normal, uniform

CALIBRATION = 500.0  # digital number of an amplitude of 1 (sigma0 of 0 dB), the order of Sentinel-1 GRD products
NOISE_DB = -25.0  # noise-equivalent sigma0, Sentinel-1 IW (Torres et al. 2012, doi 10.1016/j.rse.2011.05.028)
REFERENCE = radians(39)  # incidence angle that the tables below hold for


@dataclass(frozen=True)
class Radar:
    """A C-band radar: `look` azimuth of the ground direction in which it looks, radians clockwise from north; `incidence` angle
    at level ground, radians; `looks` averaged, which is the inverse squared coefficient of variation of the speckle.
    """

    look: float = radians(79)
    incidence: float = REFERENCE
    looks: int = 4


# sigma0 in dB at the reference angle, its spread from parcel to parcel, and the exponent n of cos^n with which it falls; the
# order of the C-band VV means in Ulaby and Dobson, Handbook of Radar Scattering Statistics for Terrain (Artech House, 1989)
BACKSCATTER = np.zeros((len(Ground), 3), np.float32)
BACKSCATTER[Ground.WATER] = -21.5, 0.6, 9.0
BACKSCATTER[Ground.CROP] = -10.9, 2.0, 1.6
BACKSCATTER[Ground.SOIL] = -10.9, 2.6, 3.0
BACKSCATTER[Ground.MEADOW] = -11.8, 1.6, 1.6
BACKSCATTER[Ground.FALLOW] = -11.3, 1.5, 1.4
BACKSCATTER[Ground.REED] = -9.5, 1.3, 1.2
BACKSCATTER[Ground.GRAVEL] = -14.5, 1.6, 3.0
BACKSCATTER[Ground.FOREST] = -11.0, 0.8, 1.2
BACKSCATTER[Ground.GARDEN] = -10.5, 1.2, 1.5
BACKSCATTER[Ground.YARD] = -13.5, 1.8, 2.5
LEVEL_SALT = 201  # of what makes a parcel's level its own
CANOPY_DB, PAVED_DB, ROOF_DB = -9.4, -18.5, -9.0


def sar_image(rng: np.random.Generator, land: Landscape, radar: Radar) -> NDArray[np.uint16]:
    """Return amplitude (H, W) as digital numbers of a terrain-corrected, multi-looked C-band product; no pixel is 0, which is
    nodata.

    Geometry: every echo lies at its true map position, as after orthorectification with the dem; only the walls of buildings,
    which no dem holds, lie over towards the radar. Radiometry: sigma0 on the ellipsoid, not flattened, so slopes that face the
    radar are bright by the foreshortening gain (Ulander 1996, doi 10.1109/36.536527; Small 2011, doi 10.1109/TGRS.2011.2120616)
    and what is hidden is dark. Each parcel has a roughness and a moisture of its own, independent of its colour. Speckle is fully
    developed: `looks` averaged circular Gaussian fields give a gamma distributed intensity (Goodman, Speckle Phenomena in Optics,
    2007), correlated over the resolution cell, which is wider than a pixel.
    """
    gsd_m, size = land.gsd_m, land.size
    # crowns are half transparent to the radar: they shadow with the height of their scattering centre
    solid = land.dem + np.maximum(land.roof * land.roof_m, np.float32(0.7) * land.canopy * land.canopy_m)
    towards = radar.look + pi
    hidden = shadow(solid, gsd_m, towards, pi / 2 - radar.incidence)
    local, gain = _incidence(land, radar)

    sigma = _area(rng, land, local) * gain
    sigma = sigma + _crown_edges(land, solid, radar)
    sigma = sigma * (1 - np.float32(0.85) * hidden) + _walls(land, radar)
    # the resolution cell is about two pixels wide
    sigma = blurred(sigma, 0.65) + np.float32(10 ** (NOISE_DB / 10))
    amplitude = np.sqrt(sigma * _speckle(rng, size, radar.looks)) * np.float32(CALIBRATION)
    return np.asarray(np.clip(np.rint(amplitude), 1, 65535), np.uint16)


def _incidence(land: Landscape, radar: Radar) -> tuple[Float32, Float32]:
    """(H, W) cosine of the local incidence angle, and the gain of sigma0 by the area that a resolution cell then covers."""
    east, north = slopes(blurred(land.dem, 0.8), land.gsd_m)
    away = east * np.float32(sin(radar.look)) + north * np.float32(cos(radar.look))
    length = np.sqrt(1 + east * east + north * north)
    # a slope that rises away from the radar faces it
    cosine = (np.float32(cos(radar.incidence)) + away * np.float32(sin(radar.incidence))) / length
    range_rise = np.arctan(away)
    gain = np.float32(sin(radar.incidence)) / np.sin(np.maximum(np.float32(radar.incidence) - range_rise, np.float32(radians(8))))
    gain = gain * length * np.cos(range_rise)
    return np.asarray(np.clip(cosine, 0.02, 1), np.float32), np.asarray(gain, np.float32)


def _area(rng: np.random.Generator, land: Landscape, cosine: Float32) -> Float32:
    """(H, W) sigma0 of ground, crowns, roofs and roads, by class, parcel and local incidence."""
    gsd_m, size, key = land.gsd_m, land.size, land.worked(200, 0.3)
    fall = (cosine / np.float32(cos(REFERENCE))).astype(np.float32)
    level, spread, power = (BACKSCATTER[:, i][land.ground] for i in range(3))
    moist = fractal(rng, size, 2500 / gsd_m, 150 / gsd_m, 1.2)
    rough = fractal(rng, size, 300 / gsd_m, 2.5, 0.9)
    tilled = land.ground != Ground.WATER
    level = level + spread * normal(key, LEVEL_SALT) + tilled * (np.float32(0.9) * moist + np.float32(0.75) * rough)
    # wind roughens open water in streaks
    level += (~tilled) * np.float32(1.8) * fractal(rng, size, 2000 / gsd_m, 60 / gsd_m, 1.3)
    sigma = _linear(level) * fall**power
    leaves = np.float32(0.8) * (np.float32(0.5) - land.conifer)
    crowns = _linear(np.float32(CANOPY_DB) + np.float32(0.5) * normal(key, 202) + np.float32(0.7) * rough + leaves)
    sigma += land.canopy * np.float32(0.92) * (crowns * fall - sigma)
    sigma += land.roof * (_linear(ROOF_DB + np.float32(2.5) * normal(key, 203)) * fall - sigma)
    sigma += land.paved * (_linear(PAVED_DB + np.float32(0.8) * rough) * fall**3 - sigma)
    return sigma


def _crown_edges(land: Landscape, solid: Float32, radar: Radar) -> Float32:
    """(H, W) sigma0 that the rim of a wood adds where it faces the radar: the crowns' side echoes with their front."""
    step = np.maximum(land.canopy * land.canopy_m - shifted(land.canopy * land.canopy_m, radar.look + pi, 1.0), 0)
    share = land.canopy * step * np.float32(0.8 / (land.gsd_m * tan(radar.incidence)))
    return np.asarray(share * np.float32(10 ** (CANOPY_DB / 10)), np.float32)


def _walls(land: Landscape, radar: Radar) -> Float32:
    """(H, W) sigma0 of building walls: double bounce at their foot, and the wall itself laid over towards the radar.

    Both need a wall that faces the radar: the power falls quickly as the street grid turns away from it (cardinal effect;
    Franceschetti, Iodice and Riccio 2002, IEEE TGRS 40, 1787-1801). Few walls dominate, hence the wide spread by lot.
    """
    built = land.roof * land.roof_m
    towards = radar.look + pi
    face = np.maximum(built - shifted(built, towards, 1.0), 0)
    turn = np.mod(land.axis - np.float32(pi / 2 - radar.look) + np.float32(pi / 4), np.float32(pi / 2)) - np.float32(pi / 4)
    aligned = np.float32(0.25) + np.exp(-((turn / np.float32(radians(11))) ** 2))
    strength = _linear(np.float32(4.2) * normal(land.parcel, 204) - np.float32(1.0))
    echo = face * np.float32(1 / land.gsd_m) * aligned * strength * (uniform(land.parcel, 205) < 0.8)
    # the foot lies at the wall, the wall above it lies over by height / tan(incidence)
    laid = np.float32(0.65) * echo
    total = laid.copy()
    reach = land.roof_m / np.float32(tan(radar.incidence) * land.gsd_m)
    for distance in range(1, int(np.ceil(reach.max())) + 1):
        share = np.float32(0.35) * echo * np.clip(reach - (distance - 1), 0, 1) / np.maximum(reach, 1)
        if not share.any():
            break
        total += shifted(share, radar.look, float(distance))
    return np.asarray(total, np.float32)


def _speckle(rng: np.random.Generator, size: int, looks: int) -> Float32:
    """(H, W) gamma distributed factor of mean 1 and variance 1 / looks, from fields correlated over the resolution cell."""
    margin = 4
    total = np.zeros((size, size), np.float32)
    kernel = np.asarray(cv2.getGaussianKernel(7, 0.55, cv2.CV_32F), np.float32)
    kernel /= np.sqrt(np.sum(kernel**2))  # keeps the variance of each part
    for _ in range(2 * looks):
        part = rng.standard_normal((size + 2 * margin, size + 2 * margin), dtype=np.float32)
        cells = np.asarray(cv2.sepFilter2D(part, cv2.CV_32F, kernel, kernel), np.float32)[margin:-margin, margin:-margin]
        total += cells * cells
    return np.asarray(total / np.float32(2 * looks), np.float32)


def _linear(db: Float32) -> Float32:
    return np.asarray(np.exp(np.asarray(db, np.float32) * np.float32(np.log(10) / 10)), np.float32)
