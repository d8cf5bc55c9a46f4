"""What an image brings: the content of each topic that has something to say of it, live and in a replay."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from math import isfinite

from promptmid_core.georaster.geodetic import Geodetic, North
from promptmid_core.localization.fix import Fix
from promptmid_core.outputs import contents
from promptmid_core.outputs.contents import Content
from promptmid_core.outputs.keys import values_of
from promptmid_core.outputs.match_keys import MATCH, Judged


class Publication:
    """Makes the messages of a flight over one map: `geodetic` is where that lies, `base_frame` the aircraft's frame, and `node`
    the full name of who publishes, as `localizer`."""

    def __init__(self, geodetic: Geodetic, base_frame: str, node: str = "localizer") -> None:
        self._geodetic, self._base_frame, self._node = geodetic, base_frame, node.lstrip("/")

    def of(self, judged: Judged, wanted: Callable[[str], bool]) -> Iterator[tuple[str, Content]]:
        """Yield the topics that an image brings something to, each with the content of its message, in the order in which they
        are published; those that are made on demand where they are `wanted`."""
        fix, stamp = judged.fix, judged.stamp_ns
        if fix is not None:
            yield from self._of_fix(fix)
            if wanted("hypotheses"):
                yield "hypotheses", contents.hypotheses(stamp, fix.places)
        yield "match_diagnostics", contents.diagnostics(stamp, f"{self._node}: match", self._base_frame, judged.summary, MATCH,
                                                        values_of(MATCH, judged))

    def north(self, fix: Fix) -> North | None:
        """Return grid north at the match, or else at the prior; None where that is no place of the map's CRS."""
        prior = fix.candidate.prior
        pose = fix.candidate.pose or (prior.pose if prior else None)
        north = self._geodetic.north(float(pose.position[0]), float(pose.position[1])) if pose is not None else None
        return north if north is not None and isfinite(north.azimuth) and isfinite(north.scale) else None

    def _of_fix(self, fix: Fix) -> Iterator[tuple[str, Content]]:
        stamp, prior, covariance = fix.stamp_ns, fix.candidate.prior, fix.published
        if fix.pose is None or covariance is None or prior is None:
            return
        yield "pose", contents.pose_with_covariance(stamp, fix.pose, covariance)
        if fix.ground is not None:
            yield "ground_point", contents.ground_point(stamp, fix.ground)
        yield "correction", contents.correction(stamp, fix.pose, prior.pose, covariance)
        yield "navsat_fix", contents.navsat_fix(stamp, fix.pose, covariance, self._geodetic, self._base_frame)
