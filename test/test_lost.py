"""The measurement of a lost aircraft, in small: it runs, and tells right places from decoys."""

import json
from pathlib import Path

import numpy as np
import pytest
import rasterio
from simulated import Scene

from benchmarks import looks
from benchmarks.lost import main


def test_places_are_found_and_decoys_are_not(scene: Scene, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Decoys are the same land as in a mirror."""
    out, mirrored = tmp_path / "lost.json", tmp_path / "mirrored.tif"
    with rasterio.open(scene.optical) as land, rasterio.open(mirrored, "w", **land.profile) as target:
        target.write(land.read()[:, :, ::-1])
    asked = ["--map", str(scene.map_path), "--optical", str(scene.optical), "--decoys", str(mirrored)]
    limits = ["--heading-known-deg", "5", "--footprint-px", "256", "--places", "3", "--frames", "2"]
    assert main([*asked, *limits, "--json", str(out)]) == 0
    found, decoys = json.loads(out.read_text())
    assert (found["land"], found["places"], decoys["places"]) == ("map", 3, 3)
    assert found["first_frame_right"] == 1
    assert max(found["false_z"][-1], decoys["false_z"][-1]) < 6.5 < found["true_z"][4]
    assert found["sure_of_wrong"] == decoys["sure_of_wrong"] == 0
    assert "first_frame_right" in capsys.readouterr().out


def test_a_map_that_is_none_is_refused_in_a_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--map", str(tmp_path), "--optical", str(tmp_path / "none.tif")]) == 1
    assert capsys.readouterr().err.startswith("lost: ")


def test_what_a_coarse_look_tells_is_the_ratio_of_two_distributions() -> None:
    """Of normal scores elsewhere, as far as they were counted; from there on it grows slowly."""
    rng = np.random.default_rng(1)
    counts = np.histogram(rng.normal(0, 1, 1_000_000), looks.EDGES)[0]
    z, nats = looks.surveyed(rng.normal(9, 2, 200), counts.astype(float)).T
    there = np.exp(-((z - 9) / np.hypot(2, looks.WIDTH)) ** 2 / 2) / (np.hypot(2, looks.WIDTH) * np.sqrt(2 * np.pi))
    ratio = np.log(np.maximum(there, looks.LEAST_TRUE)) + z ** 2 / 2 + np.log(np.sqrt(2 * np.pi))
    assert nats[z <= 4] == pytest.approx(ratio[z <= 4], abs=0.6)
    assert (np.diff(nats) >= 0).all()
    assert (np.diff(nats) / np.diff(z))[z[1:] > 8].max() <= looks.FAR_SLOPE + 0.5


def test_what_a_close_look_tells_is_fitted_where_both_are_seen() -> None:
    rng = np.random.default_rng(1)
    told = looks.close(rng.normal(9, 1.5, 300), rng.normal(4, 1.5, 600))
    # of two normal distributions of one spread it is a line
    assert (told.slope, told.even) == (pytest.approx(5 / 1.5 ** 2, rel=0.2), pytest.approx(6.5, abs=0.3))
    assert 0.02 <= told.void < 0.1


def test_tables_are_fitted_to_flights(scene: Scene, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    samples = tmp_path / "samples.json"
    assert looks.main(["--map", str(scene.map_path), "--json", str(samples), "--heading-known-deg", "10", "--every", "4",
                       str(scene.bag)]) == 0
    told = looks.Looks(**json.loads(samples.read_text()))
    assert len(told.true_z) == len(told.true_close) >= 3
    assert min(told.true_z) > max(told.highest) and np.median(told.true_close) > max(told.false_close)
    capsys.readouterr()
    assert looks.main(["--fit", *[str(samples)] * 4]) == 0
    tables = json.loads(capsys.readouterr().out)
    assert np.interp(5.0, *np.transpose(tables["surveyed"])) > 6
    assert np.median(told.false_close) < tables["close"]["even"] < np.median(told.true_close)
    assert looks.main(["--fit", str(samples)]) == 1 and "give more flights" in capsys.readouterr().err
    assert looks.main([str(scene.bag)]) == 1 and "give --map and --json" in capsys.readouterr().err
