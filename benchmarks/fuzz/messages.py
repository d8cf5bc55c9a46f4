"""Messages to the intake: odometry, poses by hand, camera_info, static transforms and images with hostile fields."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from random import Random
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np

from benchmarks.fuzz.hostile import changed_bytes, changed_message
from promptmid_core.bags import telemetry
from promptmid_core.errors import Refusal
from promptmid_core.geometry import Camera, Pose, Prior
from promptmid_core.geometry.covariance import fault_of
from promptmid_core.localization.expectation import Expectation
from promptmid_core.localization.fix import Candidate, Fix, Frame, State
from promptmid_core.localization.intake import Intake
from promptmid_core.localization.integrity import check_frame
from promptmid_core.localization.localizer import Expect
from promptmid_core.localization.options import Options
from promptmid_core.localization.prior import check_prior
from promptmid_core.localization.rig import AUTO, Rig
from promptmid_core.reasons import Reason

START_NS, STEP_NS = 1_700_000_000_000_000_000, 50_000_000
CAMERA = Camera(64, 48, np.array([[60.0, 0, 31.5], [0, 60.0, 23.5], [0, 0, 1]]))
COVARIANCE = np.diag([100.0, 100.0, 25.0, 1e-4, 1e-4, 1e-3])
MOST_ROUNDS = 8


class Echo:
    """A localizer that answers with the prior, once frame and prior are what a localizer goes by."""

    def expect(self, frame: Frame, prior: Prior) -> Expectation:
        raise NotImplementedError("an echo expects nothing")

    def match(self, frame: Frame, prior: Prior, expect: Expect) -> Candidate:
        check_frame(frame, Options())
        check_prior(prior)
        assert np.isfinite(prior.pose.position).all() and np.isfinite(prior.pose.rotation).all()
        assert np.isfinite(frame.camera.middle()).all()
        return Candidate(frame.stamp_ns, prior, Reason.FIX, "", prior.pose, prior.covariance, ("x", "y", "yaw"))

    def track(self, candidate: Candidate) -> Fix:
        fix = candidate.reason is Reason.FIX
        return Fix(candidate.stamp_ns, State.TRACKING, candidate.reason, candidate.sentence, candidate.pose if fix else None,
                   candidate.covariance if fix else None, candidate.observed if fix else (), candidate)


class Messages:
    """A short flight to an intake of its own, of good messages and hostile ones."""

    name = "messages"
    hang_s = 5

    def __init__(self) -> None:
        pixels = np.random.default_rng(0).integers(0, 255, (CAMERA.height, CAMERA.width), np.uint8)
        self._images = [cv2.imencode(kind, pixels)[1].tobytes() for kind in (".jpg", ".png")]

    def run(self, rng: Random) -> str:
        self._begin(rng)
        kinds = (self._odometry, self._odometry, self._initialpose, self._camera_info, self._transforms)
        reason = ""
        for _ in range(rng.randrange(1, MOST_ROUNDS)):
            self._stamp += STEP_NS
            with suppress(Refusal):  # of poses by hand and transforms, which the node tells
                rng.choice(kinds)(rng)
            reason = self._judged(self._image(rng))
        return reason

    def close(self) -> None:
        pass

    def _begin(self, rng: Random) -> None:
        self._stamp, self._frame = START_NS, rng.choice(("map", "odom"))
        self._intake = Intake(replace(Rig(), mounted_by=AUTO))
        self._intake.cameras.add(telemetry.camera_info(START_NS, CAMERA))

    def _judged(self, image: Any) -> str:
        fix = self._intake.localize(image, Echo()).fix
        if fix.covariance is not None:
            assert not fault_of(fix.covariance), fix.covariance
        return str(fix.reason)

    def _pose(self) -> Pose:
        seconds = (self._stamp - START_NS) / 1e9
        return Pose.from_rpy(np.array([20.0 * seconds, 5.0 * seconds, 1000.0]), 0.01, -0.02, 0.3)

    def _odometry(self, rng: Random) -> None:
        for stamp in (self._stamp - STEP_NS // 2, self._stamp + STEP_NS // 2):
            message = telemetry.odometry(stamp, self._pose(), COVARIANCE, np.zeros(3), np.zeros(3), np.eye(6))
            message.header.frame_id = self._frame
            self._intake.odometry.add(changed_message(rng, message) if rng.random() < 0.5 else message)

    def _initialpose(self, rng: Random) -> None:
        message = telemetry.pose_with_covariance(self._stamp, self._pose(), COVARIANCE)
        self._intake.odometry.give(changed_message(rng, message) if rng.random() < 0.7 else message)

    def _camera_info(self, rng: Random) -> None:
        message = telemetry.camera_info(self._stamp, CAMERA)
        self._intake.cameras.add(changed_message(rng, message) if rng.random() < 0.7 else message)

    def _transforms(self, rng: Random) -> None:
        frames = ("base_link", "gimbal", telemetry.CAMERA_FRAME, "map")
        transforms = []
        for _ in range(rng.randrange(4)):
            pose = telemetry.odometry(0, self._pose(), COVARIANCE, np.zeros(3), np.zeros(3), np.eye(6)).pose.pose
            transform = telemetry.message("geometry_msgs/msg/Transform", pose.position, pose.orientation)
            transforms.append(changed_message(rng, telemetry.message(
                "geometry_msgs/msg/TransformStamped", telemetry.header(self._stamp, rng.choice(frames)), rng.choice(frames),
                transform)))
        self._intake.mounts.add(SimpleNamespace(transforms=transforms))

    def _image(self, rng: Random) -> Any:
        message = telemetry.compressed_image(self._stamp, rng.choice(self._images))
        if rng.random() < 0.2:
            message = changed_message(rng, message)
        return message


class Images(Messages):
    """Images of hostile bytes and fields, compressed and raw, to an intake that has all else they need."""

    name = "images"

    def run(self, rng: Random) -> str:
        self._begin(rng)
        for stamp in (self._stamp - STEP_NS // 2, self._stamp + STEP_NS // 2):
            self._intake.odometry.add(telemetry.odometry(stamp, self._pose(), COVARIANCE, np.zeros(3), np.zeros(3), np.eye(6)))
        message = self._raw(rng) if rng.random() < 0.4 else self._compressed(rng)
        return self._judged(message)

    def _compressed(self, rng: Random) -> Any:
        message = telemetry.compressed_image(self._stamp, changed_bytes(rng, rng.choice(self._images)))
        return changed_message(rng, message) if rng.random() < 0.2 else message

    def _raw(self, rng: Random) -> Any:
        encoding, size = rng.choice((("mono8", 1), ("bgr8", 3), ("rgba8", 4), ("mono16", 2), ("bayer_rggb8", 1), ("32FC1", 4)))
        data = np.frombuffer(rng.randbytes(CAMERA.height * CAMERA.width * size), np.uint8)
        message = telemetry.message("sensor_msgs/msg/Image", telemetry.header(self._stamp, telemetry.CAMERA_FRAME), CAMERA.height,
                                    CAMERA.width, encoding, rng.randrange(2), CAMERA.width * size, data)
        return changed_message(rng, message)
