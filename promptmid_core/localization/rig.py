"""How the aircraft is equipped: whose odometry it is, how the camera is mounted, what is believed where odometry says nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from promptmid_core.arrays import Float64
from promptmid_core.errors import InputError
from promptmid_core.geometry import NADIR, Pose
from promptmid_core.geometry.pose import rotation_rpy
from promptmid_core.localization.anchor import Drift
from promptmid_core.localization.camera_calibration import CameraCalibration
from promptmid_core.localization.options import TrackOptions
from promptmid_core.localization.parameter import option, parameters_of, tunable
from promptmid_core.localization.priorform import PriorForm

AUTO, BY_PARAMETERS, BY_TRANSFORMS = "auto", "parameters", "static_transforms"
STRAIGHT = [0.0, 0.0, 0.0]
MOUNTS = (AUTO, BY_PARAMETERS, BY_TRANSFORMS)
TF = "tf"
EXTRINSICS = {AUTO: AUTO, BY_PARAMETERS: BY_PARAMETERS, TF: BY_TRANSFORMS}


@dataclass(frozen=True)
class DefaultSigmas:
    """What is taken for the standard deviations of odometry that states none: a covariance of zeros means unknown."""

    default_sigma_xy_m: float = tunable(30.0, "Standard deviation of x and of y taken for odometry whose covariance of them is "
                                        "zero, which means unknown, in metres; 0 to refuse such odometry.", 0, 10000)
    default_sigma_z_m: float = tunable(10.0, "The same of z, in metres.", 0, 10000)
    default_sigma_tilt_deg: float = tunable(1.0, "The same of roll and of pitch, in degrees.", 0, 90)
    default_sigma_yaw_deg: float = tunable(3.0, "The same of yaw, in degrees.", 0, 180)

    def variances(self) -> Float64:
        """Return the variances (6,) in ROS order, in square metres and radians."""
        tilt, yaw = np.deg2rad(self.default_sigma_tilt_deg), np.deg2rad(self.default_sigma_yaw_deg)
        xy, z = self.default_sigma_xy_m, self.default_sigma_z_m
        sigmas: Float64 = np.array([xy, xy, z, tilt, tilt, yaw], np.float64)
        return sigmas * sigmas


@dataclass(frozen=True)
class RigOptions:
    """The parameters of the rig beside DefaultSigmas."""

    base_frame: str = option("base_link", "child_frame_id that the odometry has to have; its pose is what is published.")
    extrinsics: str = option(AUTO, "What tells how the camera is mounted: 'parameters', the two below; 'tf', the static "
                             "transforms of /tf_static from base_frame to the frame of the images, an optical frame (x right, y "
                             "down, z forward); 'auto' for the parameters where one of them is set, else for static transforms "
                             "where they join the two frames, else straight down.")
    camera_mount: str = option("", "The older name of extrinsics, with 'static_transforms' for 'tf'; empty where that says it.")
    camera_position_m: list[float] = option(STRAIGHT, "Where the camera is in base_frame: x forward, y left, z up, in "
                                            "metres.")
    camera_rpy_deg: list[float] = option(STRAIGHT, "How the camera's housing is turned in base_frame: fixed-axis roll, "
                                         "pitch and yaw in degrees, all 0 where it looks straight down with the image's top "
                                         "forward. One that looks 10 degrees ahead has [0.0, -10.0, 0.0], one that looks to the "
                                         "left [10.0, 0.0, 0.0].")
    camera_calibration: str = option("", "File that 'promptmid calibrate camera' made: by how much the camera's mount, the time "
                                     "of its images and its focal length differ from what is told; empty for none.")


@dataclass(frozen=True)
class Rig:
    """`mount`: pose of the camera's optical frame in `base_frame` where parameters give it; `mounted_by`: one of MOUNTS;
    `drift`: of odometry in `odom`; `calibration`: how the camera differs from what it and its mount are told to be."""

    base_frame: str = "base_link"
    mounted_by: str = BY_PARAMETERS
    mount: Pose = NADIR
    sigmas: DefaultSigmas = field(default_factory=DefaultSigmas)
    drift: Drift = field(default_factory=lambda: Drift(0.05, float(np.deg2rad(1.0)) / 1000))
    calibration: CameraCalibration = field(default_factory=CameraCalibration)
    prior: PriorForm = field(default_factory=PriorForm)

    @staticmethod
    def read(values: Mapping[str, Any], track: TrackOptions) -> Rig:
        """Return the rig among the checked values of all parameters. Raises InputError where one cannot be."""
        if not values["base_frame"]:
            raise InputError("parameter base_frame is empty; name the child_frame_id of the odometry, such as 'base_link'")
        by = _mounted_by(values["extrinsics"], values["camera_mount"])
        position, rpy = values["camera_position_m"], values["camera_rpy_deg"]
        if by == AUTO and any((*position, *rpy)):
            by = BY_PARAMETERS
        mount = Pose(np.array(position), rotation_rpy(*np.deg2rad(rpy))) @ NADIR
        sigmas = DefaultSigmas(**{name: values[name] for name in parameters_of(DefaultSigmas)})
        drift = Drift(track.odometry_drift, float(np.deg2rad(track.yaw_drift_deg_per_km)) / 1000)
        return Rig(values["base_frame"], by, mount, sigmas, drift, prior=PriorForm.read(values))


def _mounted_by(extrinsics: str, camera_mount: str) -> str:
    """One of MOUNTS, by either of the two parameters. Raises InputError where one is none or they contradict each other."""
    if extrinsics not in EXTRINSICS:
        raise InputError(f"parameter extrinsics is '{extrinsics}', not one of {', '.join(EXTRINSICS)}")
    if camera_mount not in ("", *MOUNTS):
        raise InputError(f"parameter camera_mount is '{camera_mount}', not one of {', '.join(MOUNTS)}")
    by = EXTRINSICS[extrinsics]
    if camera_mount and by not in (AUTO, camera_mount):
        raise InputError(f"parameter extrinsics is '{extrinsics}' and camera_mount, its older name, '{camera_mount}'; set one")
    return camera_mount or by
