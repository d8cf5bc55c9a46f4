"""Over ground that is not on the map no autopilot is told anything; over ground that is, each fix reaches it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import numpy as np
import pytest
from simulated import Flown

pytest.importorskip("rclpy", reason="needs ROS 2's rclpy")

from promptmid_core.autopilot.options import RelayOptions
from promptmid_core.autopilot.relay import Relay
from promptmid_core.autopilot.silence import Silence
from promptmid_core.geometry import Prior
from promptmid_core.georaster.geodetic import Geodetic
from promptmid_core.localization.fix import Frame
from promptmid_core.outputs import contents
from promptmid_core.outputs.keys import values_of
from promptmid_core.outputs.match_keys import MATCH, Judged
from promptmid_core.outputs.topics import DIAGNOSTICS, POSE, TOPICS
from promptmid_ros.conversions import kind_of
from promptmid_ros.conversions import message as made

pytestmark = pytest.mark.slow


def told(flown: Flown, frames: Iterable[tuple[Frame, Prior]]) -> tuple[int, int, list[Silence]]:
    """Localize frames, publish what the node does to a relay, and return fixes, those that reached it, and its silence after
    each frame."""
    localizer, relay, silences = flown.localizer.anew(), Relay(RelayOptions()), []
    geodetic = Geodetic(flown.reference.frame, flown.reference.vertical_datum)
    fixes = reached = 0
    for frame, prior in frames:
        fix = localizer.track(localizer.match(frame, prior, localizer.expect))
        if fix.pose is not None and fix.published is not None:
            fixes += 1
            relay.add_pose(made(kind_of(POSE), contents.pose_with_covariance(fix.stamp_ns, fix.pose, fix.published)))
            place = contents.navsat_fix(fix.stamp_ns, fix.pose, fix.published, geodetic, "base_link")
            relay.add_place(made(kind_of(TOPICS["navsat_fix"].kind), place))
        judged = Judged(fix.stamp_ns, fix, 1.0, north=geodetic.north(*prior.pose.position[:2].tolist()))
        message = made(kind_of(DIAGNOSTICS), contents.diagnostics(fix.stamp_ns, "match", "", "", MATCH, values_of(MATCH, judged)))
        reached += relay.add_verdict(message) is not None
        silences.append(relay.silent(fix.stamp_ns))
    return fixes, reached, silences


@pytest.mark.parametrize(("axis", "count"), [
    (1, 2), pytest.param(0, 15, marks=pytest.mark.long), pytest.param(1, 15, marks=pytest.mark.long)])
def test_over_a_decoy_nothing_reaches_an_autopilot(flown: Flown, axis: int, count: int) -> None:
    """A mirrored frame shows ground that is nowhere on the map: the two longer flights have thirty."""
    decoys = [(replace(frame, image=np.ascontiguousarray(np.flip(frame.image, axis))), prior)
              for frame, prior in zip(flown.frames[:count], flown.priors[:count], strict=True)]
    assert told(flown, decoys) == (0, 0, [Silence.NO_FIX] * count)


def test_over_the_map_each_fix_reaches_an_autopilot(flown: Flown) -> None:
    fixes, reached, silences = told(flown, zip(flown.frames[:4], flown.priors[:4], strict=True))
    assert fixes == reached >= 3
    assert silences.count(Silence.SPEAKING) == fixes
