"""The camera of a flight before it is flown: of a file of camera_calibration, or the first that a bag tells."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from promptmid_core.bags.camerafile import read_camera
from promptmid_core.bags.messages import camera_from
from promptmid_core.errors import InputError, Refusal

if TYPE_CHECKING:
    from promptmid_core.geometry import Camera

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
