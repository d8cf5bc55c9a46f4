"""Where the prior comes from: the kinds of messages that aircraft have, each brought into the form of odometry."""

from __future__ import annotations

from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

import numpy as np

from promptmid_core.arrays import Float64
from promptmid_core.errors import InputError, Refusal
from promptmid_core.georaster.geodetic import Geodetic
from promptmid_core.localization.navsat import NavsatImu
from promptmid_core.localization.odometry import Odometry
from promptmid_core.localization.priorform import NAVSAT_IMU, ODOMETRY, ON_GRID, POSE, VEHICLE_ODOMETRY
from promptmid_core.localization.rig import Rig
from promptmid_core.localization.vehicle import VehicleOdometry

# of each source: the topics that it is heard on, with the types of their messages
TOPICS: dict[str, dict[str, str]] = {
    ODOMETRY: {"odometry": "nav_msgs/msg/Odometry"},
    POSE: {"prior_pose": "geometry_msgs/msg/PoseWithCovarianceStamped"},
    NAVSAT_IMU: {"navsat": "sensor_msgs/msg/NavSatFix", "imu": "sensor_msgs/msg/Imu"},
    VEHICLE_ODOMETRY: {"vehicle_odometry": "px4_msgs/msg/VehicleOdometry"},
}


class PriorSource:
    """Brings the messages of a rig's source into the form of odometry, and gives them to that.

    `shift` (3,) is what odometry in `map` is moved by on its way into the map that flies: a place that was found on that map's
    own grid, `geodetic`, is moved back by it first. Raises InputError where the source calls for that and there is none.
    """

    def __init__(self, rig: Rig, odometry: Odometry, geodetic: Geodetic | None = None, shift: Float64 | None = None) -> None:
        self._rig, self._odometry = rig, odometry
        self.topics: Mapping[str, str] = TOPICS[rig.prior.source]
        self._shift = np.zeros(3) if shift is None else shift
        self._navsat: NavsatImu | None = None
        self._vehicle: VehicleOdometry | None = None
        if rig.prior.source not in ON_GRID:
            if geodetic is None:
                raise InputError(f"prior_source '{rig.prior.source}' needs a map, whose place on the Earth is known")
            if rig.prior.source == NAVSAT_IMU:
                self._navsat = NavsatImu(rig, geodetic)
            else:
                self._vehicle = VehicleOdometry(rig, geodetic)

    def add(self, topic: str, message: Any) -> None:
        """Take a message of one of `topics`; one that cannot be used is remembered as the odometry's `refusal`."""
        try:
            made = self._made(topic, message)
        except Refusal as refusal:
            self._odometry.refuse(stamp_of(message), refusal)
            return
        for each in made:
            self._odometry.add(each)

    def _made(self, topic: str, message: Any) -> list[Any]:
        if topic == "odometry":
            return [message]
        if topic == "prior_pose":
            nothing = SimpleNamespace(x=0.0, y=0.0, z=0.0)
            twist = SimpleNamespace(twist=SimpleNamespace(linear=nothing, angular=nothing), covariance=np.zeros(36))
            return [SimpleNamespace(header=message.header, child_frame_id=self._rig.base_frame, pose=message.pose, twist=twist)]
        if self._vehicle is not None:
            return [self._back(self._vehicle.odometry(message))]
        assert self._navsat is not None
        return [self._back(each) for each in self._navsat.add(topic, message)]

    def _back(self, message: Any) -> Any:
        if message.header.frame_id == "map":
            place = message.pose.pose.position
            place.x, place.y, place.z = (float(at - by) for at, by in zip((place.x, place.y, place.z), self._shift, strict=True))
        return message


def stamp_of(message: Any) -> int:
    """Return the stamp in ns of a message of any source; PX4's has no header, but microseconds."""
    if hasattr(message, "header"):
        return int(message.header.stamp.sec) * 1_000_000_000 + int(message.header.stamp.nanosec)
    return 1000 * int(message.timestamp_sample or message.timestamp)
