"""A map of several scenes: the first that is valid wins, no seam is described, and nothing is mixed that does not fit."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import rasterio
from numpy.typing import NDArray
from rasterio.transform import from_origin
from rasterio.warp import Resampling, calculate_default_transform, reproject
from small_maps import BoxMean, contents, write
from test_map_building import files

from promptmid_core import cli
from promptmid_core.descriptors import load
from promptmid_core.errors import InputError
from promptmid_core.refmap import ReferenceMap, map_info, verify_map
from promptmid_core.refmap.build import BuildOptions, Crew, Sources, build_map, repair_map
from promptmid_core.refmap.sar import SarProduct
from promptmid_core.refmap.sar.levelling import levels_db

pytestmark = pytest.mark.slow

EAST, NORTH, PIXEL = 380_000.0, 3_770_000.0, 10.0
HEIGHT, WIDTH = 560, 1160
FROM, TO = 500, 700  # the columns that both scenes have; the first wins them
GAIN = 1.5


@pytest.fixture(scope="module")
def ground() -> NDArray[np.float32]:
    speckle = np.random.default_rng(0).gamma(4, 25, (HEIGHT, WIDTH))
    return np.clip(cv2.GaussianBlur(speckle, (0, 0), 1.5), 1, None).astype(np.float32)


def scene(path: Path, pixels: NDArray[Any], col: int = 0, **options: Any) -> Path:
    """A raster whose first column is that column of the ground, in UTM zone 11."""
    place = {"crs": "EPSG:32611", "transform": from_origin(EAST + PIXEL * col, NORTH, PIXEL, PIXEL)}
    return write(path, pixels, **place | options)


@pytest.fixture(scope="module")
def rasters(ground: NDArray[np.float32], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The ground as one raster, and as two that overlap and are not equally bright."""
    folder = tmp_path_factory.mktemp("scenes")
    return {"whole": scene(folder / "whole.tif", ground), "left": scene(folder / "left.tif", ground[:, :TO]),
            "right": scene(folder / "right.tif", ground[:, FROM:] * np.float32(GAIN), FROM)}


@pytest.fixture(scope="module")
def halves(rasters: dict[str, Path]) -> list[Path]:
    return [rasters["left"], rasters["right"]]


@pytest.fixture(scope="module")
def built(halves: list[Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The undisturbed mosaic."""
    out = tmp_path_factory.mktemp("built") / "map"
    build_map(Sources(halves), out, BuildOptions(BoxMean(), levels=2), Crew(workers=1))
    return out


def whole(reference: ReferenceMap) -> tuple[int, int, int, int]:
    stride = reference.stride
    return 0, 0, reference.grid.width // stride * stride, reference.grid.height // stride * stride


def test_two_halves_make_the_map_of_the_whole(rasters: dict[str, Path], halves: list[Path], tmp_path: Path) -> None:
    descriptor = load("structural")
    one = build_map(Sources(rasters["whole"]), tmp_path / "one", BuildOptions(descriptor, levels=2))
    two = build_map(Sources(halves), tmp_path / "two", BuildOptions(descriptor, levels=2))
    assert two.grid == one.grid and one.header.scenes == ()
    assert two.header.amplitude.median == pytest.approx(one.header.amplitude.median, rel=0.01)
    for level in (0, 1):
        expected, got = one.at(level), two.at(level)
        seam, window = TO >> level, whole(got)
        index = got.scene(*window)
        assert index is not None and index.valid.all()
        assert not index.image[:, :seam].any() and (index.image[:, seam:] == 1).all()
        np.testing.assert_allclose(got.image(*window).image, expected.image(*window).image, rtol=0.01 if level else 1e-3)
        a, b = expected.descriptors(*window), got.descriptors(*window)
        np.testing.assert_array_equal(a.valid, b.valid)
        rim = -(-descriptor.halo // a.stride)
        far = np.abs(np.arange(a.valid.shape[1]) - seam // a.stride) > rim
        np.testing.assert_allclose(b.array[..., far], a.array[..., far], atol=3e-3)
    assert one.scene(0, 0, 8, 8) is None


def test_seam_is_not_described_though_brightness_steps_there(ground: NDArray[np.float32], tmp_path: Path) -> None:
    """The right scene fades to half as bright at the seam, and is levelled on the common ground as a whole."""
    fade = np.interp(np.arange(FROM, WIDTH), (FROM, TO, TO + 100), (2.0, 0.5, 1.0)).astype(np.float32)
    right, pasted = ground[:, FROM:] * fade, ground.copy()
    pasted[:, TO:] = right[:, TO - FROM:]
    maps: dict[str, Any] = {"whole": scene(tmp_path / "whole.tif", ground), "pasted": scene(tmp_path / "pasted.tif", pasted),
                            "mosaic": [scene(tmp_path / "left.tif", ground[:, :TO]), scene(tmp_path / "right.tif", right, FROM)]}
    arrays = {}
    for name, given in maps.items():
        reference = build_map(Sources(given), tmp_path / name, BuildOptions(load("structural"), levels=1))
        arrays[name] = reference.descriptors(*whole(reference)).array
    seam = np.s_[..., TO // reference.stride - 2:TO // reference.stride + 2]
    pasted_error, error = (float(np.abs(arrays[name][seam] - arrays["whole"][seam]).mean()) for name in ("pasted", "mosaic"))
    assert error < 0.5 * pasted_error


def test_gain_is_told_and_the_order_decides(built: Path, halves: list[Path], tmp_path: Path) -> None:
    first, second = map_info(built)["scenes"]
    assert first == {"name": "sar", "gain_db": 0, "share": pytest.approx(TO / WIDTH)}
    assert (second["name"], second["share"]) == ("sar2", pytest.approx(1 - TO / WIDTH))
    assert second["gain_db"] == pytest.approx(-20 * np.log10(GAIN), abs=0.01)
    assert [entry["path"] for entry in map_info(built)["inputs"].values()] == list(map(str, halves))
    turned = build_map(Sources(halves[::-1]), tmp_path / "turned", BuildOptions(BoxMean(), levels=2))
    index = turned.scene(*whole(turned))
    assert index is not None and not index.image[:, FROM:].any() and index.image[:, :FROM].all()
    np.testing.assert_allclose(turned.image(*whole(turned)).image,
                               GAIN * ReferenceMap.open(built).image(*whole(turned)).image, rtol=2e-3)


@pytest.mark.parametrize(("kind", "make"), [
    ("intensity", lambda values: values**2), ("db", lambda values: 20 * np.log10(values)),
])
def test_gain_of_other_values(ground: NDArray[np.float32], kind: str, make: Callable[[Any], Any], tmp_path: Path) -> None:
    parts = [scene(tmp_path / "left.tif", make(ground[:, :TO])),
             scene(tmp_path / "right.tif", make(ground[:, FROM:] * GAIN), FROM)]
    reference = build_map(Sources(parts), tmp_path / "map", BuildOptions(BoxMean(), product=SarProduct(kind), levels=1))
    assert reference.header.scenes[1].gain_db == pytest.approx(-20 * np.log10(GAIN), abs=0.01)
    stored = reference.image(*whole(reference)).image
    np.testing.assert_allclose(stored, make(ground)[:stored.shape[0], :stored.shape[1]], rtol=5e-3, atol=0.01)


def test_levels_of_scenes_in_groups() -> None:
    """Two groups without common ground: each keeps the level that it had, and within each all fit."""
    heights = [0.0, 3.0, -2.0, 8.0]  # dB of the same ground in each scene

    class Flat:
        def __init__(self, level: float) -> None:
            self.amplitude = np.float32(10 ** (level / 20))

        def read(self, col: int, row: int, width: int, height: int) -> Any:
            class Seen:
                valid = np.ones((height, width), bool)
            return Seen, np.full((height, width), self.amplitude, np.float32)

    scenes: Any = [Flat(level) for level in heights]
    levels = levels_db(scenes, [(0, 0, 100, 100), (50, 0, 100, 100), (500, 0, 100, 100), (590, 0, 100, 100)], [1, 3, 1, 1])
    assert levels + heights == pytest.approx([levels[0], levels[0], levels[2] - 2, levels[2] - 2], abs=2e-3)
    assert levels[0] + 3 * levels[1] == pytest.approx(0, abs=3e-3) and levels[2] + levels[3] == pytest.approx(0, abs=3e-3)


@pytest.mark.parametrize("crs", ["EPSG:32612", "EPSG:4326"])
def test_scenes_of_other_crs_lie_on_the_same_ground(rasters: dict[str, Path], crs: str, tmp_path: Path) -> None:
    """The right scene as it would come in another zone, or in degrees."""
    with rasterio.open(rasters["right"]) as source:
        transform, width, height = calculate_default_transform(source.crs, crs, source.width, source.height, *source.bounds)
        pixels = np.full((height, width), np.nan, np.float32)
        reproject(rasterio.band(source, 1), pixels, dst_transform=transform, dst_crs=crs, resampling=Resampling.cubic,
                  dst_nodata=np.nan)
    other = write(tmp_path / "other.tif", pixels, crs=crs, transform=transform, nodata=np.nan)
    reference = build_map(Sources([rasters["left"], other]), tmp_path / "map", BuildOptions(BoxMean(), levels=1))
    with rasterio.open(rasters["whole"]) as source:
        expected = source.read(1)
    assert reference.frame.crs == "EPSG:32611" and reference.gsd == PIXEL
    east, north = reference.frame.origin
    col, row = (round(float(v)) for v in reference.grid.to_pixel(EAST + PIXEL / 2 - east, NORTH - PIXEL / 2 - north))
    patch = reference.image(col + TO + 20, row + 20, 400, 500)
    assert patch.valid.all()
    there = expected[20:520, TO + 20:TO + 420]
    (across, down), _ = cv2.phaseCorrelate(there.astype(np.float64), patch.image.astype(np.float64))
    assert abs(across) < 0.1 and abs(down) < 0.1
    assert np.corrcoef(there.ravel(), patch.image.ravel())[0, 1] > 0.98


def test_whole_numbers_stay_whole_and_within_their_type(ground: NDArray[np.float32], tmp_path: Path) -> None:
    digits = np.clip(ground, 1, 255).astype(np.uint8)
    parts = [scene(tmp_path / "left.tif", digits[:, :TO], nodata=0),
             scene(tmp_path / "right.tif", digits[:, FROM:] // 2, FROM, nodata=0)]
    reference = build_map(Sources(parts), tmp_path / "map", BuildOptions(BoxMean(), levels=1))
    assert reference.header.sar_dtype == "uint8" and reference.header.scenes[1].gain_db == pytest.approx(6, abs=0.2)
    brightest = reference.image(*whole(reference)).image.max()
    assert digits[:, TO:].max() // 2 < brightest <= 255
    mixed = [parts[0], scene(tmp_path / "float.tif", ground[:, FROM:], FROM)]
    assert build_map(Sources(mixed), tmp_path / "mixed", BuildOptions(BoxMean(), levels=1)).header.sar_dtype == "float32"


def test_only_scenes_that_touch_a_tile_are_opened_for_it(halves: list[Path], tmp_path: Path,
                                                         monkeypatch: pytest.MonkeyPatch) -> None:
    from promptmid_core.georaster import RasterView
    from promptmid_core.refmap.build.tile import TileTask

    seen: dict[Any, set[str]] = {}
    read, make, at = RasterView.read, TileTask.make, []

    def watched(self: RasterView, *window: int) -> Any:
        if at:
            seen.setdefault(at[-1], set()).add(self.path.stem)
        return read(self, *window)

    def made(self: TileTask, tile: Any, *rest: Any) -> Any:
        at.append((tile.col, tile.level))
        return make(self, tile, *rest)

    monkeypatch.setattr(RasterView, "read", watched)
    monkeypatch.setattr(TileTask, "make", made)
    build_map(Sources(halves), tmp_path / "map", BuildOptions(BoxMean(), levels=2), Crew(workers=1))
    # of the first tile the left scene gives all, so that the right one, which lies there too, is not asked
    assert seen == {(0, 0): {"left"}, (512, 0): {"left", "right"}, (1024, 0): {"right"},
                    (0, 1): {"left", "right"}, (512, 1): {"right"}}


KILLED = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from faults import die_after
from small_maps import BoxMean
from promptmid_core.refmap.build import BuildOptions, Crew, Sources, build_map

die_after(int(sys.argv[3]))
build_map(Sources(sys.argv[4:]), sys.argv[2], BuildOptions(BoxMean(), levels=2), Crew(workers=2))
"""


def test_kill_and_resume_give_the_same_bytes(halves: list[Path], built: Path, tmp_path: Path) -> None:
    for shards in (3, 9):
        arguments = [str(Path(__file__).parent), str(tmp_path / "map"), str(shards), *map(str, halves)]
        assert subprocess.run([sys.executable, "-c", KILLED, *arguments], check=False).returncode == -signal.SIGKILL
    descriptor = BoxMean()
    build_map(Sources(halves), tmp_path / "map", BuildOptions(descriptor, levels=2), Crew(workers=2))
    assert files(tmp_path / "map") == files(built)
    assert map_info(tmp_path / "map")["scenes"] == map_info(built)["scenes"]
    with pytest.raises(InputError, match="other inputs or options"):
        build_map(Sources(halves[::-1]), tmp_path / "map", BuildOptions(descriptor, levels=2))


def test_processes_give_the_same_bytes(halves: list[Path], tmp_path: Path) -> None:
    for scheduler in ("threads", "processes"):
        build_map(Sources(halves), tmp_path / scheduler, BuildOptions(load("structural")), Crew(scheduler=scheduler, workers=2))
    assert files(tmp_path / "processes") == files(tmp_path / "threads")


def test_repair_takes_the_scenes_in_any_order_and_says_which_is_missing(
        halves: list[Path], built: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    moved = [Path((tmp_path / file.name).write_bytes(file.read_bytes()) and tmp_path / file.name) for file in halves]
    out = tmp_path / "map"
    build_map(Sources(moved), out, BuildOptions(load("structural"), levels=2))
    sound = contents(out)
    for name in ("0/scene/c/0/1", "0/descriptors/c/0/0/2", "1/scene/zarr.json", "1/sar/c/0/0"):
        (out / name).unlink()
    for file in moved:
        file.rename(file.with_suffix(".moved"))
    with pytest.raises(InputError, match=r"sar2 is missing, which was .*right\.tif"):
        repair_map(out, Sources(halves[0]))
    with pytest.raises(InputError, match="is not one of the 2 SAR rasters"):
        repair_map(out, Sources([halves[0], built / "zarr.json"]))
    assert cli.main(["map", "verify", str(out), "--repair", str(halves[1]), str(halves[0])]) == 0
    assert "0/scene/c/0/1 made again" in capsys.readouterr().err
    assert contents(out) == sound and verify_map(out) == []


def refused(tmp_path: Path, rasters: list[Path], named: str, **others: Path) -> None:
    with pytest.raises(InputError, match=named):
        build_map(Sources(rasters, **others), tmp_path / "map", BuildOptions(BoxMean()))
    assert not (tmp_path / "map").exists()


def test_scenes_that_make_no_map_together_are_refused(rasters: dict[str, Path], ground: NDArray[np.float32],
                                                      tmp_path: Path) -> None:
    left, right = rasters["left"], rasters["right"]
    copied = tmp_path / "copied.tif"
    copied.write_bytes(left.read_bytes())
    small = ground[:100, :100]
    refused(tmp_path, [left, right, left], r"left\.tif is given twice")
    refused(tmp_path, [left, right, copied], r"copied\.tif holds the same as .*left\.tif")
    refused(tmp_path, [left, scene(tmp_path / "none.tif", small, crs=None)], r"none\.tif has no CRS")
    local = 'LOCAL_CS["site",UNIT["metre",1]]'
    refused(tmp_path, [left, scene(tmp_path / "local.tif", small, crs=local)], r"local\.tif has a CRS without a place")
    decibels = scene(tmp_path / "db.tif", 20 * np.log10(small) - 60)
    refused(tmp_path, [left, decibels], r"db\.tif holds db .*left\.tif amplitude .*one kind")
    coarse = scene(tmp_path / "coarse.tif", small, transform=from_origin(EAST, NORTH, 200, 200))
    refused(tmp_path, [left, coarse], r"coarse\.tif has pixels of 200 m")
    far = scene(tmp_path / "far.tif", small, 6000)
    refused(tmp_path, [scene(tmp_path / "near.tif", small), far], r"near\.tif and the 1 other raster.* cover only .*map append")
    wide = scene(tmp_path / "wide.tif", small, transform=from_origin(EAST + 800_000, NORTH, 8000, 10))
    refused(tmp_path, [left, wide], r"together do not fit EPSG:326\d\d.*map append")


def test_two_polarisations_are_refused_until_one_is_chosen(rasters: dict[str, Path], tmp_path: Path) -> None:
    both = tmp_path / "both.tif"
    with rasterio.open(rasters["right"]) as source, rasterio.open(both, "w", **source.profile | {"count": 2}) as target:
        target.write(np.stack([source.read(1)] * 2))
    refused(tmp_path, [rasters["left"], both], r"both\.tif has 2 bands")


@pytest.mark.parametrize("which", ["landcover", "dem"])
def test_land_cover_and_heights_lie_under_every_scene(halves: list[Path], which: str, tmp_path: Path) -> None:
    values = np.full((HEIGHT, FROM - 20), 10, np.uint8)
    short = scene(tmp_path / "short.tif", values)
    refused(tmp_path, halves, r"short\.tif does not overlap .*right\.tif.* and all the other scenes", **{which: short})


def test_command_builds_a_mosaic_and_shows_its_scenes(halves: list[Path], tmp_path: Path,
                                                      capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "map"
    assert cli.main(["map", "build", *map(str, halves), str(out), "--descriptor", "structural", "--levels", "1"]) == 0
    assert cli.main(["map", "info", str(out)]) == 0
    assert re.search(r"scene sar2 +\d.*, gain -3.52 dB", capsys.readouterr().out)
    assert cli.main(["map", "preview", str(out), "--out", str(tmp_path / "map.png")]) == 0
    picture = cv2.imread(str(tmp_path / "map.png"))
    assert picture is not None
    assert (210, 50, 60) in {tuple(colour) for colour in picture.reshape(-1, 3)[:, ::-1].tolist()}  # the border of the scenes
