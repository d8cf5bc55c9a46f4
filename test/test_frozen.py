"""A camera that stands still while the aircraft flies on: its images match where they were taken, and are no fixes."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from flights import CAMERA, START_NS, KnownLocalizer, image, messages, odometry, stamps, true_pose

from promptmid_core.bags.messages import stamp_ns
from promptmid_core.geometry import Prior
from promptmid_core.localization.fix import Frame
from promptmid_core.localization.frozen import FrozenImages
from promptmid_core.localization.intake import Intake
from promptmid_core.localization.rig import Rig
from promptmid_core.reasons import Reason

FRAMES = 12


def shown(stamp: int, taken: int) -> Any:
    """The image that was taken at one stamp under another."""
    return replace(image(taken), header=image(stamp).header)


def flown(taken: list[int], localizer: KnownLocalizer | None = None, hovering: bool = False) -> list[Reason]:
    """The reasons of images taken at these stamps and shown at those of a flight."""
    intake, localizer = Intake(Rig()), localizer or KnownLocalizer()
    for topic, _, message in messages(FRAMES, truth=False):
        if topic == "/odometry":
            stamp = stamp_ns(message.header)
            intake.odometry.add(odometry(stamp, true_pose(START_NS)) if hovering else message)
        elif topic == "/camera_info":
            intake.cameras.add(message)
    return [intake.localize(shown(stamp, its), localizer).fix.reason for stamp, its in zip(stamps(FRAMES), taken, strict=True)]


def test_images_that_differ_are_fixes() -> None:
    assert flown(stamps(FRAMES)) == [Reason.FIX] * FRAMES


@pytest.mark.parametrize("ring", [1, 3, 10])
def test_pixels_that_come_again_from_elsewhere_are_no_fix(ring: int) -> None:
    taken = stamps(FRAMES)
    reasons = flown([taken[number % ring] for number in range(FRAMES)])
    assert reasons == [Reason.FIX] * ring + [Reason.IMAGE_FROZEN] * (FRAMES - ring)


def test_it_goes_on_with_the_first_image_that_is_new() -> None:
    taken = stamps(FRAMES)
    reasons = flown([taken[0]] * 6 + taken[6:])
    assert reasons == [Reason.FIX] + [Reason.IMAGE_FROZEN] * 5 + [Reason.FIX] * 6


def test_the_same_pixels_from_the_same_place_are_as_good_as_before() -> None:
    assert flown([stamps(1)[0]] * FRAMES, hovering=True) == [Reason.FIX] * FRAMES


def test_a_frame_that_is_refused_keeps_its_own_reason() -> None:
    black = KnownLocalizer(refused=dict.fromkeys(stamps(FRAMES), Reason.IMAGE_BLACK))
    assert flown([stamps(1)[0]] * FRAMES, black) == [Reason.IMAGE_BLACK] * FRAMES


def test_the_sentence_tells_how_far_it_has_flown() -> None:
    intake = Intake(Rig())
    for topic, _, message in messages(2, truth=False):
        if topic != "/image/compressed":
            (intake.odometry.add if topic == "/odometry" else intake.cameras.add)(message)
    first, second = stamps(2)
    intake.localize(shown(first, first), KnownLocalizer())
    fix = intake.localize(shown(second, first), KnownLocalizer()).fix
    assert fix.sentence == "the image has the very pixels of one that came 15 m from here; does the camera or its driver hang?"


def test_where_the_way_is_in_doubt_the_same_pixels_may_be_of_the_same_place() -> None:
    localizer, stamp = KnownLocalizer(), stamps(1)[0]
    frame = Frame(stamp, np.arange(48 * 64, dtype=np.uint8).reshape(48, 64), CAMERA)
    found = localizer.match(frame, Prior(stamp, true_pose(stamp), np.eye(6)))
    for doubt, reason in ((20.0, Reason.FIX), (10.0, Reason.IMAGE_FROZEN)):
        frozen = FrozenImages()
        frozen.judged(found, frame.image, np.zeros(3), 5.0)
        assert frozen.judged(found, frame.image, np.array([15.0, 0, 0]), doubt).reason is reason
