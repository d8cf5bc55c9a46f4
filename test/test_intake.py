"""The road of an image: what it waits for and how long, what a refusal costs, what is done with the verdict."""

import time
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from flights import CAMERA, KnownLocalizer, image
from odometry_messages import COVARIANCE, SECOND, START, TURNED, by_hand, flown, message
from refusals import refused

from promptmid_core.bags import telemetry
from promptmid_core.bags.messages import FURTHEST_M
from promptmid_core.errors import Refusal
from promptmid_core.localization.cameras import CameraInfos
from promptmid_core.localization.intake import Intake, pixels
from promptmid_core.localization.mounts import Mounts
from promptmid_core.localization.odometry import Odometry
from promptmid_core.localization.prior import PriorBuffer
from promptmid_core.localization.rig import Rig
from promptmid_core.reasons import Reason

IMAGE = START + SECOND // 20


def ready(frame: str = "map", rig: Rig | None = None) -> Intake:
    """An intake with odometry around IMAGE."""
    intake = Intake(rig or Rig())
    intake.cameras.add(telemetry.camera_info(IMAGE, CAMERA))
    for stamp in (START, START + SECOND // 10):
        intake.odometry.add(message(stamp, frame, flown(stamp) if frame == "map" else TURNED.inverse() @ flown(stamp)))
    return intake


def test_an_image_is_localized_with_what_belongs_to_it() -> None:
    judged = ready().localize(image(IMAGE), KnownLocalizer())
    assert judged.fix.reason is Reason.FIX and judged.fix.accepted
    assert judged.frame is not None and judged.frame.stamp_ns == IMAGE
    assert judged.frame.camera.k == pytest.approx(CAMERA.k)
    assert judged.fix.candidate.prior is not None
    assert judged.fix.candidate.prior.pose.position == pytest.approx(flown(IMAGE).position)
    assert list(judged.fix.candidate.stage_ms) == ["decode", "match", "track"]
    assert judged.fix.candidate.stage_ms["match"] == 1.0


def test_an_image_that_cannot_be_used_is_a_verdict_too() -> None:
    intake = ready()
    for bad, reason, decoded in ((replace(image(IMAGE), data=np.zeros(9, np.uint8)), Reason.IMAGE_CORRUPT, False),
                                 (image(0), Reason.STAMP_ZERO, False), (image(START + 9 * SECOND), Reason.PRIOR_MISSING, True)):
        judged = intake.localize(bad, KnownLocalizer())
        assert judged.fix.reason is reason and judged.fix.sentence and not judged.fix.accepted
        assert (judged.frame is not None) is decoded
        assert judged.fix.candidate.prior is None
        assert list(judged.fix.candidate.stage_ms) == ["decode", "track"]
    refused(Reason.STAMP_ZERO, intake.frame, image(0))
    assert intake.frame(image(1)).stamp_ns == 1


def test_what_belongs_to_an_image_is_waited_for_in_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Odometry as long as may be waited, camera_info as long as is left, the mount until it has settled."""
    intake, waits, clock = ready(), [], iter([100.0, 100.2])
    monkeypatch.setattr(time, "monotonic", lambda: next(clock))
    monkeypatch.setattr(intake.odometry, "wait", lambda stamp, seconds: waits.append(("odometry", stamp, seconds)))
    monkeypatch.setattr(intake.cameras, "wait", lambda stamp, seconds: waits.append(("cameras", stamp, round(seconds, 9))))
    monkeypatch.setattr(intake.mounts, "wait", lambda frame_id: waits.append(("mounts", frame_id)))
    judged = intake.localize(image(IMAGE), KnownLocalizer(), 0.5)
    assert waits == [("odometry", IMAGE, 0.5), ("cameras", IMAGE, 0.3), ("mounts", telemetry.CAMERA_FRAME)]
    assert list(judged.fix.candidate.stage_ms) == ["wait", "decode", "match", "track"]
    waits.clear()
    assert intake.localize(image(0), KnownLocalizer(), 0.5).fix.reason is Reason.STAMP_ZERO
    intake.localize(image(IMAGE), KnownLocalizer())
    assert waits == [], "nothing belongs to an image of no time, and where nothing may be waited nothing is"


def test_a_fix_moves_odom_and_a_refusal_does_not() -> None:
    intake = ready("odom")
    intake.odometry.give(by_hand(START, flown(START), COVARIANCE))
    before = intake.odometry.map_from_odom
    intake.localize(image(IMAGE), KnownLocalizer(refused={IMAGE: Reason.LOW_TEXTURE}))
    assert intake.odometry.map_from_odom is before
    fix = intake.localize(image(IMAGE + 1), KnownLocalizer()).fix
    assert fix.pose is not None
    assert intake.odometry.at(IMAGE + 1)[0].pose.position[:2] == pytest.approx(fix.pose.position[:2])


def test_parts_that_are_given_are_used() -> None:
    cameras, mounts, buffer = CameraInfos(), Mounts(Rig()), PriorBuffer()
    intake = Intake(Rig(), cameras, mounts, shift=np.array([1.0, 2.0, 3.0]), buffer=buffer)
    assert intake.cameras is cameras and intake.mounts is mounts
    intake.odometry.add(message(START))
    assert buffer.at(START).pose.position == pytest.approx(flown(START).position + np.array([1, 2, 3]))


def test_raw_and_compressed_images_are_told_apart_by_their_fields() -> None:
    assert pixels(image(IMAGE)).shape == (CAMERA.height, CAMERA.width)
    raw = SimpleNamespace(encoding="mono8", height=2, width=3, step=3, is_bigendian=0, data=bytes(range(6)))
    assert pixels(raw).tolist() == [[0, 1, 2], [3, 4, 5]]


class TestOdometryIn:
    """What is read of an odometry message, and when."""

    def test_the_shift_is_of_map_alone(self) -> None:
        shift = np.array([100.0, -200.0, 5.0])
        local = Odometry(Rig(), shift)
        local.add(message(START, "odom", TURNED.inverse() @ flown(START)))
        local.give(by_hand(START, flown(START), COVARIANCE))
        assert local.at(START)[0].pose.position == pytest.approx(flown(START).position + shift)
        assert local.frame == "odom"

    def test_the_ends_of_the_earth(self) -> None:
        for far, reason in ((FURTHEST_M, None), (-FURTHEST_M, None), (np.nextafter(FURTHEST_M, np.inf), Reason.PRIOR_INVALID)):
            odometry = Odometry(Rig())
            odometry.add(message(START, pose=replace(flown(START), position=np.array([0.0, far, 0.0]))))
            assert (odometry.refusal.reason if odometry.refusal else None) is reason

    def test_it_waits_for_a_stamp_at_or_after_the_image(self, monkeypatch: pytest.MonkeyPatch) -> None:
        odometry, waits = Odometry(Rig()), []
        monkeypatch.setattr(odometry._came, "wait_for", lambda ready, seconds: waits.append((ready(), seconds)))
        odometry.add(message(START))
        for stamp in (START - 1, START, START + 1):
            odometry.wait(stamp, 0.7)
        assert waits == [(True, 0.7), (True, 0.7), (False, 0.7)]

    def test_a_pose_by_hand_is_of_its_stamp_where_odometry_is_near_it(self) -> None:
        odometry = Odometry(Rig())
        for stamp in range(START, START + 2 * SECOND, SECOND // 10):
            odometry.add(message(stamp, "odom", TURNED.inverse() @ flown(stamp)))
        early = START + SECOND // 4
        odometry.give(by_hand(early, flown(early), COVARIANCE))
        assert odometry.at(START + SECOND)[0].pose.position == pytest.approx(flown(START + SECOND).position)
        odometry.give(by_hand(START - 9 * SECOND, flown(START), COVARIANCE))
        newest = START + 19 * SECOND // 10
        assert odometry.at(newest)[0].pose.position == pytest.approx(flown(START).position), "else of the newest"

    def test_a_planar_pose_has_no_height_and_no_tilt(self) -> None:
        odometry = Odometry(Rig())
        odometry.add(message(START, "odom", TURNED.inverse() @ flown(START)))
        odometry.give(by_hand(START, replace(flown(START), position=np.zeros(3)), np.diag([4.0, 9, 0, 0, 0, 0.01])))
        found, anchor = odometry.at(START)
        assert found.pose.position == pytest.approx([0, 0, 3000])
        assert anchor is not None
        assert np.diag(anchor.covariance) == pytest.approx([4, 9, 0, 0, 0, 0.01])
        with pytest.raises(Refusal, match="variance 0 in pitch"):
            odometry.give(by_hand(START, flown(START), np.diag([4.0, 9, 1, 1, 0, 0.01])))

    def test_another_frame_twice_forgets_what_was(self) -> None:
        odometry = Odometry(Rig())
        odometry.give(by_hand(START, flown(START), COVARIANCE))
        for tenth in range(5):
            odometry.add(message(START + tenth * SECOND // 10, "odom"))
        assert odometry.map_from_odom is not None
        for tenth in (5, 6, 7):
            odometry.add(message(START + tenth * SECOND // 10))
        assert odometry.map_from_odom is None and odometry.frame == "map"
        refused(Reason.PRIOR_MISSING, odometry.at, START)
        assert odometry.at(START + 6 * SECOND // 10 + 1)[1] is None

    def test_a_fix_of_another_anchor_or_none_moves_nothing(self) -> None:
        odometry = Odometry(Rig())
        odometry.add(message(START, "odom"))
        odometry.give(by_hand(START, flown(START), COVARIANCE))
        _, anchor = odometry.at(START)
        accepted: Any = SimpleNamespace(stamp_ns=START, pose=flown(START + SECOND), covariance=COVARIANCE)
        refusal = SimpleNamespace(**vars(accepted) | {"pose": None, "covariance": None})
        for fix, of in ((accepted, None), (refusal, anchor)):
            odometry.take(fix, of)
            assert odometry.at(START)[1] is anchor
        odometry.take(accepted, anchor)
        assert odometry.at(START)[1] is not anchor
        assert odometry.at(START)[0].pose.position[0] == pytest.approx(flown(START + SECOND).position[0])
