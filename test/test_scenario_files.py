"""What a scenario file may say: those that are shipped, the page about them, and what is refused with its line."""

from __future__ import annotations

from pathlib import Path

import pytest
from refusals import told

from promptmid_core.cli import main
from promptmid_core.scenario.page import document
from promptmid_core.scenario.scenario import Division, MapWanted, Scenario, Start
from promptmid_core.simulation.flight.options import FlightOptions
from promptmid_core.simulation.world.options import WorldOptions

ROOT = Path(__file__).resolve().parent.parent
SHIPPED = sorted((ROOT / "config" / "scenarios").glob("*.yaml"))
WHOLE = """shows: All that can be said.
world:
  simulated: {size_px: 512}
map:
  descriptor: structural
  dem: false
  alterations:
    - {way: mirror, part: left}
flight:
  frames: 3
  jump: [[1, 20]]
parameters:
  patch_px: 128
start: {lost: true, within_m: 500}
seeds: [4, 5]
cells: {side_px: 256, most: 2}
criteria:
  fix_rate_least: 0.5
"""


def read(folder: Path, text: str) -> Scenario:
    (folder / "scene.yaml").write_text(text)
    return Scenario.read(folder / "scene.yaml")


@pytest.mark.parametrize("file", SHIPPED, ids=lambda file: file.stem)
def test_every_shipped_scenario_can_be_read(file: Path) -> None:
    scenario = Scenario.read(file)
    assert scenario.name == file.stem and scenario.shows.endswith(".")


def test_every_situation_has_a_scenario() -> None:
    names = [file.stem for file in SHIPPED]
    for begin in ("tracking", "sigma-understated-2", "sigma-understated-3", "sigma-understated-5", "yaw-sigma-understated-3",
                  "prior-40px-off", "prior-21px-off", "prior-225px-off", "filter-jump-6px", "filter-jump-20px",
                  "filter-jump-60px",
                  "odometry-jump-50px", "odometry-outage-70px", "yaw-uncertain-30", "yaw-unknown", "height-off-30",
                  "land-240m-from-5300m", "land-240m-from-2700m", "drone-no-dem", "drone-dem", "footprint-192px",
                  "footprint-160px", "footprint-128px", "pitched-30", "pitched-45", "pitched-20-attitude-slow", "cloud-60",
                  "chequer-24px",
                  "chequer-37px", "chequer-24px-odd-field", "half-map-off-12px", "half-map-off-30px", "half-map-off-60px",
                  "lost-512-heading-10", "lost-256-heading-10", "lost-160-heading-10", "lost-512-heading-unknown",
                  "lost-256-heading-unknown", "lost-decoy", "decoy-other-region", "decoy-mirrored", "decoy-turned",
                  "decoy-shuffled", "replaced-30", "blocks", "sections", "desert", "forest", "water", "hypotheses-honest"):
        assert any(name.startswith(begin) for name in names), f"no scenario {begin}*"


def test_the_page_is_what_the_tables_say() -> None:
    assert (ROOT / "docs" / "scenarios.md").read_text() == document()


def test_all_that_can_be_said_is_read(tmp_path: Path) -> None:
    scenario = read(tmp_path, WHOLE)
    assert scenario.world(4) == WorldOptions.of(size_px=512, seed=4)
    assert scenario.flight == FlightOptions.of(frames=3, jump=[[1, 20]])
    assert (scenario.map.descriptor, scenario.map.dem, scenario.map.landcover) == ("structural", False, True)
    assert [each.options.part for each in scenario.map.alterations] == ["left"]
    assert (scenario.parameters, scenario.seeds) == ({"patch_px": 128}, (4, 5))
    assert (scenario.start, scenario.cells) == (Start(500.0), Division(256, most=2))
    bare = read(tmp_path, "shows: x\nworld: {simulated: {seed: 9}}\nflight: {}\nseeds: [1]\ncriteria: {fixes_most: 0}\n")
    assert (bare.map, bare.start, bare.cells, bare.world(1)) == (MapWanted(), None, None, WorldOptions.of(seed=9))


@pytest.mark.parametrize(("line", "instead", "at", "said"), [
    ("shows: All that can be said.", "", 2, "the file lacks shows; add 'shows: ...'"),
    ("shows:", "show:", 1, "show is not known here; did you mean shows?"),
    ("  simulated: {size_px: 512}", "  simulated: {size_px: 100}", 3, "world.simulated.size_px is 100; it"),
    ("  simulated: {size_px: 512}", "  simulated: {size: 512}", 3, "world.simulated.size is not known here"),
    ("  simulated: {size_px: 512}", "  simulated: {size_px: 4096, gsd: 30}", 3, "a world of 122.88 km is"),
    ("  simulated: {size_px: 512}", "  {}", 2, "world has nothing below it; it has to have one of simulated"),
    ("  simulated: {size_px: 512}", "  rasters: {optical: a.tif}", 3, "world.rasters lacks sar"),
    ("  simulated: {size_px: 512}", "  chips: {folder: /etc}", 3, "world.chips.folder is '/etc'; it has"),
    ("  simulated: {size_px: 512}", "  chips: {folder: a/../../b}", 3, "world.chips.folder is"),
    ("  simulated: {size_px: 512}", "  chips: {folder: a, names: [047]}", 3, "world.chips.names is [39]; it"),
    ("  descriptor: structural", "  descriptor: sift", 5, "map.descriptor: there is no descriptor 'sift'"),
    ("  dem: false", "  dem: 0", 6, "map.dem is 0; it has to be true or false"),
    ("{way: mirror, part: left}", "{way: mirrored}", 8, "map.alterations[1].way is 'mirrored'; it has to be one of"),
    ("{way: mirror, part: left}", "{way: mirror, other: {simulated: {}}}", 8, "alterations[1].other is given, and mirror"),
    ("  frames: 3", "  frames: 0", 10, "flight.frames is 0; it has to be a whole number, 1 or more"),
    ("  frames: 3", "  frames: many", 10, "flight.frames is 'many'"),
    ("  frames: 3", "  frames: 3\n  drift: 4", 11, "flight.drift is not known here"),
    ("  frames: 3", "  frames: 3\n  seed: 4", 11, "flight.seed is given beside seeds"),
    ("  jump: [[1, 20]]", "  jump: [[7, 20]]", 9, "flight: jump names frame 7"),
    ("  patch_px: 128", "  patch_px: 7", 13, "parameters.patch_px: parameter patch_px is 7; it has to be a whole number"),
    ("  patch_px: 128", "  patchpx: 128", 13, "parameters.patchpx: the scenario sets patchpx, which is no parameter"),
    ("  patch_px: 128", "  map: there", 13, "parameters.map: the map of a scenario tells that; leave it out"),
    ("  patch_px: 128", "  least_radius_px: 99.0\n  most_radius_px: 50.0", 12, "parameters: parameter least_radius_px is 99"),
    ("start: {lost: true, within_m: 500}", "start: {lost: false, within_m: 5}", 14, "start.lost is false, and the rest tells"),
    ("start: {lost: true, within_m: 500}", "start: {lost: true, within_m: 0}", 14, "start.within_m is 0; it has to be a number"),
    ("seeds: [4, 5]", "seeds: [4, 4]", 15, "seeds is [4, 4]; it has to be a list of numbers that differ"),
    ("seeds: [4, 5]", "seeds: [-1]", 15, "seeds is [-1]; it has to be a list of whole numbers, 0 or more"),
    ("seeds: [4, 5]", "seeds: []", 15, "seeds is []; it has to be a list"),
    ("cells: {side_px: 256, most: 2}", "cells: {most: 2}", 16, "cells lacks side_px"),
    ("  fix_rate_least: 0.5", "  fix_rate_least: 2", 18, "criteria.fix_rate_least is 2; it has to be a number from 0 to 1"),
    ("  fix_rate_least: 0.5", "  {}", 17, "criteria names no criterion"),
])
def test_a_file_that_is_wrong_is_one_sentence_with_its_line(tmp_path: Path, line: str, instead: str, at: int, said: str) -> None:
    assert line in WHOLE
    sentence = told(read, tmp_path, WHOLE.replace(line, instead, 1))
    assert sentence.startswith(f"{tmp_path / 'scene.yaml'}, line {at}: ") and said in sentence


def test_a_wrong_file_is_refused_before_anything_is_made(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "good.yaml").write_text(WHOLE)
    (tmp_path / "bad.yaml").write_text(WHOLE.replace("frames: 3", "frames: -3"))
    files = [str(tmp_path / name) for name in ("good.yaml", "bad.yaml")]
    assert main(["scenario", "run", *files, "--json", str(tmp_path / "out.json"), "--work", str(tmp_path / "work")]) == 1
    assert capsys.readouterr().err == (f"promptmid: {tmp_path / 'bad.yaml'}, line 10: flight.frames is -3; it has to be a whole "
                                       "number, 1 or more.\n")
    assert not (tmp_path / "work").exists() and not (tmp_path / "out.json").exists()
