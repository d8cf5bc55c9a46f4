"""A world of known truth: one landscape, seen by an optical and by a radar sensor, written as GeoTIFFs on one grid."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from promptmid_core.files import cannot_write, make_folder, replacing
from promptmid_core.geometry.grid import GeoTransform
from promptmid_core.georaster.proj import check_rasterio
from promptmid_core.simulation.world.close.land import close_landscape
from promptmid_core.simulation.world.landscape import landscape
from promptmid_core.simulation.world.optical import Sun, optical_image
from promptmid_core.simulation.world.options import WorldOptions
from promptmid_core.simulation.world.patterns import pattern_land
from promptmid_core.simulation.world.sar import CALIBRATION, Radar, sar_image

if TYPE_CHECKING:
    from rasterio.crs import CRS

CLOSE_M = 5.0  # with pixels below that, single houses and trees are seen
TILE = 256

# ESA WorldCover, product user manual v2.0 (2022)
COVER_COLOURS = {
    10: (0, 100, 0), 20: (255, 187, 34), 30: (255, 255, 76), 40: (240, 150, 255), 50: (250, 0, 0), 60: (180, 180, 180),
    70: (240, 240, 240), 80: (0, 100, 200), 90: (0, 150, 160), 95: (0, 207, 117), 100: (250, 230, 160),
}  # fmt: skip
COVER_NAMES = "10 tree cover, 20 shrubland, 30 grassland, 40 cropland, 50 built-up, 60 bare, 80 water, 90 wetland"


@dataclass(frozen=True)
class World:
    """The files of a world and how it was made. `transform` is their common GeoTransform in `EPSG:epsg`."""

    optical: Path
    sar: Path
    landcover: Path
    dem: Path
    seed: int
    size_px: int
    gsd_m: float
    epsg: int
    transform: GeoTransform
    sun: Sun
    radar: Radar


def simulate_world(
    out: Path,
    options: WorldOptions,
    *,
    progress: Callable[[str], None] | None = None,
    sun: Sun | None = None,
    radar: Radar | None = None,
) -> World:
    """Make a world and write it into the folder `out`; the same arguments give the same pixels.

    `optical.tif` RGB uint8; `sar.tif` uint16 amplitude, nodata 0, digital number = 500 * sqrt(sigma0), the form of a detected
    Sentinel-1 ground-range product; `landcover.tif` classes of ESA WorldCover with their colours; `dem.tif` float32 metres.
    Square, tiled, deflated, in the UTM zone `options.epsg`, west of its middle, where the point scale is 0.9996. Each file
    appears whole or not at all. `progress` is told each stage as it begins.
    Raises InputError where `out` cannot be written.
    """
    from rasterio.crs import CRS

    tell = progress or (lambda _: None)
    sun, radar = sun or Sun(), radar or Radar()
    seed, size_px, gsd_m, epsg = options.seed, options.size_px, float(options.gsd), options.epsg
    check_rasterio()
    make_folder(out)

    tell("landscape")
    salt = int(np.random.default_rng((seed, 0)).integers(2**32))
    rng = np.random.default_rng((seed, 1))
    if options.pattern != "land":
        land = pattern_land(rng, options)
    else:
        land = (close_landscape if gsd_m < CLOSE_M else landscape)(rng, size_px, gsd_m, salt)
    transform, crs = _transform(epsg, size_px, gsd_m), CRS.from_epsg(epsg)
    files = (out / "optical.tif", out / "sar.tif", out / "landcover.tif", out / "dem.tif")
    world = World(*files, seed, size_px, gsd_m, epsg, transform, sun, radar)
    tell("land cover and terrain")
    _write(world.landcover, land.cover, crs, transform, nodata=0, colours=COVER_COLOURS, tags={"CLASSES": COVER_NAMES})
    _write(world.dem, land.dem, crs, transform, units="m")
    tell("optical image")
    image = optical_image(np.random.default_rng((seed, 2)), land, sun)
    _write(world.optical, image.transpose(2, 0, 1), crs, transform, nodata=0)
    tell("SAR image")
    amplitude = sar_image(np.random.default_rng((seed, 3)), land, radar)
    tags = {"CALIBRATION": f"sigma0 = (DN / {CALIBRATION:g})^2", "LOOKS": str(radar.looks)}
    _write(world.sar, amplitude, crs, transform, nodata=0, tags=tags)
    return world


def _transform(epsg: int, size_px: int, gsd_m: float) -> GeoTransform:
    """The world's centre lies 32 km west of the central meridian, at 47 degrees north or 34 degrees south."""
    east, north = 468_000.0, 5_205_000.0 if epsg < 32700 else 6_238_000.0
    half = size_px // 2 * gsd_m
    return (gsd_m, 0.0, east - half, 0.0, -gsd_m, north + half)


def _write(
    path: Path,
    array: NDArray[Any],
    crs: CRS,
    transform: GeoTransform,
    *,
    nodata: int | None = None,
    colours: dict[int, tuple[int, int, int]] | None = None,
    units: str | None = None,
    tags: dict[str, str] | None = None,
) -> None:
    """One GeoTIFF of (H, W) or (bands, H, W), written apart and then moved to its place, be that a link."""
    import rasterio
    from rasterio.transform import Affine

    bands = array if array.ndim == 3 else array[None]
    profile = {
        "driver": "GTiff", "dtype": bands.dtype.name, "count": len(bands), "height": bands.shape[1], "width": bands.shape[2],
        "crs": crs, "transform": Affine(*transform), "nodata": nodata, "tiled": True, "blockxsize": TILE, "blockysize": TILE,
        "compress": "deflate", "zlevel": 4, "predictor": 3 if bands.dtype.kind == "f" else 2,
    }  # fmt: skip
    if len(bands) == 3:
        profile |= {"photometric": "RGB", "interleave": "pixel"}
    try:
        with replacing(path, path.parent) as partial, rasterio.open(partial, "w", **profile) as file:
            if colours:
                # before the pixels: once they are written, GDAL can no longer make the file a palette image
                file.write_colormap(1, colours)
            file.write(bands)
            if units:
                file.units = (units,)
            file.update_tags(**(tags or {}))
    except (OSError, rasterio.errors.RasterioError) as error:
        raise cannot_write(path, error, "free the place or name another folder") from error
