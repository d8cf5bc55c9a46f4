"""The public names are there, light, and what the page shows of them runs."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from pair_folders import write_pairs
from simulated import Flown, Scene
from small_maps import write

from promptmid_core import api
from promptmid_core.bags.camerafile import read_camera
from promptmid_core.errors import InputError
from promptmid_core.geometry import Camera, boresight_point
from promptmid_core.georaster.geodetic import Geodetic

ROOT = Path(__file__).resolve().parent.parent
SHOWN = ("build_map", "localize_image", "evaluate_descriptor")


def run(name: str, *words: Any) -> str:
    done = subprocess.run([sys.executable, str(ROOT / "examples" / f"{name}.py"), *map(str, words)], capture_output=True,
                          text=True, check=False, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    return done.stdout


def write_camera(path: Path, camera: Camera) -> Path:
    """As camera_calibration writes it."""
    path.write_text(f"""image_width: {camera.width}
image_height: {camera.height}
camera_name: narrow_stereo
camera_matrix:
  rows: 3
  cols: 3
  data: {camera.k.ravel().tolist()}
distortion_model: {camera.model}
distortion_coefficients:
  rows: 1
  cols: {len(camera.d)}
  data: {camera.d.tolist()}
""")
    return path


def test_every_public_name_leads_to_what_a_type_checker_sees_there() -> None:
    tree = ast.parse(Path(api.__file__).read_text())
    seen = {name.asname: f"{node.module}:{name.name}".removeprefix("promptmid_core.")
            for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) for name in node.names if name.asname}
    assert seen == api.NAMES
    assert all(getattr(api, name) is not None for name in api.__all__)
    with pytest.raises(AttributeError, match="no attribute 'Missing'"):
        _ = api.Missing


def test_the_names_cost_nothing_until_they_are_used() -> None:
    code = "import sys, promptmid_core.api; print(sorted({'numpy', 'cv2', 'torch', 'rasterio'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


def test_the_page_shows_the_examples_word_for_word() -> None:
    blocks = re.findall(r"^```python\n(.*?)^```", (ROOT / "docs" / "api.md").read_text(), re.MULTILINE | re.DOTALL)
    for name in SHOWN:
        code = (ROOT / "examples" / f"{name}.py").read_text().split('"""\n\n', 1)[1]
        assert code in blocks, f"docs/api.md does not show examples/{name}.py as it is"


def test_a_map_is_built_in_a_few_lines(tmp_path: Path, map_inputs: dict[str, Path]) -> None:
    assert "px of 8.29 m in EPSG:32611" in run("build_map", map_inputs["sar"], tmp_path / "map")


def test_one_image_is_localized(tmp_path: Path, scene: Scene, flown: Flown) -> None:
    most_level = max(range(len(flown.frames)), key=lambda i: flown.truths[i].rotation[2, 2])
    frame, truth, reference = flown.frames[most_level], flown.truths[most_level], flown.reference
    earth = Geodetic(reference.frame, reference.vertical_datum)
    cv2.imwrite(str(tmp_path / "image.png"), frame.image[..., ::-1])
    camera = write_camera(tmp_path / "camera.yaml", frame.camera)
    told = earth.place(truth.position[0] + 80, truth.position[1] - 60, 0.0)
    said = run("localize_image", scene.map_path, tmp_path / "image.png", camera, told.latitude, told.longitude,
               truth.position[2] + 10, truth.yaw * 57.2957795 + 1)
    found = [float(number) for number in re.findall(r"-?\d+\.\d+", said)[:2]]
    x, y, _ = earth.position(found[0], found[1], 0.0)
    # told that it flies level, it lies above the ground in the middle of the image
    below = boresight_point(frame.camera, truth, flown.localizer.terrain)
    assert np.hypot(x - below[0], y - below[1]) < 5 * reference.gsd
    assert float(re.findall(r"to (\d+\.\d) m east", said)[0]) < 100


def test_a_descriptor_is_evaluated_on_pairs(tmp_path: Path) -> None:
    said = run("evaluate_descriptor", write_pairs(tmp_path / "pairs"), "structural,ncc")
    assert "structural" in said and "ncc" in said


def test_a_calibration_file_gives_its_camera(tmp_path: Path, flown: Flown) -> None:
    camera = flown.frames[0].camera
    read = read_camera(write_camera(tmp_path / "camera.yaml", camera))
    assert (read.width, read.height, read.model) == (camera.width, camera.height, camera.model)
    assert read.k.tolist() == camera.k.tolist() and read.d.tolist() == camera.d.tolist()


@pytest.mark.parametrize(("line", "wrong", "named"), [
    ("image_width: 800", "image_width: none", "image_width is 'none'; it has to be a whole number"),
    ("image_height: 600\n", "", "lacks image_height"),
    ("distortion_model: plumb_bob", "distortion_model: fisheye62", "distortion model 'fisheye62'"),
    ("  data: [-0.08", "  data: [.nan, -0.08", "a list of numbers"),
])
def test_a_calibration_file_that_is_none_is_named_with_its_line(tmp_path: Path, flown: Flown, line: str, wrong: str,
                                                                named: str) -> None:
    path = write_camera(tmp_path / "camera.yaml", flown.frames[0].camera)
    assert line in path.read_text()
    path.write_text(path.read_text().replace(line, wrong))
    with pytest.raises(InputError, match=r"camera\.yaml") as error:
        read_camera(path)
    assert named in str(error.value)


def test_a_raster_is_no_calibration_file(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="camera_calibration"):
        read_camera(write(tmp_path / "sar.tif", np.ones((8, 8), np.uint8)))
