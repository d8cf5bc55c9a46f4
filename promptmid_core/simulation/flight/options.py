"""What a simulated flight may be set by, grouped as it is thought of: how it is flown, what the prior is wrong by."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from promptmid_core.simulation.kinds import Number, Size, Whole
from promptmid_core.simulation.settings import Spelled, check_settings, read_settings, recorded, setting, settings_of

POSITIVE = Number(0, excluded=True)


@dataclass(frozen=True)
class PlanOptions:
    """How the flight goes and what its camera takes."""

    frames: int = setting(300, "how many frames are taken", Whole(1), "N")
    seed: int = setting(1, "what all that is random comes from", Whole(), "N")
    footprint_px: float = setting(512, "shorter side of the footprint of a camera that looks straight down, map px", POSITIVE, "P")
    gsd: float | None = setting(None, "metres per map px; default: the orthophoto's ground resolution", POSITIVE, "M")
    image_size: tuple[int, int] = setting((1280, 960), "of the camera's images", Size(64, 16384, 2), "WxH")
    frame_rate_hz: float = setting(1.0, "frames a second", POSITIVE, "F")
    speed_mps: float | None = setting(None, "at most; default: by footprint and room to turn", POSITIVE, "V")

    def __post_init__(self) -> None:
        check_settings(self)


@dataclass(frozen=True)
class PriorOptions:
    """What the prior is wrong by."""

    drift_px: float = setting(40, "the prior's worst horizontal error, map px", Number(0, 1e6), "D")
    yaw_error_deg: float = setting(3, "the prior's worst yaw error", Number(0, 180), "Y")
    altitude_error_percent: float = setting(2, "the prior's worst height error, of the height above ground", Number(0, 90), "A")
    attitude_error_deg: float = setting(0.2, "the prior's worst roll and pitch error", Number(0, 45), "R")

    def __post_init__(self) -> None:
        check_settings(self)


GROUPS = {"plan": PlanOptions, "prior": PriorOptions}
SETTINGS = settings_of(*GROUPS.values())
# what every bag tells of its flight, also where it is at its default
ALWAYS = ("frames", "seed", "footprint_px", "frame_rate_hz", "drift_px", "yaw_error_deg", "altitude_error_percent",
          "attitude_error_deg")
# what the flight itself decides, and the bag tells as it was flown
FLOWN = ("gsd", "speed_mps", "image_size")


@dataclass(frozen=True)
class FlightOptions:
    """All that a flight is set by; `FlightOptions.of(frames=20)` sets some by their names alone."""

    plan: PlanOptions = field(default_factory=PlanOptions)
    prior: PriorOptions = field(default_factory=PriorOptions)

    @staticmethod
    def of(**values: Any) -> FlightOptions:
        """Return the options with these values, the rest at its defaults. Raises InputError where a value cannot be."""
        return FlightOptions.from_dict(values)

    @staticmethod
    def from_dict(values: Mapping[str, Any], spelled: Spelled = str) -> FlightOptions:
        """Return the options with values by their names, as a file has them; the rest is at its defaults.

        Raises InputError where a name is unknown or a value cannot be; the sentence begins with the name as `spelled` writes it.
        """
        read = read_settings(SETTINGS, values, spelled)
        groups = {name: group(**{each: read[each] for each in settings_of(group) if each in read})
                  for name, group in GROUPS.items()}
        return FlightOptions(**groups)

    def told(self) -> dict[str, str]:
        """Return what the bag's custom data tells of the options."""
        told: dict[str, str] = {}
        for name in GROUPS:
            told |= recorded(getattr(self, name), ALWAYS)
        return {name: value for name, value in told.items() if name not in FLOWN}
