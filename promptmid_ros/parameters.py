"""The node's parameters: their meaning and ranges, and what they come to together.

config/localizer.yaml is made from them: `python -m promptmid_ros.parameters > config/localizer.yaml`
"""

from __future__ import annotations

import json
import textwrap
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from rcl_interfaces.msg import FloatingPointRange, IntegerRange, ParameterDescriptor
from rclpy.exceptions import InvalidParameterTypeException, InvalidParameterValueException
from rclpy.node import Node
from rclpy.parameter import Parameter

from promptmid_core.errors import InputError
from promptmid_core.geometry import NADIR, Pose
from promptmid_core.geometry.pose import rotation_rpy
from promptmid_core.localization.options import Options
from promptmid_core.matching.search import COARSE_FACTOR
from promptmid_core.runtime.backend import AUTO, BACKENDS, Wanted

COMPRESSED, RAW = "compressed", "raw"
DEFAULT = Options()


@dataclass(frozen=True)
class Declared:
    """A parameter: its default, what it means, and for a number its least and most value."""

    default: Any
    meaning: str
    least: float | None = None
    most: float | None = None

    @property
    def wanted(self) -> str:
        """What a value has to be, in words."""
        bounds = "" if self.least is None else f" from {self.least:g} to {self.most:g}"
        return _WANTED[type(self.default)] + bounds

    def descriptor(self, name: str) -> ParameterDescriptor:
        descriptor = ParameterDescriptor(name=name, description=self.meaning)
        if self.least is not None and self.most is not None:
            if isinstance(self.default, int):
                descriptor.integer_range = [IntegerRange(from_value=int(self.least), to_value=int(self.most), step=0)]
            else:
                descriptor.floating_point_range = [
                    FloatingPointRange(from_value=float(self.least), to_value=float(self.most), step=0.0)]
        return descriptor


_WANTED = {bool: "true or false", int: "a whole number", float: "a number with a decimal point", str: "a text",
           list: "a list of numbers with decimal points"}

PARAMETERS = {
    "map": Declared("", "Folder of the reference map, as 'promptmid map build' makes it. Required."),
    "descriptor": Declared("", "Name of the descriptor; empty for the one that the map was built with."),
    "backend": Declared(AUTO, "What runs the network of the descriptor: 'tensorrt', 'onnxruntime', 'torch', or 'auto' for the "
                        "best that is there. One that is named runs it, or the node refuses to configure."),
    "network": Declared("", "ONNX file that 'promptmid export onnx' made, run instead of the profile's own; empty for that."),
    "allow_build": Declared(False, "Build the TensorRT engine while configuring where there is none, which takes minutes."),
    "image_transport": Declared(COMPRESSED, "'compressed' to subscribe to image/compressed, 'raw' to subscribe to image."),
    "prior_wait_ms": Declared(100, "How long an image waits for odometry of a later stamp, in milliseconds.", 0, 2000),
    "base_frame": Declared("base_link", "child_frame_id that the odometry has to have; its pose is what is published."),
    "camera_position_m": Declared([0.0, 0.0, 0.0], "Where the camera is in base_frame: x forward, y left, z up, in metres."),
    "camera_rpy_deg": Declared([0.0, 0.0, 0.0], "How the camera's housing is turned in base_frame: fixed-axis roll, pitch and "
                               "yaw in degrees, all 0 where it looks straight down with the image's top forward."),
    "patch_px": Declared(DEFAULT.patch_px, "Side of the ground patch that is matched, in map pixels.", 64, 1024),
    "most_radius_px": Declared(DEFAULT.most_radius_px, "Largest search radius, in map pixels; a less certain prior is refused.",
                               DEFAULT.least_radius_px, 2048),
    "least_evidence": Declared(DEFAULT.least_evidence, "Least natural log-odds of a match being true.", -10, 20),
    "confirm": Declared(DEFAULT.confirm, "Agreeing matches that a first fix needs.", 1, 50),
    "confirm_among": Declared(DEFAULT.confirm_among, "How many matches back these may be.", 1, 50),
    "lose_after": Declared(DEFAULT.lose_after, "Refused images in a row that lose the track.", 1, 1000),
    "registration_sigma_px": Declared(DEFAULT.registration_sigma_px, "Standard deviation of the map's own place, in map pixels.",
                                      0, 20),
    "autostart": Declared(False, "Configure and activate the node when its process starts; where that fails it ends with "
                          "status 1. Read at the start only."),
    "publish_tf": Declared(False, "Publish the transform map -> odom, where odometry is given in odom."),
    "snapshot_dir": Declared("", "Folder that ~/save_snapshot writes to; empty for 'promptmid_snapshots' in the ROS log folder."),
}


@dataclass(frozen=True)
class Settings:
    """What the parameters come to."""

    map: Path
    descriptor: str
    wanted: Wanted
    compressed: bool
    prior_wait_s: float
    base_frame: str
    mount: Pose
    options: Options
    publish_tf: bool
    snapshots: Path | None


class Parameters:
    """Declares the parameters of a node and reads them.

    A value that was given at the start and cannot be declared does not end the process: `read` tells it, until another is set.
    """

    def __init__(self, node: Node) -> None:
        self._node = node
        self._unusable: dict[str, str] = {}
        for name, declared in PARAMETERS.items():
            descriptor = declared.descriptor(name)
            try:
                node.declare_parameter(name, declared.default, descriptor)
            except (InvalidParameterTypeException, InvalidParameterValueException) as error:
                self._unusable[name] = f"parameter {name} has to be {declared.wanted} ({str(error).rstrip('.')})"
            if name in self._unusable:
                node.declare_parameter(name, declared.default, descriptor, ignore_override=True)
        node.add_post_set_parameters_callback(self._mended)

    def read(self) -> Settings:
        """The settings; InputError with one sentence where a parameter is missing, out of range or contradicts another."""
        for sentence in self._unusable.values():
            raise InputError(sentence)
        get: Callable[[str], Any] = lambda name: self._node.get_parameter(name).value  # noqa: E731
        if not get("map"):
            raise InputError("parameter map is empty; name the folder of a map, made with 'promptmid map build SAR.tif FOLDER'")
        if get("image_transport") not in (COMPRESSED, RAW):
            raise InputError(f"parameter image_transport is '{get('image_transport')}', not '{COMPRESSED}' or '{RAW}'")
        if get("confirm") > get("confirm_among"):
            raise InputError(f"parameter confirm is {get('confirm')}, more than the {get('confirm_among')} of confirm_among, "
                             "so that no first fix could be confirmed")
        if not get("base_frame"):
            raise InputError("parameter base_frame is empty; name the child_frame_id of the odometry, such as 'base_link'")
        position, rpy = (self._vector(name) for name in ("camera_position_m", "camera_rpy_deg"))
        options = Options(**{name: get(name) for name in (
            "patch_px", "most_radius_px", "least_evidence", "confirm", "confirm_among", "lose_after", "registration_sigma_px")})
        if get("backend") not in (AUTO, *BACKENDS):
            raise InputError(f"parameter backend is '{get('backend')}', not one of {', '.join((AUTO, *BACKENDS))}")
        wanted = Wanted(get("backend"), network=Path(get("network")).expanduser() if get("network") else None,
                        side_px=options.patch_px, allow_build=get("allow_build"))
        return Settings(
            Path(get("map")).expanduser(), get("descriptor"), wanted, get("image_transport") == COMPRESSED,
            get("prior_wait_ms") / 1e3, get("base_frame"), Pose(position, rotation_rpy(*np.deg2rad(rpy))) @ NADIR, options,
            get("publish_tf"), Path(get("snapshot_dir")).expanduser() if get("snapshot_dir") else None)

    @property
    def autostart(self) -> bool:
        """Whether the node takes itself to active; so it tries with a value that is none, for `read` tells what is wrong."""
        return "autostart" in self._unusable or bool(self._node.get_parameter("autostart").value)

    def _vector(self, name: str) -> np.ndarray[Any, np.dtype[np.float64]]:
        values = np.array(self._node.get_parameter(name).value, np.float64)
        if values.shape != (3,) or not np.isfinite(values).all():
            raise InputError(f"parameter {name} is {values.tolist()}, not three finite numbers")
        return values

    def _mended(self, parameters: list[Parameter]) -> None:
        for parameter in parameters:
            self._unusable.pop(parameter.name, None)


def check_patch_fits(options: Options, stride: int) -> None:
    """InputError where the patch is not made of whole cells of a descriptor of this stride."""
    cell = stride * COARSE_FACTOR
    if options.patch_px % (2 * cell):
        raise InputError(f"parameter patch_px is {options.patch_px}, not a multiple of {2 * cell} as the map's descriptor needs")


def document() -> str:
    """config/localizer.yaml."""
    lines = ["# Parameters of the node localizer, with their defaults. `map` has to be set."]
    lines += ["/**/localizer:", "  ros__parameters:"]
    for name, declared in PARAMETERS.items():
        bounds = "" if declared.least is None else f" {declared.least:g} to {declared.most:g}."
        lines += [f"    # {line}" for line in textwrap.wrap(declared.meaning + bounds, 100)]
        # a JSON value is a YAML value
        lines.append(f"    {name}: {json.dumps(declared.default)}")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    print(document(), end="")
