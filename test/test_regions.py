"""Regions of a map: each a whole map with its own CRS, added without touching what is there, found by the flight."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from flights import messages, write_bag
from rasterio.transform import from_origin
from rasterio.warp import transform_bounds
from small_maps import BoxMean, contents, write

from promptmid_core import cli
from promptmid_core.bags.bag import open_bag
from promptmid_core.descriptors import load
from promptmid_core.errors import InputError
from promptmid_core.georaster import MapFrame
from promptmid_core.preview.page import _stacked
from promptmid_core.refmap import ReferenceMap, map_info, read_regions, region_path, unfinished_regions, verify_map
from promptmid_core.refmap.build import BuildOptions, Sources, append_region, build_map, repair_map
from promptmid_core.replay.region import region_of_flight
from promptmid_core.simulation.flight.options import FlightOptions
from promptmid_core.simulation.flight.simulate import simulate_flight

SIDE = 560
WEST, EAST = (380_000.0, 3_770_000.0), (300_000.0, 3_770_000.0)  # of zones 11 and 12: some 480 km apart


def raster(path: Path, crs: str, corner: tuple[float, float], seed: int = 0, side: int = SIDE) -> Path:
    speckle = np.random.default_rng(seed).gamma(4, 25, (side, side))
    pixels = np.clip(cv2.GaussianBlur(speckle, (0, 0), 1.5), 1, 255).astype(np.uint8)
    return write(path, pixels, crs=crs, transform=from_origin(*corner, 10, 10))


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("sources")
    return {"west": raster(folder / "west.tif", "EPSG:32611", WEST), "east": raster(folder / "east.tif", "EPSG:32612", EAST, 1)}


@pytest.fixture(scope="module")
def alone(sources: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A map without regions."""
    return build_map(Sources(sources["west"]), tmp_path_factory.mktemp("alone") / "map", BuildOptions(BoxMean())).path


@pytest.fixture(scope="module")
def both(alone: Path, sources: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same map with a region."""
    path = Path(shutil.copytree(alone, tmp_path_factory.mktemp("both") / "map"))
    append_region(path, Sources(sources["east"]), BuildOptions(BoxMean()))
    return path


@pytest.fixture
def copy(both: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(both, tmp_path / "map"))


def own(path: Path) -> dict[str, bytes]:
    """What a map folder holds beside its regions."""
    return {name: content for name, content in contents(path).items() if not name.startswith("regions")}


def test_a_region_is_a_map_of_its_own_and_the_map_stays_as_it_is(both: Path, alone: Path, sources: dict[str, Path],
                                                                 tmp_path: Path) -> None:
    assert own(both) == contents(alone)
    assert ReferenceMap.open(both).frame.crs == "EPSG:32611"
    assert region_path(both) == region_path(both, "main") == both
    east = ReferenceMap.open(region_path(both, "east"))
    assert east.frame.crs == "EPSG:32612"
    plain = build_map(Sources(sources["east"]), tmp_path / "plain", BuildOptions(BoxMean()))
    assert json.loads((east.path / "manifest.json").read_text())["files"] == json.loads(
        (plain.path / "manifest.json").read_text())["files"]
    with pytest.raises(InputError, match="no region 'north'; it has main, east"):
        region_path(both, "north")


def test_the_table_tells_where_regions_are(both: Path, alone: Path) -> None:
    main, east = read_regions(both)
    assert (main.name, main.path, main.crs) == ("main", ".", "EPSG:32611") and read_regions(alone) == [main]
    west, south, until, north = transform_bounds(
        "EPSG:32612", "EPSG:4326", EAST[0], EAST[1] - 10 * SIDE, EAST[0] + 10 * SIDE, EAST[1])
    assert east.bounds == pytest.approx([west, south, until, north], abs=2e-4)
    assert east.footprint[0] == east.footprint[-1] and len(east.footprint) == 65
    info = map_info(both)["regions"]
    assert [(region["name"], region["crs"], region["size_px"]) for region in info] == [("east", "EPSG:32612", [SIDE, SIDE])]
    assert map_info(alone)["regions"] == []


def test_verify_looks_into_regions_and_repair_mends_them(sources: dict[str, Path], tmp_path: Path,
                                                         capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "map"
    assert cli.main(["map", "build", str(sources["west"]), str(path), "--descriptor", "structural", "--store", "int8"]) == 0
    assert cli.main(["map", "append", str(sources["east"]), str(path), "--name", "oc"]) == 0
    assert ReferenceMap.open(path / "regions/oc").header.store == "int8" and verify_map(path) == []
    (path / "regions/oc/0/sar/c/1/1").unlink()
    (path / "0/sar/c/0/0").write_bytes(b"hurt")
    (path / "regions/foreign").write_bytes(b"")
    assert verify_map(path) == ["0/sar/c/0/0", "regions/foreign", "regions/oc/0/sar/c/1/1"]
    (path / "regions/foreign").unlink()
    assert cli.main(["map", "verify", str(path), "--repair", str(sources["west"])]) == 1
    assert capsys.readouterr().out.splitlines()[-1] == "regions/oc/0/sar/c/1/1"
    assert repair_map(path / "regions/oc", Sources(sources["east"])) == ["0/sar/c/1/1"]
    assert verify_map(path) == []
    shutil.rmtree(path / "regions/oc")
    assert verify_map(path) == ["regions/oc/manifest.json"]


def test_damaged_table_is_told_and_made_again_by_the_same_appends(copy: Path, sources: dict[str, Path]) -> None:
    sound = (copy / "regions.json").read_bytes()
    (copy / "regions.json").write_bytes(sound.replace(b"EPSG:32612", b"EPSG:32613"))
    assert verify_map(copy) == ["regions.json"]
    with pytest.raises(InputError, match=r"regions\.json is damaged: its checksum does not hold; remove it"):
        region_path(copy, "east")
    (copy / "regions.json").unlink()
    assert unfinished_regions(copy) == ["east"] and verify_map(copy) == []
    descriptor = BoxMean()
    append_region(copy, Sources(sources["east"]), BuildOptions(descriptor))
    assert not descriptor.seen and (copy / "regions.json").read_bytes() == sound
    append_region(copy, Sources(sources["east"]), BuildOptions(descriptor))  # once more changes nothing
    assert not descriptor.seen and (copy / "regions.json").read_bytes() == sound


KILLED = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from faults import die, die_after
from small_maps import BoxMean
from promptmid_core.refmap.build import BuildOptions, Crew, Sources, append, append_region

if int(sys.argv[2]):
    die_after(int(sys.argv[2]))
else:
    append.write_regions = die
append_region(Path(sys.argv[3]), Sources(sys.argv[4]), BuildOptions(BoxMean()), Crew(workers=1))
"""


def test_a_killed_append_leaves_the_map_whole_and_goes_on(alone: Path, both: Path, sources: dict[str, Path],
                                                          tmp_path: Path) -> None:
    path = Path(shutil.copytree(alone, tmp_path / "map"))
    for shards in (2, 5, 0):
        command = [sys.executable, "-c", KILLED, str(Path(__file__).parent), str(shards), str(path), str(sources["east"])]
        assert subprocess.run(command, check=False).returncode == -signal.SIGKILL
        assert own(path) == contents(alone) and verify_map(path) == []
        assert [region.name for region in read_regions(path)] == ["main"] and unfinished_regions(path) == ["east"]
        ReferenceMap.open(path)
    append_region(path, Sources(sources["east"]), BuildOptions(BoxMean()))
    assert verify_map(path) == [] and unfinished_regions(path) == []
    rest = {name: content for name, content in contents(both).items() if not name.endswith("manifest.json")}
    assert {name: content for name, content in contents(path).items() if not name.endswith("manifest.json")} == rest


def test_appends_that_cannot_be_are_refused(copy: Path, sources: dict[str, Path], tmp_path: Path) -> None:
    before = contents(copy)
    other = raster(tmp_path / "other.tif", "EPSG:32612", (EAST[0] + 20_000, EAST[1]), 2, 300)
    within = raster(tmp_path / "within.tif", "EPSG:32611", (WEST[0] + 500, WEST[1] - 500), 3, 300)
    over = raster(tmp_path / "over.tif", "EPSG:32612", (EAST[0] - 500, EAST[1] + 500), 4, SIDE + 100)
    foreign = replace(BoxMean(), fingerprint="boxmean-2")
    plain = BuildOptions(BoxMean())
    for sar, options, name, named in (
            (other, plain, "east", "'east' is taken .* another --name"),
            (other, plain, "main", "'main' is the map itself"),
            (other, plain, "../out", "is no name of a region"),
            (other, BuildOptions(foreign), None, "boxmean-1, and boxmean is boxmean-2; all regions need one"),
            (within, plain, None, "lies wholly within region 'main'"),
            (over, plain, None, "covers region 'east' .* wholly"),
            (tmp_path / "none.tif", plain, None, "not a file"),
            (other, replace(plain, gsd=-1.0), None, "not a pixel size")):
        with pytest.raises(InputError, match=named):
            append_region(copy, Sources(sar), options, name=name)
    with pytest.raises(InputError, match="itself a region"):
        append_region(copy / "regions/east", Sources(other), BuildOptions(BoxMean()))
    assert contents(copy) == before
    (copy / "manifest.json").unlink()
    with pytest.raises(InputError, match="unfinished"):
        append_region(copy, Sources(other), BuildOptions(BoxMean()))
    with pytest.raises(InputError, match="is not a map"):
        append_region(tmp_path / "nothing", Sources(other), BuildOptions(BoxMean()))
    assert not (tmp_path / "nothing").exists()


def flown(path: Path, frame: MapFrame | None) -> Any:
    return open_bag(write_bag(path, messages(1), frame=frame))


def test_a_flight_finds_its_region(copy: Path, alone: Path, tmp_path: Path) -> None:
    """By the CRS of its bag, where several have that by where it begins, and never by chance."""
    near = raster(tmp_path / "near.tif", "EPSG:32611", (WEST[0] + 20_000, WEST[1]), 2, 300)
    append_region(copy, Sources(near), BuildOptions(BoxMean()))
    for name, frame, region in (("a", MapFrame("EPSG:32612", (302_000.0, 3_768_000.0)), "regions/east"),
                                ("b", MapFrame("EPSG:32611", (401_000.0, 3_769_000.0)), "regions/near"),
                                ("c", MapFrame("EPSG:32611", (382_000.0, 3_768_000.0)), ".")):
        assert region_of_flight(copy, flown(tmp_path / name, frame)) == copy / region
    for name, away, named in (("d", MapFrame("EPSG:32611", (500_000.0, 3_700_000.0)), "begins in none of the regions"),
                              ("e", MapFrame("EPSG:32613", (500_000.0, 3_700_000.0)), "in EPSG:32613, .* east in EPSG:32612"),
                              ("f", None, "may lie in each of the regions main, .*--region")):
        with pytest.raises(InputError, match=named):
            region_of_flight(copy, flown(tmp_path / name, away))
    assert region_of_flight(alone, open_bag(tmp_path / "e")) == alone


def test_replay_goes_to_the_region(sources: dict[str, Path], tmp_path: Path) -> None:
    path, result = tmp_path / "map", tmp_path / "result.json"
    build_map(Sources(sources["west"]), path, BuildOptions(load("structural"), levels=1))
    append_region(path, Sources(sources["east"]), BuildOptions(load("structural"), levels=1))
    simulate_flight(sources["east"], tmp_path / "bag", FlightOptions.of(frames=3, seed=1, footprint_px=200, drift_px=5,
                    yaw_error_deg=0.5, altitude_error_percent=0.5, image_size=(320, 240)))
    assert cli.main(["replay", str(tmp_path / "bag"), "--map", str(path), "--json", str(result)]) == 0
    assert json.loads(result.read_text())["map"] == str(path / "regions/east")
    assert cli.main(["replay", str(tmp_path / "bag"), "--map", str(path), "--region", "main"]) != 0


def test_preview_shows_all_regions(both: Path, tmp_path: Path) -> None:
    assert cli.main(["map", "preview", str(both), "--out", str(tmp_path / "all.html")]) == 0
    page = (tmp_path / "all.html").read_text()
    assert page.count("data:image/png;base64,") == 2 and "Region east" in page and "EPSG:32612" in page
    pictures = [np.full((20, width, 3), shade, np.uint8) for width, shade in ((30, 10), (40, 200))]
    content = _stacked([bytes(cv2.imencode(".png", picture)[1]) for picture in pictures])
    stacked = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR)
    assert stacked is not None and stacked.shape == (40, 40, 3)
    assert (stacked[:20, :30] == 10).all() and (stacked[:20, 30:] == 255).all() and (stacked[20:] == 200).all()
