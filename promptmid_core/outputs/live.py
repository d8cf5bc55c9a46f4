"""What is looked at live: footprint and trail, a picture of the match, the map around; each is made where somebody listens."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator

import numpy as np

from promptmid_core.arrays import Float64
from promptmid_core.errors import Refusal
from promptmid_core.geometry import Pose
from promptmid_core.localization.fix import Fix
from promptmid_core.outputs.contents import Content
from promptmid_core.outputs.markers import markers
from promptmid_core.outputs.match_keys import Judged
from promptmid_core.outputs.surroundings import side_m, surroundings
from promptmid_core.outputs.views import image_content, match_picture
from promptmid_core.refmap import ReferenceMap

TRAIL = 200
MOVED = 0.25  # of the map's side, after which it is sent anew


class Live:
    """Makes the views of a flight, at most `match_image_hz` pictures a second by `clock`, which counts seconds."""

    def __init__(self, match_image_hz: float, clock: Callable[[], float] = time.monotonic) -> None:
        self.match_image_hz, self._clock = match_image_hz, clock
        self._trail: deque[Float64] = deque(maxlen=TRAIL)
        self._drawn_s = -np.inf
        self._sent: tuple[ReferenceMap, Float64] | None = None

    def of(self, judged: Judged, reference: ReferenceMap, wanted: Callable[[str], bool]) -> Iterator[tuple[str, Content]]:
        """Yield the views that are `wanted` of an image, each with the content of its message. Of a map that cannot be read where
        a view needs it there is none: the verdict of the image tells why."""
        fix = judged.fix
        if fix is None:
            return
        if fix.pose is not None:
            self._trail.append(fix.pose.position)
        for name, make in (("footprint", self._footprint), ("map", self._map), ("match_image", self._picture)):
            try:
                content = make(judged, fix, reference) if wanted(name) else None
            except Refusal:
                continue
            if content is not None:
                yield name, content

    def _footprint(self, judged: Judged, fix: Fix, reference: ReferenceMap) -> Content:
        return markers(fix, judged.camera, reference.terrain(), tuple(self._trail))

    def _map(self, judged: Judged, fix: Fix, reference: ReferenceMap) -> Content | None:
        pose = _newest(fix)
        if pose is None or not self._is_elsewhere(pose, reference):
            return None
        content = surroundings(fix.stamp_ns, pose, reference)
        self._sent = (reference, pose.position[:2]) if content is not None else None
        return content

    def _is_elsewhere(self, pose: Pose, reference: ReferenceMap) -> bool:
        """Whether the map that was sent last is another, or is too far off."""
        if self._sent is None or self._sent[0] is not reference:
            return True
        return float(np.abs(pose.position[:2] - self._sent[1]).max()) > MOVED * side_m(reference)

    def _picture(self, judged: Judged, fix: Fix, reference: ReferenceMap) -> Content | None:
        now = self._clock()
        if now < self._drawn_s + 1.0 / self.match_image_hz:
            return None
        self._drawn_s = now
        return image_content(fix.stamp_ns, match_picture(fix, judged.summary, reference))


def _newest(fix: Fix) -> Pose | None:
    return fix.pose or (fix.candidate.prior.pose if fix.candidate.prior else None)
