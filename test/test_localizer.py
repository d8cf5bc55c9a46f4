"""What a frame of a simulated flight comes to: where it should be, at which level, with which prompt."""

import json
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from refusals import refused
from simulated import Flown

from promptmid_core.descriptors import load
from promptmid_core.errors import InputError
from promptmid_core.geometry import DescriptorMap, Patch, Prior, boresight_point
from promptmid_core.localization.fix import Fix, State
from promptmid_core.localization.localizer import Localizer
from promptmid_core.localization.options import Options
from promptmid_core.localization.reach import scope_of
from promptmid_core.prompts import ClassTable
from promptmid_core.prompts.prompt import LAND_USES, Prompt
from promptmid_core.reasons import Reason
from promptmid_core.refmap import ReferenceMap
from promptmid_core.refmap.chunks import ChunkCache
from promptmid_core.refmap.stored import Stored


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


def test_frame_that_no_level_suits_is_refused(flown: Flown) -> None:
    frame, prior = flown.frames[4], flown.priors[4]
    pose = prior.pose.corrected(np.array([0, 0, 7 * prior.pose.position[2], 0, 0, 0]))
    candidate = flown.localizer.match(frame, replace(prior, pose=pose))
    assert candidate.reason is Reason.FRAME_TOO_COARSE
    assert f"{2 * flown.reference.gsd:.2f} m" in candidate.sentence


def test_options_change_between_frames_and_the_belief_stays(flown: Flown) -> None:
    def shown(localizer: Localizer, index: int) -> Fix:
        return localizer.track(localizer.match(flown.frames[index], flown.priors[index], localizer.expect))

    plain, changed = (flown.localizer.anew() for _ in range(2))
    for index in range(2):
        assert shown(plain, index).accepted and shown(changed, index).accepted
    changed.take(Options.of(risk=1e-9, least_contrast=255.0, most_radius_px=25.0))
    refused = shown(changed, 2)
    assert refused.reason is Reason.LOW_TEXTURE and "less than 255.0" in refused.sentence
    assert refused.state is State.TRACKING and refused.places[0][1] > 0.999
    changed.take(Options())
    assert changed.options == plain.options
    there, here = shown(plain, 3), shown(changed, 3)
    assert here.accepted and here.inflation > 1
    assert here.pose is not None and there.pose is not None
    assert here.pose.position == pytest.approx(there.pose.position, abs=0.3 * flown.reference.gsd)


def test_what_a_belief_is_built_on_cannot_change(flown: Flown) -> None:
    localizer = flown.localizer.anew()
    for name, value in (("patch_px", 128), ("ground_height_m", 10.0), ("independent_fixes", False)):
        with pytest.raises(InputError, match=f"parameter {name} cannot change in flight, from .* to {value}"):
            localizer.take(Options.of(risk=1e-5, **{name: value}))
        assert localizer.options == Options()


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
