"""How the camera is mounted: chains of transforms, names with a slash, rings, waiting; and the camera_info that is kept."""

import threading
import time
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from flights import CAMERA
from refusals import refused

from promptmid_core.bags import telemetry
from promptmid_core.geometry import NADIR, Pose
from promptmid_core.localization.cameras import KEPT, CameraInfos
from promptmid_core.localization.mounts import Mounts
from promptmid_core.localization.rig import AUTO, BY_PARAMETERS, BY_TRANSFORMS, Rig
from promptmid_core.reasons import Reason

SECOND = 1_000_000_000
START = 1_700_000_000 * SECOND
GIMBAL = Pose.from_rpy([1.0, 2, 3], 0.1, 0.2, 0.3)
LENS = Pose.from_rpy([0.1, 0, -0.2], 0, 0.5, 0) @ NADIR


def transforms(*links: tuple[str, str, Pose]) -> Any:
    made = []
    for parent, child, pose in links:
        (x, y, z), (qx, qy, qz, qw) = pose.position, pose.quaternion()
        transform = SimpleNamespace(translation=SimpleNamespace(x=x, y=y, z=z), rotation=SimpleNamespace(x=qx, y=qy, z=qz, w=qw))
        made.append(SimpleNamespace(header=SimpleNamespace(frame_id=parent), child_frame_id=child, transform=transform))
    return SimpleNamespace(transforms=made)


def mounts(*links: tuple[str, str, Pose], by: str = BY_TRANSFORMS) -> Mounts:
    made = Mounts(Rig(mounted_by=by))
    if links:
        made.add(transforms(*links))
    return made


def same(one: Pose, other: Pose) -> None:
    assert one.position == pytest.approx(other.position, abs=1e-9)
    assert one.rotation == pytest.approx(other.rotation, abs=1e-9)


def test_transforms_are_followed_from_the_aircraft_to_the_camera() -> None:
    same(mounts(("base_link", "gimbal", GIMBAL), ("gimbal", "eye", LENS)).mount("eye"), GIMBAL @ LENS)
    same(mounts(("/base_link", "/gimbal", GIMBAL), ("gimbal", "eye", LENS)).mount("/eye"), GIMBAL @ LENS)
    same(mounts(("frame", "base_link", GIMBAL), ("frame", "eye", LENS)).mount("eye"), GIMBAL.inverse() @ LENS)
    same(mounts(("eye", "base_link", GIMBAL)).mount("eye"), GIMBAL.inverse())
    same(mounts().mount("base_link"), Pose(np.zeros(3), np.eye(3)))
    # both hang from one root by way of a frame that they share: the nearest counts, and the rest cancels
    shared = mounts(("root", "frame", LENS), ("frame", "base_link", GIMBAL), ("frame", "eye", LENS))
    same(shared.mount("eye"), GIMBAL.inverse() @ LENS)


def test_a_later_transform_replaces_the_older() -> None:
    made = mounts(("base_link", "eye", GIMBAL))
    made.add(transforms(("base_link", "eye", LENS)))
    same(made.mount("eye"), LENS)


def test_transforms_that_do_not_join_are_told() -> None:
    made = mounts(("base_link", "gimbal", GIMBAL), ("ring", "eye", LENS), ("eye", "ring", LENS))
    assert "'base_link' and 'eye'" in refused(Reason.CAMERA_MOUNT_UNKNOWN, made.mount, "eye")
    assert refused(Reason.CAMERA_MOUNT_UNKNOWN, made.mount, "")
    assert not made.known("eye") and not made.known("") and made.known("gimbal")


def test_what_tells_how_it_is_mounted_is_said() -> None:
    by_parameters = mounts(("base_link", "eye", LENS), by=BY_PARAMETERS)
    assert by_parameters.source == "parameters"
    assert by_parameters.known("eye") and by_parameters.known("elsewhere")
    same(by_parameters.mount("eye"), NADIR)
    auto = mounts(by=AUTO)
    assert auto.source == "not known yet" and not auto.known("eye")
    same(auto.mount("eye"), NADIR)
    assert auto.source == "straight down: neither parameters nor static transforms tell"
    auto.add(transforms(("base_link", "gimbal", LENS)))
    auto.mount("eye")
    assert auto.source == "straight down, though static transforms do not join 'base_link' and 'eye'"
    auto.add(transforms(("gimbal", "eye", LENS)))
    auto.mount("eye")
    assert auto.source == "static transforms from base_link to eye"


def test_transforms_are_waited_for_until_they_have_settled(monkeypatch: pytest.MonkeyPatch) -> None:
    """By the time that a wait is given, on a clock of the test's own."""
    waits: list[float] = []

    def waiting(made: Mounts) -> Mounts:
        monkeypatch.setattr(made._came, "wait_for", lambda ready, seconds: waits.append(seconds) or ready())
        return made

    monkeypatch.setattr(time, "monotonic", lambda: 100.0)
    late, early, sure = waiting(mounts()), waiting(mounts()), waiting(mounts(by=BY_PARAMETERS))
    late.settle(103.5)
    early.settle(99.0)
    for made in (late, early, sure):
        made.wait("eye")
    assert waits == [3.5, 0.0]


def test_a_wait_ends_when_the_transforms_come() -> None:
    made = mounts()
    made.settle(time.monotonic() + 600)
    threading.Timer(0.05, lambda: made.add(transforms(("base_link", "eye", LENS)))).start()
    made.wait("eye")
    assert made.known("eye")


def info(stamp: int) -> Any:
    return telemetry.camera_info(stamp, CAMERA)


def stamps(infos: CameraInfos) -> list[int]:
    return [stamp - START for stamp, _ in infos._infos]


def test_camera_infos_are_kept_in_their_order() -> None:
    infos = CameraInfos()
    assert not infos.received
    for stamp in (20, 0, 10, 10):
        infos.add(info(START + stamp))
    assert infos.received
    assert stamps(infos) == [0, 10, 20]
    for stamp in range(30, 30 + 2 * KEPT):
        infos.add(info(START + stamp))
    assert stamps(infos) == list(range(30 + KEPT, 30 + 2 * KEPT))


def test_a_camera_info_of_a_second_before_starts_anew() -> None:
    infos = CameraInfos()
    for stamp in (0, 5 * SECOND, 4 * SECOND):
        infos.add(info(START + stamp))
    assert stamps(infos) == [0, 4 * SECOND, 5 * SECOND], "a second back is out of order"
    infos.add(info(START + 4 * SECOND - 1))
    assert stamps(infos) == [4 * SECOND - 1], "more is another clock"


def test_a_camera_info_is_waited_for_as_long_as_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    infos, waits = CameraInfos(), []
    monkeypatch.setattr(infos._came, "wait_for", lambda ready, seconds: waits.append((ready(), seconds)))
    infos.wait(START, 0.25)
    infos.wait(START, -3.0)
    infos.add(info(START))
    infos.wait(START + 1, 0.0)
    infos.camera(START, NADIR)
    infos.wait(START + 1, 2.0)
    assert waits == [(False, 0.25), (False, 0.0), (True, 0.0), (False, 2.0)]
