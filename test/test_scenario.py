"""Scenarios run: worlds, maps and flights of a file, and how its flights stand against its criteria."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from promptmid_core.cli import main
from promptmid_core.scenario.ground import DATA
from promptmid_core.scenario.report import render
from promptmid_core.scenario.run import Played
from promptmid_core.scenario.scenario import Scenario

pytestmark = pytest.mark.slow

CONTRACT = {"name", "passed", "frames", "fixes", "fix_rate", "false_fixes", "misleading", "bound_failures", "ground_error_px",
            "first_fix_frame", "reasons", "criteria"}
SMALL = """shows: A small world.
world:
  simulated: {size_px: 512}
map: {descriptor: structural, landcover: false}
flight: {frames: 4, footprint_px: 200, image_size: 400x300, drift_px: 10, frame_rate_hz: 0.5}
parameters: {patch_px: 128}
"""
TWO = SMALL + """seeds: [1, 2]
criteria: {fix_rate_least: 0.5, false_fixes_most: 0}
"""


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What scenarios of this file share, so that each world is made once."""
    return tmp_path_factory.mktemp("work")


def made_in(work: Path) -> dict[Path, int]:
    return {path: path.stat().st_mtime_ns for path in work.glob("*/*")}


def run(*files: Path, work: Path, more: tuple[str, ...] = ()) -> tuple[int, list[dict[str, Any]]]:
    out = files[0].parent / "out.json"
    status = main(["scenario", "run", *map(str, files), "--json", str(out), "--work", str(work), *more])
    return status, json.loads(out.read_text())


def written(folder: Path, text: str, name: str = "scene.yaml") -> Path:
    (folder / name).write_text(text)
    return folder / name


def test_flights_are_flown_judged_and_reported(tmp_path: Path, work: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = written(tmp_path, TWO)
    status, (result,) = run(file, work=work, more=("--report", str(tmp_path / "out.html")))
    assert status == 0 and result.keys() >= CONTRACT
    assert (result["name"], result["passed"], result["frames"], result["places"]) == ("scene", True, 8, 2)
    assert [flight["flight"] for flight in result["flights"]] == ["seed 1", "seed 2"]
    assert result["fixes"] == sum(flight["fixes"] for flight in result["flights"]) >= 4
    assert result["first_fix_frame"] == max(flight["first_fix_frame"] for flight in result["flights"])
    assert result["ground_error_px"]["median"] < 3
    assert [list(each) for each in result["criteria"]] == [["name", "limit", "value", "passed"]] * 3
    assert [each["name"] for each in result["criteria"]] == ["fix_rate_least", "false_fixes_most", "flights_passed_least"]
    page = (tmp_path / "out.html").read_text()
    assert page.count('<img src="data:') == 3 and "seed 2" in page and "1 of 1 scenarios passed." in page
    assert "scene" in capsys.readouterr().out


def test_other_parameters_make_nothing_anew_and_may_fail(tmp_path: Path, work: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run(written(tmp_path, TWO), work=work)
    before = made_in(work)
    capsys.readouterr()
    file = written(tmp_path, TWO.replace("patch_px: 128", "patch_px: 128, least_contrast: 200.0"))
    status, (result,) = run(file, work=work)
    assert status == 3 and not result["passed"] and result["fixes"] == 0 and result["first_fix_frame"] is None
    assert made_in(work) == before
    told = capsys.readouterr()
    assert told.err == "" and "fix_rate_least 0.5: 0" in told.out


def test_parameters_of_the_command_count_less_than_those_of_the_file(tmp_path: Path, work: Path) -> None:
    (tmp_path / "params.yaml").write_text("localizer:\n  ros__parameters:\n    least_contrast: 200.0\n    patch_px: 64\n")
    with_file = ("--params", str(tmp_path / "params.yaml"))
    assert run(written(tmp_path, TWO), work=work, more=with_file)[1][0]["fixes"] == 0
    text = TWO.replace("patch_px: 128", "patch_px: 128, least_contrast: 1.5")
    assert run(written(tmp_path, text), work=work, more=with_file)[1][0]["fixes"] >= 4


def test_rasters_lie_beside_the_file_and_are_one_place(tmp_path: Path, work: Path) -> None:
    run(written(tmp_path, TWO), work=work)
    world = min((work / "worlds").iterdir())
    for name in ("optical", "sar", "dem"):
        (tmp_path / f"{name}.tif").symlink_to(world / f"{name}.tif")
    rasters = "rasters: {optical: optical.tif, sar: sar.tif, dem: dem.tif}"
    status, (result,) = run(written(tmp_path, TWO.replace("simulated: {size_px: 512}", rasters)), work=work)
    assert status == 0 and (result["places"], len(result["flights"])) == (1, 2)


def test_a_map_of_other_ground_gives_no_fix(tmp_path: Path, work: Path) -> None:
    other = "map:\n  descriptor: structural\n  landcover: false\n  alterations:\n    - way: replace\n      share_percent: 100\n"
    other += "      tile_px: 256\n      other: {simulated: {size_px: 512, seed: 3}}\n    - {way: mirror}\n"
    text = SMALL.replace("map: {descriptor: structural, landcover: false}\n", other) + "criteria: {fixes_most: 0}\n"
    status, (result,) = run(written(tmp_path, text), work=work)
    assert (status, result["fixes"], result["flights"][0]["flight"]) == (0, 0, "seed 1")
    assert len(list((work / "altered").iterdir())) == 2


def test_what_cannot_be_run_is_told_and_costs_the_others_nothing(tmp_path: Path, work: Path,
                                                                 capsys: pytest.CaptureFixture[str]) -> None:
    wide = written(tmp_path, TWO.replace("footprint_px: 200", "footprint_px: 600"), "wide.yaml")
    status, (first, second) = run(wide, written(tmp_path, TWO), work=work)
    assert status == 1 and not first["passed"] and second["passed"]
    assert "too small" in first["error"] and "error" not in second
    assert capsys.readouterr().err.splitlines()[-1].startswith(f"promptmid: {wide} could not be run: ")
    assert not [path for path in work.rglob("*") if path.name.endswith(".partial")]


def test_real_ground_without_a_data_folder_is_skipped_and_said(tmp_path: Path, work: Path, monkeypatch: pytest.MonkeyPatch,
                                                               capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.delenv(DATA, raising=False)
    for ground in ("chips: {folder: data/some}", "rasters: {optical: $PROMPTMID_DATA/a.tif, sar: $PROMPTMID_DATA/b.tif}"):
        status, (result,) = run(written(tmp_path, TWO.replace("simulated: {size_px: 512}", ground)), work=work)
        assert (status, result["passed"], result["flights"]) == (0, True, []) and DATA in result["skipped"]
        assert f"scene is skipped: {DATA} does not name" in capsys.readouterr().err


def test_cells_are_flown_over_one_by_one(tmp_path: Path, work: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = SMALL.replace("frames: 4, footprint_px: 200", "frames: 1, footprint_px: 150") + "criteria: {frames_least: 1}\n"
    status, (result,) = run(written(tmp_path, text + "cells: {side_px: 256}\n"), work=work)
    assert (status, result["places"]) == (0, 4)
    assert [flight["flight"] for flight in result["flights"]] == ["cell 0,0", "cell 1,0", "cell 0,1", "cell 1,1"]
    status, (result,) = run(written(tmp_path, text + "cells: {side_px: 100, most: 1}\n"), work=work)
    assert status == 1 and result["error"].startswith("no cell has room for the flight (cell 0,0: its ground is too small")
    assert len(result["left_out"]) == 1 and "left out cell 0,0" in capsys.readouterr().err


def test_one_name_or_one_output_twice_is_refused(tmp_path: Path, work: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "below").mkdir()
    files = written(tmp_path, TWO), written(tmp_path / "below", TWO)
    assert main(["scenario", "run", *map(str, files), "--work", str(work)]) == 1
    assert "have one name" in capsys.readouterr().err
    assert main(["scenario", "run", str(files[0]), "--json", str(files[0])]) == 1
    assert "is read by the same command" in capsys.readouterr().err


def test_the_page_tells_what_failed_and_why_others_have_no_flights(tmp_path: Path) -> None:
    scenario = Scenario.read(written(tmp_path, TWO.replace("A small world.", "A <b>world</b>.")))
    page = render([Played(scenario, [], [], error="no <i>room</i>"), Played(scenario, [], [], skipped="no images")], "a & b")
    assert "1 of 2 scenarios failed." in page and "1 was skipped." in page
    assert "<span>a</span> <span>&amp;</span> <span>b</span>" in page
    assert "A &lt;b&gt;world&lt;/b&gt;." in page and "no &lt;i&gt;room&lt;/i&gt;" in page and "no images" in page
    assert "http" not in page.replace('http-equiv="', "")
