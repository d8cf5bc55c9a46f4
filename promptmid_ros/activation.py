"""What the node has once it is configured, and what lives from activation to deactivation."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from promptmid_core.descriptors import Descriptor
from promptmid_core.errors import InputError
from promptmid_core.georaster.geodetic import Geodetic
from promptmid_core.localization.cameras import CameraInfos
from promptmid_core.localization.intake import Intake
from promptmid_core.localization.localizer import Localizer
from promptmid_core.localization.mounts import Mounts
from promptmid_core.localization.settings import Settings
from promptmid_core.outputs.health_keys import Active, Configured
from promptmid_core.outputs.match_keys import Judged
from promptmid_core.outputs.rates import Rate, StampGaps, Verdicts
from promptmid_core.refmap import region_path
from promptmid_ros.common import Common
from promptmid_ros.guard import Ended
from promptmid_ros.inbox import Arrival, Inbox
from promptmid_ros.outputs import Outputs
from promptmid_ros.queues import Queues
from promptmid_ros.watchdog import Watchdog
from promptmid_ros.worker import Outcome, Worker

# static transforms come in a moment after activation
SETTLE_S = 1.0


@dataclass
class Setup:
    """What configuring makes. `localizer` is replaced when the map is reloaded.

    What is published once for all, camera_info and static transforms, is kept from then on, whether the node is active or not.
    """

    settings: Settings
    localizer: Localizer
    outputs: Outputs
    cameras: CameraInfos
    mounts: Mounts
    geodetic: Geodetic
    hears_transforms: bool = False
    hears_latched: bool = False
    subscriptions: list[Any] = field(default_factory=list)

    def take(self, settings: Settings) -> None:
        """Go by settings that differ in parameters that may change in flight alone."""
        self.settings = settings
        self.localizer.take(settings.options)
        self.outputs.use(settings.match_image_hz)

    @property
    def backend(self) -> tuple[str, str]:
        """What runs the network of the descriptor, and why."""
        return self.health.backend

    @property
    def health(self) -> Configured:
        """What `/diagnostics` tells of it."""
        return Configured.of(self.localizer, datetime.now(UTC).date())


class Activation:
    """The intake and the thread that matches, with what is counted of them. `publish` and `fail` are those of a Worker."""

    def __init__(self, setup: Setup, publish: Callable[[Outcome], None], fail: Callable[[Arrival, str], None]) -> None:
        settings = setup.settings
        if setup.hears_transforms:
            setup.mounts.settle(time.monotonic() + SETTLE_S)
        self._setup, self._publish, self._fail = setup, publish, fail
        self.inbox: Inbox = Inbox()
        self.intake: Intake = Intake(settings.rig, setup.cameras, setup.mounts, geodetic=setup.geodetic)
        self.worker: Worker = self._worker()
        self.watchdog: Watchdog = Watchdog(settings.upkeep)
        self._queues: Queues = Queues()
        self.images: Rate = Rate()
        self.odometry_rate: Rate = Rate()
        self.gaps: StampGaps = StampGaps()
        self.verdicts: Verdicts = Verdicts()
        self.last: Outcome | None = None
        self.told: Judged | None = None

    @property
    def health(self) -> Active:
        """What `/diagnostics` tells of it."""
        return Active(self.intake, self.images, self.gaps, self.odometry_rate, self.verdicts.values(), self.told,
                      self.inbox.received, self.inbox.dropped, self.watchdog.replaced, self.watchdog.problem)

    def take(self, settings: Settings) -> None:
        """Go by the settings that the setup has taken, from the next image on."""
        self.intake.use(settings.rig)
        self.worker.take(settings)
        self.watchdog.upkeep = settings.upkeep

    def watch(self) -> str:
        """Put another worker in the place of one that hangs, and return what that hung in; empty where it is at work.

        Raises Ended where the process has to end.
        """
        waited_s = self.inbox.waited_s()
        if not self.watchdog.hangs(waited_s, self._queues.longest_s(), time.monotonic()):
            return ""
        problem = f"an image has waited {waited_s:.0f} s for its verdict: {self.worker.place()}"
        hand = self.inbox.dismiss()
        if hand is not None:
            self._fail(hand, problem)
        if self.watchdog.ends(problem, self.verdicts.processed):
            raise Ended(problem)
        lost, self.worker = self.worker.lost, self._worker()
        if lost:
            self.worker.relocalize()
        self.worker.start()
        return problem

    def _worker(self) -> Worker:
        # a localizer of its own: one whose thread was left alone with an image may still change its track
        return Worker(self.inbox, self.intake, self._setup.localizer.anew(), self._setup.settings.prior_wait_s, self._publish,
                      self._fail)


def open_localizer(settings: Settings, progress: Callable[[int, int], None] | None = None,
                   loaded: Descriptor | None = None, common: Common | None = None) -> Localizer:
    """Return a localizer that is ready to match; `progress` is told of an engine being built.

    A descriptor that is `loaded` already is used where the map was built with it. What `common` has is shared, without it all is
    opened anew. Raises InputError where map, descriptor or backend cannot be used.
    """
    if settings.map is None:
        raise InputError("parameter map is empty; name the folder of a map")
    common = common or Common()
    reference = common.reference(region_path(settings.map, settings.region))
    if loaded is not None and reference.fingerprint == loaded.fingerprint:
        return Localizer(reference, loaded, settings.options)
    descriptor = common.descriptor(settings.descriptor or reference.descriptor_name, replace(settings.wanted, progress=progress),
                                   reference.fingerprint)
    return Localizer(reference, descriptor, settings.options)
