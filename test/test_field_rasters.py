"""Rasters that are turned, of colours, of another planet, of nothing new or none at all: taken, or told in one sentence."""

from __future__ import annotations

import os
import re
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
import rasterio
from field_rasters import USES, UTM, raster, refused, speckle, used
from rasterio.transform import Affine
from small_maps import BoxMean

from promptmid_core.errors import InputError
from promptmid_core.georaster import check_raster, map_frame
from promptmid_core.refmap import map_info
from promptmid_core.refmap.build import BuildOptions, Sources, build_map
from promptmid_core.refmap.sar import SarProduct
from promptmid_core.refmap.sar.laying import laid

pytestmark = pytest.mark.slow


@pytest.mark.parametrize(("turn", "fits"), [(6e-16, True), (2e-5, True), (1e-4, False), (0.05, False)])
def test_rotation_of_less_than_a_hundredth_pixel_is_rounding(tmp_path: Path, turn: float, fits: bool) -> None:
    pixels = speckle((150, 200))
    transform = UTM @ Affine.rotation(np.degrees(turn))
    sar = raster(tmp_path / "sar.tif", pixels, "EPSG:32611", transform)
    built = build_map(Sources(sar), tmp_path / "map", BuildOptions(BoxMean()))
    if not fits:
        # laid out as it lies, on pixels of the ground's metres
        assert built.grid.gsd != transform.a
        return
    seen = built.image(0, 0, built.grid.width, built.grid.height)
    # what is turned overhangs an upright rectangle by a part of a pixel, for which there may be a row more
    rows, cols = built.grid.height - 150, built.grid.width - 200
    assert 0 <= rows <= 1 and 0 <= cols <= 1 and seen.valid.mean() > 0.98
    moved = min((np.abs(seen.image[row:row + 150, col:col + 200] - pixels).mean(), row, col)
                for row in range(rows + 1) for col in range(cols + 1))
    assert moved[0] < 0.5


@pytest.mark.parametrize(("use", "name"), USES)
def test_numbers_of_a_palette_are_no_values(los_angeles: dict[str, dict[str, Path]], tmp_path: Path, use: str, name: str) -> None:
    with rasterio.open(los_angeles["0"]["landcover"]) as source:
        numbers, transform = source.read(1), source.transform
    path = tmp_path / "palette.tif"
    with rasterio.open(path, "w", driver="GTiff", width=numbers.shape[1], height=numbers.shape[0], count=1, dtype="uint8",
                       crs="EPSG:4326", transform=transform) as target:
        target.write_colormap(1, {10: (0, 100, 0), 50: (250, 0, 0), 80: (0, 100, 200)})
        target.write(numbers, 1)
    if name == "landcover":
        used(los_angeles["0"] | {name: path}, tmp_path / "out", use)
    else:
        sentence = refused(los_angeles, tmp_path / "out", use, name, path)
        assert sentence.startswith(f"{path} ") and "gdal_translate -expand" in sentence


PLANETS = {
    "Moon": "+proj=longlat +R=1737400 +no_defs", "Mars": "+proj=longlat +a=3396190 +b=3376200 +no_defs",
    "Venus": "+proj=eqc +R=6051800 +units=m +no_defs",
}


@pytest.mark.parametrize(("use", "name", "planet"), [*((*use, "Moon") for use in USES), ("build", "sar", "Mars"),
                                                     ("build", "dem", "Venus")])
def test_raster_of_another_planet_is_refused(los_angeles: dict[str, dict[str, Path]], tmp_path: Path, use: str, name: str,
                                             planet: str) -> None:
    with rasterio.open(los_angeles["0"][name]) as source:
        pixels, transform = source.read(), source.transform
    bad = raster(tmp_path / f"{planet}.tif", pixels, PLANETS[planet], transform)
    assert "does not lie on the Earth" in refused(los_angeles, tmp_path / "out", use, name, bad)


@pytest.mark.parametrize("sphere", ["+proj=longlat +R=6371007.181 +no_defs", "+proj=longlat +R=6370997 +no_defs", "EPSG:4035",
                                    "EPSG:4267", "EPSG:4284", "EPSG:4313"])
def test_every_ellipsoid_of_the_earth_is_taken(tmp_path: Path, sphere: str) -> None:
    check_raster(raster(tmp_path / "sar.tif", speckle(), sphere), "sar")


def test_map_is_not_built_in_the_crs_of_another_planet(los_angeles: dict[str, dict[str, Path]], tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is not a CRS of the Earth; use --crs EPSG:32611"):
        map_frame(los_angeles["0"]["sar"], "+proj=tmerc +R=1737400 +units=m")


@pytest.mark.parametrize("pixel", [1e-12, 1e-6, 1e7])
@pytest.mark.parametrize(("use", "name"), USES)
def test_pixels_of_a_size_that_no_raster_has_are_refused(los_angeles: dict[str, dict[str, Path]], tmp_path: Path, use: str,
                                                         name: str, pixel: float) -> None:
    with rasterio.open(los_angeles["0"][name]) as source:
        pixels = source.read()
    bad = raster(tmp_path / "bad.tif", pixels, "EPSG:32611", Affine(pixel, 0, UTM.c + 3000, 0, -pixel, UTM.f - 3000))
    # a raster whose pixels are that large reaches beyond all places of its CRS
    named = "m on the ground, where 0.001 to 100000 m can be|has no place on the Earth" if pixel > 1 else "m on the ground, where"
    assert re.search(named, refused(los_angeles, tmp_path / "out", use, name, bad))


def unreadable(folder: Path, what: str) -> Path:
    """A path that is no raster that can be read."""
    path = folder / "raster.tif"
    if what == "folder":
        path.mkdir()
    elif what == "link to nothing":
        path.symlink_to(folder / "nowhere")
    elif what == "link to itself":
        path.symlink_to(path)
    elif what == "pipe":
        os.mkfifo(path)
    elif what == "name too long":
        return folder / ("r" * 300 + ".tif")
    elif what == "name not UTF-8":
        path = Path(os.fsdecode(os.fsencode(folder) + b"/K\xf6ln.tif"))
        raster(folder / "named.tif", speckle()).rename(path)
    return path


@pytest.mark.parametrize("what", ["folder", "link to nothing", "pipe", "name too long", "name not UTF-8"])
@pytest.mark.parametrize(("use", "name"), USES)
def test_path_that_is_no_raster_is_refused_and_not_waited_for(los_angeles: dict[str, dict[str, Path]], tmp_path: Path, use: str,
                                                              name: str, what: str) -> None:
    sentence = refused(los_angeles, tmp_path / "out", use, name, unreadable(tmp_path, what))
    assert str(tmp_path) in sentence
    # a build names what a link leads to
    told = {"folder": "is a folder", "link to nothing": "nowhere is not a file" if use == "build" else "is a link to nothing",
            "pipe": "is not a file", "name too long": "File name too long", "name not UTF-8": r"K\xf6ln.tif has a name that"}
    assert told[what] in sentence


@pytest.mark.parametrize("what", ["folder", "link to nothing", "link to itself", "pipe", "name too long", "name not UTF-8"])
def test_scene_beside_others_that_is_no_raster_is_refused_too(los_angeles: dict[str, dict[str, Path]], tmp_path: Path,
                                                              what: str) -> None:
    rasters = {"sar": los_angeles["0"]["sar"], "sar2": unreadable(tmp_path, what)}
    with pytest.raises(InputError, match=re.escape(str(tmp_path))):
        laid(rasters, SarProduct(), 2, crs=None, gsd=None)


@pytest.mark.parametrize("locked", ["file", "folder"])
def test_raster_that_may_not_be_read_is_refused(locked: str) -> None:
    with TemporaryDirectory() as name:
        folder = Path(name)
        inner = folder / "inner"
        inner.mkdir()
        folder.chmod(0o755)
        path = raster(inner / "sar.tif", speckle())
        check_raster(path, "sar")
        (path if locked == "file" else inner).chmod(0)
        root = os.geteuid() == 0
        if root:
            os.seteuid(65534)  # permissions do not hold for root
        try:
            with pytest.raises(InputError, match=r"sar\.tif cannot be read \(Permission denied\)"):
                check_raster(path, "sar")
        finally:
            if root:
                os.seteuid(0)
            inner.chmod(0o755)


@pytest.mark.parametrize("what", ["polarisation", "part", "polarisation with a rim of its own", "neighbour"])
def test_scene_that_adds_nothing_is_told_of(tmp_path: Path, caplog: pytest.LogCaptureFixture, what: str) -> None:
    vv, vh = speckle((300, 320)), speckle((300, 320), 1) / 4
    vv[:60] = vh[:60] = np.nan
    vv[100, 100] = np.nan
    if what == "polarisation with a rim of its own":
        vh[59] = 30
    else:
        vh[100, 100] = np.nan
    transform = UTM @ Affine.translation(160, 0) if what == "neighbour" else UTM
    if what == "part":
        vh = vh[70:200, 150:300]
        transform = UTM @ Affine.translation(150, 70)
    files = [raster(tmp_path / "vv.tif", vv, "EPSG:32611", UTM), raster(tmp_path / "vh.tif", vh, "EPSG:32611", transform)]
    if what in ("polarisation", "part"):
        with pytest.raises(InputError, match=r"vh\.tif adds nothing to the map.*gdalbuildvrt -separate .*vv\.tif .*--combine"):
            build_map(Sources(files), tmp_path / "map", BuildOptions(BoxMean()))
        assert not (tmp_path / "map").exists()
        return
    build_map(Sources(files), tmp_path / "map", BuildOptions(BoxMean()))
    assert map_info(tmp_path / "map")["scenes"][1]["share"] > 0
    assert ("vh.tif adds next to nothing" in caplog.text) == (what != "neighbour")
