"""The whole chain on a simulated flight: fixes where they should be, reasons where they should be."""

import json
import shutil
from copy import copy
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from refusals import refused
from simulated import Scene

from promptmid_core.bags.bag import open_bag
from promptmid_core.descriptors import load
from promptmid_core.errors import InputError, Refusal
from promptmid_core.geometry import ChannelGroup, DescriptorMap, Patch, Pose, Prior, boresight_point
from promptmid_core.localization.fix import Candidate, Frame
from promptmid_core.localization.localizer import Localizer
from promptmid_core.localization.options import Options
from promptmid_core.localization.reach import scope_of
from promptmid_core.prompts import ClassTable
from promptmid_core.prompts.prompt import LAND_USES, Prompt
from promptmid_core.reasons import Reason
from promptmid_core.refmap import ReferenceMap
from promptmid_core.refmap.chunks import ChunkCache
from promptmid_core.refmap.stored import Stored
from promptmid_core.replay.metrics import summarise
from promptmid_core.replay.recording import Recording
from promptmid_core.replay.run import replay
from promptmid_core.simulation.flight.options import FlightOptions
from promptmid_core.simulation.flight.simulate import simulate_flight

pytestmark = pytest.mark.slow


@dataclass(frozen=True)
class Flown:
    """The frames of the flight with their priors and true poses."""

    reference: ReferenceMap
    localizer: Localizer
    frames: list[Frame]
    priors: list[Prior]
    truths: list[Pose]

    def ground_error_px(self, candidate: Candidate, index: int) -> float:
        assert candidate.pose is not None
        camera, terrain = self.frames[index].camera, self.localizer.terrain
        found, true = (boresight_point(camera, pose, terrain) for pose in (candidate.pose, self.truths[index]))
        return float(np.linalg.norm(found - true)) / self.reference.gsd


@pytest.fixture(scope="module")
def flown(scene: Scene) -> Flown:
    reference = scene.reference()
    recording = Recording(open_bag(scene.bag), reference.frame)
    frames, priors, truths = [], [], []
    for image in recording.images():
        truth = recording.truth(image.stamp_ns)
        assert truth is not None
        frames.append(recording.intake.frame(image.message))
        priors.append(recording.intake.odometry.at(image.stamp_ns)[0])
        truths.append(truth)
    return Flown(reference, Localizer(reference, load("structural")), frames, priors, truths)


def test_a_flight_comes_to_what_is_known_of_it(flown: Flown) -> None:
    """flight_candidates.json: what its frames come to by their priors alone; it tells of every change to how a frame is matched.
    All are within half a pixel of the truth."""
    frozen = json.loads(Path(__file__).with_name("flight_candidates.json").read_text())
    for index, (frame, prior, expected) in enumerate(zip(flown.frames, flown.priors, frozen, strict=True)):
        candidate = flown.localizer.match(frame, prior)
        assert flown.ground_error_px(candidate, index) < 0.55
        assert candidate.reason == expected["reason"]
        assert candidate.pose is not None
        assert candidate.covariance is not None
        assert candidate.pose.position == pytest.approx(np.array(expected["position"]), abs=0.005 * flown.reference.gsd)
        assert np.array(candidate.pose.rpy()) == pytest.approx(np.array(expected["rpy"]), abs=1e-5)
        assert np.sqrt(np.diag(candidate.covariance))[[0, 1, 5]] == pytest.approx(np.array(expected["sigma"]), rel=0.01)
        assert candidate.scores == pytest.approx(expected["scores"], abs=0.02)


def test_a_flight_is_localized(scene: Scene) -> None:
    reference = scene.reference()
    summary = summarise(replay(scene.bag, Localizer(reference, load("structural")), reference))
    assert summary["fixes"] == 16
    assert summary["false_fixes"] == 0
    assert summary["ground_error_px"]["median"] < 1.0
    assert summary["prior_error_px"]["median"] > 5 * summary["error_px"]["median"]


def test_a_flight_at_four_times_the_height_is_localized_on_a_coarser_level(scene: Scene, tmp_path: Path) -> None:
    """Frames of which a pixel shows 2.6 map pixels: too coarse for level 0."""
    simulate_flight(scene.optical, tmp_path / "high", FlightOptions.of(frames=12, seed=5, footprint_px=560, drift_px=30,
                    yaw_error_deg=3, altitude_error_percent=2, image_size=(288, 216)), dem=scene.dem)
    reference = scene.reference()
    assert reference.levels == 2
    summary = summarise(replay(tmp_path / "high", Localizer(reference, load("structural")), reference))
    assert summary["fixes"] >= 11
    assert summary["false_fixes"] == 0
    assert summary["ground_error_px"]["median"] < 1.0  # of level 0


def test_frame_that_no_level_suits_is_refused(flown: Flown) -> None:
    frame, prior = flown.frames[4], flown.priors[4]
    pose = prior.pose.corrected(np.array([0, 0, 7 * prior.pose.position[2], 0, 0, 0]))
    candidate = flown.localizer.match(frame, replace(prior, pose=pose))
    assert candidate.reason is Reason.FRAME_TOO_COARSE
    assert f"{2 * flown.reference.gsd:.2f} m" in candidate.sentence


def test_two_runs_are_bit_identical(flown: Flown) -> None:
    once, twice = (flown.localizer.match(flown.frames[3], flown.priors[3]) for _ in range(2))
    assert once.pose is not None and twice.pose is not None
    assert (once.pose.position == twice.pose.position).all()
    assert (once.pose.rotation == twice.pose.rotation).all()
    assert (once.covariance == twice.covariance).all()
    assert once.scores == twice.scores


@pytest.mark.parametrize("index", [2, 7, 12])
def test_the_prior_gives_the_window_but_no_information(flown: Flown, index: int) -> None:
    """Doubling its x, y variance moves x, y by less than 0.05 px and the covariance by less than 1 %."""
    prior = flown.priors[index]
    wide = prior.covariance.copy()
    wide[:2] *= np.sqrt(2)
    wide[:, :2] *= np.sqrt(2)
    once = flown.localizer.match(flown.frames[index], prior)
    twice = flown.localizer.match(flown.frames[index], replace(prior, covariance=wide))
    assert once.reason is twice.reason is Reason.FIX
    assert once.pose is not None and twice.pose is not None and once.covariance is not None and twice.covariance is not None
    assert np.abs(once.pose.position - twice.pose.position)[:2].max() < 0.05 * flown.reference.gsd
    seen = np.ix_([0, 1, 5], [0, 1, 5])
    assert np.abs(twice.covariance[seen] / once.covariance[seen] - 1)[[0, 1, 2], [0, 1, 2]].max() < 0.01


def test_a_heading_that_is_hardly_known_is_searched(flown: Flown) -> None:
    """The patch is described again per heading: 25 degrees off, with a sigma of 12 degrees."""
    prior = flown.priors[5]
    off = prior.pose.corrected(np.array([0, 0, 0, 0, 0, np.deg2rad(25.0)]))
    covariance = prior.covariance.copy()
    covariance[5, 5] = np.deg2rad(12.0) ** 2
    found = flown.localizer.match(flown.frames[5], Prior(prior.stamp_ns, off, covariance))
    assert found.reason is Reason.FIX, found.sentence
    assert flown.ground_error_px(found, 5) < 2
    assert found.pose is not None
    assert abs(np.rad2deg(found.pose.correction_from(flown.truths[5])[5])) < 1.5


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


def test_a_localizer_made_anew_shares_nothing_that_changes(flown: Flown) -> None:
    one = flown.localizer.anew()
    first = [one.track(one.match(frame, prior, one.expect))
             for frame, prior in zip(flown.frames[:3], flown.priors[:3], strict=True)]
    other = one.anew()
    again = [other.track(other.match(frame, prior, other.expect))
             for frame, prior in zip(flown.frames[:3], flown.priors[:3], strict=True)]
    assert [fix.state for fix in first] == [fix.state for fix in again]
    for fix, same in zip(first, again, strict=True):
        assert fix.probability == same.probability and fix.candidate.scores == same.candidate.scores
        assert [(pose.position.tolist(), share) for pose, share in fix.places] == [
            (pose.position.tolist(), share) for pose, share in same.places]


def test_to_match_without_an_expectation_is_to_match_by_the_prior_alone(flown: Flown) -> None:
    localizer = flown.localizer.anew()
    for index in range(3):
        localizer.track(localizer.match(flown.frames[index], flown.priors[index], localizer.expect))
    alone, fresh = (each.match(flown.frames[3], flown.priors[3]) for each in (localizer, localizer.anew()))
    assert alone.scores == fresh.scores and alone.pose.position.tolist() == fresh.pose.position.tolist()
    tracked = localizer.match(flown.frames[3], flown.priors[3], localizer.expect)
    assert tracked.expected.radius < alone.expected.radius and tracked.expected.yaw < alone.expected.yaw


@pytest.mark.parametrize("footprint_px", [160, 128])
def test_a_small_footprint_is_matched_as_what_it_is(scene: Scene, tmp_path: Path, footprint_px: int) -> None:
    """Of a patch of 256 px it fills a third, or a fifth."""
    simulate_flight(scene.optical, tmp_path / "low", FlightOptions.of(frames=12, seed=5, footprint_px=footprint_px,
                    drift_px=10, yaw_error_deg=2, altitude_error_percent=1, image_size=(400, 300)), dem=scene.dem)
    reference = scene.reference()
    summary = summarise(replay(tmp_path / "low", Localizer(reference, load("structural")), reference))
    assert summary["false_fixes"] == 0 and summary["fixes"] >= 9
    assert summary["ground_error_px"]["median"] < 1.2


def test_two_replays_give_the_same(scene: Scene) -> None:
    reference = scene.reference()
    once, twice = (replay(scene.bag, Localizer(reference, load("structural")), reference).frames for _ in range(2))
    for one, other in zip(once, twice, strict=True):
        assert (one.fix.reason, one.fix.state, one.fix.probability) == (other.fix.reason, other.fix.state, other.fix.probability)
        assert one.fix.candidate.scores == other.fix.candidate.scores
        assert (one.fix.covariance is None) == (other.fix.covariance is None)
        if one.fix.pose is not None:
            assert (one.fix.pose.position == other.fix.pose.position).all() and (one.fix.covariance == other.fix.covariance).all()


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


def test_grey_frames_do_as_well(flown: Flown) -> None:
    frame = flown.frames[6]
    grey = flown.localizer.match(replace(frame, image=cv2.cvtColor(frame.image, cv2.COLOR_RGB2GRAY)), flown.priors[6])
    assert grey.reason is Reason.FIX
    assert flown.ground_error_px(grey, 6) < 2


def test_the_patch_is_described_with_the_prompt_of_the_ground_under_it(flown: Flown) -> None:
    told = []

    class Listening:
        def __getattr__(self, name: str) -> object:
            return getattr(flown.localizer.descriptor, name)

        def describe(self, patch: Patch, prompt: Prompt) -> DescriptorMap:
            told.append((patch, prompt))
            return flown.localizer.descriptor.describe(patch, prompt)

    localizer = Localizer(flown.reference, Listening())
    for index in range(0, 16, 3):
        candidate = localizer.match(flown.frames[index], flown.priors[index])
        patch, prompt = told[-1]
        assert candidate.prompt == prompt
        col, row = (round(float(value)) for value in flown.reference.grid.to_pixel(patch.grid.x, patch.grid.y))
        codes = flown.reference.landuse(col, row, patch.grid.width, patch.grid.height)
        assert codes is not None
        ids = ClassTable.load("worldcover").prompt_ids()[codes.image.astype(int)]
        counts = np.bincount(ids[codes.valid], minlength=10) / max(codes.valid.sum(), 1)
        assert prompt.landuse == (LAND_USES[counts.argmax() - 1] if counts.max() > 0.5 else None)


def test_a_map_that_is_off_by_its_hills_says_so_in_every_fix(flown: Flown) -> None:
    reference = flown.reference
    sharp = flown.localizer.match(flown.frames[5], flown.priors[5])
    header = replace(reference.header, registration_sigma_m=40.0)
    stored = Stored(reference.path, header, ChunkCache(0), prefetch=False)
    far = ReferenceMap(reference.path, header, 0, reference.vocabulary, stored)
    vague = Localizer(far, load("structural")).match(flown.frames[5], flown.priors[5])
    assert sharp.covariance is not None and vague.covariance is not None
    own = (flown.localizer.options.errors.registration_sigma_px * reference.gsd) ** 2
    added = (vague.covariance - sharp.covariance)[[0, 1], [0, 1]]
    assert added == pytest.approx(40.0**2 - own, rel=1e-6)


def test_a_frame_is_matched_at_the_finest_level_not_finer_than_half_its_resolution(flown: Flown) -> None:
    """Just below two map pixels to a pixel of the image it is level 0, just above it level 1; above four it is refused."""
    camera = replace(flown.frames[5].camera, k=np.array([[100.0, 0, 399.5], [0, 110.0, 299.5], [0, 0, 1]]), d=np.zeros(5))
    prior, gsd, terrain = flown.priors[5], flown.reference.gsd, flown.localizer.terrain
    reach = float(np.linalg.norm(boresight_point(camera, prior.pose, terrain) - prior.pose.position))

    def level(pixels: float) -> int:
        scale = reach / (pixels * gsd) / 110.0
        finer = replace(camera, k=camera.k * np.array([[scale, 1, 1], [1, scale, 1], [1, 1, 1]]))
        frame = replace(flown.frames[5], camera=finer)
        expected = flown.localizer.anew().expect(frame, prior)
        return scope_of(frame, expected, flown.reference, terrain, flown.localizer.options).level.level

    assert [level(pixels) for pixels in (1.99999, 2.00001, 3.99999)] == [0, 1, 1]
    assert "more than twice" in refused(Reason.FRAME_TOO_COARSE, level, 4.00001)
