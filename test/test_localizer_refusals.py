"""What a localizer refuses, frames, priors and maps, has its reason and no effect on the rest of a flight."""

import shutil
from copy import copy
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from simulated import Flown, Scene

from promptmid_core.descriptors import load
from promptmid_core.errors import InputError, Refusal
from promptmid_core.geometry import ChannelGroup, Patch, Pose, Prior
from promptmid_core.localization.fix import Candidate, Frame
from promptmid_core.localization.localizer import Localizer
from promptmid_core.localization.options import Options
from promptmid_core.reasons import Reason
from promptmid_core.refmap import ReferenceMap

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("height", [100.0, 3.0, 0.01, 1e-6, 0.0, -1e-6, -5.0])
def test_a_frame_from_just_above_the_ground_is_refused(flown: Flown, height: float) -> None:
    """As of an aircraft that stands on the ground: its footprint is less than a pixel of the map."""
    prior = flown.priors[5]
    ground = float(flown.localizer.terrain.height(*(prior.pose.position[:2, None]))[0])
    low = Pose.from_rpy(np.append(prior.pose.position[:2], ground + height), 0.0, 0.0, 0.3)
    found = flown.localizer.match(flown.frames[5], replace(prior, pose=low))
    assert found.reason in (Reason.FOOTPRINT_SMALL, Reason.VIEW_NOT_DOWN), found.sentence


def test_a_view_of_elsewhere_gives_no_fix(flown: Flown) -> None:
    """The mirrored frame is of ground that is not on the map: of a flight of these not one frame is."""
    localizer = flown.localizer.anew()
    for frame, prior in zip(flown.frames[:4], flown.priors[:4], strict=True):
        decoy = replace(frame, image=np.ascontiguousarray(frame.image[:, ::-1]))
        fix = localizer.track(localizer.match(decoy, prior, localizer.expect))
        assert not fix.accepted and fix.sentence


def changed(frame: Frame, prior: Prior, what: str) -> tuple[Frame, Prior]:
    height = frame.image.shape[0]
    sideways = Pose.from_rpy(prior.pose.position, 0, 1.6, 0)
    low, high = prior.pose.position * (1, 1, 0) + (0, 0, 700), prior.pose.position * (1, 1, 0) + (0, 0, 40_000)
    wide, broken = prior.covariance.copy(), prior.covariance.copy()
    wide[3, 3], broken[1, 1] = 0.2, np.nan
    flat = np.full_like(frame.image, 120)
    changes = {
        "stamp_zero": (replace(frame, stamp_ns=0), prior),
        "image_size": (replace(frame, image=frame.image[: height // 2]), prior),
        "image_black": (replace(frame, image=np.zeros_like(frame.image)), prior),
        "image_saturated": (replace(frame, image=np.full_like(frame.image, 255)), prior),
        "low_texture": (replace(frame, image=flat), prior),
        "prior_invalid": (frame, replace(prior, covariance=broken)),
        "prior_too_uncertain": (frame, replace(prior, covariance=wide)),
        "view_not_down": (frame, replace(prior, pose=sideways)),
        "footprint_small": (frame, replace(prior, pose=Pose(low, prior.pose.rotation))),
        "frame_too_coarse": (frame, replace(prior, pose=Pose(high, prior.pose.rotation))),
    }
    return changes[what]


@pytest.mark.parametrize(
    "what",
    [
        "stamp_zero",
        "image_size",
        "image_black",
        "image_saturated",
        "low_texture",
        "prior_invalid",
        "prior_too_uncertain",
        "view_not_down",
        "footprint_small",
        "frame_too_coarse",
    ],
)
def test_bad_input_has_its_reason_and_no_effect_on_the_next_frame(flown: Flown, what: str) -> None:
    flown.localizer.reset()
    for index in range(4):
        before = flown.localizer.track(flown.localizer.match(flown.frames[index], flown.priors[index], flown.localizer.expect))
    assert before.accepted
    bad = flown.localizer.track(flown.localizer.match(*changed(flown.frames[4], flown.priors[4], what), flown.localizer.expect))
    assert bad.reason == what
    assert bad.sentence
    assert bad.pose is None
    after = flown.localizer.track(flown.localizer.match(flown.frames[5], flown.priors[5], flown.localizer.expect))
    assert after.accepted, after.sentence


def test_a_filter_that_jumps_off_the_map_takes_none_from_a_flight(flown: Flown) -> None:
    flown.localizer.reset()
    for frame, prior in zip(flown.frames[:4], flown.priors[:4], strict=True):
        flown.localizer.track(flown.localizer.match(frame, prior, flown.localizer.expect))
    far = flown.priors[4].pose.corrected(np.array([90_000.0, 0, 0, 0, 0, 0]))
    prior = replace(flown.priors[4], pose=far)
    off = flown.localizer.track(flown.localizer.match(flown.frames[4], prior, flown.localizer.expect))
    assert off.accepted and off.overruled > 100


def test_a_map_of_another_descriptor_is_refused_with_the_command(flown: Flown) -> None:
    from promptmid_core.descriptors.structural import Structural

    with pytest.raises(InputError, match=r"promptmid map build .* --descriptor structural"):
        Localizer(flown.reference, Structural(strength_sigma=3.0))


@pytest.mark.parametrize("change", [{"stride": 4}, {"groups": ()}, {"groups": (ChannelGroup("gradient", 10),)}])
def test_a_map_of_other_channels_is_refused_whatever_its_fingerprint(flown: Flown, change: dict[str, Any]) -> None:
    reference = flown.reference
    header = replace(reference.header, descriptor=replace(reference.header.descriptor, **change))
    other = copy(reference)
    other.header, other.stride = header, header.descriptor.stride
    with pytest.raises(InputError, match="has channels that its descriptor structural does not make"):
        Localizer(other, load("structural"))


def test_damaged_heights_cost_the_frames_that_need_them_and_no_others(flown: Flown, scene: Scene, tmp_path: Path) -> None:
    """A chunk of heights under some frames; their reason is that, whatever else would have stopped them."""
    folder = Path(shutil.copytree(scene.map_path, tmp_path / "map"))
    # small patches, so that not every one lies on all four chunks about the middle of the map
    options = Options.of(patch_px=128)
    whole = Localizer(flown.reference, load("structural"), options)
    sound = [whole.match(frame, prior) for frame, prior in zip(flown.frames, flown.priors, strict=True)]
    dem, side = flown.reference.header.dem_grid, flown.reference._readers["dem"].chunk[0]

    def chunks(patch: Patch) -> set[tuple[int, int]]:
        x_min, y_min, x_max, y_max = patch.grid.bounds
        (left, right), (top, bottom) = dem.to_pixel([x_min, x_max], [y_max, y_min])
        return {(row, col) for row in range(int(top - 4) // side, int(bottom + 4) // side + 1)
                for col in range(int(left - 4) // side, int(right + 4) // side + 1)}

    assert all(candidate.patch for candidate in sound)
    needed = [chunks(candidate.patch) for candidate in sound if candidate.patch]
    # one that about half of the frames need
    hurt = min(set.union(*needed), key=lambda chunk: abs(sum(chunk in those for those in needed) - len(needed) / 2))
    damage_chunk(folder / "0/dem/c" / str(hurt[0] // 2) / str(hurt[1] // 2), hurt[0] % 2, hurt[1] % 2)
    localizer = Localizer(ReferenceMap.open(folder), load("structural"), options)
    reached = {"hurt": 0, "whole": 0}
    for index, (frame, prior) in enumerate(zip(flown.frames, flown.priors, strict=True)):
        candidate = tried(localizer, frame, prior)
        if hurt in needed[index]:
            assert candidate.reason is Reason.MAP_DAMAGED and "heights" in candidate.sentence and candidate.pose is None
            reached["hurt"] += 1
        elif candidate.reason is not Reason.MAP_DAMAGED:
            # a second peak, or a ray on its way, may have met it elsewhere
            assert candidate.reason is sound[index].reason and candidate.scores == sound[index].scores
            reached["whole"] += 1
    assert min(reached.values()) >= 4, (reached, needed, dem, side)


def tried(localizer: Localizer, frame: Frame, prior: Prior) -> Candidate:
    try:
        return localizer.match(frame, prior)
    except Refusal as refusal:
        return Candidate(frame.stamp_ns, prior, refusal.reason, str(refusal))


def damage_chunk(shard: Path, row: int, col: int) -> None:
    """Flip a byte of one of the 2 x 2 chunks of a shard."""
    content = bytearray(shard.read_bytes())
    offset = int(np.frombuffer(content[-68:-4], "<u8").reshape(2, 2, 2)[row, col, 0])
    content[offset + 9] ^= 255
    shard.write_bytes(content)
