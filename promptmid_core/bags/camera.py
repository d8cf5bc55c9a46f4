"""The camera of a flight before it is flown: of a file of camera_calibration, or the first that a bag tells."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from promptmid_core.bags.camerafile import read_camera
from promptmid_core.bags.messages import camera_from
from promptmid_core.bags.telemetry import CAMERA_FRAME, header, message
from promptmid_core.documents import read_yaml
from promptmid_core.errors import InputError, Refusal

if TYPE_CHECKING:
    from promptmid_core.arrays import Float64
    from promptmid_core.geometry import Camera

MOST_BYTES = 2**16
CURE = "name the YAML file that camera_calibration wrote, such as ost.yaml"
YAML = (".yaml", ".yml")


def camera_of(path: Path, topic: str | None = None) -> Camera:
    """Return the camera, looking straight down, of a YAML file of camera_calibration, or the first usable one of a recording.

    `topic` names that of the recording's camera_info; without it there has to be one alone, or one beside the images. Raises
    InputError where there is none that can be used.
    """
    from promptmid_core.bags.bag import Topics, open_bag

    if path.suffix.lower() in YAML and path.is_file():
        return read_camera(path)
    bag = open_bag(path, Topics(camera_info=topic))
    first: Refusal | None = None
    for _, _, info in bag.messages(bag.topic("camera_info")):
        try:
            return camera_from(info)
        except Refusal as refusal:
            first = first or refusal
    raise InputError(f"{path} has no camera_info that can be used ({first}); {CURE}")


def read_camera_info(path: Path) -> Any:
    """Return the sensor_msgs/CameraInfo that a YAML file of camera_calibration holds, with the stamp 0.

    Raises InputError where it cannot be read, or where no camera can be made of it.
    """
    values = read_yaml(path, MOST_BYTES, CURE)
    try:
        info = _info(values)
        camera_from(info)
    except (KeyError, TypeError, ValueError, Refusal) as error:
        what = f"{error.args[0]} is missing" if isinstance(error, KeyError) else str(error)
        raise InputError(f"{path} is no camera that can be used ({what:.200}); {CURE}") from error
    return info


def _info(values: Any) -> Any:
    if not isinstance(values, dict):
        raise ValueError("it is no table of image_width, image_height, camera_matrix and distortion_coefficients")
    width, height = values["image_width"], values["image_height"]
    if not all(type(size) is int and 0 < size < 2**31 for size in (width, height)):
        raise ValueError(f"image_width and image_height are {width!r:.40} and {height!r:.40}")
    k = _numbers(values, "camera_matrix", 9)
    d = _numbers(values, "distortion_coefficients") if "distortion_coefficients" in values else np.zeros(0)
    projection = np.column_stack([k.reshape(3, 3), np.zeros(3)]).ravel()
    whole = message("sensor_msgs/msg/RegionOfInterest", 0, 0, 0, 0, False)
    return message("sensor_msgs/msg/CameraInfo", header(0, CAMERA_FRAME), height, width,
                   str(values.get("distortion_model", "plumb_bob")), d, k, np.eye(3).ravel(), projection, 0, 0, whole)


def _numbers(values: dict[str, Any], name: str, count: int | None = None) -> Float64:
    """The `data` of a matrix, (n,)."""
    told = values[name]
    data = np.array(told["data"] if isinstance(told, dict) else told, np.float64).ravel()
    if not np.isfinite(data).all() or (count is not None and len(data) != count):
        raise ValueError(f"{name} has {len(data)} values{f' in place of {count}' if count else ''}, or some that are no numbers")
    return data
