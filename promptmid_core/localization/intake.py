"""From decoded messages to a frame and its prior, or the reason why there is none: the one road, live and replayed."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Protocol

from promptmid_core.arrays import Float64, UInt8
from promptmid_core.bags.images import image_from, image_from_compressed
from promptmid_core.bags.messages import stamp_ns
from promptmid_core.bags.size import Size
from promptmid_core.errors import Refusal
from promptmid_core.geometry import Prior, Terrain
from promptmid_core.georaster.geodetic import Geodetic
from promptmid_core.localization.anchor import Anchor
from promptmid_core.localization.boresight import Boresight
from promptmid_core.localization.cameras import CameraInfos
from promptmid_core.localization.expectation import Expectation
from promptmid_core.localization.fix import Candidate, Fix, Frame
from promptmid_core.localization.frozen import FrozenImages
from promptmid_core.localization.height import Height
from promptmid_core.localization.mounts import Mounts
from promptmid_core.localization.odometry import Odometry
from promptmid_core.localization.prior import PriorBuffer
from promptmid_core.localization.quest import Anywhere
from promptmid_core.localization.rig import Rig
from promptmid_core.localization.sources import PriorSource
from promptmid_core.localization.stopwatch import Stopwatch
from promptmid_core.reasons import Reason


class Localizing(Protocol):
    """What the intake needs of a Localizer."""

    @property
    def terrain(self) -> Terrain: ...

    def expect(self, frame: Frame, prior: Prior) -> Expectation | Anywhere: ...
    def match(self, frame: Frame, prior: Prior, expect: Callable[[Frame, Prior], Expectation | Anywhere]) -> Candidate: ...
    def track(self, candidate: Candidate) -> Fix: ...


@dataclass(frozen=True)
class Localized:
    """The verdict on an image, and its decoded `frame` where it got that far."""

    fix: Fix
    frame: Frame | None


class Intake:
    """Holds what the images to come need: camera_info, how the camera is mounted, odometry, ranges. For use by several threads.

    What the rig's calibration knows of the camera is applied here: a frame has the camera as it is and the time at which it was
    taken, and so has all that follows from it. `boresight`: whether the fixes so far let that camera be as it is told.

    Messages are those of rclpy or of a bag, read by the names of their fields. `shift` (3,) is added to poses given in `map`;
    `geodetic`: where the map lies on the Earth, which some sources of the prior call for.
    """

    def __init__(self, rig: Rig, cameras: CameraInfos | None = None, mounts: Mounts | None = None, *,
                 shift: Float64 | None = None, buffer: PriorBuffer | None = None, geodetic: Geodetic | None = None) -> None:
        self.cameras = cameras or CameraInfos()
        self.mounts = mounts or Mounts(rig)
        self.odometry = Odometry(rig, shift, buffer)
        self.height = Height(rig.prior)
        self.source = PriorSource(rig, self.odometry, geodetic, shift)
        self.boresight = Boresight()
        self._calibration = rig.calibration
        self._frozen = FrozenImages()

    def use(self, rig: Rig) -> None:
        """Take what `rig` says of sigmas and of drift, for messages from now on; all else stays as it was told at first."""
        self.odometry.use(rig)
        self.height.use(rig.prior)

    def localize(self, message: Any, localizer: Localizing, wait_s: float = 0.0) -> Localized:
        """Return the verdict on an image message, waiting so long for what belongs to it.

        A message that cannot be used becomes a candidate with its reason; an accepted fix moves `odom` in `map`.
        """
        stamp = self._calibration.taken_ns(stamp_ns(message.header))
        clock = Stopwatch()
        frame: Frame | None = None
        anchor: Anchor | None = None
        try:
            if wait_s:
                with clock("wait"):
                    self._wait(stamp, message.header, wait_s)
            with clock("decode"):
                frame = self.frame(message)
            prior, anchor = self.odometry.at(stamp)
            if self.height.on:
                prior = self.height.applied(prior, frame.camera, self.odometry, localizer.terrain)
            place = self.odometry.place(stamp)
            candidate = localizer.match(frame, prior, localizer.expect)
            candidate = self._frozen.judged(candidate, frame.image, place, prior.motion.doubt if prior.motion else 0.0)
        except Refusal as refusal:
            candidate = Candidate(stamp, None, refusal.reason, str(refusal))
        with clock("track"):
            fix = localizer.track(candidate)
        track_ms = clock.ms.pop("track")
        stage_ms = {**clock.ms, **candidate.stage_ms, "track": track_ms}
        self.odometry.take(fix, anchor)
        self.boresight.add(fix, frame.camera if frame else None, self.odometry)
        return Localized(replace(fix, candidate=replace(fix.candidate, stage_ms=stage_ms)), frame)

    def frame(self, message: Any) -> Frame:
        """Return the frame of an image message. Raises Refusal where its stamp, its pixels or its camera cannot be used."""
        stamp, frame_id = stamp_ns(message.header), message.header.frame_id
        calibration = self._calibration
        if stamp <= 0:
            raise Refusal(Reason.STAMP_ZERO, "the image has stamp zero; the prior cannot be found without its time")
        camera = calibration.camera(self.cameras.camera(stamp, self.mounts.mount(frame_id)))
        return Frame(calibration.taken_ns(stamp), pixels(message, (camera.width, camera.height)), camera)

    def _wait(self, stamp: int, header: Any, seconds: float) -> None:
        if stamp <= 0:
            return
        until = time.monotonic() + seconds
        self.odometry.wait(stamp, seconds)
        self.cameras.wait(stamp_ns(header), until - time.monotonic())
        self.mounts.wait(header.frame_id)


def pixels(message: Any, stated: Size | None = None) -> UInt8:
    """Return the (H, W) grey or (H, W, 3) RGB of an Image or a CompressedImage of the `stated` size. Raises Refusal where it
    cannot be decoded."""
    return image_from(message, stated) if hasattr(message, "encoding") else image_from_compressed(message, stated)
