"""The command as its users call it: what it prints, what it writes, and how it fails."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import rasterio
from rasterio.transform import from_origin
from simulated import Scene

from promptmid_core.cli import main
from promptmid_core.simulation.flight.options import FlightOptions
from promptmid_core.simulation.flight.simulate import simulate_flight

pytestmark = pytest.mark.slow

CONTRACT = {
    "frames",
    "fixes",
    "fix_rate",
    "false_fixes",
    "misleading",
    "bound_failures",
    "ground_error_px",
    "error_px",
    "error_m",
    "coverage95",
    "coverage50",
    "coverage95_ground",
    "coverage50_ground",
    "independent_samples",
    "autocorrelation",
    "filter",
    "latency_ms",
    "patch_px",
    "gsd_m",
    "reasons",
}


def write_tif(path: Path, image: np.ndarray, crs: str | None = "EPSG:32633", transform: object = None) -> Path:
    with rasterio.open(
        path,
        "w",
        driver="GTiff",
        width=image.shape[1],
        height=image.shape[0],
        count=1,
        dtype=image.dtype,
        crs=crs,
        transform=transform or from_origin(500_000, 5_000_000, 10, 10),
        nodata=0,
    ) as target:
        target.write(image, 1)
    return path


def noise(size: int = 300) -> np.ndarray:
    return np.random.default_rng(0).integers(1, 255, (size, size), dtype=np.uint8)


def test_map_replay_and_report(scene: Scene, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "map"
    assert main(["map", "build", str(scene.sar), str(out), "--dem", str(scene.dem)]) == 0
    assert main(["map", "verify", str(out)]) == 0
    capsys.readouterr()
    assert main(["map", "info", str(out), "--json"]) == 0
    info = json.loads(capsys.readouterr().out)
    assert info["gsd_m"] == 10.0
    assert info["descriptor"]["name"] == "promptmid:compact"

    figures, report = tmp_path / "out.json", tmp_path / "out.html"
    assert main(["replay", str(scene.bag), "--map", str(out), "--json", str(figures), "--report", str(report)]) == 0
    summary = json.loads(figures.read_text())
    assert summary.keys() >= CONTRACT
    assert summary["frames"] == 16
    assert summary["fix_rate"] == summary["fixes"] / 16
    assert summary["ground_error_px"].keys() >= {"median", "p95", "max"}
    assert "<html" in report.read_text()
    assert "false fixes" in capsys.readouterr().out


@pytest.mark.parametrize(("frames", "descriptor"), [(1, "structural"), pytest.param(16, "promptmid", marks=pytest.mark.long)])
def test_a_replay_without_a_fix_completes_with_nulls(scene: Scene, tmp_path: Path, frames: int, descriptor: str) -> None:
    """The mirrored map holds the place nowhere; at length it is searched as a whole."""
    flight = FlightOptions.of(frames=frames, seed=2, footprint_px=400, drift_px=30, image_size=(800, 600))
    simulate_flight(scene.optical, tmp_path / "bag", flight, dem=scene.dem)
    with rasterio.open(scene.sar) as source:
        mirrored = source.read(1)[:, ::-1]
        sar = write_tif(tmp_path / "sar.tif", mirrored, source.crs.to_string(), source.transform)
    build = ["map", "build", str(sar), str(tmp_path / "map"), "--dem", str(scene.dem), "--descriptor", descriptor]
    assert main(build) == 0
    assert main(["replay", str(tmp_path / "bag"), "--map", str(tmp_path / "map"), "--json", str(tmp_path / "out.json")]) == 0
    summary = json.loads((tmp_path / "out.json").read_text())
    assert summary["fixes"] == summary["false_fixes"] == 0
    assert summary["ground_error_px"] == {"median": None, "p95": None, "max": None}
    assert summary["coverage95"] is None
    assert sum(summary["reasons"].values()) == frames


def test_verify_prints_damaged_files_one_a_line(scene: Scene, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = Path(shutil.copytree(scene.map_path, tmp_path / "map"))
    names = sorted(json.loads((out / "manifest.json").read_text())["files"], key=lambda n: (out / n).stat().st_size)[-2:]
    content = bytearray((out / names[0]).read_bytes())
    content[len(content) // 2] ^= 4
    (out / names[0]).write_bytes(content)
    (out / names[1]).unlink()
    capsys.readouterr()
    assert main(["map", "verify", str(out)]) == 1
    assert sorted(capsys.readouterr().out.splitlines()) == sorted(names)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda p: write_tif(p, noise(), crs=None), ["sar.tif", "CRS"]),
        (lambda p: write_tif(p, noise(), transform=rasterio.Affine(9, 3, 5e5, 9, 3, 5e6)), ["sar.tif", "one line"]),
        (lambda p: write_tif(p, np.zeros((300, 300), np.uint8)), ["sar.tif", "nodata"]),
        (lambda p: write_tif(p, noise().astype(np.uint32)), ["sar.tif", "uint32"]),
        (lambda p: p.write_bytes(write_tif(p, noise(900)).read_bytes()[:300_000]), ["sar.tif", "truncated"]),
        (lambda p: p.write_text("not a picture"), ["sar.tif"]),
        (lambda p: None, ["sar.tif"]),
    ],
    ids=["no crs", "flat", "all nodata", "wrong dtype", "truncated", "no raster", "missing"],
)
def test_a_bad_raster_gets_one_sentence(make, words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    make(tmp_path / "sar.tif")
    assert main(["map", "build", str(tmp_path / "sar.tif"), str(tmp_path / "map")]) == 1
    error = capsys.readouterr().err
    assert len(error.strip().splitlines()) == 1, error
    assert all(word in error for word in words), error
    assert not (tmp_path / "map").exists()


def test_an_unfinished_map_is_refused(scene: Scene, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = Path(shutil.copytree(scene.map_path, tmp_path / "map"))
    (out / "manifest.json").unlink()
    capsys.readouterr()
    assert main(["replay", str(scene.bag), "--map", str(out), "--json", str(tmp_path / "out.json")]) == 1
    assert "unfinished" in capsys.readouterr().err
    assert not (tmp_path / "out.json").exists()


@pytest.mark.parametrize(
    "argv",
    [
        ["replay", "no_such_bag", "--map", "no_such_map"],
        ["map", "info", "no_such_map"],
        ["map", "verify", "no_such_map"],
        ["simulate", "flight", "--optical", "no_such.tif", "--out", "x"],
    ],
)
def test_what_is_not_there_is_named(
    argv: list[str], capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(argv) == 1
    assert "no_such" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_a_flight_over_too_small_an_orthophoto_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ortho = write_tif(tmp_path / "ortho.tif", noise(300))
    assert (
        main(
            [
                "simulate",
                "flight",
                "--optical",
                str(ortho),
                "--out",
                str(tmp_path / "bag"),
                "--frames",
                "5",
                "--footprint-px",
                "512",
            ]
        )
        == 1
    )
    assert "ortho.tif" in capsys.readouterr().err
    assert not (tmp_path / "bag").exists()


def test_the_demo_makes_its_folder_anew_but_touches_no_other(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "mine.txt").write_text("keep")
    assert main(["demo", "--out", str(tmp_path)]) == 1
    assert "no demo's folder" in capsys.readouterr().err
    assert (tmp_path / "mine.txt").read_text() == "keep"


def test_help_is_fast_and_shows_examples() -> None:
    for command in (["--help"], ["map", "build", "--help"], ["simulate", "flight", "--help"], ["replay", "--help"],
                    ["bench", "--help"]):
        done = subprocess.run(
            [sys.executable, "-X", "importtime", "-m", "promptmid_core.cli", *command], capture_output=True, text=True, check=True
        )
        assert "usage: promptmid" in done.stdout
        assert len(command) == 1 or "example:" in done.stdout
        for heavy in ("rasterio", "zarr", "cv2", "scipy", "matplotlib", "rosbags"):
            assert f"| {heavy}\n" not in done.stderr.replace("  ", ""), heavy


def test_a_wrong_option_says_where_to_look(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["map", "build", "sar.tif", "out", "--gsd", "-3"])
    assert stopped.value.code == 2
    assert "-3 is not a positive number" in capsys.readouterr().err
