"""The measurement of a lost aircraft, in small: it runs, and tells right places from decoys."""

import json
from pathlib import Path

import pytest
import rasterio
from simulated import Scene

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
