"""Flights over maps of one image as it lies upright, turned, and placed by control points."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import rasterio
from pyproj import Transformer
from rasterio.control import GroundControlPoint
from rasterio.enums import Resampling
from rasterio.transform import Affine
from rasterio.warp import reproject
from simulated import Scene

from promptmid_core.descriptors import load
from promptmid_core.localization.localizer import Localizer
from promptmid_core.refmap.build import BuildOptions, Sources, build_map
from promptmid_core.replay.run import replay

pytestmark = [pytest.mark.long, pytest.mark.slow]
SIDE = 0.7  # of the pixels of what is turned, in those of the image, so that turning it takes nothing from it


def turned(sar: Path, out: Path) -> Path:
    """The image laid on pixels that are turned by 104 degrees about its middle; zeros around it, as none are declared."""
    with rasterio.open(sar) as source:
        size = int(1.45 / SIDE * source.width)
        place = (source.transform @ Affine.translation(source.width / 2, source.height / 2) @ Affine.rotation(104)
                 @ Affine.scale(SIDE, SIDE) @ Affine.translation(-size / 2, -size / 2))
        pixels = np.zeros((size, size), np.float32)
        reproject(source.read(1).astype(np.float32), pixels, src_transform=source.transform, src_crs=source.crs,
                  dst_crs=source.crs, dst_transform=place, resampling=Resampling.cubic, tolerance=0)
        with rasterio.open(out, "w", driver="GTiff", width=size, height=size, count=1, dtype="float32", crs=source.crs,
                           transform=place) as target:
            target.write(np.maximum(pixels, 0), 1)
    return out


def tied(sar: Path, out: Path) -> Path:
    """The image with a lattice of control points in degrees in place of its geotransform."""
    with rasterio.open(sar) as source:
        degrees = Transformer.from_crs(source.crs, "EPSG:4326", always_xy=True)
        points = [GroundControlPoint(row, col, *degrees.transform(*(source.transform @ (col, row))))
                  for row in np.linspace(0, source.height, 8) for col in np.linspace(0, source.width, 8)]
        with rasterio.open(out, "w", driver="GTiff", width=source.width, height=source.height, count=1, dtype=source.dtypes[0],
                           crs="EPSG:4326", gcps=points) as target:
            target.write(source.read())
    return out


@pytest.mark.parametrize("make", [turned, tied])
def test_fixes_are_those_over_the_upright_image(scene: Scene, tmp_path: Path, make: object) -> None:
    sar = make(scene.sar, tmp_path / "sar.tif")  # type: ignore[operator]
    plain = scene.reference()
    again = build_map(Sources(sar, dem=scene.dem), tmp_path / "map", BuildOptions(load("structural"), crs=plain.frame.crs,
                                                                                gsd=plain.gsd))
    flights = [replay(scene.bag, Localizer(reference, load("structural")), reference) for reference in (plain, again)]
    fixes = [{frame.bag_ns: frame.fix for frame in flight.frames if frame.fix.accepted} for flight in flights]
    both = sorted(fixes[0].keys() & fixes[1].keys())
    assert len(both) >= 0.9 * len(fixes[0]) > 5
    off = [fixes[0][stamp].ground.point[:2] - fixes[1][stamp].ground.point[:2] for stamp in both]
    assert np.median(np.hypot(*np.transpose(off))) / plain.gsd < 0.1
