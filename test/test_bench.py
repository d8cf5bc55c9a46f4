"""The command `promptmid bench`: its rows, its journal, its adapters, and how it fails."""

import csv
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pair_folders import write_pairs

from promptmid_core.bench import run as bench
from promptmid_core.bench import scores
from promptmid_core.bench.matchers import METHODS, Answer, Patch, Reach, Window
from promptmid_core.bench.pairs import read_pairs
from promptmid_core.bench.strata import apart, resolution
from promptmid_core.bench.trials import Setting, Trial
from promptmid_core.cli import main
from promptmid_core.errors import InputError

ROOT = Path(__file__).resolve().parent.parent
ROW = {"source", "method", "trials", "pairs", "patch_px", "radius_px", "yaw_deg", "scale_percent", "seed", "gate", "gsd_m",
       "success", "interval95", "median_px", "rmse_px", "fix_rate", "false_fix_rate", "seconds_median", "landuse", "by_gsd"}
SMALL = ["--patch", "48", "--radius", "12", "--trials", "8"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_pairs(tmp_path_factory.mktemp("bench") / "fields", 3, landuse=("farmland", "urban", ""))


def rows_of(path: Path) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = json.loads(path.read_text())
    return rows


def timeless(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{key: value for key, value in row.items() if key != "seconds_median"} for row in rows]


class Never:
    """Has no answer at all."""

    name, gate = "never", "never"

    def locate(self, patch: Patch, window: Window, reach: Reach) -> Answer | None:
        return None


class Broken(Never):
    name, left = "broken", 5

    def locate(self, patch: Patch, window: Window, reach: Reach) -> Answer | None:
        type(self).left -= 1
        if type(self).left < 0:
            raise ZeroDivisionError("out of luck")
        return Answer(1.5, -2.0, True)


class Stopped(Never):
    """Ctrl-C after a while, or so it seems."""

    name, left = "stopped", 4

    def locate(self, patch: Patch, window: Window, reach: Reach) -> Answer | None:
        type(self).left -= 1
        if type(self).left == 0:
            raise KeyboardInterrupt
        return Answer(float(patch.image.mean()) % 7, 0.25, True)


def test_one_row_per_source_and_method(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out, plot = tmp_path / "out.json", tmp_path / "out.png"
    methods = "cfog,structural,test_bench:Never"
    assert main(["bench", str(folder), *SMALL, "--methods", methods, "--json", str(out), "--plot", str(plot)]) == 0
    rows = rows_of(out)
    assert [(row["source"], row["method"]) for row in rows] == [("fields", name) for name in ("cfog", "structural", "never")]
    for row in rows:
        assert row.keys() >= ROW
        assert set(row["success"]) == set(row["interval95"]) == {"1", "3", "5", "10"}
        assert (row["trials"], row["pairs"], row["patch_px"], row["radius_px"], row["gsd_m"]) == (8, 3, 48, 12, 10)
        low, high = row["interval95"]["5"]
        assert 0 <= low <= row["success"]["5"] <= high <= 1
        assert set(row["landuse"]) == {"farmland", "urban"}
        assert row["by_gsd"] == {"10 m": row["success"]["5"]}
    cfog, structural, never = rows
    assert cfog["success"]["3"] == structural["landuse"]["urban"] == 1
    assert cfog["median_px"] <= cfog["rmse_px"] < 1
    assert cfog["false_fix_rate"] == 0 < cfog["fix_rate"]
    assert (never["success"]["10"], never["median_px"], never["rmse_px"], never["fix_rate"]) == (0, None, None, 0)
    assert "versus" not in cfog
    assert never["versus"]["cfog"]["difference5"] == -1 and never["versus"]["cfog"]["ratio5"] == 0
    told = capsys.readouterr().out
    for word in ("patch 48 px", "radius 12 px", "seed 1", "8 trials on 3 pairs", "1 px = 10 m", "95 % interval",
                 "standard deviation"):
        assert word in told
    assert plot.read_bytes().startswith(b"\x89PNG")
    assert [path.name for path in sorted(tmp_path.iterdir())] == ["out.json", "out.png"]


def test_frozen_trials_repeat_a_run(folder: Path, tmp_path: Path) -> None:
    frozen = tmp_path / "trials.csv"
    for name in ("one", "two"):
        assert main(["bench", str(folder), *SMALL, "--yaw-deg", "8", "--methods", "ncc,sift", "--trials-file", str(frozen),
                     "--json", str(tmp_path / name)]) == 0
    assert timeless(rows_of(tmp_path / "one")) == timeless(rows_of(tmp_path / "two"))
    with frozen.open() as file:
        assert {row["pair"] for row in csv.DictReader(file)} == {"p0", "p1", "p2"}


def test_a_run_that_was_stopped_goes_on(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str],
                                        monkeypatch: pytest.MonkeyPatch) -> None:
    out, journal = tmp_path / "out.json", tmp_path / "out.json.journal.csv"
    command = ["bench", str(folder), *SMALL, "--methods", "test_bench:Stopped,cfog", "--json"]
    monkeypatch.setattr(Stopped, "left", 4)
    assert main([*command, str(out)]) == 130
    with journal.open("a") as file:
        file.write("3,cfog,0.0")  # a kill in the middle of a line
    assert not out.exists()
    assert main(["bench", str(folder), *SMALL, "--seed", "2", "--methods", "test_bench:Stopped,cfog", "--json", str(out)]) == 1
    assert "other settings" in capsys.readouterr().err
    monkeypatch.setattr(Stopped, "left", 6)  # three of the eight are done: one more than are left
    assert main([*command, str(out)]) == 0
    assert not journal.exists()
    monkeypatch.setattr(Stopped, "left", 9)
    assert main([*command, str(tmp_path / "undisturbed.json")]) == 0
    assert timeless(rows_of(out)) == timeless(rows_of(tmp_path / "undisturbed.json"))


def test_a_method_that_fails_is_named_with_its_trial(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out.json"
    assert main(["bench", str(folder), *SMALL, "--methods", "test_bench:Broken", "--json", str(out)]) == 1
    told = capsys.readouterr().err.splitlines()[-1]
    assert all(word in told for word in ("broken", "trial 6", "pair 'p", "ZeroDivisionError: out of luck"))
    assert not out.exists()


@pytest.mark.parametrize(("words", "told"), [
    (["no_such_folder"], ["no_such_folder/pairs.csv", "does not exist"]),
    (["{folder}", "--sources", "elsewhere"], ["'elsewhere'", "known are fields"]),
    (["{folder}", "--methods", "magic"], ["'magic'", "cfog"]),
    (["{folder}", "--patch", "300"], ["window of 364 px", "fields"]),
    (["{folder}", *SMALL, "--methods", "ncc", "--json", "no_such_folder/out.json"], ["no_such_folder/out.json"]),
    (["{folder}", *SMALL, "--methods", "ncc", "--plot", "no_such_folder/out.png"], ["no_such_folder/out.png"]),
    (["{folder}", *SMALL, "--methods", "ncc", "--trials-file", "no_such_folder/t.csv"], ["no_such_folder/t.csv"]),
])
def test_what_cannot_run_gets_one_sentence(folder: Path, words: list[str], told: list[str], tmp_path: Path,
                                           monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["bench", *(word.format(folder=folder) for word in words)]) == 1
    error = capsys.readouterr().err.split("\r")[-1].splitlines()[-1]
    assert error.startswith("promptmid: ") and all(word in error for word in told), error
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("words", [
    ["--patch", "0"], ["--trials", "x"], ["--yaw-deg", "200"], ["--scale-percent", "-1"], ["--methods", "a,"]])
def test_a_senseless_option_is_refused(folder: Path, words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["bench", str(folder), *words])
    assert stopped.value.code == 2
    assert words[0] in capsys.readouterr().err


def test_help_tells_the_methods_and_how_trials_are_spread() -> None:
    command = [sys.executable, "-m", "promptmid_core.cli", "bench", "--help"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    told = " ".join(done.stdout.split())
    assert "trials in total, spread evenly over all pairs" in told and "example:" in told
    assert all(name in told for name in METHODS)


def test_the_adapter_of_the_documentation_runs(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.json"
    # not under `python -m`, which would put the current folder on the path by itself
    program = "import sys; sys.path.remove(''); from promptmid_core.cli import main; sys.exit(main(sys.argv[1:]))"
    done = subprocess.run([sys.executable, "-c", program, "bench", str(folder), "--patch", "96", "--radius", "8", "--trials", "8",
                           "--methods", "ncc,examples.my_matcher:PhaseCorrelation", "--json", str(out)],
                          cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert rows_of(out)[1]["method"] == "phase_correlation"
    assert rows_of(out)[1]["success"]["3"] > 0.5
    code = (ROOT / "examples/my_matcher.py").read_text()
    assert code[code.index("import cv2"):] in (ROOT / "docs/bench.md").read_text()


def test_intervals_and_comparisons_are_over_pairs(folder: Path) -> None:
    """One method is right on two of three pairs, the other on one of these two; 12 trials a pair do not narrow that."""
    pairs = read_pairs(folder)
    setting = Setting(trials=36)
    first, second = type("First", (Never,), {"name": "first"})(), type("Second", (Never,), {"name": "second"})()
    right = {"first": ("p0", "p1"), "second": ("p1",)}
    trials = {pair.id: Trial("fields", pair.id, (0, 0), (3, -4)) for pair in pairs}
    results = [bench.Result(name, trials[pair.id], Answer(-3, 4 if pair.id in places else 40, True), 0.1)
               for pair in pairs for name, places in right.items() for _ in range(12)]
    one, two = scores.score(results, pairs, [first, second], setting)
    assert (one["success"]["1"], two["success"]["1"]) == pytest.approx((2 / 3, 1 / 3), abs=1e-6)
    assert one["interval95"]["5"] == [0, 1]
    half = [bench.Result("first", trials["p0"], Answer(-3 + miss, 4, True), 0.1) for miss in (0, 9) * 20]
    low, high = scores.score(half, pairs[:1], [first], setting)[0]["interval95"]["5"]
    assert 0.3 < low < 0.45 and 0.55 < high < 0.7  # of one pair over its trials
    versus = two["versus"]["first"]
    assert versus["difference5"] == pytest.approx(-1 / 3, abs=1e-6) and versus["ratio5"] == 0.5
    assert versus["interval95"][1] == 0  # never better, whichever pairs are drawn
    assert versus["ratio_interval95"] is None  # where only p2 is drawn there is no ratio
    assert (one["median_px"], one["false_fix_rate"]) == (0, pytest.approx(1 / 3, abs=1e-6))
    assert scores.score(results, pairs, [first, second], setting) == [one, two]


def test_success_by_ground_resolution_and_by_days(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One place on three days, the same images each time, and another on a day that nobody knows."""
    folder = write_pairs(tmp_path / "fields", 4, gsd="5.6")
    table = folder / "pairs.csv"
    text = table.read_text()
    for number, days in enumerate(("20200101_20200101", "20200126_20200126", "20200501_20200501")):
        text = text.replace(f"p{number},", f"{days},").replace(f"{number}.png", f"{0}.png")
    table.write_text(text)
    out = tmp_path / "out.json"
    command = ["bench", str(folder), "--patch", "48", "--radius", "12", "--trials", "24", "--methods", "test_bench:Never,ncc",
               "--json", str(out)]
    assert main([*command, "--across-dates"]) == 0
    _, row = rows_of(out)
    # three dates against each other, and the pair without days, which is a place of its own
    assert (row["source"], row["pairs"], row["undated"]) == ("fields", 10, 2)
    assert row["by_days"] == {"0-15": 1, "15-60": 1, "60-": 1} and row["by_gsd"] == {"5 m": 1}
    versus = row["versus"]["never"]["by_days"]
    assert {name: its["difference5"] for name, its in versus.items()} == {"0-15": 1, "15-60": 1, "60-": 1}
    told = capsys.readouterr().out
    assert "    at 60- days: +1.000 [+1.000, +1.000]" in told
    assert "by days between the images: 0-15 1.000, 15-60 1.000, 60- 1.000" in told and "2 trials are of images" in told
    assert main(command) == 0
    assert rows_of(out)[0]["pairs"] == 4 and "by_days" not in rows_of(out)[0]
    assert main(["bench", str(write_pairs(tmp_path / "once", 2)), *SMALL, "--across-dates"]) == 1
    assert "shows no place at several dates" in capsys.readouterr().err


@pytest.mark.parametrize(("gsd_m", "name"), [
    (0.3, "1 m"), (1, "1 m"), (2.2, "1 m"), (3, "5 m"), (5.6, "5 m"), (8.28, "10 m"), (30, "10 m"), (None, "unknown")])
def test_a_resolution_is_of_the_nearest_class(gsd_m: float | None, name: str) -> None:
    assert resolution(gsd_m) == name


@pytest.mark.parametrize(("days", "name"), [(0, "0-15"), (15, "0-15"), (16, "15-60"), (60, "15-60"), (61, "60-"), (None, None)])
def test_days_are_of_the_class_that_they_end(days: int | None, name: str | None) -> None:
    assert apart(days) == name


def test_success_by_patch_and_radius(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """A window of 96 + 2 x 64 px has no room in 200 px; what was stopped goes on in the protocol where it stopped."""
    monkeypatch.setattr("promptmid_core.cli.bench.PROTOCOLS", [(32, 8), (48, 16), (96, 64)])
    folder, out = write_pairs(tmp_path / "fields", 2), tmp_path / "out.json"
    command = ["bench", str(folder), *SMALL, "--methods", "test_bench:Stopped,ncc", "--protocols", "--json", str(out)]
    monkeypatch.setattr(Stopped, "left", 8 + 8 + 4)
    assert main(command) == 130
    assert sorted(path.name for path in tmp_path.glob("out*")) == [
        "out.json.32-8.journal.csv", "out.json.48-16.journal.csv", "out.json.journal.csv"]
    monkeypatch.setattr(Stopped, "left", 8 - 3 + 1)
    assert main(command) == 0
    assert [path.name for path in tmp_path.glob("out*")] == ["out.json"]
    stopped, ncc = (row["by_protocol"] for row in rows_of(out))
    assert ncc == {"32/8": 1, "48/16": 1, "96/64": None} and set(stopped) == set(ncc)
    told = capsys.readouterr().out
    assert "success within 5 px by patch/radius" in told and "no room for 96/64" in told


def test_an_error_is_the_distance_to_the_truth() -> None:
    trial = Trial("s", "p", (0, 0), (3, -4))
    assert bench.Result("m", trial, Answer(0, 0, False), 0).error_px == 5
    assert np.isinf(bench.Result("m", trial, None, 0).error_px)


def test_a_journal_that_is_none_is_refused(tmp_path: Path) -> None:
    from promptmid_core.bench.journal import BenchJournal

    path = tmp_path / "j.csv"
    path.write_text("id,optical\n1,2\n")
    with pytest.raises(InputError, match="other settings"):
        BenchJournal(path, "abc").read()
    journal = BenchJournal(tmp_path / "k.csv", "abc")
    journal.write(3, "m", Answer(1, 2, True), 0.5)
    journal.write(4, "m", None, 0.25)
    journal.close()
    assert BenchJournal(tmp_path / "k.csv", "abc").read() == {(3, "m"): (Answer(1, 2, True), 0.5), (4, "m"): (None, 0.25)}


@pytest.mark.real_data
def test_cfog_finds_on_orange_county_what_the_literature_leads_to_expect(data_folder: Path, tmp_path: Path) -> None:
    """Plain CFOG on the corrected pairs at 64/32: .53 within 5 px."""
    tool = data_folder / "tools" / "register_pairs.py"
    subprocess.run([sys.executable, tool, tmp_path / "orange_county", "--split", "eval"], check=True, capture_output=True)
    out = tmp_path / "out.json"
    assert main(["bench", str(tmp_path / "orange_county"), "--trials", "150", "--methods", "cfog", "--json", str(out)]) == 0
    low, high = rows_of(out)[0]["interval95"]["5"]
    assert low <= 0.53 <= high
    assert rows_of(out)[0]["success"]["5"] == pytest.approx(0.53, abs=0.12)
