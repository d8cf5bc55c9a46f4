"""A camera in a file of its own: the YAML that camera_calibration writes and camera_info_manager reads."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

from promptmid_core.bags.messages import camera_from
from promptmid_core.bags.telemetry import camera_info
from promptmid_core.errors import InputError, Refusal
from promptmid_core.geometry import Camera
from promptmid_core.sections import Section

CURE = "name the YAML that camera_calibration wrote, with image_width, image_height and camera_matrix"
MOST_SIDE, MOST = 100_000, 1e9
WHOLE = SimpleNamespace(width=0, height=0, x_offset=0, y_offset=0)


def read_camera(path: Path) -> Camera:
    """Return the camera of a calibration file, straight down. Raises InputError, with line and field, where it tells none."""
    file = Section.read(path, CURE)
    width, height = (file.count(f"image_{side}", 1, MOST_SIDE) for side in ("width", "height"))
    matrix = _numbers(file, "camera_matrix", 9)
    told = "distortion_coefficients" in file
    info = SimpleNamespace(
        width=width, height=height, k=matrix, roi=WHOLE, binning_x=0, binning_y=0,
        d=_numbers(file, "distortion_coefficients") if told else [],
        distortion_model=file.text("distortion_model") if "distortion_model" in file else "plumb_bob")
    try:
        return camera_from(info)
    except Refusal as refusal:
        raise InputError(f"{path}: {refusal}; calibrate the camera again, or correct the file") from refusal


def read_camera_info(path: Path) -> Any:
    """Return the sensor_msgs/CameraInfo of a calibration file, with the stamp 0. Raises InputError as `read_camera` does."""
    return camera_info(0, read_camera(path))


def _numbers(file: Section, matrix: str, count: int | None = None) -> list[float]:
    """The `data` of a matrix, or where it is a plain list that."""
    wanted = f"{count} numbers" if count else "numbers"
    plain = isinstance(file.values().get(matrix), list)
    section, field = (file, matrix) if plain else (file.section(matrix), "data")
    # a lens without distortion may have an empty list
    given = [] if count is None and section.values().get(field) == [] else section.entries(field, wanted)
    if any(isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) <= MOST for value in given):
        raise section.wrong(field, f"a list of {wanted}")
    if count is not None and len(given) != count:
        raise section.wrong(field, f"a list of {wanted}")
    return [float(value) for value in given]
