"""NavSatFix and Imu as odometry: the place between two fixes, at the time of each attitude."""

from __future__ import annotations

from collections import deque
from types import SimpleNamespace
from typing import Any, NamedTuple

import numpy as np

from promptmid_core.arrays import Float64
from promptmid_core.bags.messages import place_from, pose_from, stamp_ns
from promptmid_core.errors import Refusal
from promptmid_core.geometry import Pose
from promptmid_core.geometry.pose import rotation_rpy
from promptmid_core.georaster.geodetic import Geodetic
from promptmid_core.localization import formed
from promptmid_core.localization.rig import Rig
from promptmid_core.reasons import Reason

MOST_APART_NS = 1_100_000_000  # two places, also of a receiver of 1 Hz, that what lies between is taken from
MOST_WAITING = 1000  # attitudes that wait for the place after them
BACK_NS = 1_000_000_000  # a place so far before the last one is of a clock that was set anew


class NavsatPlace(NamedTuple):
    """Where the aircraft was in `map`: `position` (3,) and its `covariance` (3, 3) along the map's axes."""

    stamp_ns: int
    position: Float64
    covariance: Float64


class NavsatImu:
    """Joins places and attitudes by their stamps; the attitude has to be that of `base_frame`."""

    def __init__(self, rig: Rig, earth: Geodetic) -> None:
        self._rig, self._earth = rig, earth
        self._places: deque[NavsatPlace] = deque(maxlen=2)
        self._attitudes: deque[Any] = deque(maxlen=MOST_WAITING)

    def add(self, topic: str, message: Any) -> list[Any]:
        """Take a NavSatFix or an Imu, and return the odometry that can be told from then on.

        Raises Refusal PRIOR_INVALID for a message that tells no place, or no attitude.
        """
        if topic == "navsat":
            self._add_place(self._place(message))
        else:
            if message.orientation_covariance[0] == -1:
                raise Refusal(Reason.PRIOR_INVALID, "imu states no orientation (orientation_covariance[0] is -1); name the topic "
                                                    "of an attitude estimate, as /mavros/imu/data")
            self._attitudes.append(message)
        return self._told()

    def _add_place(self, place: NavsatPlace) -> None:
        last = self._places[-1] if self._places else None
        if last is not None and place.stamp_ns <= last.stamp_ns:
            if last.stamp_ns - place.stamp_ns < BACK_NS:
                return
            self._places.clear()
        self._places.append(place)

    def _told(self) -> list[Any]:
        """The odometry of all attitudes up to the newest place."""
        if len(self._places) < 2:
            return []
        first, last = self._places
        told = []
        while self._attitudes and stamp_ns(self._attitudes[0].header) <= last.stamp_ns:
            attitude = self._attitudes.popleft()
            stamp = stamp_ns(attitude.header)
            if stamp >= first.stamp_ns and last.stamp_ns - first.stamp_ns <= MOST_APART_NS:
                told.append(self._odometry(stamp, attitude, first, last))
        return told

    def _odometry(self, stamp: int, attitude: Any, first: NavsatPlace, last: NavsatPlace) -> Any:
        share = (stamp - first.stamp_ns) / (last.stamp_ns - first.stamp_ns)
        position = (1 - share) * first.position + share * last.position
        zero = SimpleNamespace(x=0.0, y=0.0, z=0.0)
        told = pose_from(SimpleNamespace(position=zero, orientation=attitude.orientation))
        azimuth = self._earth.convergence(position[0], position[1]) if self._rig.prior.true_north else 0.0
        turn = rotation_rpy(0.0, 0.0, azimuth)
        covariance = np.zeros((6, 6))
        covariance[:3, :3] = last.covariance if share >= 0.5 else first.covariance
        covariance[3:, 3:] = turn @ np.array(attitude.orientation_covariance, np.float64).reshape(3, 3) @ turn.T
        return formed.odometry(stamp, "map", self._rig.base_frame, Pose(position, turn @ told.rotation), covariance)

    def _place(self, message: Any) -> NavsatPlace:
        latitude, longitude, altitude = place_from(message)
        x, y, z = self._earth.position(latitude, longitude, altitude)
        if not np.isfinite([x, y]).all():
            raise Refusal(Reason.PRIOR_INVALID, f"latitude {latitude:g}, longitude {longitude:g} is no place in the map's CRS")
        if not np.isfinite(altitude):
            raise Refusal(Reason.PRIOR_INVALID, "navsat has no altitude (NaN)")
        if self._rig.prior.altitude_of_map:
            z = altitude
        elif not np.isfinite(z):
            raise Refusal(Reason.PRIOR_INVALID, "navsat gives its altitude above the ellipsoid, and what the map's heights are "
                                                "measured from is not known; set altitude to 'map' where both are alike, or "
                                                "build the map with a DEM that names its vertical datum")
        # covariance type 0: not known, which zeros say
        stated = np.array(message.position_covariance, np.float64).reshape(3, 3) * bool(message.position_covariance_type)
        turn = rotation_rpy(0.0, 0.0, self._earth.convergence(x, y))
        return NavsatPlace(stamp_ns(message.header), np.array([x, y, z]), turn @ stated @ turn.T)
