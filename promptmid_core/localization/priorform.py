"""In which form the prior comes: from which messages, and what they count headings and heights from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from promptmid_core.errors import InputError
from promptmid_core.localization.parameter import option, tunable

ODOMETRY, POSE, NAVSAT_IMU, VEHICLE_ODOMETRY = "odometry", "pose", "navsat_imu", "vehicle_odometry"
SOURCES = (ODOMETRY, POSE, NAVSAT_IMU, VEHICLE_ODOMETRY)
ON_GRID = (ODOMETRY, POSE)  # given in the map's own grid already
TRUE_NORTH, GRID = "true_north", "grid"
OFF, BORESIGHT, DOWNWARD = "off", "boresight", "down"
ELLIPSOID, MAP_DATUM = "ellipsoid", "map"
NOWHERE = [0.0, 0.0, 0.0]


@dataclass(frozen=True)
class PriorParameters:
    """The parameters of the prior's form."""

    prior_source: str = option(ODOMETRY, "Which messages tell the prior: 'odometry' (nav_msgs/Odometry), 'pose' (prior_pose, "
                               "PoseWithCovarianceStamped), 'navsat_imu' (navsat and imu, NavSatFix and Imu), 'vehicle_odometry' "
                               "(px4_msgs/VehicleOdometry).")
    heading: str = option(TRUE_NORTH, "What the headings of imu and vehicle_odometry are counted from: 'true_north', turned to "
                          "the grid by its convergence, or 'grid'. Odometry and prior_pose are on the grid.")
    altitude: str = option(ELLIPSOID, "What the altitude of navsat is measured from: 'ellipsoid', as NavSatFix has it, or 'map', "
                           "what the map's heights are measured from.")
    local_origin: list[float] = option(NOWHERE, "Latitude and longitude in degrees of the origin of vehicle_odometry, and its "
                                       "height above what the map's heights are measured from, in metres; all 0 where it is not "
                                       "known: then an initialpose tells where it lies.")
    height_along: str = option(OFF, "Along what the ranges on the topic height (sensor_msgs/Range) are measured, which then tell "
                               "the height above the ground: 'boresight', from the camera along the middle of its image; 'down', "
                               "from base_frame straight down, as a radar altimeter does; 'off' to take none.")
    height_sigma_m: float = tunable(2.0, "Standard deviation of these ranges where the messages state no variance, in metres.",
                                    0.01, 500)


@dataclass(frozen=True)
class PriorForm:
    """`true_north`: headings are counted from there; `altitude_of_map`: altitudes are heights of the map; `local_origin`:
    latitude, longitude and height of the origin of vehicle_odometry; `height_along`: OFF, BORESIGHT or DOWNWARD, of ranges with
    `height_sigma_m`; `ground_sigma_m`: of the ground's height where a map has no DEM."""

    source: str = ODOMETRY
    true_north: bool = True
    altitude_of_map: bool = False
    local_origin: tuple[float, float, float] | None = None
    height_along: str = OFF
    height_sigma_m: float = 2.0
    ground_sigma_m: float = 150.0

    @staticmethod
    def read(values: Mapping[str, Any]) -> PriorForm:
        """Return the form among the checked values of all parameters. Raises InputError where one cannot be."""
        for name, known in (("prior_source", SOURCES), ("heading", (TRUE_NORTH, GRID)), ("altitude", (ELLIPSOID, MAP_DATUM)),
                            ("height_along", (OFF, BORESIGHT, DOWNWARD))):
            if values[name] not in known:
                raise InputError(f"parameter {name} is '{values[name]}', not one of {', '.join(known)}")
        latitude, longitude, height = values["local_origin"]
        if abs(latitude) > 90 or abs(longitude) > 360:
            raise InputError(f"parameter local_origin has latitude {latitude:g}, longitude {longitude:g}, which is no place")
        origin = (latitude, longitude, height) if latitude or longitude else None
        return PriorForm(values["prior_source"], values["heading"] == TRUE_NORTH, values["altitude"] == MAP_DATUM, origin,
                         values["height_along"], values["height_sigma_m"], values["ground_sigma_m"])
