"""What the heights of a DEM count from: turned to the ellipsoid before they place a raster, or told as what they leave open."""

from __future__ import annotations

from collections.abc import Iterator
from math import radians, tan
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pyproj
import pytest
import rasterio
from geotiffs import UTM, speckle, write
from rasterio.control import GroundControlPoint
from rasterio.transform import Affine, from_origin
from safes import LINES, SAMPLES, place, write_safe
from small_maps import BoxMean
from test_placement import RPCS

from promptmid_core.audit.source import source
from promptmid_core.cli.mapaudit import _sources
from promptmid_core.errors import InputError
from promptmid_core.geometry import Grid
from promptmid_core.georaster import MapFrame, RasterView, covering_grid, map_frame
from promptmid_core.georaster.proj import transformer
from promptmid_core.georaster.source import opened
from promptmid_core.georaster.undulation import ANYWHERE_SIGMA_M, Undulation, _of_thread
from promptmid_core.refmap import map_info, unsure_datum
from promptmid_core.refmap.build import BuildOptions, Sources, build_map, repair_map
from promptmid_core.refmap.format.parts import GridOptions
from promptmid_core.refmap.sar import SarProduct

EGM2008, ABOVE_ELLIPSOID, SILENT = "EPSG:4326+3855", "EPSG:4979", "EPSG:4326"
GEOID_M, GROUND_M, INCIDENCE_DEG = 40.0, 860.0, 38.5
LINE, PIXEL = 80.0, 90.0


@pytest.fixture(scope="module")
def safe(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_safe(tmp_path_factory.mktemp("s1") / "S1A.SAFE", {"VV": (speckle(LINES, SAMPLES) * 4).astype(np.uint16)})


@pytest.fixture
def geoid(tmp_path: Path) -> Iterator[None]:
    """PROJ with a grid of EGM2008, 40 m everywhere, as it has one after 'pyproj sync'."""
    there = pyproj.datadir.get_data_dir()
    with rasterio.open(tmp_path / "us_nga_egm08_25.tif", "w", driver="GTiff", width=361, height=181, count=1, dtype="float32",
                       crs="EPSG:4979", transform=from_origin(-180.5, 90.5, 1, 1)) as target:
        target.write(np.full((1, 181, 361), GEOID_M, np.float32))
        target.update_tags(TYPE="VERTICAL_OFFSET_GEOGRAPHIC_TO_VERTICAL", target_crs_epsg_code="3855", area_or_point="Point")
        target.set_band_description(1, "geoid_undulation")
        target.update_tags(1, UNITTYPE="metre")
    _of_thread.cache_clear()
    pyproj.datadir.append_data_dir(str(tmp_path))
    yield
    pyproj.datadir.set_data_dir(there)
    _of_thread.cache_clear()


def dem_at(folder: Path, crs: str, height: float = GROUND_M) -> Path:
    lon, lat = place(0, 0, 0)
    return write(folder / "dem.tif", np.full((400, 400), height, np.float32), (crs, lon - 0.5, lat + 0.5, 0.0025))


def seen(view: RasterView, lon: float, lat: float) -> tuple[float, float]:
    """The line and pixel that a view has for a place, to the map pixel next to it."""
    x, y = transformer("EPSG:4326", view.frame.crs).transform(lon, lat)
    (col,), (row,) = view.grid.to_pixel(np.array([x - view.frame.origin[0]]), np.array([y - view.frame.origin[1]]))
    first = int(col), int(row)
    with opened(view.path) as source:
        u, v = view._positions(source, *first, 2, 2)
    weights = np.outer([1 - row + first[1], row - first[1]], [1 - col + first[0], col - first[0]])
    return float((v * weights).sum()), float((u * weights).sum())


def laid(safe: Path) -> tuple[MapFrame, Grid]:
    frame = map_frame(safe)
    return frame, covering_grid(safe, frame)


def test_heights_above_a_geoid_are_turned_to_the_ellipsoid(safe: Path, tmp_path: Path) -> None:
    frame, grid = laid(safe)
    dem, there = dem_at(tmp_path, EGM2008), place(LINE, PIXEL, GROUND_M + GEOID_M)
    told = RasterView.of(safe, frame, like=grid, kind="sar", dem=dem, geoid_m=GEOID_M)
    assert seen(told, *there) == pytest.approx((LINE, PIXEL), abs=0.05) and told.datum_error() == 0
    # taken as they are, they move the image by what the geometry says, and that is stated
    plain = RasterView.of(safe, frame, like=grid, kind="sar", dem=dem)
    line, pixel = seen(plain, *there)
    moved = GEOID_M / tan(radians(INCIDENCE_DEG))
    assert np.hypot(line - LINE, pixel - PIXEL) * grid.gsd == pytest.approx(moved, rel=0.15) and abs(pixel - PIXEL) > 4
    assert plain.datum_error() == pytest.approx(np.hypot(line - LINE, pixel - PIXEL) * grid.gsd * ANYWHERE_SIGMA_M / GEOID_M,
                                                rel=0.1)


@pytest.mark.parametrize("crs", [ABOVE_ELLIPSOID, EGM2008])
def test_the_datum_of_the_dem_tells_where_proj_knows_it(safe: Path, tmp_path: Path, geoid: None, crs: str) -> None:
    frame, grid = laid(safe)
    view = RasterView.of(safe, frame, like=grid, kind="sar", dem=dem_at(tmp_path, crs))
    height = GROUND_M + (GEOID_M if crs == EGM2008 else 0.0)
    assert seen(view, *place(LINE, PIXEL, height)) == pytest.approx((LINE, PIXEL), abs=0.05) and view.datum_error() == 0


def test_a_geoid_that_does_not_reach_the_map_is_unknown_there(tmp_path: Path, geoid: None) -> None:
    dem = write(tmp_path / "dem.tif", np.ones((9, 9), np.float32), (EGM2008, 10.0, 50.0, 0.01))
    far = Undulation.of(dem, MapFrame("EPSG:32632", (5e5, 5e6)), Grid(0, 0, 1e12, 4, 4))
    assert far.sigma_m == ANYWHERE_SIGMA_M and "pyproj sync" in far.unknown


def test_rational_polynomials_take_heights_above_the_ellipsoid(tmp_path: Path) -> None:
    path = write(tmp_path / "sar.tif", speckle(), crs=None, transform=Affine.identity(), rpcs=RPCS)
    frame = map_frame(path)
    grid = covering_grid(path, frame)
    places = []
    for crs, height, geoid_m in ((EGM2008, 772.0, GEOID_M), (ABOVE_ELLIPSOID, 812.0, None), (EGM2008, 772.0, None)):
        dem = write(tmp_path / "dem.tif", np.full((80, 80), height, np.float32), (crs, -118.34, 34.09, 1e-3))
        view = RasterView.of(path, frame, like=grid, kind="sar", dem=dem, geoid_m=geoid_m)
        with opened(path) as source:
            places.append((view.datum_error(), *view._positions(source, 0, 0, grid.width, grid.height)))
    assert places[0][0] == places[1][0] == 0 < places[2][0]
    assert np.abs(places[0][1] - places[1][1]).max() < 1e-6 and np.abs(places[0][2] - places[1][2]).max() < 1e-6


def test_an_audit_holds_the_map_against_a_raster_that_heights_have_placed(tmp_path: Path, caplog: Any) -> None:
    path = write(tmp_path / "sar.tif", speckle(), crs=None, transform=Affine.identity(), rpcs=RPCS)
    dem = write(tmp_path / "dem.tif", np.full((80, 80), 772.0, np.float32), (EGM2008, -118.34, 34.09, 1e-3))
    frame = map_frame(path)
    told = SimpleNamespace(options=GridOptions(None, None, GEOID_M), vertical_datum="EGM2008 height",
                           sar=SimpleNamespace(product=SarProduct()))
    reference: Any = SimpleNamespace(path=path, frame=frame, grid=covering_grid(path, frame), header=told)
    args: Any = SimpleNamespace(kind="sar", dem=dem, incidence_deg=None, look_deg=None)
    # nothing tells how the radar of the map looked, and the DEM has its part all the same
    (against,) = _sources([path], args, reference)
    lifted = RasterView.of(path, frame, like=reference.grid, kind="sar", dem=dem, geoid_m=GEOID_M)
    window = (80, 80, 60, 60)
    amplitude, wanted = against.read(*window), lifted.read(*window)
    assert wanted.valid.mean() > 0.5 and (amplitude.valid == wanted.valid).all() and not caplog.text
    assert np.corrcoef(amplitude.image[wanted.valid], wanted.image[wanted.valid])[0, 1] > 0.9999
    assert against.lifted
    assert not source(path, reference, "sar").lifted and "give --dem" in caplog.text
    told.options = GridOptions(None, None)
    assert source(path, reference, "sar", dem).lifted and "count from" in caplog.text
    with pytest.raises(InputError, match="how its radar looked"):
        _sources([], args, reference)


def test_a_map_tells_what_its_heights_count_from_and_states_what_is_left_open(safe: Path, tmp_path: Path) -> None:
    sources = Sources(safe, dem=dem_at(tmp_path, SILENT))
    build_map(sources, tmp_path / "silent", BuildOptions(BoxMean(), SarProduct(band=1)))
    info, sentence = map_info(tmp_path / "silent"), unsure_datum(tmp_path / "silent") or ""
    sigma = ANYWHERE_SIGMA_M / tan(radians(INCIDENCE_DEG))
    assert info["registration_sigma_m"] == pytest.approx(sigma, rel=0.15)
    assert info["facts"]["geoid_sigma_m"]["value"] == pytest.approx(info["registration_sigma_m"], abs=1e-3)
    assert info["facts"]["geoid_height_m"]["source"] == "unknown" and "--geoid-height-m N" in sentence and "\n" not in sentence
    options = BuildOptions(BoxMean(), SarProduct(band=1), geoid_height_m=GEOID_M)
    build_map(sources, tmp_path / "told", options)
    info = map_info(tmp_path / "told")
    assert info["facts"]["geoid_height_m"] == {"value": 40.0, "source": "option", "by": "--geoid-height-m"}
    assert info["registration_sigma_m"] == 0 and unsure_datum(tmp_path / "told") is None
    # heights of the map itself stay those of the DEM
    assert info["vertical_datum"] == "unknown"
    shard = next(iter(sorted((tmp_path / "told" / "0" / "sar").rglob("c/*/*"))))
    whole = shard.read_bytes()
    shard.unlink()
    assert repair_map(tmp_path / "told", sources, BoxMean()) and shard.read_bytes() == whole


@pytest.mark.parametrize(("point_m", "geoid_m", "wanted_m"), [(0.0, None, 0.0), (800.0, 0.0, 60.0), (860.0, 40.0, 40.0)])
def test_control_points_with_heights_are_off_by_those_of_the_ground_above_them(tmp_path: Path, point_m: float, wanted_m: float,
                                                                              geoid_m: float | None) -> None:
    north_up = from_origin(*UTM[1:3], UTM[3], UTM[3])
    points = [GroundControlPoint(row, col, *(north_up @ (col, row)), z=point_m) for row in (0, 100, 200) for col in (0, 110, 220)]
    path = write(tmp_path / "sar.tif", speckle(), crs=UTM[0], transform=Affine.identity(), gcps=points)
    dem = write(tmp_path / "dem.tif", np.full((80, 80), GROUND_M, np.float32), (UTM[0], UTM[1] - 400, UTM[2] + 400, 40.0))
    product = SarProduct(incidence_deg=45.0, terrain_corrected="no")
    build_map(Sources(path, dem=dem), tmp_path / "map", BuildOptions(BoxMean(), product, geoid_height_m=geoid_m))
    info = map_info(tmp_path / "map")
    assert info["registration_sigma_m"] == pytest.approx(wanted_m, abs=0.01)
    assert ("geoid_height_m" in info["facts"]) == bool(point_m)


@pytest.mark.parametrize(("crs", "options", "words"), [
    (ABOVE_ELLIPSOID, {"geoid_height_m": 40.0}, "leave --geoid-height-m out"),
    (EGM2008, {"geoid_height_m": 4000.0}, "none of the Earth"),
    (None, {"geoid_height_m": 40.0}, "give --dem too"),
])
def test_a_geoid_that_cannot_be_is_refused(safe: Path, tmp_path: Path, crs: str | None, options: dict[str, Any],
                                           words: str) -> None:
    sources = Sources(safe, dem=dem_at(tmp_path, crs) if crs else None)
    with pytest.raises(InputError, match=words):
        build_map(sources, tmp_path / "map", BuildOptions(BoxMean(), SarProduct(band=1), **options))
