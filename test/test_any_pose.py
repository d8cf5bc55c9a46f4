"""No finite pose, camera or covariance makes the program fail: a frame ends in a fix or in a reason, near the ground too."""

from dataclasses import dataclass, replace
from functools import partial
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
from finite import share
from hypothesis import given, settings
from hypothesis import strategies as st
from simulated import Scene

from promptmid_core.bags import telemetry
from promptmid_core.bags.bag import open_bag
from promptmid_core.descriptors import load
from promptmid_core.errors import Refusal
from promptmid_core.geometry import Camera, Pose, Prior
from promptmid_core.geometry.ortho import boresight_point
from promptmid_core.localization.fix import Frame
from promptmid_core.localization.intake import Intake
from promptmid_core.localization.localizer import Localizer
from promptmid_core.localization.options import TrackOptions
from promptmid_core.localization.rig import Rig
from promptmid_core.localization.settings import DEFAULTS
from promptmid_core.reasons import Reason
from promptmid_core.replay.recording import Recording

pytestmark = pytest.mark.slow

SECOND = 1_000_000_000
# metres above the ground, or beside the map's middle
METRES = (st.sampled_from([0.0, 1e-300, 1e-9, 1e-6, 1e-3, 0.1, 1.0, 10.0, 100.0, 1e5, 9e7, -1e-9, -1.0, -1e4])
          | st.floats(-50, 8000) | st.floats(-9e7, 9e7))
ANGLES = st.sampled_from([0.0, 1e-9, 0.3, 1.5, np.pi / 2, 1.5709, np.pi]) | st.floats(-3.2, 3.2)
SIZES = st.sampled_from([(100, 75), (1, 1), (1, 40), (3, 2), (640, 2)])
FOCAL = st.sampled_from([1e-3, 0.1, 90.0, 1e4, 1e8]) | st.floats(1, 1000)
SIGMAS = st.sampled_from([1e-9, 1e-3, 0.1, 10.0, 1e4, 1e9])


@dataclass(frozen=True)
class Flown:
    localizer: Localizer
    frame: Frame
    prior: Prior

    def above(self, metres: float, east: float = 0.0, north: float = 0.0,
              rpy: tuple[float, float, float] = (0.0, 0.0, 0.0)) -> Pose:
        """The pose so many metres above the ground, so far beside the prior."""
        x, y = self.prior.pose.position[:2] + np.array([east, north])
        ground = float(self.localizer.terrain.height(np.array([x]), np.array([y]))[0])
        return Pose.from_rpy(np.array([x, y, ground + metres]), *rpy)

    def seen(self, size: tuple[int, int], focal: float) -> Frame:
        camera = Camera(*size, np.array([[focal, 0, size[0] / 2], [0, focal, size[1] / 2], [0, 0, 1.0]]))
        return replace(self.frame, image=cv2.resize(self.frame.image, size, interpolation=cv2.INTER_AREA), camera=camera)


@pytest.fixture(scope="module")
def flown(scene: Scene) -> Flown:
    reference = scene.reference()
    recording = Recording(open_bag(scene.bag), reference.frame)
    image = list(recording.images())[5]
    return Flown(Localizer(reference, load("structural")), recording.intake.frame(image.message),
                 recording.intake.odometry.at(image.stamp_ns)[0])


ANY_MESSAGE = {"above": METRES, "east": METRES, "north": METRES, "rpy": st.tuples(ANGLES, ANGLES, ANGLES), "size": SIZES,
               "focal": FOCAL, "sigmas": st.none() | st.lists(SIGMAS, min_size=6, max_size=6)}


@settings(max_examples=40, deadline=None)
@given(**ANY_MESSAGE)
def test_any_message_ends_in_a_fix_or_a_reason(flown: Flown, **drawn) -> None:
    ends_in_a_fix_or_a_reason(flown, **drawn)


@pytest.mark.long
@settings(max_examples=400, deadline=None)
@given(**ANY_MESSAGE)
def test_any_message_ends_in_a_fix_or_a_reason_at_length(flown: Flown, **drawn) -> None:
    ends_in_a_fix_or_a_reason(flown, **drawn)


def ends_in_a_fix_or_a_reason(flown: Flown, above, east, north, rpy, size, focal, sigmas) -> None:
    """By the road of node and replay, from the messages to the verdict."""
    stamp, frame = 1_800_000_000 * SECOND, flown.seen(size, focal)
    intake = Intake(Rig.read(DEFAULTS | {"camera_mount": "parameters"}, TrackOptions()))
    intake.cameras.add(telemetry.camera_info(stamp, frame.camera))
    covariance = flown.prior.covariance if sigmas is None else np.diag(np.square(sigmas))
    for at in (stamp - SECOND // 10, stamp + SECOND // 10):
        intake.odometry.add(telemetry.odometry(at, flown.above(above, east, north, rpy), covariance, np.zeros(3), np.zeros(3),
                                               np.eye(6)))
    message = SimpleNamespace(header=telemetry.header(stamp, "camera"), encoding="rgb8", height=size[1], width=size[0],
                              step=3 * size[0], is_bigendian=0, data=np.ascontiguousarray(frame.image).tobytes())
    flown.localizer.reset()
    fix = intake.localize(message, flown.localizer).fix
    assert fix.reason is Reason.FIX or fix.sentence
    assert fix.pose is None or (np.isfinite(fix.pose.position).all() and np.isfinite(fix.covariance).all())


FINITE = st.floats(allow_nan=False, allow_infinity=False)


@settings(max_examples=share(150), deadline=None)
@given(position=st.tuples(FINITE, FINITE, FINITE), k=st.tuples(FINITE, FINITE, FINITE, FINITE),
       d=st.lists(FINITE, min_size=5, max_size=5) | st.just([0.0] * 5), rpy=st.tuples(ANGLES, ANGLES, ANGLES))
def test_any_finite_numbers_are_matched_or_refused(flown: Flown, position, k, d, rpy) -> None:
    """By the localizer alone, also with what no message can bring."""
    try:
        camera = Camera(100, 75, np.array([[k[0], 0, k[1]], [0, k[2], k[3]], [0, 0, 1.0]]), d=np.array(d))
    except ValueError as error:
        assert "camera_info has" in str(error)
        camera = flown.seen((100, 75), 90.0).camera
    frame = replace(flown.seen((100, 75), 90.0), camera=camera)
    for place in (np.array(position), flown.prior.pose.position):
        pose = Pose.from_rpy(place, *rpy)
        candidate = flown.localizer.match(frame, replace(flown.prior, pose=pose))
        assert candidate.reason is Reason.FIX or candidate.sentence


@pytest.mark.parametrize("above", [30.0, 3.0, 0.01, 1e-6, 0.0, -1e-6, -5.0, -500.0])
@pytest.mark.parametrize("tilt", [0.0, 0.3])
def test_on_the_ground_and_just_above_the_footprint_is_small(flown: Flown, above: float, tilt: float) -> None:
    """As of an aircraft that stands, takes off or lands, or whose heights lie below those of the map."""
    for yaw in (0.0, 0.3, 2.0):
        candidate = flown.localizer.match(flown.frame, replace(flown.prior, pose=flown.above(above, rpy=(tilt, 0.0, yaw))))
        assert candidate.reason is Reason.FOOTPRINT_SMALL, candidate.sentence


def test_a_camera_on_the_ground_that_looks_at_the_horizon_is_told_by_the_ground(flown: Flown) -> None:
    camera = flown.frame.camera
    for above, reason in ((-2.0, Reason.FOOTPRINT_SMALL), (0.0, Reason.FOOTPRINT_SMALL), (2.0, Reason.VIEW_NOT_DOWN)):
        with pytest.raises(Refusal) as refused:
            boresight_point(camera, flown.above(above, rpy=(0.0, -1.8, 0.0)), flown.localizer.terrain)
        assert refused.value.reason is reason


def test_a_match_that_turns_the_view_past_the_ground_is_refused_by_it(flown: Flown, monkeypatch) -> None:
    best = flown.localizer._matcher.best

    def turned(*args):
        found = best(*args)
        up = found.match.solution.pose.corrected(np.array([0, 0, 0, np.pi / 2, 0, 0]))
        return replace(found, match=replace(found.match, solution=replace(found.match.solution, pose=up)))

    monkeypatch.setattr(type(flown.localizer._matcher), "best", lambda self, *args: turned(*args))
    candidate = flown.localizer.match(flown.frame, flown.prior)
    assert candidate.reason is Reason.VIEW_NOT_DOWN
    assert candidate.pose is not None and candidate.ties is not None


CAMERAS = {
    "focal length": ({"k": [[1e-300, 0, 50], [0, 1e-300, 37], [0, 0, 1]]}, "no focal length"),
    "middle": ({"k": [[90, 0, 1e200], [0, 90, 37], [0, 0, 1]]}, "none of a camera"),
    "lens": ({"d": [1e200, -1e300, 1e200, 0, 0]}, "none of a camera"),
    "lens that folds": ({"d": [-0.01, 0.6, 3e5, -600, 2.7e7, -0.15, -54, 200],
                         "k": [[1244, 0, -8e5], [0, 1244, 50], [0, 0, 1]]}, "no ray can be told"),
}


@pytest.mark.parametrize("what", CAMERAS)
def test_a_camera_that_computes_nowhere_is_none(what: str) -> None:
    good = {"k": [[90, 0, 50], [0, 90, 37], [0, 0, 1]], "d": [0.0] * 5}
    change, told = CAMERAS[what]
    made, other = (partial(Camera, 100, 75, np.array(values["k"], float), d=np.array(values["d"], float))
                   for values in (good, good | change))
    made()
    with pytest.raises(ValueError, match=told):
        other()
