"""Faults of time: clocks that jump, a bag that is played in a loop, stamps that are none."""

from __future__ import annotations

from dataclasses import replace

from benchmarks.faults.aircraft import Aircraft
from benchmarks.faults.fault import Fault
from benchmarks.faults.images import SOME
from benchmarks.faults.roundtrip import SECOND, stamped

HOUR = 3600 * SECOND


def forward(aircraft: Aircraft) -> None:
    aircraft.trip.set_clock(HOUR)


def back(aircraft: Aircraft) -> None:
    aircraft.trip.set_clock(-HOUR)


def back_a_little(aircraft: Aircraft) -> None:
    aircraft.trip.set_clock(-3 * SECOND // 2)


def to_and_fro(aircraft: Aircraft) -> None:
    for number in range(SOME):
        aircraft.trip.set_clock(HOUR if number % 2 else -HOUR)
        aircraft.fly([aircraft.trip.next()])


def loop(aircraft: Aircraft) -> None:
    aircraft.fly(aircraft.trip.shots(SOME))
    aircraft.trip.restart()


def one_ahead(aircraft: Aircraft) -> None:
    """One image of a stamp an hour ahead among good ones."""
    shot, *shots = aircraft.trip.shots(SOME)
    astray = shot.stamp_ns + HOUR
    aircraft.fly([replace(shot, image=stamped(shot.image, astray), stamp_ns=astray), *shots])


def images_apart(aircraft: Aircraft) -> None:
    """The images' clock is not the odometry's."""
    for shot in aircraft.trip.shots(SOME):
        apart = shot.stamp_ns + 10 * SECOND
        aircraft.fly([replace(shot, image=stamped(shot.image, apart), infos=(stamped(shot.infos[0], apart),), stamp_ns=apart)])


def zero(aircraft: Aircraft) -> None:
    aircraft.fly(replace(shot, image=stamped(shot.image, 0), stamp_ns=0) for shot in aircraft.trip.shots(SOME))


def negative(aircraft: Aircraft) -> None:
    for number, shot in enumerate(aircraft.trip.shots(SOME), 1):
        stamp = -number * SECOND
        aircraft.fly([replace(shot, image=stamped(shot.image, stamp), stamp_ns=stamp)])


def end_of_time(aircraft: Aircraft) -> None:
    """The largest stamp that a message can hold, of odometry and image."""
    last = (2**31 - 1) * SECOND
    for number, shot in enumerate(aircraft.trip.shots(4)):
        stamp = last - 4 + number
        odometry = tuple(stamped(message, stamp - 1) for message in shot.odometry[-2:])
        aircraft.fly([replace(shot, odometry=odometry, image=stamped(shot.image, stamp), stamp_ns=stamp)])


CLOCKS = (
    Fault("clock_forward", "all stamps jump an hour ahead", forward),
    Fault("clock_back", "all stamps jump an hour back", back),
    Fault("clock_back_a_little", "all stamps jump back by one and a half seconds", back_a_little),
    Fault("clock_to_and_fro", "all stamps jump by an hour with each image", to_and_fro),
    Fault("bag_loop", "a bag begins anew", loop),
    Fault("one_ahead", "one image is stamped an hour ahead", one_ahead, frozenset({"prior_missing"})),
    Fault("images_apart", "images are stamped ten seconds ahead of the odometry", images_apart, frozenset({"prior_missing"})),
    Fault("stamp_zero", "images without a stamp", zero, frozenset({"stamp_zero"})),
    Fault("stamp_negative", "images of negative stamps", negative, frozenset({"stamp_zero", "stamp_backwards"})),
    Fault("end_of_time", "the largest stamps that there are", end_of_time),
)
