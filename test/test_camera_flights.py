"""A camera that is otherwise than told is found from two simulated flights, and a replay with what was found is off by less."""

import json
from pathlib import Path
from typing import Any

import pytest
from simulated import Scene

from promptmid_core.cli import main
from promptmid_core.simulation.flight.options import FlightOptions
from promptmid_core.simulation.flight.simulate import simulate_flight

pytestmark = pytest.mark.slow

TRUTH = {"roll": 1.5, "pitch": -1.0, "yaw": 0.5, "delay_s": 0.2, "focal_scale": 1.02}
WRONG = {"boresight_error_deg": (1.5, -1.0, 0.5), "camera_delay_s": 0.2, "focal_error_percent": 2.0, "attitude_error_deg": 0.05,
         "attitude_error_s": float("inf"), "drift_px": 5, "yaw_error_deg": 0.5}


@pytest.fixture(scope="module")
def found(scene: Scene, tmp_path_factory: pytest.TempPathFactory) -> tuple[list[Path], Path, dict[str, Any]]:
    """The bags of two flights, and the file and the values that they were calibrated to."""
    folder = tmp_path_factory.mktemp("camera")
    bags = [folder / "low", folder / "high"]
    for bag, seed, footprint in zip(bags, (7, 8), (300, 390), strict=True):
        options = FlightOptions.of(frames=45, seed=seed, footprint_px=footprint, image_size=(320, 240), **WRONG)
        simulate_flight(scene.optical, bag, options, dem=scene.dem)
    file, values = folder / "camera.yaml", folder / "camera.json"
    words = ["calibrate", "camera", *map(str, bags), "--map", str(scene.map_path), "--out", str(file), "--json", str(values)]
    assert main(words) == 0
    return bags, file, json.loads(values.read_text())


def test_each_is_found_within_three_of_its_standard_deviations(found: tuple[list[Path], Path, dict[str, Any]]) -> None:
    _, _, values = found
    assert sum(bag["fixes"] for bag in values["bags"]) == values["fixes"] > 60
    for name, truth in TRUTH.items():
        assert values[name]["observed"], name
        assert abs(values[name]["value"] - truth) < 3 * values[name]["sigma"], name
    assert abs(values["roll"]["value"] - 1.5) < 0.3
    assert abs(values["pitch"]["value"] + 1.0) < 0.3
    assert values["delay_s"]["value"] == pytest.approx(0.2, abs=0.03)


def test_a_replay_with_what_was_found_is_off_by_less(scene: Scene, found: tuple[list[Path], Path, dict[str, Any]],
                                                     tmp_path: Path) -> None:
    bags, file, _ = found
    errors, suspicions = [], []
    for i, more in enumerate(([], ["--camera-calibration", str(file)])):
        target = tmp_path / f"{i}.json"
        assert main(["replay", str(bags[0]), "--map", str(scene.map_path), "--json", str(target), *more]) == 0
        result = json.loads(target.read_text())
        errors.append(result["error_px"]["median"])
        suspicions.append(result["boresight_suspect"])
    assert errors[1] < errors[0] / 3
    # the first flight alone lets it be suspected, and no more once it is known
    assert suspicions[0] is not None and suspicions[1] is None
    assert suspicions[0]["delay_s"] == pytest.approx(0.2, abs=0.05)
    for axis in ("roll", "pitch"):
        assert abs(suspicions[0][f"{axis}_deg"] - TRUTH[axis]) < 4 * suspicions[0]["sigma_deg"]
