"""What ROS 1 recorded, as ROS 2 would have: the same types under their names, and the fields of CameraInfo in small letters."""

from __future__ import annotations

from typing import Any

from promptmid_core.bags.telemetry import message

NAMES = {"tf/msg/tfMessage": "tf2_msgs/msg/TFMessage"}
CAMERA_INFO = "sensor_msgs/msg/CameraInfo"


def kind_of(msgtype: str) -> str:
    """Return the type's name in ROS 2."""
    return NAMES.get(msgtype, msgtype)


def modern(content: Any, kind: str) -> Any:
    """Return a message with the fields that it has in ROS 2; all but CameraInfo have them already."""
    if kind != CAMERA_INFO or not hasattr(content, "K"):
        return content
    return message(kind, content.header, content.height, content.width, content.distortion_model, content.D, content.K, content.R,
                   content.P, content.binning_x, content.binning_y, content.roi)
