"""Pairs of messages for the reasons of the road into a localization: stamps, images, cameras, mounts, odometry."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
from overflight import SIGMAS, STAMP, Overflight
from reason_pairs import Verdict, pair

from promptmid_core.bags import telemetry
from promptmid_core.localization.fix import Fix
from promptmid_core.localization.intake import Intake
from promptmid_core.localization.rig import BY_TRANSFORMS, DefaultSigmas, Rig
from promptmid_core.reasons import Reason

MS = 1_000_000
COVARIANCE = np.diag(np.square(SIGMAS))


def raw(over: Overflight, stamp: int = STAMP, **changes: Any) -> Any:
    pixels = over.frame().image
    height, width = pixels.shape[:2]
    fields = {"header": telemetry.header(stamp, telemetry.CAMERA_FRAME), "height": height, "width": width, "encoding": "rgb8",
              "is_bigendian": 0, "step": 3 * width, "data": pixels.tobytes()}
    return SimpleNamespace(**fields | changes)


def png(over: Overflight) -> bytes:
    return bytes(cv2.imencode(".png", over.frame().image[..., ::-1])[1])


def compressed(data: bytes, kind: str) -> Any:
    return SimpleNamespace(header=telemetry.header(STAMP, telemetry.CAMERA_FRAME), format=kind, data=data)


def odometry(over: Overflight, stamp: int, frame: str = "map", child: str = "base_link",
             covariance: np.ndarray = COVARIANCE) -> Any:
    made = telemetry.odometry(stamp, over.truth(), covariance, np.zeros(3), np.zeros(3), np.eye(6))
    return replace(made, header=replace(made.header, frame_id=frame), child_frame_id=child)


def around(over: Overflight, before: int = 50 * MS, after: int = 50 * MS, stamp: int = STAMP, **changes: Any) -> list[Any]:
    return [odometry(over, at, **changes) for at in (stamp - before, stamp + after)]


def judged(over: Overflight, *images: Any, odometry: Sequence[Any] | None = None, infos: Sequence[Any] | None = None,
           transforms: Any = None, by_hand: Any = None, rig: Rig | None = None) -> Fix:
    """The verdict on the last of some images, each after all other messages."""
    intake, localizer = Intake(rig or Rig()), over.localizer()
    for info in [telemetry.camera_info(STAMP, over.camera)] if infos is None else infos:
        intake.cameras.add(info)
    if transforms is not None:
        intake.mounts.add(transforms)
    for message in around(over) if odometry is None else odometry:
        intake.odometry.add(message)
    if by_hand is not None:
        intake.odometry.give(by_hand)
    return [intake.localize(image, localizer) for image in images or [raw(over)]][-1].fix


@pair(Reason.STAMP_ZERO)
def an_image_of_no_time(over: Overflight) -> tuple[Verdict, Verdict]:
    early = around(over, 0, 100 * MS, stamp=1)
    return judged(over, raw(over, 0), odometry=early), judged(over, raw(over, 1), odometry=early)


@pair(Reason.STAMP_BACKWARDS)
def an_image_twice(over: Overflight) -> tuple[Verdict, Verdict]:
    return judged(over, raw(over), raw(over)), judged(over, raw(over), raw(over, STAMP + 1))


@pair(Reason.IMAGE_CORRUPT)
def a_byte_less(over: Overflight) -> tuple[Verdict, Verdict]:
    data = raw(over).data
    return judged(over, raw(over, data=data[:-1])), judged(over, raw(over, data=data))


@pair(Reason.IMAGE_CORRUPT)
def a_png_without_its_end(over: Overflight) -> tuple[Verdict, Verdict]:
    data = png(over)
    return judged(over, compressed(data[:-1], "png")), judged(over, compressed(data, "png"))


@pair(Reason.IMAGE_ENCODING)
def sixteen_bits_of_colour(over: Overflight) -> tuple[Verdict, Verdict]:
    wide = over.frame().image.astype("<u2") * 257
    changes = {"step": 6 * wide.shape[1], "data": wide.tobytes()}
    return judged(over, raw(over, encoding="16SC3", **changes)), judged(over, raw(over, encoding="rgb16", **changes))


@pair(Reason.IMAGE_ENCODING)
def a_tiff(over: Overflight) -> tuple[Verdict, Verdict]:
    data = bytes(cv2.imencode(".tiff", over.frame().image)[1])
    return judged(over, compressed(data, "tiff")), judged(over, compressed(png(over), "png"))


@pair(Reason.IMAGE_SIZE)
def another_height_than_camera_info(over: Overflight) -> tuple[Verdict, Verdict]:
    taller = replace(over.camera, height=over.camera.height + 1)
    return judged(over, infos=[telemetry.camera_info(STAMP, taller)]), judged(over)


@pair(Reason.CAMERA_INFO_MISSING)
def no_camera_info(over: Overflight) -> tuple[Verdict, Verdict]:
    return judged(over, infos=[]), judged(over)


@pair(Reason.CAMERA_INFO_INVALID)
def skewed_pixels(over: Overflight) -> tuple[Verdict, Verdict]:
    def skewed(by: float) -> Fix:
        info = telemetry.camera_info(STAMP, over.camera)
        info.k[1] = by
        return judged(over, infos=[info])

    return skewed(1.1e-6), skewed(0.9e-6)


@pair(Reason.CAMERA_MOUNT_UNKNOWN)
def a_camera_on_nothing(over: Overflight) -> tuple[Verdict, Verdict]:
    def mounted(on: str) -> Fix:
        x, y, z, w = over.camera.mount.quaternion()
        turn = SimpleNamespace(x=x, y=y, z=z, w=w)
        transform = SimpleNamespace(translation=SimpleNamespace(x=0.0, y=0.0, z=0.0), rotation=turn)
        one = SimpleNamespace(header=SimpleNamespace(frame_id=on), child_frame_id=telemetry.CAMERA_FRAME, transform=transform)
        return judged(over, transforms=SimpleNamespace(transforms=[one]), rig=Rig(mounted_by=BY_TRANSFORMS))

    return mounted("imu"), mounted("base_link")


@pair(Reason.PRIOR_MISSING)
def odometry_that_ends_before_the_image(over: Overflight) -> tuple[Verdict, Verdict]:
    return judged(over, odometry=around(over, 50 * MS, -1)), judged(over, odometry=around(over, 50 * MS, 0))


@pair(Reason.PRIOR_MISSING)
def odometry_that_begins_after_the_image(over: Overflight) -> tuple[Verdict, Verdict]:
    return judged(over, odometry=around(over, -1, 50 * MS)), judged(over, odometry=around(over, 0, 50 * MS))


@pair(Reason.PRIOR_MISSING)
def a_gap_of_half_a_second(over: Overflight) -> tuple[Verdict, Verdict]:
    return judged(over, odometry=around(over, 200 * MS, 300 * MS + 1)), judged(over, odometry=around(over, 200 * MS, 300 * MS))


@pair(Reason.PRIOR_MISSING)
def odom_that_lies_nowhere_in_map(over: Overflight) -> tuple[Verdict, Verdict]:
    local = around(over, frame="odom")
    by_hand = telemetry.pose_with_covariance(STAMP, over.truth(), COVARIANCE)
    return judged(over, odometry=local), judged(over, odometry=local, by_hand=by_hand)


@pair(Reason.PRIOR_INVALID)
def a_quaternion_too_long(over: Overflight) -> tuple[Verdict, Verdict]:
    def stretched(by: float) -> list[Any]:
        messages = around(over)
        for message in messages:
            turn = message.pose.pose.orientation
            turn.x, turn.y, turn.z, turn.w = (by * value for value in (turn.x, turn.y, turn.z, turn.w))
        return messages

    return judged(over, odometry=stretched(1.0101)), judged(over, odometry=stretched(1.0099))


@pair(Reason.PRIOR_INVALID)
def a_bad_message_among_good_ones(over: Overflight) -> tuple[Verdict, Verdict]:
    """It refuses the images between its neighbours alone."""
    spoilt = COVARIANCE.copy()
    spoilt[2, 2] = np.nan

    def beside(ms: int) -> Fix:
        return judged(over, odometry=[*around(over), odometry(over, STAMP + ms * MS, covariance=spoilt)])

    return beside(49), beside(51)


@pair(Reason.PRIOR_INVALID)
def no_covariance_and_no_default_of_it(over: Overflight) -> tuple[Verdict, Verdict]:
    unstated = around(over, covariance=np.zeros((6, 6)))
    none = DefaultSigmas(default_sigma_xy_m=0.0)
    return judged(over, odometry=unstated, rig=Rig(sigmas=none)), judged(over, odometry=unstated)


@pair(Reason.PRIOR_FRAME)
def odometry_of_another_body(over: Overflight) -> tuple[Verdict, Verdict]:
    return judged(over, odometry=around(over, child="imu")), judged(over, odometry=around(over))


@pair(Reason.PRIOR_FRAME)
def odometry_in_another_frame(over: Overflight) -> tuple[Verdict, Verdict]:
    return judged(over, odometry=around(over, frame="earth")), judged(over, odometry=around(over, frame="map"))


