"""PX4's VehicleOdometry, north-east-down and forward-right-down, as odometry east-north-up and forward-left-up."""

from __future__ import annotations

from typing import Any

import numpy as np

from promptmid_core.arrays import Float64
from promptmid_core.errors import Refusal
from promptmid_core.geometry import Pose
from promptmid_core.geometry.pose import rotation_rpy
from promptmid_core.georaster.geodetic import Geodetic
from promptmid_core.localization import formed
from promptmid_core.localization.rig import Rig
from promptmid_core.reasons import Reason

NED, FRD = 1, 2  # of pose_frame and velocity_frame; FRD: level, of any heading
BODY = 3  # of velocity_frame
ENU_FROM_NED = np.array([[0.0, 1, 0], [1, 0, 0], [0, 0, -1]])
FLU_FROM_FRD = np.diag([1.0, -1, -1])
PX4_RADIUS_M = 6_371_000.0  # of the sphere by which PX4 lays out its local frame


class VehicleOdometry:
    """Turns messages into odometry: in `map` where the rig knows the origin of PX4's local frame, else in `odom`."""

    def __init__(self, rig: Rig, earth: Geodetic) -> None:
        self._rig, self._earth = rig, earth
        self._reprojected: Any = None

    def odometry(self, message: Any) -> Any:
        """Return a px4_msgs/VehicleOdometry as a nav_msgs/Odometry.

        Raises Refusal PRIOR_FRAME for a frame that is not known, PRIOR_INVALID without time or with values that are none.
        """
        stamp = 1000 * int(message.timestamp_sample or message.timestamp)
        if stamp <= 0:
            raise Refusal(Reason.PRIOR_INVALID, "vehicle_odometry has neither timestamp_sample nor timestamp")
        if message.pose_frame not in (NED, FRD):
            raise Refusal(Reason.PRIOR_FRAME, f"vehicle_odometry has pose_frame {message.pose_frame}; it has to be {NED} "
                                              f"(NED) or {FRD} (FRD)")
        place, quaternion = (np.array(each, np.float64) for each in (message.position, message.q))
        if not (np.isfinite(place).all() and np.isfinite(quaternion).all()):
            raise Refusal(Reason.PRIOR_INVALID, "vehicle_odometry has no position or no attitude (NaN)")
        try:
            told = Pose.from_quaternion(place, quaternion[[1, 2, 3, 0]])
        except ValueError as error:
            raise Refusal(Reason.PRIOR_INVALID, f"vehicle_odometry: {error}") from error
        pose = Pose(ENU_FROM_NED @ place, ENU_FROM_NED @ told.rotation @ FLU_FROM_FRD)
        covariance = _covariance(message)
        velocity, turning = self._motion(message, told)
        frame, origin = "odom", self._rig.prior.local_origin
        if origin is not None and message.pose_frame == NED:
            frame = "map"
            pose, covariance = self._in_map(pose, covariance, origin)
        variance = np.array(message.velocity_variance, np.float64)[:2]
        known = float(variance.max()) if np.isfinite(variance).all() and (variance > 0).all() else 0.0
        return formed.odometry(stamp, frame, self._rig.base_frame, pose, covariance, velocity, turning, known)

    def _in_map(self, pose: Pose, covariance: Float64, origin: tuple[float, float, float]) -> tuple[Pose, Float64]:
        import pyproj

        if self._reprojected is None:
            # as PX4's own reprojection: azimuthal equidistant, on its sphere
            self._reprojected = pyproj.Proj(proj="aeqd", lat_0=origin[0], lon_0=origin[1], R=PX4_RADIUS_M)
        longitude, latitude = self._reprojected(pose.position[0], pose.position[1], inverse=True)
        # the height of PX4's origin is given above what the map's heights are measured from
        x, y, _ = self._earth.position(latitude, longitude, 0.0)
        z = origin[2] + pose.position[2]
        if not np.isfinite([x, y]).all():
            raise Refusal(Reason.PRIOR_INVALID, "vehicle_odometry has a position that is no place in the CRS of the map")
        azimuth = self._earth.convergence(x, y) if self._rig.prior.true_north else 0.0
        turn = rotation_rpy(0.0, 0.0, azimuth)
        whole = np.kron(np.eye(2), turn)
        return Pose(np.array([x, y, z]), turn @ pose.rotation), whole @ covariance @ whole.T

    def _motion(self, message: Any, told: Pose) -> tuple[Float64 | None, Float64 | None]:
        """Velocity and rates along the axes of `base_frame`; None where they are not stated."""
        velocity, turning = (np.array(each, np.float64) for each in (message.velocity, message.angular_velocity))
        if not np.isfinite(velocity).all():
            return None, None
        if message.velocity_frame == message.pose_frame:
            velocity = told.rotation.T @ velocity
        elif message.velocity_frame != BODY:
            return None, None
        return FLU_FROM_FRD @ velocity, FLU_FROM_FRD @ turning if np.isfinite(turning).all() else None


def _covariance(message: Any) -> Float64:
    """(6, 6) in east-north-up; a variance that is NaN, as PX4 states what it does not know, is zero: unknown."""
    place, turn = (np.array(each, np.float64) for each in (message.position_variance, message.orientation_variance))
    variances = np.zeros(6)
    if np.isfinite(place[:2]).all():
        variances[:2] = place[[1, 0]]
    if np.isfinite(place[2]):
        variances[2] = place[2]
    if np.isfinite(turn[:2]).all():
        # whatever the axes that they are stated along
        variances[3:5] = turn[:2].max()
    if np.isfinite(turn[2]):
        variances[5] = turn[2]
    return np.diag(variances)
