"""One flight over the same ground at many places of the Earth: as good a fix everywhere, and latitude, longitude, altitude and
the way to north as pyproj has them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyproj
import pytest
import rasterio
from places import Flown, Place, flown_over, laid
from scipy.ndimage import map_coordinates

from promptmid_core.geometry import boresight_point
from promptmid_core.georaster.geodetic import Geodetic
from promptmid_core.reasons import Reason
from promptmid_core.simulation.world.options import WorldOptions
from promptmid_core.simulation.world.simulate import World, simulate_world

pytestmark = pytest.mark.slow

# where the world lies, and the CRS that its map has
PLACES = {
    "within a zone": (Place("EPSG:32633", 14.6, 47.0), "EPSG:32633"),
    "across the border of two zones": (Place("EPSG:32633", 18.001, 45.0), "EPSG:32634"),
    "across the date line": (Place("EPSG:32601", -179.999, -17.0, lowest=5.0), "EPSG:32701"),
    "across the equator": (Place("EPSG:32637", 37.5, 0.001), "EPSG:32637"),
    "across the equator, in the south": (Place("EPSG:32737", 37.5, -0.001), "EPSG:32737"),
    "in the south, counted from the north": (Place("EPSG:32619", -71.0, -52.0), "EPSG:32719"),
    "at 80 degrees north": (Place("EPSG:32633", 16.0, 80.0), "EPSG:32633"),
    "in the polar projection of the south": (Place("EPSG:32761", -60.0, -81.1, map_crs="EPSG:32761"), "EPSG:32761"),
    "across the pole": (Place("EPSG:32661", 90.0, 89.995), "EPSG:32646"),
    "below the sea": (Place("EPSG:32636", 35.5, 31.5, lowest=-430.0), "EPSG:32636"),
    "higher than 8000 m": (Place("EPSG:32645", 86.9, 27.98, lowest=8000.0), "EPSG:32645"),
}
MOST_ERROR_PX = 1.0  # of a frame within a zone, the worst of which is 0.5


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    return simulate_world(tmp_path_factory.mktemp("world"), WorldOptions.of(seed=3, size_px=512))


@pytest.mark.parametrize("name", PLACES)
def test_a_flight_is_localized_wherever_it_is(world: World, tmp_path: Path, name: str) -> None:
    place, map_crs = PLACES[name]
    there = laid(world, place, tmp_path / "rasters")
    flown = flown_over(there, tmp_path, place.map_crs)
    assert flown.reference.frame.crs == map_crs
    geodetic = Geodetic(flown.reference.frame, flown.reference.vertical_datum)
    localizer = flown.localizer()
    for index, (frame, prior) in enumerate(zip(flown.frames, flown.priors, strict=True)):
        found = localizer.match(frame, prior)
        assert found.reason is Reason.FIX, found.sentence
        assert flown.ground_error_px(found, index) < MOST_ERROR_PX
        assert found.pose is not None
        check_place(geodetic, found.pose.position, place)
        check_north(geodetic, flown, found.pose.position)
        ground = boresight_point(frame.camera, found.pose, flown.reference.terrain())
        check_ground(geodetic, flown, ground, there)


def check_place(geodetic: Geodetic, position: np.ndarray, place: Place) -> None:
    """Latitude and longitude are those of the place, and the altitude is that above the ellipsoid or not told."""
    latitude, longitude, altitude = geodetic.place(*position)
    assert abs(latitude) <= 90 and abs(longitude) <= 180
    _, _, away = pyproj.Geod(ellps="WGS84").inv(longitude, latitude, place.longitude, place.latitude)
    assert away < 5000
    if place.lowest is None:
        assert np.isnan(altitude)
    else:
        assert altitude == position[2] > place.lowest + 1000
    assert geodetic.position(latitude, longitude, altitude)[:2] == pytest.approx(position[:2], abs=1e-3)


def check_north(geodetic: Geodetic, flown: Flown, position: np.ndarray) -> None:
    """A covariance to the east, north and up of the place is what a metre along each axis of `map` comes to there."""
    known = flown.reference.frame
    to_wgs84 = pyproj.Transformer.from_crs(known.crs, "EPSG:4979", always_xy=True)
    to_centre = pyproj.Transformer.from_crs("EPSG:4979", "EPSG:4978", always_xy=True)
    steps = np.vstack([np.zeros(3), 10 * np.eye(3)]) + position + [*known.origin, 0.0]
    longitude, latitude, _ = to_wgs84.transform(*steps.T)
    points = np.column_stack(to_centre.transform(longitude, latitude, steps[:, 2]))
    lon, lat = np.radians(longitude[0]), np.radians(latitude[0])
    axes = np.array([
        [-np.sin(lon), np.cos(lon), 0.0],
        [-np.sin(lat) * np.cos(lon), -np.sin(lat) * np.sin(lon), np.cos(lat)],
        [np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)],
    ])
    jacobian = axes @ (points[1:] - points[0]).T / 10
    long = np.diag([400.0, 25.0, 9.0])
    turned = geodetic.turned(*position[:2], long)
    # a metre of the map is a metre on the ground to 0.1 %, and a thousandth more as far above the ellipsoid
    assert np.abs(turned - jacobian @ long @ jacobian.T)[:2, :2].max() < 0.006 * 400
    assert turned[2, 2] == 9.0


def check_ground(geodetic: Geodetic, flown: Flown, ground: np.ndarray, there: World) -> None:
    """Around a place the map holds what the SAR raster itself holds at the same latitudes and longitudes."""
    reference, side = flown.reference, 24
    col, row = (int(value) - side // 2 for value in reference.grid.to_pixel(*ground[:2]))
    patch = reference.image(col, row, side, side)
    assert patch.valid.all()
    x, y = (axis.ravel() for axis in np.meshgrid(*patch.grid.axes()))
    places = np.array([geodetic.place(*at, 0.0)[:2] for at in zip(x, y, strict=True)])
    with rasterio.open(there.sar) as source:
        to_source = pyproj.Transformer.from_crs("EPSG:4326", source.crs, always_xy=True)
        u, v = ~source.transform @ np.array(to_source.transform(places[:, 1], places[:, 0]))
        pixels = source.read(1).astype(float)
    expected = map_coordinates(pixels, [v - 0.5, u - 0.5], order=1)
    likeness = np.corrcoef(expected, patch.image.ravel())[0, 1]
    moved = np.corrcoef(map_coordinates(pixels, [v - 0.5, u + 0.5], order=1), patch.image.ravel())[0, 1]
    assert likeness > max(0.9, moved + 0.05)
