"""A map from a box: what a catalogue says is held against the files, and the same lock file gives the same bytes."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from affine import Affine
from catalogues import BOX, World, geotiff, ground, sar, scene, served
from optional import lacking
from small_maps import contents

from promptmid_core import cli
from promptmid_core.errors import InputError
from promptmid_core.fetch import Box, Request, fetch
from promptmid_core.fetch.account import Account
from promptmid_core.refmap import ReferenceMap

pytestmark = pytest.mark.skipif(bool(lacking("pystac_client")), reason="pystac-client is not installed")

AREA = Box(*BOX)


@pytest.fixture(scope="module")
def whole_world(tmp_path_factory: pytest.TempPathFactory) -> World:
    world = World.of(tmp_path_factory.mktemp("stac") / "world")
    world.save()
    return world


@pytest.fixture
def world(whole_world: World, tmp_path: Path) -> World:
    """One that a test may change."""
    folder = Path(shutil.copytree(whole_world.folder, tmp_path / "world"))
    return World(folder, json.loads(json.dumps(whole_world.items)))


def of(address: str, **more: Any) -> Request:
    return Request(AREA, 10.0, address, **more)


def named(files: tuple[Path, ...]) -> list[str]:
    """By the lock file, which items were taken in which order."""
    chosen = json.loads((files[0].parent.parent / "chosen.json").read_text())
    return [window["item"] for window in chosen["windows"] if window["kind"] == "sar"]


def test_windows_are_the_ground(whole_world: World, tmp_path: Path) -> None:
    """Of one orbit, though one scene of the other is newer; heights of two tiles are one raster."""
    found = fetch(of(whole_world.save()), tmp_path / "out")
    assert named(found.sar) == ["left", "right"] or named(found.sar) == ["right", "left"]
    assert found.seen == 1.0 and not found.is_gamma0
    for file in found.sar:
        with rasterio.open(file) as source:
            col, row = (round(at) for at in ~Affine(10, 0, 380_000, 0, -10, 3_770_000) @ (source.transform.c, source.transform.f))
            assert source.height < 500, "the window, not the whole"
            np.testing.assert_array_equal(source.read(1), ground()[row:row + source.height, col:col + source.width])
    assert found.dem and found.landcover
    with rasterio.open(found.dem) as source:
        assert source.crs.to_wkt().startswith("COMPD_CS") and "EGM2008" in source.crs.to_wkt()
        heights, (col, row) = source.read(1), (round(3600 * at) for at in (source.transform.c, 34.1 - source.transform.f))
        cols, rows = np.meshgrid(np.arange(source.width) + col, np.arange(source.height) + row)
        np.testing.assert_array_equal(heights, cols + 426_300 + 2 * rows)
        assert source.bounds.left < BOX[0] < BOX[2] < source.bounds.right


def test_the_same_lock_file_gives_the_same_map(whole_world: World, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lock, box = tmp_path / "la.lock.json", ["--bbox", *map(str, BOX), "--gsd", "20", "--catalog", whole_world.save()]
    common = ["--descriptor", "structural", "--workers", "1", "--lock", str(lock)]
    assert cli.main(["map", "fetch", *box, *common, "--out", str(tmp_path / "one")]) == 0
    told = capsys.readouterr()
    assert f"promptmid map build {tmp_path}/one/windows/sar_1.tif" in told.err and str(lock) in told.out
    assert cli.main(["map", "fetch", *common, "--out", str(tmp_path / "two")]) == 0
    maps = [contents(tmp_path / name / "map") for name in ("one", "two")]
    made = [json.loads(content.pop("manifest.json")) for content in maps]
    assert maps[0] == maps[1] and made[0]["files"] == made[1]["files"] and made[0]["content"] == made[1]["content"]
    reference = ReferenceMap.open(tmp_path / "one" / "map")
    assert reference.gsd == 20 and reference.has_dem and reference.has_landuse and len(reference.header.scenes) == 2
    assert reference.header.acquired == ("2024-05-01T14:00:00Z",) and "--acquired 2024-05-01T14:00:00Z" in told.err
    assert not (tmp_path / "one" / "parts").exists()


def test_a_lock_file_holds_what_the_files_held(world: World, tmp_path: Path) -> None:
    address = world.save()
    first = fetch(of(address), tmp_path / "one", tmp_path / "lock.json")
    # other scenes come, and are not taken
    world.items.append(sar(scene(world.folder / "newer.tif", slice(0, 640)), 71, "2024-06-01T14:00:00Z"))
    world.save()
    again = fetch(None, tmp_path / "two", tmp_path / "lock.json")
    assert [file.read_bytes() for file in first.sar] == [file.read_bytes() for file in again.sar]
    with pytest.raises(InputError, match="is of another request"):
        fetch(of(address, date="2024-01-01/.."), tmp_path / "three", tmp_path / "lock.json")
    with pytest.raises(InputError, match="holds another fetch"):
        fetch(of(address, date="2024-01-01/.."), tmp_path / "two")
    scene(world.folder / "left.tif", slice(0, 359))
    with rasterio.open(world.folder / "left.tif", "r+") as source:
        source.write(source.read(1) + 1, 1)
    with pytest.raises(InputError, match=r"sar_\d\.tif, of .*left\.tif, is not what it was when .*lock\.json was written"):
        fetch(None, tmp_path / "three", tmp_path / "lock.json")


def test_an_item_that_tells_a_wrong_transform_is_not_believed(world: World, tmp_path: Path) -> None:
    for name in ("left", "right"):
        world.named(name)["properties"] |= {"proj:transform": [99, 0, 0, 0, -99, 0], "proj:shape": [3, 3], "proj:epsg": 32632}
    found = fetch(of(world.save(), ground="none"), tmp_path / "out")
    assert found.seen == 1.0
    with rasterio.open(found.sar[0]) as source:
        assert source.crs == "EPSG:32611" and source.transform.a == 10


def test_an_item_that_lies_about_its_place_is_passed_over(world: World, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """By its outline it covers all of the box; the file lies elsewhere."""
    far = geotiff(world.folder / "far.tif", ground(), "EPSG:32611", Affine(10, 0, 700_000, 0, -10, 3_770_000))
    lie = sar(far, 71, "2024-06-01T14:00:00Z")
    west, south, east, north = BOX
    lie["geometry"]["coordinates"] = [[[west - 1, south - 1], [east + 1, south - 1], [east + 1, north + 1], [west - 1, north + 1],
                                       [west - 1, south - 1]]]
    lie["bbox"] = [west - 1, south - 1, east + 1, north + 1]
    world.items.append(lie)
    found = fetch(of(world.save(), ground="none"), tmp_path / "out")
    assert sorted(named(found.sar)) == ["left", "right"] and found.seen == 1.0
    assert "far of scenes is passed over" in caplog.text and "lies elsewhere" in caplog.text


def test_a_missing_asset_is_made_up_for_or_told(world: World, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    whole = scene(world.folder / "whole.tif", slice(0, 640))
    world.items.append(sar(whole, 71, "2024-06-01T14:00:00Z"))
    address = world.save()
    whole.unlink()
    found = fetch(of(address, ground="none"), tmp_path / "out")
    assert sorted(named(found.sar)) == ["left", "right"] and "whole of scenes is passed over" in caplog.text
    for file in world.folder.glob("*.tif"):
        file.unlink()
    with pytest.raises(InputError, match=r"cannot be used; the first: .* is no GeoTIFF, or not there"):
        fetch(of(address, ground="none"), tmp_path / "none")


def test_a_scene_that_ends_inside_the_box_is_told(world: World, tmp_path: Path, capsys: pytest.CaptureFixture[str],
                                                  caplog: pytest.LogCaptureFixture) -> None:
    world.items = [world.named("end")]
    options = ["--catalog", world.save(), "--ground", "none", "--descriptor", "structural", "--workers", "1"]
    assert cli.main(["map", "fetch", "--bbox", *map(str, BOX), "--gsd", "20", "--out", str(tmp_path / "out"), *options]) == 0
    assert "end inside the box: no choice covers more than" in caplog.text
    share = 100 * ReferenceMap.open(tmp_path / "out" / "map").grid.width  # built all the same
    assert share and "has SAR pixels; the rest of the map is empty" in capsys.readouterr().err


def test_what_has_no_place_is_told(world: World, tmp_path: Path) -> None:
    world.items = [world.named("end")]
    address = world.save()
    with pytest.warns(rasterio.errors.NotGeoreferencedWarning):
        geotiff(world.folder / "end.tif", ground(), None, Affine.identity())
        with pytest.raises(InputError, match="no place on the Earth; a map is made of products that are projected"):
            fetch(of(address, ground="none"), tmp_path / "out")


SLOWLY = """
import sys
from pathlib import Path
from promptmid_core.fetch import Box, Request, fetch, window

window.BLOCK_PX = 64
def told(done, total):
    if done == 20:
        print("half", flush=True)
        input()
box, catalogue, out = [float(side) for side in sys.argv[1:5]], sys.argv[5], Path(sys.argv[6])
fetch(Request(Box(*box), 10.0, catalogue, ground="none"), out, progress=told)
"""


def test_a_killed_fetch_goes_on(world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    address, out = world.save(), tmp_path / "out"
    command = [sys.executable, "-c", SLOWLY, *map(str, BOX), address, str(out)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None and process.stdout.readline() == b"half\n"
        process.send_signal(signal.SIGKILL)
        process.wait()
    parts = {file: file.stat().st_mtime_ns for file in (out / "parts").rglob("*.npy")}
    assert len(parts) == 20
    # newer scenes change nothing of what was begun
    world.items.append(sar(scene(world.folder / "newer.tif", slice(0, 640)), 71, "2024-06-01T14:00:00Z"))
    world.save()
    monkeypatch.setattr("promptmid_core.fetch.window.BLOCK_PX", 64)
    done: list[int] = []
    found = fetch(of(address, ground="none"), out, progress=lambda count, total: done.append(count))
    monkeypatch.undo()
    fresh = fetch(None, tmp_path / "fresh", out / "lock.json")
    assert [file.read_bytes() for file in found.sar] == [file.read_bytes() for file in fresh.sar]
    assert done[-1] == len(done) - 1


def test_a_catalogue_that_searches_is_read_by_ranges(world: World, tmp_path: Path) -> None:
    """Large rasters, of which the box needs some blocks."""
    for name in ("left", "right"):
        wide = np.pad(ground()[:, :360] if name == "left" else ground()[:, 300:], ((0, 0), (0, 3000)), mode="wrap")
        west = 380_000 + (3000 if name == "right" else 0)
        geotiff(world.folder / f"{name}.tif", wide, "EPSG:32611", Affine(10, 0, west, 0, -10, 3_770_000))
    with served(world) as server:
        address = f"{server.address}/api"
        request = of(address, date="2024-04-01/2024-05-02", collection="scenes")
        found = fetch(request, tmp_path / "out")
        assert found.seen == 1.0 and set(named(found.sar)) <= {"left", "right"}
        with rasterio.open(found.sar[0]) as source:
            assert source.transform.a == 10
        for name in named(found.sar):
            assert 0 < server.given[f"{name}.tif"] < 0.5 * (world.folder / f"{name}.tif").stat().st_size
        with pytest.raises(InputError, match=r"has no SAR image on the ground over --bbox .* of 1999-01-01/1999-02-01"):
            fetch(of(address, date="1999-01-01/1999-02-01", collection="scenes"), tmp_path / "none")
        with pytest.raises(InputError, match=r"no collection sentinel-1-rtc; name one of its own with --collection \(cop-dem"):
            fetch(of(address), tmp_path / "none")
    with pytest.raises(InputError, match="cannot be reached"):
        fetch(request, tmp_path / "none")


def test_an_account_gets_its_token_and_tells_none(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    with served(world) as server:
        account = Account(f"{server.address}/token", ".store.example")
        monkeypatch.delenv("PC_SDK_SUBSCRIPTION_KEY", raising=False)
        asset = "https://some.store.example/container/a/b.tif"
        with pytest.raises(InputError, match="wants an account: put its key into the environment variable PC_SDK_"):
            account.signed(asset)
        monkeypatch.setenv("PC_SDK_SUBSCRIPTION_KEY", "secret")
        for _ in range(2):
            assert account.signed(asset) == f"{asset}?sig=token"
        assert account.signed("https://elsewhere.example/b.tif") == "https://elsewhere.example/b.tif"
        strange = "https://strange.store.example/container/b.tif"
        assert account.signed(strange) == strange
        assert server.asked[:2] == [("/token/some/container", None), ("/token/some/container", "secret")]


def test_a_catalogue_of_the_network_reads_no_file_of_this_machine(world: World, tmp_path: Path) -> None:
    world.named("left")["assets"]["vv"]["href"] = f"file://{world.folder}/right.tif"
    for each in world.items:
        each["properties"].pop("sat:relative_orbit", None)
    world.save()
    with served(world) as server, pytest.raises(InputError, match=r"cannot be used|has no SAR image"):
        world.items = [world.named("left")]
        world.save()
        fetch(of(f"{server.address}/catalog.json", ground="none"), tmp_path / "out")


def test_without_network_it_is_one_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for address in ("http://127.0.0.1:9/catalog.json", f"file://{tmp_path}/none.json", "ftp://example.com/catalog.json"):
        assert cli.main(["map", "fetch", "--bbox", *map(str, BOX), "--gsd", "10", "--out", str(tmp_path / "out"), "--catalog",
                         address, "--descriptor", "structural"]) == 1
        told = capsys.readouterr().err
        assert told.startswith("promptmid: ") and told.count("\n") == 1 and address.removeprefix("file://") in told


@pytest.mark.parametrize(("box", "told"), [
    ((1, 2, 0, 3), "is no box"), ((170, 2, -170, 3), "is no box"), ((0, 85, 1, 86), "is no box"),
    ((0, float("nan"), 1, 2), "is no box"),
])
def test_what_is_no_box_is_refused(box: tuple[float, float, float, float], told: str) -> None:
    with pytest.raises(InputError, match=told):
        Box(*box)


def test_coverage_of_outlines() -> None:
    box = Box(0, 0, 2, 1)
    square = [[-1.0, -1.0], [1.0, -1.0], [1.0, 2.0], [-1.0, 2.0], [-1.0, -1.0]]
    hole = [[0.0, 0.0], [0.5, 0.0], [0.5, 1.0], [0.0, 1.0], [0.0, 0.0]]
    assert box.covered([square]).mean() == 0.5 and box.covered([square, hole]).mean() == 0.25 and not box.covered([]).any()
    assert Box(179, 0, 180, 1).covered([[[178, -1], [-179, -1], [-179, 2], [178, 2], [178, -1]]]).all()
    assert box.meets([1, 0, 3, 1]) and not box.meets([3, 0, 4, 1]) and box.meets([179, -1, 0.5, 2]) and box.meets(None)
