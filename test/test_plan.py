"""A flight planned: routes of each kind, heights over the ground, matchability of ground flat, alike or distinct, the page."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import date
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from simulated import Scene
from small_maps import BoxMean, write
from test_api import write_camera

from promptmid_core.cli import main
from promptmid_core.errors import InputError
from promptmid_core.geometry import Camera, Grid
from promptmid_core.georaster.geodetic import Geodetic
from promptmid_core.localization.options import Options, SearchOptions
from promptmid_core.plan.heights import band_of
from promptmid_core.plan.matchability import Matchability
from promptmid_core.plan.plan import make_plan
from promptmid_core.plan.route import read_route
from promptmid_core.plan.survey import Surveyor
from promptmid_core.plan.texture import Edges, texture_at
from promptmid_core.refmap import ReferenceMap
from promptmid_core.refmap.build import BuildOptions, Sources, build_map

CAMERA = Camera(800, 600, np.array([[720.0, 0, 399.5], [0, 720.0, 299.5], [0, 0, 1]]))
DAY = date(2026, 1, 1)
PLACES = [(-3000.0, -3000.0), (0.0, 0.0), (3000.0, 1000.0)]


def line(places: list[list[float]]) -> dict[str, Any]:
    return {"type": "FeatureCollection", "features": [{"type": "Feature", "properties": {}, "geometry": {
        "type": "LineString", "coordinates": places}}]}


@pytest.fixture
def route(scene: Scene, tmp_path: Path) -> Callable[..., Path]:
    """Makes a GeoJSON of places in `map`, with an altitude where one is given."""
    reference = scene.reference()
    earth = Geodetic(reference.frame, reference.vertical_datum)

    def made(places: list[tuple[float, float]] = PLACES, altitude: float | None = None) -> Path:
        found = [earth.place(x, y, 0.0) for x, y in places]
        path = tmp_path / "route.geojson"
        path.write_text(json.dumps(line([[place.longitude, place.latitude, *([] if altitude is None else [altitude])]
                                         for place in found])))
        return path

    return made


def test_one_command_makes_a_page_and_the_figures(scene: Scene, route: Callable[..., Path], tmp_path: Path,
                                                  capsys: pytest.CaptureFixture[str]) -> None:
    camera = write_camera(tmp_path / "camera.yaml", CAMERA)
    words = ["plan", "--map", str(scene.map_path), "--camera", str(camera), "--route", str(route()), "--height-m", "2500",
             "--out", str(tmp_path / "plan.html"), "--json", str(tmp_path / "plan.json")]
    assert main(words) == 0
    told = json.loads((tmp_path / "plan.json").read_text())
    band = band_of(scene.reference(), CAMERA, SearchOptions())
    assert told["height_m"] == {"min": band.least, "max": band.most}
    assert told["resolution_m"]["at_min"] == pytest.approx(band.least / 720)
    assert told["error_m_per_0_1deg"]["at_max"] == pytest.approx(band.most * np.tan(np.radians(0.1)))
    pieces = told["route"]
    assert pieces[0]["from_m"] == 0
    assert pieces[-1]["to_m"] == pytest.approx(np.hypot(3000, 3000) + np.hypot(3000, 1000), rel=1e-3)
    assert all(one["to_m"] == two["from_m"] for one, two in pairwise(pieces))
    assert all(0 <= piece["probability"] <= 1 for piece in pieces)
    page = (tmp_path / "plan.html").read_text()
    assert page.startswith("<!doctype html>") and page.count("data:image/png;base64,") == 2
    assert "http://" not in page and "https://" not in page
    assert "% of the" in capsys.readouterr().out


def test_a_height_that_is_too_low_is_said_first(scene: Scene, route: Callable[..., Path]) -> None:
    plan = make_plan(scene.reference(), CAMERA, Options(), DAY, route(), 600.0)
    assert plan.trouble.startswith("too low") and plan.good_share == 0
    assert {piece.probability for piece in plan.pieces} == {0.0}


def test_a_bag_tells_the_camera_too(scene: Scene, tmp_path: Path) -> None:
    assert main(["plan", "--map", str(scene.map_path), "--camera", str(scene.bag), "--json", str(tmp_path / "plan.json")]) == 0
    assert json.loads((tmp_path / "plan.json").read_text())["route"] == []


def test_a_route_off_the_map_is_refused_in_one_sentence(scene: Scene, route: Callable[..., Path],
                                                        capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    words = ["plan", "--map", str(scene.map_path), "--camera", str(write_camera(tmp_path / "camera.yaml", CAMERA)),
             "--route", str(route([(0.0, 0.0), (9000.0, 0.0)]))]
    assert main(words) == 1
    said = capsys.readouterr().err
    assert "leaves the map" in said and said.count("\n") == 1


def test_heights_are_those_above_the_ground_below(scene: Scene, route: Callable[..., Path]) -> None:
    reference, options = scene.reference(), Options()
    level = make_plan(reference, CAMERA, options, DAY, route(altitude=3000.0)).way
    above = make_plan(reference, CAMERA, options, DAY, route(), 2500.0).way
    assert level is not None and above is not None
    terrain = reference.terrain()
    assert level.height == pytest.approx(3000.0 - np.asarray(terrain.height(*level.points.T)), abs=0.01)
    assert np.median(above.height) == pytest.approx(2500.0) and np.ptp(above.altitude) == 0 and np.ptp(above.height) > 1


def test_routes_of_all_kinds_are_read_alike(tmp_path: Path) -> None:
    places = [(47.0, 14.5), (47.01, 14.6)]
    (tmp_path / "a.geojson").write_text(json.dumps(line([[lon, lat] for lat, lon in places])))
    (tmp_path / "b.csv").write_text("name,Latitude,Longitude\n" + "".join(f"p,{lat},{lon}\n" for lat, lon in places))
    items = [{"type": "SimpleItem", "frame": 3, "params": [0, 0, 0, None, lat, lon, 120]} for lat, lon in places]
    speed = {"type": "SimpleItem", "frame": 2, "params": [1, 15, -1, 0, 0, 0, 0]}
    survey = {"type": "ComplexItem", "TransectStyleComplexItem": {"Items": [items[1]]}}
    (tmp_path / "c.plan").write_text(json.dumps({"mission": {"items": [items[0], speed, survey]}}))
    for name in ("a.geojson", "b.csv", "c.plan"):
        read = read_route(tmp_path / name)
        assert [(point.latitude, point.longitude) for point in read] == places
    assert [(point.altitude, point.over) for point in read] == [(120.0, "home")] * 2


@pytest.mark.parametrize(("name", "text", "named"), [
    ("a.csv", "east,north\n1,2\n", "no columns lat and lon"), ("a.csv", "lat,lon\n47,14\n", "has 1 places"),
    ("a.csv", "lat,lon\n47,14\nx,14\n", "cannot be read as a route"), ("a.geojson", '{"type": "Polygon"}', "has 0 places"),
    ("a.geojson", '{"type": "LineString", "coordinates": [[47, 120], [47, 121]]}', "latitude 120"),
    ("a.plan", '{"mission": {}}', "cannot be read as a route"), ("a.kml", "<kml/>", "no kind of route")])
def test_what_is_no_route_is_named(tmp_path: Path, name: str, text: str, named: str) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(InputError, match=named):
        read_route(tmp_path / name)


@pytest.fixture(scope="module")
def grounds(tmp_path_factory: pytest.TempPathFactory) -> ReferenceMap:
    """Speckle over: nothing, in the west; fields all alike, in the middle; fields of their own tones, in the east."""
    rng, side = np.random.default_rng(1), 384
    tones = np.ones((side, 3 * side))
    tones[:, side:2 * side] = np.kron(np.indices((24, 24)).sum(axis=0) % 2, np.ones((16, 16))) * 1.5 + 0.5
    tones[:, 2 * side:] = np.kron(rng.uniform(0.3, 2.5, (24, 24)), np.ones((16, 16)))
    speckle = np.sqrt(rng.gamma(4, 0.25, tones.shape))
    folder = tmp_path_factory.mktemp("grounds")
    sar = write(folder / "sar.tif", np.clip(tones * speckle * 60, 1, 255).astype(np.uint8), crs="EPSG:32611",
                transform=rasterio.transform.from_origin(400_000, 3_800_000, 10, 10))
    return build_map(Sources(sar), folder / "map", BuildOptions(BoxMean(), levels=1))


def test_flat_ground_and_ground_that_is_alike_will_not_match(grounds: ReferenceMap) -> None:
    edges, (west, south, east, north) = Edges.of(grounds), grounds.grid.bounds
    flat, alike, own = (texture_at(edges, west + (east - west) * (2 * i + 1) / 6, (south + north) / 2, 40) for i in range(3))
    assert flat is not None and alike is not None and own is not None
    assert flat.contrast < 0.3 * alike.contrast and own.contrast > 3 * flat.contrast
    # a chequer lies on itself again two fields on, but for its speckle
    assert alike.likeness > 0.8 > 0.5 > own.likeness
    said = [Matchability.shipped().probability(texture) for texture in (flat, alike, own)]
    assert max(said[:2]) < 0.4 and said[2] > 0.8
    assert texture_at(edges, west - 5000.0, south, 40) is None and Matchability.shipped().probability(None) == 0


def test_the_layer_and_the_survey_lie_where_the_ground_does(grounds: ReferenceMap, tmp_path: Path) -> None:
    path = tmp_path / "match.tif"
    assert main(["map", "preview", str(grounds.path), "--out", str(path), "--layer", "matchability"]) == 0
    survey = Surveyor(grounds, 256).survey(256.0, 0)
    with rasterio.open(path) as file:
        assert file.transform.a == pytest.approx(64 * grounds.gsd) and file.tags()["footprint_px"] == "256"
        grid = Grid.from_transform(tuple(file.transform)[:6], file.width, file.height, grounds.frame.origin)
        values = file.read(1)
    assert (grid.x, grid.y) == (pytest.approx(survey.grid.x), pytest.approx(survey.grid.y))
    assert np.array_equal(values, survey.probability, equal_nan=True)
    half = values.shape[1] // 2
    assert np.nanmean(values[:, :half]) < np.nanmean(values[:, half:])
