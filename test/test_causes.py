"""Flights that fail, each in its own way: the likely cause that a replay names is the right one."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from judged import fix_at, flight_of, level, refused_at
from simulated import Scene

from promptmid_core.bags.bag import open_bag
from promptmid_core.bags.writer import BagWriter
from promptmid_core.descriptors import load
from promptmid_core.geometry import Pose, Prior, Terrain
from promptmid_core.localization.localizer import Localizer
from promptmid_core.localization.options import TrackOptions
from promptmid_core.localization.rig import Rig
from promptmid_core.localization.settings import DEFAULTS
from promptmid_core.localization.tilts import Understated
from promptmid_core.reasons import Reason
from promptmid_core.replay.causes import Cause, causes_of
from promptmid_core.replay.causes.refused import CURES
from promptmid_core.replay.run import Flight, replay
from promptmid_core.simulation.flight.options import FlightOptions
from promptmid_core.simulation.flight.simulate import simulate_flight

pytestmark = pytest.mark.slow
FRAMES = 5


def failed(scene: Scene, path: Path, change: Callable[[Any], None] = lambda odometry: None, rig: Rig | None = None) -> Flight:
    """The first frames of the flight, with odometry that was changed."""
    bag = open_bag(scene.bag)
    with BagWriter(path, bag.custom) as harmed:
        images = 0
        for topic, log_ns, message in bag.messages(*bag.topics):
            if topic == "/odometry":
                change(message)
            images += topic == bag.image_topic
            if images <= FRAMES or topic != bag.image_topic:
                harmed.write(topic, message, log_ns)
    reference = scene.reference()
    return replay(path, Localizer(reference, load("structural")), reference, rig=rig)


def found(flight: Flight, scene: Scene) -> tuple[Cause, ...]:
    return causes_of(flight, scene.reference().terrain())


def names(causes: tuple[Cause, ...]) -> list[str]:
    return [cause.name for cause in causes]


def test_a_flight_that_is_right_has_no_cause(scene: Scene, tmp_path: Path) -> None:
    flight = failed(scene, tmp_path / "bag")
    assert all(frame.fix.accepted for frame in flight.frames) and found(flight, scene) == ()


def test_odometry_north_east_down(scene: Scene, tmp_path: Path) -> None:
    def change(message: Any) -> None:
        place = message.pose.pose.position
        place.x, place.y, place.z = place.y, place.x, -place.z

    causes = found(failed(scene, tmp_path / "bag", change), scene)
    assert causes[0].name == "odometry_ned" and "exchange x and y" in causes[0].cure
    assert "heights_datum" not in names(causes) and "prior_beyond_sigma" not in names(causes)


def test_odometry_in_a_frame_that_cannot_be_used(scene: Scene, tmp_path: Path) -> None:
    causes = found(failed(scene, tmp_path / "bag", lambda message: setattr(message.header, "frame_id", "odom_ned")), scene)
    assert causes[0].name == "odometry_frame" and "odom_ned" in causes[0].seen and "/initialpose" in causes[0].cure


def test_odometry_from_where_the_aircraft_started(scene: Scene, tmp_path: Path) -> None:
    def change(message: Any) -> None:
        message.pose.pose.position.x += 40_000.0
        message.pose.pose.position.y -= 12_000.0

    causes = found(failed(scene, tmp_path / "bag", change), scene)
    assert causes[0].name == "odometry_origin"
    east, north = (float(word) for word in causes[0].seen.split(": ")[1].split() if word[0] in "+-")
    assert (east, north) == (pytest.approx(40_000, abs=400), pytest.approx(-12_000, abs=400))


def test_heights_of_another_datum(scene: Scene, tmp_path: Path) -> None:
    def change(message: Any) -> None:
        message.pose.pose.position.z += 800.0

    causes = found(failed(scene, tmp_path / "bag", change), scene)
    datum = next(cause for cause in causes if cause.name == "heights_datum")
    assert "too high" in datum.seen and "vertical datum" in datum.cure
    metres = float(datum.seen.split(" is ")[1].split(" m ")[0])
    assert metres == pytest.approx(800, abs=150)


def test_a_prior_that_is_off_by_more_than_it_says(scene: Scene, tmp_path: Path) -> None:
    def change(message: Any) -> None:
        message.pose.pose.position.x += 900.0
        message.pose.covariance = np.diag([20.0, 20.0, *np.sqrt(message.pose.covariance[14::7])]).ravel() ** 2

    causes = found(failed(scene, tmp_path / "bag", change), scene)
    assert "prior_beyond_sigma" in names(causes) and "odometry_ned" not in names(causes)


def test_a_camera_that_is_turned_beside_its_mount(scene: Scene, tmp_path: Path) -> None:
    rig = Rig.read(DEFAULTS | {"camera_rpy_deg": [0.0, -2.5, 0.0]}, TrackOptions())
    flight = failed(scene, tmp_path / "bag", rig=rig)
    turned = next(cause for cause in found(flight, scene) if cause.name == "camera_turned")
    assert "2.5 degrees" in turned.seen or "2.4 degrees" in turned.seen or "2.6 degrees" in turned.seen


def test_a_flight_that_is_too_low(scene: Scene, tmp_path: Path) -> None:
    options = FlightOptions.of(frames=FRAMES, seed=4, footprint_px=90, drift_px=20, image_size=(320, 320))
    simulate_flight(scene.optical, tmp_path / "low", options, dem=scene.dem)
    reference = scene.reference()
    flight = replay(tmp_path / "low", Localizer(reference, load("structural")), reference)
    assert sum(frame.fix.accepted for frame in flight.frames) < 0.8 * FRAMES
    low = next(cause for cause in found(flight, scene) if cause.name == "too_low")
    assert "px of the map" in low.seen and low.cure.startswith("fly above")


def test_a_camera_that_is_turned_about_its_axis() -> None:
    frames = []
    for index in range(6):
        one = fix_at(index, np.array([60.0 * index, 10.0 * index]), np.zeros(2))
        assert one.truth is not None and one.fix.pose is not None
        turned = Pose.from_rpy(one.fix.pose.position, 0, 0, np.deg2rad(20.0))
        candidate = replace(one.fix.candidate, prior=Prior(one.fix.stamp_ns, one.truth, 100.0 * np.eye(6)))
        frames.append(replace(one, fix=replace(one.fix, pose=turned, candidate=candidate)))
    (cause,) = causes_of(flight_of(frames), Terrain.flat())
    assert cause.name == "heading_off" and "+20 degrees" in cause.seen and cause.what == "the camera is turned about its axis"


def test_attitude_that_says_too_much_of_itself() -> None:
    frames = [fix_at(i, np.array([50.0 * i, 0.0]), np.zeros(2)) for i in range(4)]
    flight = replace(flight_of(frames), understated=Understated(0.05, 0.3))
    (cause,) = causes_of(flight, Terrain.flat())
    assert cause.name == "attitude_understated" and "0.300" in cause.seen


def test_what_usually_stands_behind_a_reason_is_told_of_a_flight_that_fails() -> None:
    flight = flight_of([refused_at(i, level(np.array([50.0 * i, 0.0])).position[:2]) for i in range(5)])
    (cause,) = causes_of(flight, Terrain.flat())
    assert cause.name == "low_texture" and cause.seen.startswith("5 of 5 frames: image or map show too little structure")
    assert causes_of(flight_of([]), Terrain.flat()) == ()
    # those that come of the flight itself, not of what was set up, are told by their measured causes
    assert set(Reason) - set(CURES) == {Reason.FIX, Reason.PRIOR_FRAME, Reason.FRAME_TOO_COARSE, Reason.FIX_LATE}
