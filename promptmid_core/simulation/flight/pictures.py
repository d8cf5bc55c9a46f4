"""The pictures of a flight, with camera_info and the truth of each."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from promptmid_core.bags import telemetry
from promptmid_core.simulation.flight.clock import Clock
from promptmid_core.simulation.flight.exposure import Exposure
from promptmid_core.simulation.flight.flightplan import Plan
from promptmid_core.simulation.flight.odometry import Entry, motion_at
from promptmid_core.simulation.flight.options import FlightOptions
from promptmid_core.simulation.flight.weather import Weather, streaked

DELAY_NS = 60_000_000  # from the stamp to the recorder
JPEG_QUALITY = 90


class Photographer:
    """Takes the frames of a plan in the light of an exposure; `shares` are those of valid ground in the frames so far."""

    def __init__(self, plan: Plan, exposure: Exposure, options: FlightOptions) -> None:
        self._plan, self._exposure, self._options = plan, exposure, options
        self._weather = Weather.of(options, plan.sight)
        self.shares: list[float] = []

    def messages(self, clock: Clock, progress: Callable[[int, int], None] | None) -> Iterator[Entry]:
        """Image, camera_info and ground truth of every frame but those of an outage."""
        import simplejpeg

        wrong, sight, trajectory = self._options.prior, self._plan.sight, self._plan.trajectory
        if self._options.camera.camera_pitch_deg:
            yield int(clock.odometry[0]), "/tf_static", telemetry.camera_transform(int(clock.odometry[0]), sight.told.mount)
        silent = clock.silent(clock.stamped, wrong.outage if wrong.outage_of != "odometry" else ())
        for i, stamp in enumerate(clock.frames.tolist()):
            if silent[i]:
                continue
            pixels = self._taken(float(clock.taken[i]), i)
            jpeg = simplejpeg.encode_jpeg(np.ascontiguousarray(pixels), JPEG_QUALITY, "RGB" if pixels.shape[2] == 3 else "GRAY",
                                          "420")
            log_ns = stamp + DELAY_NS
            yield log_ns, "/camera_info", telemetry.camera_info(stamp, sight.told)
            yield log_ns, "/image/compressed", telemetry.compressed_image(stamp, jpeg)
            second = float(clock.stamped[i])
            velocity, rate = motion_at(trajectory, second)
            pose, exact = trajectory.pose(second), np.zeros((6, 6))
            yield log_ns, "/ground_truth", telemetry.odometry(stamp, pose, exact, pose.rotation.T @ velocity, rate, exact)
            if progress:
                progress(i + 1, len(clock.frames))

    def _taken(self, second: float, index: int) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
        """The image (h, w, 1) or (h, w, 3) that is taken at a time."""
        view, conditions = self._plan.view, self._options.conditions
        pose = self._plan.trajectory.pose(second)
        seen, share = view.render(pose)
        self.shares.append(share)
        seen = self._weather.over(seen, view, pose)
        if conditions.motion_blur_px:
            velocity, _ = motion_at(self._plan.trajectory, second)
            seen = streaked(seen, (pose @ view.camera.mount).rotation.T @ velocity, conditions.motion_blur_px)
        image = self._exposure.expose(seen, index)
        return image[..., None] if image.ndim == 2 else image
