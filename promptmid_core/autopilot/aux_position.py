"""AuxGlobalPosition of PX4, checked as the interface library of PX4 checks what is given to it."""

from __future__ import annotations

from dataclasses import dataclass
from math import isfinite, isnan, nan, sqrt
from typing import Any

from promptmid_core.autopilot.fixes import ToldFix
from promptmid_core.autopilot.global_position import SOURCE_VISION
from promptmid_core.autopilot.options import RelayOptions
from promptmid_core.errors import InputError


@dataclass(frozen=True)
class GlobalMeasurement:
    """What was measured at `stamp_ns`, each with its variance in square metres: a `place` of latitude and longitude in degrees,
    an `altitude` in metres above mean sea level; None where it was not."""

    stamp_ns: int
    place: tuple[float, float] | None = None
    place_variance: float | None = None
    altitude: float | None = None
    altitude_variance: float | None = None


def measurement_of(fix: ToldFix, sigma: float) -> GlobalMeasurement:
    """Return what a fix measures: no altitude."""
    return GlobalMeasurement(fix.stamp_ns, (fix.latitude, fix.longitude), sigma ** 2)


def aux_position(measured: GlobalMeasurement, resets: int, options: RelayOptions) -> dict[str, Any]:
    """Return the fields of px4_msgs/AuxGlobalPosition; `timestamp` is left to PX4.

    Raises InputError where nothing was measured, a value has no variance above 0 or is NaN, or the time is missing.
    """
    if measured.place is None and measured.altitude is None:
        raise InputError("a measurement without place and altitude tells nothing; give it one")
    for name, value, variance in (("place", measured.place, measured.place_variance),
                                  ("altitude", measured.altitude, measured.altitude_variance)):
        if value is not None and (variance is None or variance <= 0):
            raise InputError(f"the {name} of a measurement has the variance {variance}; it has to be above 0")
        if variance is not None and isnan(variance):
            raise InputError(f"the variance of the {name} of a measurement is NaN; leave out what is not known")
        if value is not None and not all(isfinite(each) for each in (value if isinstance(value, tuple) else (value,))):
            raise InputError(f"the {name} of a measurement is {value}; leave out what is not known")
    if measured.stamp_ns <= 0:
        raise InputError("a measurement has no time; give it the stamp of its image")
    latitude, longitude = measured.place or (nan, nan)
    return {"timestamp": 0, "timestamp_sample": measured.stamp_ns // 1000, "id": options.sensor_id, "source": SOURCE_VISION,
            "lat": latitude, "lon": longitude, "alt": nan if measured.altitude is None else measured.altitude,
            "eph": sqrt(nan if measured.place_variance is None else measured.place_variance),
            "epv": sqrt(nan if measured.altitude_variance is None else measured.altitude_variance),
            "lat_lon_reset_counter": resets}
