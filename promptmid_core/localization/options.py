"""What a user may set about how a frame is matched and judged, grouped as it is thought of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np

from promptmid_core.errors import InputError
from promptmid_core.geometry import Camera
from promptmid_core.localization.camera_calibration import CameraCalibration
from promptmid_core.localization.parameter import Parameter, made, option, parameters_of, tunable
from promptmid_core.localization.parts import ErrorBudget


@dataclass(frozen=True)
class SearchOptions:
    """How much ground is matched, and how far around the prior it is looked for; px are pixels of the level that a frame is
    matched on."""

    patch_px: int = option(256, "Side of the ground patch that is matched, in map pixels.", 64, 1024)
    sigmas: float = tunable(3.0, "How many standard deviations of heading, height and tilt the search covers.", 1, 10)
    least_radius_px: float = tunable(24.0, "Smallest search radius, in map pixels, however sure the place is.", 4, 2048)
    most_radius_px: float = tunable(256.0, "Largest search radius, in map pixels.", 24, 2048)


@dataclass(frozen=True)
class GateOptions:
    """What one frame must pass; integrity.py names each gate with its reason."""

    dark_level: float = tunable(6.0, "Grey level (of 255) up to which a pixel is black; an image that is nine tenths black is "
                                "refused.", 0, 255)
    bright_level: float = tunable(249.0, "Grey level from which on a pixel is saturated.", 0, 255)
    least_valid: float = tunable(0.15, "Least share of the patch that the image has to cover.", 0, 1)
    least_map_valid: float = tunable(0.5, "Least share of the search window that the map has to have data on.", 0, 1)
    least_contrast: float = tunable(1.5, "Least standard deviation of the ground's grey levels.", 0, 255)
    agreement_px: float = tunable(2.5, "How far a tie point may lie from the solution to agree with it, in map pixels.", 0.1, 50)
    least_ties: int = tunable(6, "Least number of tie points that agree.", 3, 1000)
    least_surplus: float = tunable(0.15, "How many more of them than by chance, in standard deviations.", -10, 50)
    least_spread: float = tunable(0.10, "Least spread of the agreeing tie points in their narrow direction, as a share of the "
                                  "patch.", 0, 1)
    halves_px: float = tunable(5.0, "How far apart two halves of the tie points may put the ground, in map pixels.", 0.1, 1000)


@dataclass(frozen=True)
class TrackOptions:
    """How sure the frames together must be of a place, and how far the odometry drifts between them."""

    risk: float = tunable(1e-3, "Probability, by the model, that a fix is of a wrong place: a place is a fix when it holds all "
                          "but this.", 1e-9, 0.1)
    odometry_drift: float = tunable(0.05, "How far the odometry drifts, one standard deviation, as a share of the way "
                                    "flown.", 0, 1)
    yaw_drift_deg_per_km: float = tunable(1.0, "How far its heading drifts, one standard deviation, in degrees for each km "
                                          "flown.", 0, 90)
    ground_sigma_m: float = tunable(150.0, "How far the ground may lie from ground_height_m, one standard deviation, where the "
                                    "map has no DEM.", 0, 5000)
    ground_height_m: float = option(0.0, "Height of the ground above the datum of the odometry's z, where the map has no DEM; "
                                    "the match finds it more exactly.", -500, 9000)


@dataclass(frozen=True)
class ErrorOptions:
    """What the covariance of a fix is made of beside its residuals."""

    registration_sigma_px: float = tunable(0.3, "Standard deviation of the map's own place, in map pixels of level 0, unless the "
                                           "map states a larger one.", 0, 20)
    correlation: float = tunable(4.0, "Factor on the tie points' covariance, as neighbouring blocks share ground and err "
                                 "together.", 1, 100)
    mount_sigma_deg: float = tunable(0.0, "Standard deviation of the camera's mount about each axis, in degrees: what "
                                     "camera_rpy_deg or the static transform may be wrong by.", 0, 10)
    principal_point_sigma_px: float = tunable(0.0, "Standard deviation of the principal point of camera_info along each axis, in "
                                              "pixels of the image.", 0, 1000)
    camera_delay_sigma_s: float = tunable(0.0, "Standard deviation of the time between an image and its stamp, in seconds.",
                                          0, 10)

    integrity_risk: float = option(1e-3, "Probability with which the error of a fix may exceed its protection level.", 1e-7, 0.1)
    independent_fixes: bool = option(True, "Whether what is published is for filters that take each fix for independent of all "
                                     "others, as plain Kalman filters do: its covariance is then larger than that of the fix by "
                                     "itself, by what its errors share with those before.")
    attitude_correlation_s: float = tunable(86400.0, "How long the errors of the prior's roll and pitch stay alike in the "
                                            "aircraft's axes, in seconds: 0 for noise that is new with each image, a day where "
                                            "it is not known.", 0, 86400)

    def calibrated(self, camera: CameraCalibration) -> ErrorOptions:
        """Return the options for a camera whose calibration knows its mount and its delay no better than it says."""
        return replace(self, mount_sigma_deg=max(self.mount_sigma_deg, camera.mount_sigma_deg),
                       camera_delay_sigma_s=max(self.camera_delay_sigma_s, camera.delay_sigma_s))

    def budget(self, refined: float, floor: float, camera: Camera) -> ErrorBudget:
        """Return what a solution with a camera may be wrong by, of a descriptor whose evidence is `refined`, on a map whose own
        place is known within `floor` metres."""
        mount = np.deg2rad(self.mount_sigma_deg)
        seen = self.principal_point_sigma_px / float(min(camera.k[0, 0], camera.k[1, 1]))
        return ErrorBudget(self.correlation, floor, refined, tilt=float(np.hypot(mount, seen)), turn=float(mount),
                           delay=self.camera_delay_sigma_s)


GROUPS = {"search": SearchOptions, "gates": GateOptions, "track": TrackOptions, "errors": ErrorOptions}


@dataclass(frozen=True)
class Options:
    """All options of a localization; `Options.of(patch_px=128)` sets some by their names alone."""

    search: SearchOptions = field(default_factory=SearchOptions)
    gates: GateOptions = field(default_factory=GateOptions)
    track: TrackOptions = field(default_factory=TrackOptions)
    errors: ErrorOptions = field(default_factory=ErrorOptions)

    @staticmethod
    def of(**values: Any) -> Options:
        """Return the options with these values, the rest at its defaults. Raises InputError where a value cannot be."""
        for name, value in values.items():
            PARAMETERS[name].check(name, value)
        return Options.read({name: parameter.default for name, parameter in PARAMETERS.items()} | values)

    @staticmethod
    def read(values: Mapping[str, Any]) -> Options:
        """Return the options among the checked values of all parameters. Raises InputError where two contradict each other."""
        if values["least_radius_px"] > values["most_radius_px"]:
            raise InputError(f"parameter least_radius_px is {values['least_radius_px']:g}, more than the "
                             f"{values['most_radius_px']:g} of most_radius_px")
        return Options(**{name: made(group, values) for name, group in GROUPS.items()})

    @property
    def values(self) -> dict[str, Any]:
        """The values of the parameters by their names."""
        return {name: value for group in asdict(self).values() for name, value in group.items()}


PARAMETERS: dict[str, Parameter] = {name: parameter for group in GROUPS.values()
                                    for name, parameter in parameters_of(group).items()}
