"""What may be set about what an autopilot is told."""

from __future__ import annotations

from dataclasses import dataclass
from math import nan

from promptmid_core.localization.parameter import option

MOST_SENSORS = 127


@dataclass(frozen=True)
class RelayOptions:
    """How long a fix holds, and how sure of it an autopilot may be."""

    most_fix_age_s: float = option(5.0, "Seconds after which nothing is told of a fix any more.", 0.1, 60)
    integrity_risk: float = option(1e-3, "The parameter of the same name of the localizer: an accuracy of one standard deviation "
                                   "is its protection level divided by sqrt(-2 ln risk).", 1e-7, 0.1)
    sensor_id: int = option(0, "Number of this source among the autopilot's, where the message has a field for it.", 0,
                            MOST_SENSORS)
    geoid_height_m: float = option(nan, "Height of the geoid above the ellipsoid where you fly, in metres. Only where it is "
                                   "given is an altitude told, which is that of odometry, since a fix measures none.")


@dataclass(frozen=True)
class CarryOptions:
    """How a fix is carried on by odometry."""

    base_frame: str = option("base_link", "child_frame_id that the odometry has to have, as for the localizer.")
    odometry_drift: float = option(0.05, "Share of the way since the fix that odometry may be off by, one standard deviation.",
                                   0, 1)
    yaw_drift_deg_per_km: float = option(1.0, "Degrees that its heading may turn by for each kilometre, one standard deviation.",
                                         0, 1000)
    send_velocity: bool = option(False, "Whether the velocity of odometry is told too. Not where the autopilot's own filter is "
                                 "the odometry, which would count it twice.")


GPS_INPUT, VISION_POSITION = "GPS_INPUT", "VISION_POSITION_ESTIMATE"
EXTERNAL_POSITION, GLOBAL_POSITION = "EXTERNAL_POSITION_ESTIMATE", "GLOBAL_POSITION_SENSOR"
MESSAGES = (GPS_INPUT, EXTERNAL_POSITION, GLOBAL_POSITION, VISION_POSITION)
# times a second of those that are carried on by odometry; the others are one a fix
RATES_HZ = {GPS_INPUT: 10.0, VISION_POSITION: 30.0}
MOST_ID = 255


@dataclass(frozen=True)
class MavlinkOptions:
    """Where MAVLink goes, and which message."""

    mavlink_url: str = option("", "Where MAVLink goes: udpout:HOST:PORT, udpin:HOST:PORT (a port that waits for the other side) "
                              "or DEVICE:BAUD.")
    mavlink_message: str = option(GPS_INPUT, f"What is sent: one of {', '.join(MESSAGES)}.")
    system_id: int = option(1, "System that the messages come from: that of the aircraft.", 1, MOST_ID)
    component_id: int = option(197, "Component that they come from: 197 is that of visual odometry.", 1, MOST_ID)
    target_system: int = option(1, "System of the autopilot.", 0, MOST_ID)
    target_component: int = option(1, "Component of the autopilot.", 0, MOST_ID)
    local_origin_deg: list[float] = option([0.0, 0.0], "Latitude and longitude of the place from which VISION_POSITION_ESTIMATE "
                                           "counts: that of the autopilot's local origin. Zeros for the place of the first fix.")


@dataclass(frozen=True)
class AuxOptions:
    """How PX4 takes a global position over DDS."""

    message_version: int = option(-1, "Version of the message in the topic's name: 1 for /fmu/in/aux_global_position_v1, 0 for "
                                  "none; -1 for what the installed px4_msgs says.", -1, 99)
