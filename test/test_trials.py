"""Trials of the pair benchmark: what a method is given, and where the truth lies in it."""

import shutil
from collections import Counter
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pair_folders import COLUMNS, write_pairs

from promptmid_core.bench.matchers.matcher import rotation
from promptmid_core.bench.pairs import Pair, read_images, read_pairs
from promptmid_core.bench.trialfile import read_trials, write_trials
from promptmid_core.bench.trials import Setting, Trial, cut, draw, truth
from promptmid_core.errors import InputError

AFFINE = (0.9, 0.1, 12.0, -0.08, 1.1, 5.0)


@pytest.fixture(scope="module")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> list[Pair]:
    return read_pairs(write_pairs(tmp_path_factory.mktemp("pairs") / "aligned", 3))


def ramp_pair(folder: Path, affine: tuple[float, ...], size: int = 240) -> Pair:
    """A pair whose SAR pixel at (x, y) is known to the camera: red holds x and green holds y of the SAR image."""
    y, x = np.mgrid[:size, :size].astype(float)
    a = np.array(affine).reshape(2, 3)
    seen = np.stack([a[0, 0] * x + a[0, 1] * y + a[0, 2], a[1, 0] * x + a[1, 1] * y + a[1, 2], np.full_like(x, 9)], axis=-1)
    folder.mkdir()
    cv2.imwrite(str(folder / "o.png"), np.clip(np.rint(seen), 0, 255).astype(np.uint8)[..., ::-1])
    cv2.imwrite(str(folder / "s.png"), np.clip(x + 1, 0, 255).astype(np.uint8))
    row = ",".join(["p", "o.png", "s.png", "", "", *map(str, affine)])
    (folder / "pairs.csv").write_text(f"{','.join(COLUMNS)}\n{row}\n")
    return read_pairs(folder)[0]


@pytest.mark.parametrize(("affine", "yaw_deg", "scale_percent"), [
    ((1, 0, 0, 0, 1, 0), 0, 0), (AFFINE, 0, 0), ((1, 0, 0, 0, 1, 0), 25, 0), (AFFINE, 180, 15), ((0, 1, 0, -1, 0, 239), 0, 0),
])
def test_a_patch_pixel_shows_the_place_that_the_trial_says(tmp_path: Path, affine, yaw_deg, scale_percent) -> None:
    pair = ramp_pair(tmp_path / "ramp", affine)
    setting = Setting(patch=32, radius=8, yaw_deg=yaw_deg, scale_percent=scale_percent, trials=5)
    offset = np.stack(np.meshgrid(np.arange(32) - 15.5, np.arange(32) - 15.5), axis=-1)
    for trial in draw([pair], setting)[0]:
        patch, window = cut(pair, trial, setting)
        shown = truth(pair, trial) + offset @ (trial.scale * rotation(trial.yaw)).T
        # half a grey level of the ramp, and of the interpolation
        assert np.abs(patch.image[..., :2] - shown).max() <= 1.6
        middle = (setting.window_px - 1) / 2
        # the window's centre is the prior: the truth less the shift
        where = (window.image[int(middle), int(middle)] - 1.0 + window.image[int(middle), int(middle) + 1] - 1.0) / 2
        assert where == pytest.approx(truth(pair, trial)[0] + trial.shift[0], abs=0.6)


def test_pixels_of_an_aligned_pair_are_taken_as_they_are(pairs: list[Pair]) -> None:
    setting = Setting(patch=40, radius=20, trials=9)
    for trial in draw(pairs, setting)[0]:
        pair = next(pair for pair in pairs if pair.id == trial.pair)
        patch, window = cut(pair, trial, setting)
        images = read_images(pair)
        left, top = (int(v) for v in np.array(trial.centre) - 19.5)
        assert (patch.image == images.optical[top:top + 40, left:left + 40]).all()
        left, top = left + trial.shift[0] - 20, top + trial.shift[1] - 20
        assert (window.image == images.sar[top:top + 80, left:left + 80]).all()
        assert window.valid.all()


def test_trials_are_seeded_and_spread_evenly(pairs: list[Pair]) -> None:
    setting = Setting(patch=32, radius=10, trials=20)
    trials, left_out = draw(pairs, setting)
    assert trials == draw(pairs, setting)[0]
    assert trials != draw(pairs, replace(setting, seed=2))[0]
    assert sorted(Counter(trial.pair for trial in trials).values()) == [6, 7, 7]
    assert left_out == {"aligned": 0}
    shifts = np.array([trial.shift for trial in trials])
    assert np.abs(shifts).max() <= 10
    assert {trial.yaw for trial in trials} == {0.0}


def test_what_a_pair_is_called_does_not_change_its_trials(pairs: list[Pair], tmp_path: Path) -> None:
    folder = shutil.copytree(pairs[0].optical.parents[1], tmp_path / "of another name")
    table = folder / "pairs.csv"
    table.write_text(table.read_text().replace("\np", "\nplace-"))
    setting = Setting(patch=32, radius=10, trials=9)

    def drawn(of: list[Pair]) -> list[Trial]:
        return [replace(trial, source="", pair="") for trial in draw(of, setting)[0]]

    assert drawn(read_pairs(folder)) == drawn(pairs)


def test_a_pair_that_is_there_twice_gives_other_trials_the_second_time(pairs: list[Pair]) -> None:
    twice = [pairs[0], replace(pairs[0], id="again"), pairs[1]]
    places = {(trial.centre, trial.shift) for trial in draw(twice, Setting(patch=32, radius=10, trials=12))[0]}
    assert len(places) == 12


def test_a_draw_does_not_depend_on_other_sources(pairs: list[Pair]) -> None:
    setting = Setting(patch=32, radius=10, trials=6)
    others = [replace(pair, source="other") for pair in pairs]
    of_both = draw([*others, *pairs], replace(setting, trials=12))[0]
    assert [trial for trial in of_both if trial.source == pairs[0].source] == draw(pairs, setting)[0]


def test_trials_are_a_total_over_all_sources(pairs: list[Pair]) -> None:
    others = [replace(pair, source="other") for pair in pairs]
    trials = draw([*others, *pairs], Setting(patch=32, radius=10, trials=13))[0]
    assert len(trials) == 13
    assert sorted(Counter((trial.source, trial.pair) for trial in trials).values()) == [2, 2, 2, 2, 2, 3]
    with pytest.raises(InputError, match=r"1 trials on 6 pairs leave source .* without one"):
        draw([*others, *pairs], Setting(patch=32, radius=10, trials=1))


def test_patches_hold_at_most_a_percent_of_nodata(tmp_path: Path) -> None:
    folder = write_pairs(tmp_path / "holes", 2)
    optical = cv2.imread(str(folder / "optical/0.png"))
    optical[:, :80] = 0
    cv2.imwrite(str(folder / "optical/0.png"), optical)
    cv2.imwrite(str(folder / "optical/1.png"), np.zeros_like(optical))
    pairs, setting = read_pairs(folder), Setting(patch=32, radius=8, trials=10)
    trials, left_out = draw(pairs, setting)
    assert left_out == {"holes": 1}
    assert {trial.pair for trial in trials} == {"p0"}
    for trial in trials:
        assert cut(pairs[0], trial, setting)[0].valid.mean() >= 0.99


def test_pairs_without_room_are_refused_in_one_sentence(pairs: list[Pair]) -> None:
    with pytest.raises(InputError, match="window of 320 px"):
        draw(pairs, Setting(patch=256, radius=32))


@given(st.integers(8, 200), st.integers(1, 80), st.floats(0, 180), st.floats(0, 50))
def test_the_window_holds_the_patch_wherever_it_may_lie(patch: int, radius: int, yaw_deg: float, scale_percent: float) -> None:
    setting = Setting(patch, radius, yaw_deg, scale_percent)
    assert (setting.window_px - patch) % 2 == (setting.upright_px - patch) % 2 == 0
    for yaw in np.radians(np.linspace(0, yaw_deg, 7)):
        reach = patch / 2 * (1 + scale_percent / 100) * (abs(np.cos(yaw)) + abs(np.sin(yaw))) + radius
        assert setting.window_px / 2 >= reach - 1e-6


def test_what_lies_outside_the_sar_image_is_mirrored_in_and_marked(pairs: list[Pair]) -> None:
    setting = Setting(patch=64, radius=8, yaw_deg=45, trials=1)
    trial = Trial(pairs[0].source, pairs[0].id, (45.5, 99.5), (0, 0))
    window = cut(pairs[0], trial, setting)[1]
    outside = -int(45.5 - (setting.window_px - 1) / 2)
    assert outside > 0
    assert not window.valid[:, :outside].any() and window.valid[:, outside:].all()
    assert (window.image[:, outside - 1] == window.image[:, outside + 1]).all()


def test_frozen_trials_come_back_the_same(pairs: list[Pair], tmp_path: Path) -> None:
    setting = Setting(patch=32, radius=10, yaw_deg=30, scale_percent=10, trials=7)
    trials, _ = draw(pairs, setting)
    write_trials(tmp_path / "trials.csv", trials, pairs, setting)
    for mine, frozen in zip(trials, read_trials(tmp_path / "trials.csv", pairs, setting), strict=True):
        assert replace(frozen, yaw=mine.yaw) == mine
        assert frozen.yaw == pytest.approx(mine.yaw, abs=1e-12)


@pytest.mark.parametrize(("change", "words"), [
    ({"patch": 48}, ["--patch 32", "--patch 48"]),
    ({"radius": 9}, ["--radius 10", "--radius 9"]),
    ({"yaw_deg": 5.0}, ["--yaw-deg"]),
    ({"scale_percent": 5.0}, ["--scale-percent"]),
    ({"seed": 3}, ["--seed"]),
    ({"trials": 8}, ["holds 7 trials", "wants 8"]),
])
def test_frozen_trials_of_another_setting_are_refused(pairs: list[Pair], tmp_path: Path, change, words) -> None:
    setting = Setting(patch=32, radius=10, trials=7)
    write_trials(tmp_path / "trials.csv", draw(pairs, setting)[0], pairs, setting)
    with pytest.raises(InputError) as refused:
        read_trials(tmp_path / "trials.csv", pairs, replace(setting, **change))
    assert all(word in str(refused.value) for word in ["trials.csv", *words])


def test_frozen_trials_of_other_pairs_are_refused(pairs: list[Pair], tmp_path: Path) -> None:
    setting, path = Setting(patch=32, radius=10, trials=7), tmp_path / "trials.csv"
    write_trials(path, draw(pairs, setting)[0], pairs, setting)
    with pytest.raises(InputError, match="pair 'p0'"):
        read_trials(path, pairs[1:], setting)
    with pytest.raises(InputError, match="affine was another"):
        read_trials(path, [replace(pair, affine=pair.affine + 1) for pair in pairs], setting)
    with pytest.raises(InputError, match="holds 0 trials on source other"):
        read_trials(path, [replace(pair, source="other") for pair in pairs], setting)
    path.write_text("pair,centre\n1,2\n")
    with pytest.raises(InputError, match="no table of trials"):
        read_trials(path, pairs, setting)
