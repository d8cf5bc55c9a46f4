"""The methods of the bench: each finds what it is made for, says so only when it is sure, and is loaded or refused by name."""

import shutil
from collections.abc import Callable, Iterable
from dataclasses import replace
from itertools import combinations
from pathlib import Path

import cv2
import numpy as np
import pytest
from pair_folders import scene, write_pairs

from promptmid_core.bench.matchers import METHODS, Answer, Matcher, Patch, Reach, Window, load_methods
from promptmid_core.bench.matchers.descriptor import Telling
from promptmid_core.bench.matchers.keypoints import by_shift, by_similarity
from promptmid_core.bench.matchers.surface import SurfaceMatcher, hypotheses
from promptmid_core.bench.pairs import Pair, read_pairs
from promptmid_core.bench.run import Result, run
from promptmid_core.bench.trials import Setting, draw
from promptmid_core.errors import InputError
from promptmid_core.runtime.profile import COMPACT

PEERS = {"aliked", "arosics", "disk", "gefolki", "xfeat"}
OWN = [name for name in METHODS if name not in PEERS]
AFFINE = (0.95, 0.06, 4.0, -0.05, 1.04, 2.0)


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[Pair]]:
    at = tmp_path_factory.mktemp("folders")
    return {"easy": read_pairs(write_pairs(at / "easy", 2)), "skewed": read_pairs(write_pairs(at / "skewed", 2, affine=AFFINE)),
            "inverted": read_pairs(write_pairs(at / "inverted", 2, inverted=True))}


def found(pairs: list[Pair], method: str, setting: Setting) -> list[Result]:
    return run(pairs, draw(pairs, setting)[0], load_methods([method]), setting)


def errors(results: Iterable[Result]) -> np.ndarray:
    return np.array([result.error_px for result in results])


@pytest.mark.parametrize("folder", ["easy", "skewed"])
@pytest.mark.parametrize("method", OWN)
def test_every_method_finds_the_shift_on_easy_pairs(folders: dict[str, list[Pair]], method: str, folder: str) -> None:
    results = found(folders[folder], method, Setting(patch=64, radius=16, trials=6))
    assert np.median(errors(results)) < 0.8
    assert (errors(results) < 2).mean() >= 0.8
    accepted = [result for result in results if result.answer and result.answer.accepted]
    assert accepted and errors(accepted).max() < 2


@pytest.mark.parametrize("method", ["structural", "cfog", "gradient_ncc", "mutual_information"])
def test_tones_may_be_the_other_way_round(folders: dict[str, list[Pair]], method: str) -> None:
    assert np.median(errors(found(folders["inverted"], method, Setting(patch=64, radius=16, trials=6)))) < 0.8


@pytest.mark.parametrize(("method", "yaw_deg", "scale_percent"), [
    ("ncc", 180, 0), ("structural", 180, 0), ("cfog", 10, 10), ("sift", 180, 10)])
def test_an_unknown_turn_and_scale_is_found_too(folders: dict[str, list[Pair]], method: str, yaw_deg: float,
                                                scale_percent: float) -> None:
    results = found(folders["easy"], method, Setting(64, 12, yaw_deg, scale_percent, trials=5))
    good = [result for result in results if result.error_px < 2]
    assert len(good) >= 4
    for result in good:
        assert result.answer is not None
        turn = (result.answer.yaw - result.trial.yaw + np.pi) % (2 * np.pi) - np.pi
        assert abs(turn) < 0.06 and abs(result.answer.scale / result.trial.scale - 1) < 0.06


def test_hypotheses_move_the_middle_of_an_edge_by_three_pixels_at_most() -> None:
    assert list(hypotheses(64, Reach(8))) == [(0.0, 1.0)]
    full = np.array([yaw for yaw, _ in hypotheses(64, Reach(8, np.pi))])
    ring = np.diff([*full, full[0] + 2 * np.pi])
    assert ring.min() == pytest.approx(ring.max()) and ring.max() * 32 <= 3.001
    scales = np.array([scale for _, scale in hypotheses(64, Reach(8, 0, 0.2))])
    assert (scales.min(), scales.max()) == pytest.approx((0.8, 1.2)) and np.diff(scales).max() * 32 <= 3.001
    assert 1.0 in scales and 0.0 in full


class Bumps(SurfaceMatcher):
    """A surface with bumps of given heights at given cells, as wide as the stride allows."""

    name = "bumps"

    def __init__(self, *bumps: tuple[float, int, int], stride: int = 1) -> None:
        self.bumps, self.stride = bumps, stride

    def surface(self, patch: Patch, window: Window) -> np.ndarray:
        cells = (len(window.image) - len(patch.image)) // self.stride + 1
        scores = np.random.default_rng(0).normal(0, 0.01, (cells, cells))
        y, x = np.mgrid[:cells, :cells] - cells // 2
        for height, across, down in self.bumps:
            scores += height * np.exp(-((x - across) ** 2 + (y - down) ** 2) * self.stride ** 2 / 8)
        return scores


@pytest.mark.parametrize(("other", "accepted"), [((1.18, -10, 2), False), ((0.4, -10, 2), True), ((1, 8, -4), True)])
def test_a_rival_elsewhere_spoils_the_gate_but_a_neighbour_does_not(other: tuple[float, int, int], accepted: bool) -> None:
    patch = Patch(np.zeros((16, 16, 3), np.uint8), np.ones((16, 16), bool))
    window = Window(np.zeros((56, 56), np.uint8), np.ones((56, 56), bool), 1.0)
    answer = Bumps((1.2, 6, -4), other).locate(patch, window, Reach(20))
    assert answer is not None and (abs(answer.x - 6) < 1.2, abs(answer.y + 4) < 0.5, answer.accepted) == (True, True, accepted)


def test_cells_are_pixels_times_the_stride_and_answers_stay_in_reach() -> None:
    patch = Patch(np.zeros((16, 16, 3), np.uint8), np.ones((16, 16), bool))
    window = Window(np.zeros((50, 50), np.uint8), np.ones((50, 50), bool), 1.0)
    answer = Bumps((2, 5, -3), (3, 9, 9), stride=2).locate(patch, window, Reach(17))
    assert answer is not None and (answer.x, answer.y) == pytest.approx((10, -6), abs=0.1)


def test_a_window_turns_about_its_centre() -> None:
    image = (255 * scene(3, 101)).astype(np.uint8)
    window = Window(image, np.ones(image.shape, bool), 1.0)
    # a frame that is turned by a right angle from x towards y shows at its right what lies below
    assert (window.turned(np.pi / 2, 1.0, 101).image == cv2.rotate(image, cv2.ROTATE_90_COUNTERCLOCKWISE)).mean() > 0.99
    assert (window.turned(0, 1, 41).image == image[30:71, 30:71]).all()
    assert not window.turned(0, 1.2, 101).valid[:, 0].any()


def test_flat_images_are_no_error() -> None:
    patch = Patch(np.full((32, 32, 3), 80, np.uint8), np.ones((32, 32), bool))
    window = Window(np.full((64, 64), 60, np.uint8), np.ones((64, 64), bool), 60.0)
    for matcher in load_methods(OWN):
        answer = matcher.locate(patch, window, Reach(16))
        assert answer is None or (not answer.accepted and np.isfinite([answer.x, answer.y]).all()), matcher.name


@pytest.mark.parametrize("method", sorted(PEERS))
def test_a_peer_finds_small_shifts_or_says_what_to_install(folders: dict[str, list[Pair]], method: str) -> None:
    try:
        matcher: Matcher = load_methods([method])[0]
    except InputError as missing:
        assert "pip install promptmid_ros[peers]" in str(missing)
        pytest.skip(f"{method} is not installed")
    setting = Setting(patch=96, radius=4, trials=4)
    results = run(folders["easy"], draw(folders["easy"], setting)[0], [matcher], setting)
    assert np.median(errors(results)) < 1.5


@pytest.mark.parametrize("place", [by_shift, by_similarity])
def test_matches_that_agree_are_an_answer_and_others_do_not_count(place: Callable[..., Answer | None]) -> None:
    patch = Patch(np.zeros((32, 32, 3), np.uint8), np.ones((32, 32), bool))
    window = Window(np.zeros((64, 64), np.uint8), np.ones((64, 64), bool), 1.0)
    rng = np.random.default_rng(0)
    seen = rng.uniform(0, 31, (12, 2))
    around = seen + 16 + (5, -7)
    around[:4] = rng.uniform(0, 63, (4, 2))
    answer = place(seen, around, patch, window, Reach(16))
    assert answer is not None and (answer.x, answer.y, answer.accepted) == (pytest.approx(5), pytest.approx(-7), True)
    few = place(seen[2:7], around[2:7], patch, window, Reach(16))
    assert few is not None and not few.accepted
    assert place(seen[4:], around[4:] + 30, patch, window, Reach(16)) is None
    assert place(seen[:0], around[:0], patch, window, Reach(16)) is None


class Nameless:
    gate = "never"


class Named(Nameless):
    name = "ncc"

    def locate(self, patch: Patch, window: Window, reach: Reach) -> Answer | None:
        return None


@pytest.mark.parametrize(("names", "words"), [
    (["nothing"], ["'nothing'", "structural, promptmid, cfog", "package.module:Class"]),
    (["cfog", "cfog"], ["two methods", "'cfog'"]),
    (["ncc", "test_matchers:Named"], ["two methods", "'ncc'"]),
    (["no_such_module:Matcher"], ["no_such_module:Matcher", "ModuleNotFoundError"]),
    (["test_matchers:Nothing"], ["test_matchers:Nothing", "AttributeError"]),
    (["test_matchers:Nameless"], ["test_matchers:Nameless", "docs/bench.md"]),
])
def test_a_method_that_cannot_be_loaded_is_named(names: list[str], words: list[str]) -> None:
    with pytest.raises(InputError) as refused:
        load_methods(names)
    assert all(word in str(refused.value) for word in words), refused.value


@pytest.mark.parametrize("method", ["structural/gradient", "structural/radiometry"])
def test_one_channel_group_of_a_descriptor_is_a_method(folders: dict[str, list[Pair]], method: str) -> None:
    results = found(folders["easy"], method, Setting(patch=64, radius=16, trials=6))
    assert results[0].method == method
    assert np.median(errors(results)) < 0.8


def test_a_channel_group_that_is_none_is_refused() -> None:
    with pytest.raises(InputError, match="no channel group 'colour'; it has gradient, radiometry"):
        load_methods(["structural/colour"])


@pytest.mark.parametrize("method", ["structural@float16", "structural@int8", "structural/gradient@int8"])
def test_a_descriptor_as_a_map_stores_it_is_a_method(folders: dict[str, list[Pair]], method: str) -> None:
    setting = Setting(patch=64, radius=16, trials=6)
    stored, full = found(folders["easy"], method, setting), found(folders["easy"], method.partition("@")[0], setting)
    assert stored[0].method == method
    assert np.abs(errors(stored) - errors(full)).max() < 0.3
    assert (errors(stored) != errors(full)).any()


def test_a_store_that_is_none_is_refused() -> None:
    with pytest.raises(InputError, match="as int4; known are float16, int8"):
        load_methods(["structural@int4"])


def test_two_trained_profiles_of_one_name_are_two_rows(tmp_path: Path) -> None:
    folders = [tmp_path / name for name in ("before", "after")]
    for folder in folders:
        shutil.copytree(COMPACT, folder)
    names = [f"promptmid:{folder}" for folder in folders] + ["promptmid", f"promptmid:{folders[0]}/gradient+learned"]
    assert [matcher.name for matcher in load_methods(names)] == names


def test_what_the_prompt_says_is_a_row_of_its_own(folders: dict[str, list[Pair]]) -> None:
    matchers = load_methods(["promptmid", "cfog"], ["right", "neutral", "wrong"])
    assert [matcher.name for matcher in matchers] == [
        "promptmid", "promptmid neutral prompt", "promptmid wrong prompt", "cfog"]
    pair = replace(folders["easy"][0], landuse="cropland")
    image = np.random.default_rng(0).integers(1, 255, (96, 96), np.uint8)
    patch = Patch(np.repeat(image[16:80, 16:80, None], 3, 2), np.ones((64, 64), bool), pair.landuse)
    surfaces = [matcher.surface(patch, Window(image, np.ones((96, 96), bool), 100.0)) for matcher in matchers[:3]]
    assert all(np.abs(one - other).max() > 1e-4 for one, other in combinations(surfaces, 2))


@pytest.mark.parametrize(("telling", "landuse", "told"), [
    ("right", "cropland", "cropland"), ("neutral", "cropland", None), ("wrong", "cropland", "built-up area"),
    ("wrong", "snow and ice", "forest"), ("right", "agri", "cropland"), ("right", "moon", None), ("wrong", None, None),
])
def test_prompts_say_right_nothing_or_wrong(telling: str, landuse: str | None, told: str | None) -> None:
    assert Telling(telling).told(landuse) == told
