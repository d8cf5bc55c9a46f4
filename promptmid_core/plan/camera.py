"""The camera that a flight is planned with, out of a calibration file or a bag."""

from __future__ import annotations

from pathlib import Path

from promptmid_core.bags.camerafile import read_camera
from promptmid_core.errors import InputError, Refusal
from promptmid_core.geometry import Camera


def camera_at(path: Path) -> Camera:
    """Return the camera of a file of camera_calibration, or that of the first camera_info of a bag, as if it looked straight
    down. Raises InputError where there is none."""
    if path.suffix.lower() in (".yaml", ".yml") and path.is_file():
        return read_camera(path)
    from promptmid_core.bags.bag import open_bag
    from promptmid_core.bags.messages import camera_from

    bag = open_bag(path)
    topic = bag.topic("camera_info")
    try:
        return camera_from(next(message for _, _, message in bag.messages(topic)))
    except Refusal as refusal:
        raise InputError(f"{path}: {topic} has a message that cannot be used: {refusal}") from refusal
