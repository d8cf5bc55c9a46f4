"""Faults of the images: lost, late, twice, out of order, the same again, and images of nothing."""

from __future__ import annotations

from copy import copy, deepcopy
from dataclasses import replace
from typing import Any

import cv2
import numpy as np

from benchmarks.faults.aircraft import Aircraft
from benchmarks.faults.fault import Fault
from benchmarks.faults.roundtrip import SECOND, Shot, stamped
from promptmid_core.geometry import Pose

SOME, MANY = 8, 24
SPEED_MPS = 38.0
CORRUPT = frozenset({"image_corrupt"})


def with_data(image: Any, data: bytes) -> Any:
    """Return a copy of a CompressedImage with other bytes."""
    changed = copy(image)
    changed.data = data
    return changed


def redrawn(shot: Shot, draw: Any) -> Shot:
    """Return a shot whose pixels (H, W, 3) went through `draw`."""
    pixels = cv2.imdecode(np.frombuffer(shot.image.data, np.uint8), cv2.IMREAD_COLOR)  # type: ignore[union-attr]
    return replace(shot, image=with_data(shot.image, cv2.imencode(".jpg", draw(pixels))[1].tobytes()))


def drop(aircraft: Aircraft) -> None:
    aircraft.fly(replace(shot, image=None) if number % 5 else shot for number, shot in enumerate(aircraft.trip.shots(30)))


def delay(aircraft: Aircraft) -> None:
    shots = aircraft.trip.shots(SOME)
    for shot, late in zip(shots[1:], shots, strict=False):
        aircraft.fly([replace(shot, image=late.image, stamp_ns=late.stamp_ns, truth=late.truth)])


def delay_long(aircraft: Aircraft) -> None:
    shots = aircraft.trip.shots(45)
    aircraft.fly([replace(shot, image=None) for shot in shots])
    aircraft.fly(replace(shot, odometry=(), infos=()) for shot in shots[:4])


def duplicate(aircraft: Aircraft) -> None:
    for shot in aircraft.trip.shots(SOME):
        aircraft.fly([shot, replace(shot, odometry=())])


def reorder(aircraft: Aircraft) -> None:
    shots = aircraft.trip.shots(2 * SOME)
    for first, second in zip(shots[::2], shots[1::2], strict=True):
        aircraft.fly([replace(second, odometry=first.odometry + second.odometry), replace(first, odometry=())])


def freeze(aircraft: Aircraft) -> None:
    shots = aircraft.trip.shots(MANY)
    aircraft.fly(replace(shot, image=stamped(shots[0].image, shot.stamp_ns)) for shot in shots)


def freeze_ring(aircraft: Aircraft) -> None:
    shots = aircraft.trip.shots(MANY)
    aircraft.fly(replace(shot, image=stamped(shots[number % 3].image, shot.stamp_ns)) for number, shot in enumerate(shots))


def freeze_straight(aircraft: Aircraft) -> None:
    """Ten images a second, between which the aircraft flies on straight for a fraction of a pixel."""
    shot = aircraft.trip.next()
    aircraft.fly([shot])
    for number in range(1, 101):
        metres = number * 0.1 * SPEED_MPS
        stamp = shot.stamp_ns + number * SECOND // 10
        odometry = deepcopy(shot.odometry[-1])
        odometry.pose.pose.position.x += metres
        around = (stamped(odometry, stamp - SECOND // 20), stamped(odometry, stamp + SECOND // 20))
        truth = Pose(shot.truth.position + np.array([metres, 0.0, 0.0]), shot.truth.rotation)
        aircraft.fly([Shot(stamp, around, (), stamped(shot.image, stamp), truth)])
    aircraft.trip.set_clock(10 * SECOND)


def blur(aircraft: Aircraft) -> None:
    aircraft.fly(redrawn(shot, lambda pixels: cv2.GaussianBlur(pixels, (0, 0), 25)) for shot in aircraft.trip.shots(SOME))


def black(aircraft: Aircraft) -> None:
    aircraft.fly(redrawn(shot, lambda pixels: pixels // 64) for shot in aircraft.trip.shots(MANY))


def white(aircraft: Aircraft) -> None:
    aircraft.fly(redrawn(shot, lambda pixels: np.full_like(pixels, 255)) for shot in aircraft.trip.shots(MANY))


def noise(aircraft: Aircraft) -> None:
    random = np.random.default_rng(1)
    shots = aircraft.trip.shots(SOME)
    aircraft.fly(redrawn(shot, lambda pixels: random.integers(0, 256, pixels.shape, np.uint8)) for shot in shots)


def half(aircraft: Aircraft) -> None:
    def cover(pixels: Any) -> Any:
        pixels[pixels.shape[0] // 2:] = 0
        return pixels

    aircraft.fly(redrawn(shot, cover) for shot in aircraft.trip.shots(SOME))


def mirrored(aircraft: Aircraft) -> None:
    aircraft.fly(redrawn(shot, lambda pixels: np.ascontiguousarray(pixels[:, ::-1])) for shot in aircraft.trip.shots(SOME))


def another_place(aircraft: Aircraft) -> None:
    """Good images of another part of the map."""
    shots = aircraft.trip.shots(50)
    aircraft.fly([replace(shot, image=None) for shot in shots[:30]])
    aircraft.fly(replace(shot, image=stamped(other.image, shot.stamp_ns))
                 for shot, other in zip(shots[30:], shots, strict=False))


def truncated(aircraft: Aircraft) -> None:
    aircraft.fly(replace(shot, image=with_data(shot.image, bytes(shot.image.data)[:len(shot.image.data) // 2]))  # type: ignore[union-attr]
                 for shot in aircraft.trip.shots(SOME))


def nothing(aircraft: Aircraft) -> None:
    aircraft.fly(replace(shot, image=with_data(shot.image, b"")) for shot in aircraft.trip.shots(SOME))


def flipped_bits(aircraft: Aircraft) -> None:
    random = np.random.default_rng(2)
    for shot in aircraft.trip.shots(MANY):
        data = bytearray(shot.image.data)  # type: ignore[union-attr]
        for at in random.integers(0, len(data), 20).tolist():
            data[at] ^= 1 << int(random.integers(8))
        aircraft.fly([replace(shot, image=with_data(shot.image, bytes(data)))])


def burst(aircraft: Aircraft) -> None:
    aircraft.fly(replace(shot, awaited=False) for shot in aircraft.trip.shots(60))
    aircraft.settle()


IMAGES = (
    Fault("drop", "four of five images are lost", drop),
    Fault("delay", "each image comes a second late", delay),
    Fault("delay_long", "images come when their odometry is no longer kept", delay_long, frozenset({"prior_missing"})),
    Fault("duplicate", "each image comes twice", duplicate, frozenset({"stamp_backwards"})),
    Fault("reorder", "each second image comes before the first", reorder, frozenset({"stamp_backwards"})),
    Fault("freeze", "the same pixels under new stamps, while the aircraft flies on", freeze),
    Fault("freeze_straight", "the same at ten images a second, on a straight way", freeze_straight, frozenset({"image_frozen"})),
    Fault("freeze_ring", "the same three images again and again, as a ring of buffers that is no longer filled", freeze_ring),
    Fault("blur", "images out of focus", blur),
    Fault("black", "the lens is covered", black, frozenset({"image_black"})),
    Fault("white", "the exposure is far too long", white, frozenset({"image_saturated"})),
    Fault("noise", "pixels of no scene", noise),
    Fault("half", "the lower half is black", half),
    Fault("mirrored", "images are mirrored", mirrored),
    Fault("another_place", "good images of another place", another_place),
    Fault("truncated", "JPEGs end in the middle", truncated, CORRUPT),
    Fault("nothing", "images without a byte", nothing, CORRUPT),
    Fault("flipped_bits", "JPEGs with twenty flipped bits", flipped_bits),
    Fault("burst", "60 images at once", burst),
)
