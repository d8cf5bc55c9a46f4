"""A map held against an orthophoto, another radar image, the relief, and its own scenes: how far it lies beside them, and whether
it passes."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
import pytest
import rasterio
from rasterio.transform import from_origin
from rasterio.windows import Window
from refusals import told
from simulated import Scene
from small_maps import write
from test_shifts import EAST, NORTH, PIXEL, land, taken

from promptmid_core import cli
from promptmid_core.audit.relief import relief_source, shading
from promptmid_core.audit.seam import Seam, seam_of
from promptmid_core.audit.sought import RasterPiece, RasterSearch
from promptmid_core.audit.verdict import not_found, verdict
from promptmid_core.refmap import ReferenceMap
from promptmid_core.refmap.format.parts import OverlapFacts

pytestmark = pytest.mark.slow

GSD = 10.0
SIDE_PX = 480


def audited(path: Path, folder: Path, *words: str) -> tuple[int, dict[str, Any]]:
    status = cli.main(["map", "audit", str(path), "--radius-px", "10", *words, "--json", str(folder / "audit.json")])
    return status, json.loads((folder / "audit.json").read_text())


@pytest.fixture(scope="module")
def optical(scene: Scene, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A piece of the scene's orthophoto, around its middle column."""
    path = tmp_path_factory.mktemp("optical") / "optical.tif"
    with rasterio.open(scene.optical) as source:
        window = Window((source.width - SIDE_PX) // 2, (source.height - SIDE_PX) // 2, SIDE_PX, SIDE_PX)
        pixels, place = source.read(window=window), source.window_transform(window)
        profile = source.profile | {"transform": place, "width": SIDE_PX, "height": SIDE_PX}
    with rasterio.open(path, "w", **profile) as target:
        target.write(pixels)
    return path


@pytest.fixture(scope="module")
def moved(scene: Scene, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The scene's map, of which all lies 3 px west and 2 px north of the ground, and its right half 6 px further east."""
    folder = tmp_path_factory.mktemp("moved")
    with rasterio.open(scene.sar) as source:
        pixels, profile = source.read(1), source.profile
    half = pixels.shape[1] // 2
    whole = np.roll(pixels, (-2, -3), axis=(0, 1))
    for name, image in (("all", whole), ("half", np.hstack([pixels[:, :half], np.roll(pixels, 6, axis=1)[:, half:]]))):
        with rasterio.open(folder / f"{name}.tif", "w", **profile) as target:
            target.write(image, 1)
        assert cli.main(["map", "build", str(folder / f"{name}.tif"), str(folder / name), "--descriptor", "structural"]) == 0
    return folder


def test_a_map_that_lies_beside_an_orthophoto_fails_by_so_much(optical: Path, moved: Path, tmp_path: Path,
                                                               capsys: pytest.CaptureFixture[str]) -> None:
    picture = tmp_path / "audit.png"
    status, found = audited(moved / "all", tmp_path, "--against", str(optical), "--write", "--picture", str(picture))
    assert (status, found["verdict"], found["written"]) == (1, "moved", True)
    shifts = np.array([each["shift_px"] for each in found["by_place"]])
    assert np.median(shifts, axis=0) == pytest.approx([-3.0, 2.0], abs=0.3)
    assert found["shift_px"]["median"] == pytest.approx(np.hypot(3, 2), abs=0.5)
    assert found["rasters"][0]["found_share"] > 0.7 and found["seam"] is None
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert "moved: the map lies 3." in capsys.readouterr().out
    # what it was fitted from lies right by it
    offset = ReferenceMap.open(moved / "all")._stored.offset
    assert offset is not None
    seen = offset.values[3] > 0
    assert np.median(offset.values[:2, seen], axis=1) / GSD == pytest.approx([-3.0, 2.0], abs=0.4)


def test_the_seam_of_a_map_of_two_halves_is_named(optical: Path, moved: Path, tmp_path: Path) -> None:
    status, found = audited(moved / "half", tmp_path, "--against", str(optical))
    assert (status, found["verdict"]) == (1, "seam")
    # to the right of a heading to the north lies the east
    east = 6.0 * np.sign(np.cos(np.radians(found["seam"]["heading_deg"])))
    assert found["seam"]["apart_px"] == pytest.approx([east, 0.0], abs=0.5)
    assert abs(np.sin(np.radians(found["seam"]["heading_deg"]))) < 0.35
    with rasterio.open(moved / "half.tif") as source:
        middle, _ = source.transform @ (source.width / 2, source.height / 2)
    assert found["seam"]["at"][0] == pytest.approx(middle, abs=96 * GSD)


def test_a_sound_map_passes_and_one_of_elsewhere_does_not(scene: Scene, optical: Path, tmp_path: Path) -> None:
    status, found = audited(scene.map_path, tmp_path, "--against", str(scene.sar), "--radius-px", "6")
    assert (status, found["verdict"], found["passed"]) == (0, "sound", True)
    assert found["shift_px"]["p95"] < 0.2 and found["rasters"][0]["found_share"] == 1.0
    with rasterio.open(optical) as source:
        pixels, profile = source.read(), source.profile
    with rasterio.open(tmp_path / "mirrored.tif", "w", **profile) as target:
        target.write(pixels[:, :, ::-1])
    status, found = audited(scene.map_path, tmp_path, "--against", str(tmp_path / "mirrored.tif"), "--write")
    assert (status, found["verdict"], found["written"], found["offset_px"]) == (1, "not_found", False, None)


def test_what_there_is_nothing_of_is_told(scene: Scene, tmp_path: Path) -> None:
    def refused(*words: str) -> str:
        args = cli.parser().parse_args(["map", "audit", str(scene.map_path), *words])
        return told(args.run, args)

    assert "made of one scene, and nothing is there to hold it against" in refused()
    assert "does not tell how its radar looked" in refused("--dem", str(scene.dem))
    far = write(tmp_path / "far.tif", np.full((50, 50), 9, np.uint8), crs="EPSG:32633", transform=from_origin(5e5, 5e6, 10, 10))
    assert "does not overlap" in refused("--against", str(far))


def test_scenes_that_disagree_fail_by_themselves(tmp_path: Path) -> None:
    rng, ground = np.random.default_rng(5), land(5)
    files = [write(tmp_path / f"{east}.tif", np.float32(100) * taken(ground, rng, east)[:, col:col + 388], crs="EPSG:32611",
                   transform=from_origin(EAST + col * PIXEL, NORTH, PIXEL, PIXEL)) for east, col in ((0.0, 0), (4.0, 60))]
    words = ["map", "build", *map(str, files), str(tmp_path / "map"), "--descriptor", "structural", "--levels", "1"]
    assert cli.main(words) == 0
    status, found = audited(tmp_path / "map", tmp_path)
    (scenes,) = found["scenes"]
    assert (status, found["verdict"], found["by_place"], found["shift_px"]) == (1, "seam", [], None)
    assert (scenes["a"], scenes["b"]) == ("sar", "sar2") and scenes["shift_px"] == pytest.approx([4.0, 0.0], abs=0.2)
    assert audited(tmp_path / "map", tmp_path, "--limit-px", "6")[0] == 0


class TestRelief:
    INCIDENCE, LOOK = np.radians(35.0), np.radians(80.0)

    def test_slopes_that_face_the_radar_are_bright_and_level_ground_is_one(self) -> None:
        rows, cols = np.mgrid[:60, :60].astype(np.float32)
        assert shading(np.zeros((60, 60), np.float32), GSD, self.INCIDENCE, self.LOOK) == pytest.approx(np.ones((60, 60)))
        # the radar looks east: ground that rises to the east faces it
        rising, falling = (shading(sign * cols, GSD, self.INCIDENCE, np.radians(90.0))[30, 30] for sign in (1, -1))
        assert rising > 1 > falling
        north, south = (shading(sign * rows, GSD, self.INCIDENCE, 0.0)[30, 30] for sign in (-1, 1))
        assert north > 1 > south, "it looks north, and rows run south"

    def test_a_map_of_hills_is_placed_by_its_dem(self, tmp_path: Path) -> None:
        rng = np.random.default_rng(3)
        size, place = 448, {"crs": "EPSG:32611", "transform": from_origin(EAST, NORTH, GSD, GSD)}
        hills = cv2.GaussianBlur(rng.normal(size=(size + 20, size + 20)).astype(np.float32), (0, 0), 7.0)
        hills = 400 * hills / hills.std() * 0.25
        image = shading(hills, GSD, self.INCIDENCE, self.LOOK) * np.sqrt(rng.gamma(4.4, 1 / 4.4, hills.shape)).astype(np.float32)
        dem = write(tmp_path / "dem.tif", hills[10:-10, 10:-10].astype(np.float32), **place)
        sar = write(tmp_path / "sar.tif", (100 * image[8:-12, 7:-13]).astype(np.float32), **place)
        assert cli.main(["map", "build", str(sar), str(tmp_path / "map"), "--descriptor", "structural", "--levels", "1"]) == 0
        status, found = audited(tmp_path / "map", tmp_path, "--dem", str(dem), "--incidence-deg", "35", "--look-deg", "80")
        assert (status, found["verdict"]) == (1, "moved")
        assert np.median([each["shift_px"] for each in found["by_place"]], axis=0) == pytest.approx([3.0, -2.0], abs=0.5)

    def test_flat_ground_foretells_nothing(self, scene: Scene, tmp_path: Path) -> None:
        reference = ReferenceMap.open(scene.map_path)
        with rasterio.open(scene.dem) as source:
            flat = write(tmp_path / "flat.tif", np.full((source.height, source.width), 100, np.float32), crs=source.crs,
                         transform=source.transform)
        assert not relief_source(flat, reference, 35.0, 80.0).read(100, 100, 64, 64).valid.any()


def piece(east: float, north: float, right: float = 0.0, up: float = 0.0, sigma: float = 0.5) -> RasterPiece:
    return RasterPiece(np.array([east, north]), np.array([right, up]), sigma)


class TestSeam:
    def test_a_step_is_found_and_a_slope_is_none(self) -> None:
        rng = np.random.default_rng(1)
        at = rng.uniform(-2000, 2000, (60, 2))
        steps = [piece(*each, rng.normal(0, 3), rng.normal(0, 3) + 50 * (each.sum() > 300)) for each in at]
        found = seam_of(steps, GSD)
        assert isinstance(found, Seam) and found.apart == pytest.approx([0.0, 50.0], abs=3)
        # the line runs from north-west to south-east
        assert found.heading_deg % 180 == pytest.approx(135.0, abs=10)
        noise = [piece(*each, *rng.normal(0, 3, 2)) for each in at]
        assert seam_of(noise, GSD) is None
        assert seam_of(steps[:7], GSD) is None, "too few"


class TestVerdict:
    def test_the_rules(self) -> None:
        sound = [piece(i, i, 3.0, -2.0) for i in range(10)]
        assert verdict(sound, None, (), 1.0, GSD).passed
        assert verdict([piece(i, i, 30.0) for i in range(10)], None, (), 1.0, GSD).word == "moved"
        # each its way, so that the median tells nothing
        apart = [piece(i, i, 25 * np.cos(i), 25 * np.sin(i)) for i in range(12)]
        assert verdict(apart, None, (), 1.0, GSD).word == "moved" and verdict(apart, None, (), 3.0, GSD).passed
        seam = Seam(np.zeros(2), 0.0, np.array([20.0, 0.0]))
        assert verdict(sound, seam, (), 1.0, GSD).word == "seam" and verdict(sound, seam, (), 2.5, GSD).passed
        overlap = OverlapFacts("sar", "sar2", 1.4, 0.0, 0.1)
        assert verdict(sound, None, (overlap,), 1.0, GSD).word == "seam"
        assert verdict((), None, (OverlapFacts("sar", "sar2", 1.4, 0.0, 0.9),), 1.0, GSD).passed, "not surely"

    def test_ground_that_is_not_found(self) -> None:
        missed = RasterPiece(np.zeros(2))
        raster = RasterSearch("x.tif", (*[missed] * 8, piece(0, 0)), SimpleNamespace())
        assert not_found([raster]) is not None
        assert not_found([RasterSearch("x.tif", (missed, piece(0, 0)), SimpleNamespace())]) is None
