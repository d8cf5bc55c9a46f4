"""What each message tells an autopilot is so, by pyproj and by the definitions of the messages."""

from dataclasses import replace
from math import cos, degrees, isnan, nan, radians, sin, sqrt
from typing import Any

import numpy as np
import pyproj
import pytest
from sorties import FRAME, GEODETIC, PROTECTION_M, at, find, fly, pose

from promptmid_core.autopilot.address import SerialAddress, UdpAddress, address_of
from promptmid_core.autopilot.aux_position import GlobalMeasurement, aux_position, measurement_of
from promptmid_core.autopilot.carrying import Carried
from promptmid_core.autopilot.external_position import external_position
from promptmid_core.autopilot.global_position import global_position
from promptmid_core.autopilot.gps_input import gps_input, gps_time
from promptmid_core.autopilot.options import CarryOptions, RelayOptions
from promptmid_core.autopilot.relay import Relay
from promptmid_core.autopilot.vision_position import vision_position
from promptmid_core.errors import InputError
from promptmid_core.geometry import Pose

TO_MAP = pyproj.Transformer.from_crs("EPSG:4326", FRAME.crs, always_xy=True)
SIGMA_M = PROTECTION_M / 3.717
NOTHING_OF_HEIGHT, NOTHING_OF_VELOCITY, NO_DILUTIONS = 1 | 128, 8 | 16 | 32, 2 | 4


@pytest.fixture(scope="module")
def carried() -> Carried:
    relay = Relay(RelayOptions(), CarryOptions(send_velocity=True))
    fly(relay, 0.0, 3.0)
    find(relay, 1.0)
    found = relay.carried(at(3.0))
    assert isinstance(found, Carried)
    return found


def azimuth_of(direction: np.ndarray, seconds: float) -> float:
    """Degrees from true north of a direction in `map`, by what pyproj makes of a step that way."""
    here = pose(seconds).position[:2]
    there = here + 100 * direction[:2] / np.hypot(*direction[:2])
    (x, z), (y, w) = np.array([here, there]).T + np.array(FRAME.origin)[:, None]
    longitude, latitude = TO_MAP.transform([x, z], [y, w], direction="INVERSE")
    azimuth, _, _ = pyproj.Geod(ellps="WGS84").inv(longitude[0], latitude[0], longitude[1], latitude[1])
    return float(azimuth) % 360


def metres_off(latitude: int, longitude: int, true: np.ndarray) -> float:
    x, y = TO_MAP.transform(longitude / 1e7, latitude / 1e7)
    return float(np.hypot(*(np.array([x, y]) - FRAME.origin - true[:2])))


def test_gps_input_is_the_place_of_now_and_flags_what_is_not_known(carried: Carried) -> None:
    told = gps_input(replace(carried, velocity=None, velocity_sigma=0.0), RelayOptions(sensor_id=1))
    assert metres_off(told["lat"], told["lon"], pose(3.0).position) < 0.01
    assert told["ignore_flags"] == NO_DILUTIONS | NOTHING_OF_HEIGHT | NOTHING_OF_VELOCITY
    assert told["horiz_accuracy"] == carried.sigma > SIGMA_M
    assert (told["gps_id"], told["fix_type"], told["satellites_visible"], told["time_usec"]) == (1, 3, 0, at(3.0) // 1000)
    # the nose, from true north
    assert told["yaw"] / 100 == pytest.approx(azimuth_of(pose(3.0).rotation[:, 0], 3.0), abs=0.02)
    assert not any(isnan(value) for value in told.values())


def test_gps_input_tells_altitude_and_velocity_where_they_are_asked_for(carried: Carried) -> None:
    told = gps_input(carried, RelayOptions(geoid_height_m=-33.0))
    assert told["ignore_flags"] == NO_DILUTIONS
    # above the ellipsoid as the map's heights are, and 33 m more above the sea
    assert told["alt"] == pytest.approx(pose(3.0).position[2] + 33, abs=0.01)
    assert told["vert_accuracy"] == pytest.approx(3.0) and told["speed_accuracy"] == pytest.approx(0.5)
    before, after = pose(2.999), pose(3.001)
    velocity = (after.position - before.position) / 0.002
    assert np.hypot(told["vn"], told["ve"]) == pytest.approx(np.hypot(*velocity[:2]), rel=1e-3)
    assert degrees(np.arctan2(told["ve"], told["vn"])) % 360 == pytest.approx(azimuth_of(velocity, 3.0), abs=0.05)
    assert told["vd"] == pytest.approx(-2.0, abs=0.01)
    unknown = gps_input(replace(carried, altitude=nan), RelayOptions(geoid_height_m=-33.0))
    assert unknown["ignore_flags"] == NO_DILUTIONS | NOTHING_OF_HEIGHT and unknown["alt"] == 0


@pytest.mark.parametrize(("yaw", "told"), [(np.pi / 2, 36000), (0.0, 9000), (-np.pi / 2, 18000), (np.pi / 2 - 1e-7, 36000)])
def test_north_is_36000_and_a_heading_that_is_not_observed_0(carried: Carried, yaw: float, told: int) -> None:
    fix = replace(carried.fix, convergence=0.0)
    turned = replace(carried, fix=fix, pose=Pose.from_rpy(np.zeros(3), 0.0, 0.0, yaw))
    assert gps_input(turned, RelayOptions())["yaw"] == told
    unobserved = carried.covariance.copy()
    unobserved[5, 5] = 1e6
    assert gps_input(replace(turned, covariance=unobserved), RelayOptions())["yaw"] == 0


def test_satellite_time_counts_weeks_and_leap_seconds() -> None:
    # 2017-01-01 00:00:00 UTC is 18 s into the day of satellites: week 1930 begins on that Sunday
    assert gps_time(1_483_228_800_000_000_000) == (1930, 18_000)
    assert gps_time(1_483_228_800_000_000_000 - 19_000_000_000) == (1929, 604_799_000)
    assert gps_time(123_000_000_000) == (0, 0)


def test_an_external_position_states_its_delay_and_wraps_its_clock(carried: Carried) -> None:
    fix = carried.fix
    for late_ns in (0, 137_400_000, 3_000_000_000):
        told = external_position(fix, SIGMA_M, fix.stamp_ns + late_ns)
        assert metres_off(told["x"], told["y"], pose(1.0).position) < 0.01
        assert float(np.float32(told["param2"])) == pytest.approx(late_ns / 1e9, abs=1e-4)
        assert 0 <= told["param1"] < 250 and abs(float(np.float32(told["param1"])) - told["param1"]) < 1e-4
        assert told["param1"] == pytest.approx((fix.stamp_ns + late_ns) / 1e9 % 250, abs=1e-5)
        assert (told["command"], told["param3"]) == (43003, SIGMA_M) and isnan(told["z"])


def test_a_global_position_names_its_source_and_what_it_took(carried: Carried) -> None:
    fix = carried.fix
    told = global_position(fix, SIGMA_M, fix.stamp_ns + 210_500_000, RelayOptions(sensor_id=3))
    assert metres_off(told["lat"], told["lon"], pose(1.0).position) < 0.01
    assert (told["id"], told["source"], told["processing_time"], told["eph"]) == (3, 2, 210_500, SIGMA_M)
    assert all(isnan(told[name]) for name in ("alt", "alt_ellipsoid", "epv"))
    high = global_position(fix, SIGMA_M, fix.stamp_ns, RelayOptions(geoid_height_m=20.0))
    assert high["alt_ellipsoid"] == pytest.approx(pose(1.0).position[2]) == high["alt"] + 20


def test_a_vision_position_is_north_east_down_from_its_origin(carried: Carried) -> None:
    origin = GEODETIC.place(0.0, 0.0, 0.0)
    told = vision_position(carried, (origin.latitude, origin.longitude), 7)
    plane = pyproj.Transformer.from_crs(
        "EPSG:4326", f"+proj=aeqd +lat_0={origin.latitude} +lon_0={origin.longitude} +datum=WGS84", always_xy=True)
    place = GEODETIC.place(*pose(3.0).position.tolist())
    east, north = plane.transform(place.longitude, place.latitude)
    assert (told["x"], told["y"]) == pytest.approx((north, east), abs=0.01)
    assert told["z"] == pytest.approx(-pose(3.0).position[2], abs=1e-6)
    assert np.hypot(north, east) > 9000
    assert degrees(told["yaw"]) % 360 == pytest.approx(azimuth_of(pose(3.0).rotation[:, 0], 3.0), abs=0.01)
    # a left turn: left wing down is negative, nose up is positive
    assert (told["roll"], told["pitch"]) == pytest.approx((-0.2, 0.05), abs=1e-6)
    assert (told["reset_counter"], told["usec"]) == (7, at(3.0) // 1000)


def test_the_covariance_of_a_vision_position_is_turned_to_its_axes(carried: Carried) -> None:
    stretched = carried.covariance.copy()
    stretched[3, 3], stretched[4, 4], stretched[3, 4], stretched[4, 3] = 4e-4, 1e-4, 0.0, 0.0
    told = vision_position(replace(carried, covariance=stretched), (carried.latitude, carried.longitude), 0)
    whole = np.zeros((6, 6))
    whole[np.triu_indices(6)] = told["covariance"]
    assert len(told["covariance"]) == 21
    assert (whole[0, 0], whole[1, 1], whole[2, 2]) == pytest.approx((carried.sigma ** 2, carried.sigma ** 2, 9.0))
    # the uncertain axis is grid east: true east turned by the convergence, which is nearly NED's second
    turn = carried.fix.convergence
    assert whole[3, 3] == pytest.approx(1e-4 * cos(turn) ** 2 + 4e-4 * sin(turn) ** 2)
    assert whole[4, 4] == pytest.approx(4e-4 * cos(turn) ** 2 + 1e-4 * sin(turn) ** 2)
    assert abs(whole[3, 4]) == pytest.approx(3e-4 * abs(sin(turn) * cos(turn)))
    assert whole[5, 5] == pytest.approx(1e-4 + radians(0.1) ** 2, rel=0.01)




def test_an_auxiliary_position_is_a_fix_without_altitude(carried: Carried) -> None:
    told = aux_position(measurement_of(carried.fix, SIGMA_M), 4, RelayOptions(sensor_id=2))
    assert TO_MAP.transform(told["lon"], told["lat"]) == pytest.approx(pose(1.0).position[:2] + FRAME.origin, abs=1e-3)
    assert (told["timestamp"], told["timestamp_sample"], told["id"], told["source"]) == (0, at(1.0) // 1000, 2, 2)
    assert told["eph"] == pytest.approx(SIGMA_M) and told["lat_lon_reset_counter"] == 4
    assert isnan(told["alt"]) and isnan(told["epv"])


GOOD: dict[str, Any] = {"stamp_ns": 5_000, "place": (12.34567, 23.45678), "place_variance": 0.1}


@pytest.mark.parametrize(("given", "told"), [
    ({"stamp_ns": 5_000}, "without place and altitude"),
    (GOOD | {"stamp_ns": 0}, "has no time"),
    (GOOD | {"place_variance": None}, "variance None"),
    (GOOD | {"place_variance": 0.0}, "variance 0.0"),
    (GOOD | {"place_variance": -1.0}, "variance -1.0"),
    ({"stamp_ns": 5_000, "altitude": 123.0}, "altitude of a measurement has the variance None"),
    (GOOD | {"place": (nan, 23.45678)}, "place of a measurement is"),
    (GOOD | {"place": (12.34567, nan)}, "place of a measurement is"),
    (GOOD | {"place_variance": nan}, "variance of the place of a measurement is NaN"),
    ({"stamp_ns": 5_000, "altitude": nan, "altitude_variance": 0.1}, "altitude of a measurement is nan"),
    ({"stamp_ns": 5_000, "altitude": 123.0, "altitude_variance": nan}, "variance of the altitude of a measurement is NaN"),
])
def test_px4s_own_contract_of_a_measurement_is_kept(given: dict[str, Any], told: str) -> None:
    with pytest.raises(InputError, match=told):
        aux_position(GlobalMeasurement(**given), 0, RelayOptions())


def test_a_measurement_that_keeps_the_contract_is_taken_and_its_resets_are_told() -> None:
    for resets in (0, 1):
        told = aux_position(GlobalMeasurement(**GOOD), resets, RelayOptions())
        assert (told["lat"], told["lon"], told["lat_lon_reset_counter"]) == (12.34567, 23.45678, resets)
        assert told["eph"] == pytest.approx(sqrt(0.1))
    of_height = aux_position(GlobalMeasurement(5_000, altitude=123.0, altitude_variance=4.0), 0, RelayOptions())
    assert (of_height["alt"], of_height["epv"]) == (123.0, 2.0) and isnan(of_height["lat"])


@pytest.mark.parametrize(("url", "address"), [
    ("udpout:127.0.0.1:14550", UdpAddress("127.0.0.1", 14550, False)),
    ("udpin:0.0.0.0:14551", UdpAddress("0.0.0.0", 14551, True)),
    ("/dev/ttyACM0:921600", SerialAddress("/dev/ttyACM0", 921600)),
    ("/dev/serial/by-id/usb-3D:1-if00:57600", SerialAddress("/dev/serial/by-id/usb-3D:1-if00", 57600)),
])
def test_an_address_is_read(url: str, address: object) -> None:
    assert address_of(url) == address


@pytest.mark.parametrize("url", ["", "udp:127.0.0.1:1", "udpout:127.0.0.1", "udpout::14550", "udpout:host:0", "udpin:host:65536",
                                 "/dev/ttyACM0", "ttyACM0:57600", "udpout:host:1²"])
def test_an_address_that_is_none_is_told_in_a_sentence(url: str) -> None:
    with pytest.raises(InputError, match=r"^parameter mavlink_url is .*udpout:HOST:PORT"):
        address_of(url)
