"""What goes out in MAVLink is read back by pymavlink's own parser at the other end of the loopback; what goes wrong is told."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from math import degrees
from pathlib import Path
from typing import Any

import numpy as np
import pyproj
import pytest
from optional import lacking
from sorties import FRAME, GEODETIC, PROTECTION_M, at, find, fly, odometry, pose, verdict

pytest.importorskip("rclpy", reason="needs ROS 2's rclpy")

from promptmid_core.autopilot.address import UdpAddress, address_of
from promptmid_core.autopilot.options import (
    EXTERNAL_POSITION,
    GLOBAL_POSITION,
    GPS_INPUT,
    MESSAGES,
    RATES_HZ,
    VISION_POSITION,
    CarryOptions,
    MavlinkOptions,
    RelayOptions,
)
from promptmid_core.autopilot.relay import Relay
from promptmid_core.errors import InputError

LACKING = lacking("pymavlink", "serial")
pytestmark = pytest.mark.skipif(bool(LACKING), reason=f"not installed: {LACKING}; nothing speaks MAVLink")
ROOT = Path(__file__).resolve().parent.parent
TO_MAP = pyproj.Transformer.from_crs("EPSG:4326", FRAME.crs, always_xy=True)


class Ground:
    """The other end: a socket and pymavlink's parser; and the speaker, whose clock the test sets."""

    def __init__(self, message: str, **options: Any) -> None:
        from promptmid_ros.autopilot.link import Link, dialect
        from promptmid_ros.autopilot.speaker import Speaker

        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self._socket.settimeout(5)
        self.mav = dialect().MAVLink(None, srcSystem=1, srcComponent=1)
        self.dialect = dialect()
        self.link = Link(UdpAddress("127.0.0.1", self._socket.getsockname()[1], False), 1, 197)
        self.relay = Relay(RelayOptions(), CarryOptions() if message in RATES_HZ else None)
        self.now = 0
        mavlink = MavlinkOptions(mavlink_message=message, **options)
        self.speaker = Speaker(self.link, self.relay, mavlink, RelayOptions(), lambda: self.now)
        self._from: Any = None

    def __enter__(self) -> Ground:
        return self

    def __exit__(self, *_: object) -> None:
        self.link.close()
        self._socket.close()

    def heard(self) -> list[Any]:
        """What has come; a text that is sent last tells that there is no more."""
        self.link.send("STATUSTEXT", severity=6, text=b"end")
        found: list[Any] = []
        while not (found and found[-1].get_type() == "STATUSTEXT" and found[-1].text == "end"):
            data, self._from = self._socket.recvfrom(65536)
            found += self.mav.parse_buffer(data)
        return found[:-1]

    def say(self, kind: str, **fields: Any) -> None:
        """Say something to the speaker, from where an autopilot would."""
        self._socket.sendto(getattr(self.dialect, f"MAVLink_{kind.lower()}_message")(**fields).pack(self.mav), self._from)


def off_m(latitude: int, longitude: int, seconds: float) -> float:
    x, y = TO_MAP.transform(longitude / 1e7, latitude / 1e7)
    return float(np.hypot(*(np.array([x, y]) - FRAME.origin - pose(seconds).position[:2])))


def speak(ground: Ground) -> None:
    """Three fixes, each told 0.25 s after its image, and odometry between."""
    for number in range(3):
        if ground.speaker._options.mavlink_message in RATES_HZ:
            for step in range(50 * number, 50 * number + 50):
                fly(ground.relay, step * 0.02, step * 0.02)
                ground.now = at(step * 0.02 + 0.005)
                ground.speaker.tick()
        ground.now = at(number + 0.6 + 0.25)
        fix = find(ground.relay, number + 0.6)
        assert fix is not None
        ground.speaker.fix(fix)


def test_gps_input_is_read_back_where_the_aircraft_is() -> None:
    with Ground(GPS_INPUT) as ground:
        speak(ground)
        told = ground.heard()
        assert len(told) > 50 and {message.get_type() for message in told} == {GPS_INPUT}
        for message in told:
            assert off_m(message.lat, message.lon, (message.time_usec - at(0.0) // 1000) / 1e6) < 0.01
            assert PROTECTION_M / 4 < message.horiz_accuracy < PROTECTION_M
            assert message.get_srcComponent() == 197
        gaps = np.diff([message.time_usec for message in told]) / 1e6
        assert gaps.max() < 0.245, "what ArduPilot calls a slow receiver"
        assert ground.speaker.sent == len(told)


def test_an_external_position_is_one_command_a_fix_with_its_delay() -> None:
    with Ground(EXTERNAL_POSITION, target_system=7) as ground:
        speak(ground)
        told = ground.heard()
        assert [message.get_type() for message in told] == ["COMMAND_INT"] * 3
        for number, message in enumerate(told):
            assert off_m(message.x, message.y, number + 0.6) < 0.01
            assert message.param2 == pytest.approx(0.25, abs=1e-3) and message.command == 43003
            assert message.param3 == pytest.approx(PROTECTION_M / 3.717, rel=1e-3)
            assert (message.target_system, message.target_component) == (7, 1)


def test_a_global_position_is_one_message_a_fix() -> None:
    with Ground(GLOBAL_POSITION) as ground:
        speak(ground)
        told = ground.heard()
        assert [message.get_type() for message in told] == [GLOBAL_POSITION] * 3
        for number, message in enumerate(told):
            assert off_m(message.lat, message.lon, number + 0.6) < 0.01
            assert message.processing_time == 250_000 and message.source == 2


def test_a_vision_position_is_read_back_north_east_and_down() -> None:
    origin = GEODETIC.place(8000.0, -4500.0, 0.0)
    plane = pyproj.Transformer.from_crs(
        "EPSG:4326", f"+proj=aeqd +lat_0={origin.latitude} +lon_0={origin.longitude} +datum=WGS84", always_xy=True)
    with Ground(VISION_POSITION, local_origin_deg=[origin.latitude, origin.longitude]) as ground:
        speak(ground)
        told = ground.heard()
        assert len(told) > 50
        for message in told:
            seconds = (message.usec - at(0.0) // 1000) / 1e6
            place = GEODETIC.place(*pose(seconds).position.tolist())
            east, north = plane.transform(place.longitude, place.latitude)
            assert (message.x, message.y, message.z) == pytest.approx((north, east, -pose(seconds).position[2]), abs=0.01)
            north_of = GEODETIC.north(*pose(seconds).position[:2].tolist()).azimuth
            true = (90 - degrees(pose(seconds).yaw - north_of)) % 360
            assert degrees(message.yaw) % 360 == pytest.approx(true, abs=0.01)
            assert message.reset_counter == 0
        ground.now = at(3.0)
        ground.relay.add_verdict(verdict(2.8, "ambiguous", "LOST"))
        find(ground.relay, 2.9)
        fly(ground.relay, 2.9, 3.0)
        ground.speaker.tick()
        assert ground.heard()[-1].reset_counter == 1


@pytest.mark.parametrize(("stated", "count"), [(True, 30), (False, 10)])
def test_thirty_a_second_where_odometry_comes_ten_times_and_states_a_velocity(stated: bool, count: int) -> None:
    with Ground(VISION_POSITION) as ground:
        ground.speaker.fix(find(ground.relay, 0.0))
        for tick in range(61):
            if not tick % 3:
                message = odometry(tick / 30)
                if not stated:
                    message.twist.twist.linear.x = message.twist.twist.linear.y = message.twist.twist.linear.z = 0.0
                    message.twist.twist.angular.z = 0.0
                ground.relay.add_odometry(message)
            ground.now = at(tick / 30)
            ground.speaker.tick()
        told = ground.heard()
        times = np.array([message.usec - at(0.0) // 1000 for message in told]) / 1e6
        assert ((times > 1) & (times <= 2)).sum() == count and (np.diff(times) > 0).all()
        place = np.array([[message.x, message.y] for message in told])
        way = [np.hypot(*(pose(seconds).position - pose(0.0).position)[:2]) for seconds in times]
        assert np.hypot(*place.T) == pytest.approx(np.array(way), rel=1e-3, abs=0.01)


@pytest.mark.parametrize("message", MESSAGES)
@pytest.mark.parametrize(("reason", "state"), [("low_texture", "LOST"), ("ambiguous", "TRACKING"), ("map_disagrees", "TRACKING")])
def test_within_one_image_nothing_is_told_any_more(message: str, reason: str, state: str) -> None:
    with Ground(message) as ground:
        speak(ground)
        ground.heard()
        ground.relay.add_verdict(verdict(2.9, reason, state))
        for step in range(150, 250) if message in RATES_HZ else ():
            fly(ground.relay, step * 0.02, step * 0.02)
            ground.now = at(step * 0.02)
            ground.speaker.tick()
        assert ground.heard() == []
        ground.speaker.second()
        kinds = [each.get_type() for each in ground.heard()]
        assert kinds == ["HEARTBEAT", "NAMED_VALUE_FLOAT", "NAMED_VALUE_FLOAT", "STATUSTEXT"]


def test_each_second_tells_the_age_of_the_fix_and_a_text_what_has_changed() -> None:
    with Ground(GPS_INPUT) as ground:
        ground.speaker.second()
        beat, silent = ground.heard()
        assert (beat.type, beat.autopilot, silent.text) == (18, 8, "promptmid: silent, no_fix")
        speak(ground)
        ground.heard()
        ground.now = at(2.99)
        ground.speaker.second()
        _, age, sigma, text = ground.heard()
        assert (age.name, age.value) == ("fix_age_s", pytest.approx(0.39, abs=1e-3))
        assert (sigma.name, sigma.value) == ("fix_sig_m", pytest.approx(10.0, abs=0.01))
        assert text.text == "promptmid: GPS_INPUT, fix 0.4 s"
        ground.speaker.second()
        assert [each.get_type() for each in ground.heard()] == ["HEARTBEAT", "NAMED_VALUE_FLOAT", "NAMED_VALUE_FLOAT"]


def test_an_autopilot_is_answered_and_heard() -> None:
    with Ground(EXTERNAL_POSITION) as ground:
        ground.now = at(5.0)
        ground.heard()
        assert ground.speaker.heard_s() is None and ground.speaker.autopilot_apart_s is None
        ground.say("TIMESYNC", tc1=0, ts1=777)
        ground.say("HEARTBEAT", type=2, autopilot=12, base_mode=0, custom_mode=0, system_status=4, mavlink_version=3)
        ground.say("SYSTEM_TIME", time_unix_usec=at(2.0) // 1000, time_boot_ms=1)
        ground.say("COMMAND_ACK", command=43003, result=4)
        for _ in range(100):
            ground.speaker.listen()
            if ground.speaker.refused:
                break
        (answer,) = ground.heard()
        assert (answer.get_type(), answer.tc1, answer.ts1) == ("TIMESYNC", at(5.0), 777)
        assert ground.speaker.heard_s() is not None and ground.speaker.refused == "MAV_RESULT 4"
        assert ground.speaker.autopilot_apart_s == pytest.approx(3.0, abs=1e-3)


def test_a_port_in_use_is_told_in_one_sentence() -> None:
    from promptmid_ros.autopilot.wires import open_wire

    taken = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    taken.bind(("127.0.0.1", 0))
    port = taken.getsockname()[1]
    with pytest.raises(InputError, match=f"^parameter mavlink_url names udpin:127.0.0.1:{port}, which another program has"):
        open_wire(address_of(f"udpin:127.0.0.1:{port}"))
    taken.close()
    wire = open_wire(address_of(f"udpin:127.0.0.1:{port}"))
    assert wire.read() == b""
    wire.write(b"nobody has asked yet")
    wire.close()


def test_a_serial_line_carries_it_and_is_for_one_program_alone() -> None:
    from promptmid_ros.autopilot.link import Link, dialect
    from promptmid_ros.autopilot.wires import open_wire

    ours, theirs = os.openpty()
    name = os.ttyname(theirs)
    link = Link(address_of(f"{name}:57600"), 1, 197)
    with pytest.raises(InputError, match=f"names {name}, which another program has in use"):
        open_wire(address_of(f"{name}:57600"))
    assert link.send("HEARTBEAT", type=18, autopilot=8, base_mode=0, custom_mode=0, system_status=4, mavlink_version=3)
    (beat,) = dialect().MAVLink(None).parse_buffer(os.read(ours, 1000))
    assert beat.get_type() == "HEARTBEAT" and beat.get_srcComponent() == 197
    os.close(ours)
    os.close(theirs)
    for _ in range(100):
        if not link.send("HEARTBEAT", type=18, autopilot=8, base_mode=0, custom_mode=0, system_status=4, mavlink_version=3):
            break
    assert "the link broke" in link.problem
    link.mend()
    assert name in link.problem and link.received() == []
    with pytest.raises(InputError, match="names /dev/nowhere, which cannot be opened"):
        open_wire(address_of("/dev/nowhere:57600"))


def test_a_pymavlink_without_the_message_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    from pymavlink.dialects.v20 import common

    monkeypatch.delattr(common, "MAVLink_global_position_sensor_message")
    with pytest.raises(InputError, match="does not know GLOBAL_POSITION_SENSOR; install a newer one"):
        Ground(GLOBAL_POSITION)


@pytest.mark.parametrize(("program", "hidden", "told"), [
    ("mavlink", "pymavlink", "pip install promptmid_ros[mavlink]"), ("px4_agp", "px4_msgs", "build the px4_msgs of your PX4")])
def test_what_is_not_installed_is_told_in_one_sentence(program: str, hidden: str, told: str) -> None:
    lines = (f"import sys; sys.modules['{hidden}'] = None", "from promptmid_ros.autopilot import program",
             f"sys.exit(program.{program}())")
    done, helped = (subprocess.run([sys.executable, "-c", "\n".join(lines), *words], cwd=ROOT, capture_output=True, text=True,
                                   check=False, timeout=120) for words in ([], ["--help"]))
    assert (done.returncode, done.stdout) == (1, "")
    (sentence,) = done.stderr.splitlines()
    assert sentence.startswith(f"{program}: the process {program} needs {hidden}, which is not installed") and told in sentence
    assert helped.returncode == 0 and helped.stdout.startswith(f"usage: {program} --ros-args")
