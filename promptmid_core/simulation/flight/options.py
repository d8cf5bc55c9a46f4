"""What a simulated flight may be set by, grouped as it is thought of: the flight, the camera, the prior, what is between."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import inf
from typing import Any, Self

from promptmid_core.errors import InputError
from promptmid_core.simulation.kinds import Events, Flag, Number, Numbers, Size, Whole, Word
from promptmid_core.simulation.settings import ByName, Control, check_settings, recorded, setting, settings_of

POSITIVE = Number(0, excluded=True)
PERCENT = Number(0, 100)
SEASONS = ("as_it_is", "autumn", "drought", "snow")
SILENT = ("odometry", "images", "both")


@dataclass(frozen=True)
class PlanOptions:
    """How the flight goes and how often its camera looks."""

    frames: int = setting(300, "how many frames are taken", Whole(1), "N")
    seed: int = setting(1, "what all that is random comes from", Whole(), "N")
    footprint_px: float = setting(512, "shorter side of the footprint of a camera looking straight down, map px; of a pitched "
                                  "one, of the cut through its view where the boresight meets the ground", POSITIVE, "P")
    gsd: float | None = setting(None, "metres per map px; default: the orthophoto's ground resolution", POSITIVE, "M")
    image_size: tuple[int, int] = setting((1280, 960), "of the camera's images", Size(64, 16384, 2), "WxH")
    frame_rate_hz: float = setting(1.0, "frames a second", POSITIVE, "F")
    speed_mps: float | None = setting(None, "at most; default: by footprint and room to turn", POSITIVE, "V")
    ground_height_m: float = setting(0.0, "how far the ground is raised above the DEM, or above 0 without one, as high land is "
                                     "over a map without a DEM", Number(-500, 9000), "H")

    def __post_init__(self) -> None:
        check_settings(self)


@dataclass(frozen=True)
class CameraOptions:
    """How the camera looks, and what it is told wrong: the errors stand in no message."""

    camera_pitch_deg: float = setting(0.0, "how far forward of straight down the camera looks; /tf_static tells it",
                                      Number(0, 60), "D")
    boresight_error_deg: tuple[float, ...] = setting((0.0, 0.0, 0.0), "roll, pitch and yaw by which the camera is mounted "
                                                     "otherwise than told", Numbers(3, Number(-20, 20)), ("R", "P", "Y"))
    focal_error_percent: float = setting(0.0, "how much longer the focal length is than camera_info tells", Number(-20, 20), "F")
    principal_point_error_px: tuple[float, ...] = setting((0.0, 0.0), "how far right and down of the told one the principal "
                                                          "point is, image px", Numbers(2, Number(-1000, 1000)), ("X", "Y"))
    camera_delay_s: float = setting(0.0, "how long after they were taken the images are stamped", Number(0, 10), "S")

    def __post_init__(self) -> None:
        check_settings(self)


@dataclass(frozen=True)
class PriorOptions:
    """What the prior is wrong by, and what it says of that."""

    drift_px: float = setting(40, "the prior's worst horizontal error, map px", Number(0, 1e6), "D")
    yaw_error_deg: float = setting(3, "the prior's worst yaw error", Number(0, 180), "Y")
    altitude_error_percent: float = setting(2, "the prior's worst height error, of the height above ground", Number(0, 90), "A")
    attitude_error_deg: float = setting(0.2, "the prior's worst roll and pitch error", Number(0, 45), "R")
    attitude_error_s: float = setting(5.0, "time over which roll and pitch errors stay alike: 0 white, inf constant",
                                      Number(0, inf, infinite=True), "TAU")
    yaw_bias_deg: float = setting(0.0, "constant yaw error beside the other", Number(-180, 180), "Y")
    altitude_bias_percent: float = setting(0.0, "constant height error beside the other, of the height above ground",
                                           Number(-90, 90), "A")
    offset_px: float = setting(0.0, "constant horizontal error beside the drift, in a random direction, map px", Number(0, 1e6),
                               "P")
    odometry_drift_percent: float = setting(0.0, "horizontal error that grows with the distance flown", PERCENT, "P")
    twist_noise_percent: float = setting(0.0, "noise of the stated velocity, of the speed", PERCENT, "P")
    sigma_stated_px: float | None = setting(None, "standard deviation of x and of y that the prior states; default: the honest "
                                            "one", POSITIVE, "S")
    sigma_stated_factor: float = setting(1.0, "what the stated standard deviations of x, y and z are multiplied by, the errors "
                                         "staying as they are", Number(0, 100, excluded=True), "K")
    yaw_sigma_stated_factor: float = setting(1.0, "the same of yaw", Number(0, 100, excluded=True), "K")
    jump: tuple[tuple[int, float], ...] = setting((), "from frame N on the pose is P map px further in a random direction, of "
                                                  "which the twist tells nothing; may be given several times",
                                                  Events("px", POSITIVE), "N:P")
    jump_in_twist: bool = setting(False, "the twist tells each jump, within the second before it", Flag())
    outage: tuple[tuple[int, float], ...] = setting((), "for S seconds from frame N on nothing comes", Events("s", POSITIVE),
                                                    "N:S")
    outage_of: str = setting("odometry", "what does not come then: odometry, images or both", Word(SILENT), "WHAT")
    outage_offset_px: float = setting(0.0, "how far the pose has drifted when an outage ends, beside the drift, map px",
                                      Number(0, 1e6), "P")

    def __post_init__(self) -> None:
        check_settings(self)


@dataclass(frozen=True)
class ConditionOptions:
    """What is between the ground and the image."""

    cloud_percent: float = setting(0.0, "share of each image that clouds cover", PERCENT, "C")
    haze_percent: float = setting(0.0, "contrast that haze takes", PERCENT, "H")
    motion_blur_px: float = setting(0.0, "how far the ground moves during an exposure, image px", Number(0, 200), "B")
    night: bool = setting(False, "dark and noisy images", Flag())
    season: str = setting("as_it_is", f"what the vegetation looks like: {', '.join(SEASONS)}", Word(SEASONS), "NAME")

    def __post_init__(self) -> None:
        check_settings(self)


GROUPS = {"plan": PlanOptions, "camera": CameraOptions, "prior": PriorOptions, "conditions": ConditionOptions}
# what every bag tells of its flight, also where it is at its default
ALWAYS = ("frames", "seed", "footprint_px", "frame_rate_hz", "drift_px", "yaw_error_deg", "altitude_error_percent",
          "attitude_error_deg")
# what the flight itself decides, and the bag tells as it was flown
FLOWN = ("gsd", "speed_mps", "image_size")


@dataclass(frozen=True)
class FlightOptions(ByName):
    """All that a flight is set by; `FlightOptions.of(frames=20)` sets some by their names alone."""

    plan: PlanOptions = field(default_factory=PlanOptions)
    camera: CameraOptions = field(default_factory=CameraOptions)
    prior: PriorOptions = field(default_factory=PriorOptions)
    conditions: ConditionOptions = field(default_factory=ConditionOptions)

    def __post_init__(self) -> None:
        for name in ("jump", "outage"):
            for frame, _ in getattr(self.prior, name):
                if frame >= self.plan.frames:
                    raise InputError(f"{name} names frame {frame}, but the flight's {self.plan.frames} frames are counted from "
                                     f"0 to {self.plan.frames - 1}.")

    @classmethod
    def of_read(cls, read: Mapping[str, Any]) -> Self:
        """Return the options with values that were read, each in its group."""
        return cls(**{name: group(**{each: read[each] for each in settings_of(group) if each in read})
                      for name, group in GROUPS.items()})

    @classmethod
    def settings(cls) -> dict[str, Control]:
        """Return the settings of all groups by their names."""
        return settings_of(*GROUPS.values())

    def told(self) -> dict[str, str]:
        """Return what the bag's custom data tells of the options."""
        told: dict[str, str] = {}
        for name in GROUPS:
            told |= recorded(getattr(self, name), ALWAYS)
        return {name: value for name, value in told.items() if name not in FLOWN}


SETTINGS = FlightOptions.settings()
