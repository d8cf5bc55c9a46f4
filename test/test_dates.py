"""Places seen at several dates, and the pairs across them."""

from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest
from optional import lacking
from pair_folders import write_pairs

from promptmid_core.bench.dates import ACROSS, Dated, across_dates, dated
from promptmid_core.bench.pairs import read_pairs

LACKING = lacking("torch", "accelerate", "safetensors")
if not LACKING:
    from promptmid_core.training.recipe import Recipe
    from promptmid_core.training.scenes import read_scenes


def test_what_names_say() -> None:
    assert dated("eifel", "optical/20170510_20170511") == Dated("eifel", date(2017, 5, 10), date(2017, 5, 11))
    assert dated("eifel", "optical/20170510_20170511").days == 1
    assert dated("ombria-floods", "optical/S2_before_0005").place == dated("ombria-after", "optical/S2_after_0005").place
    assert dated("ombria-floods", "optical/S2_before_0005").place != dated("ombria-floods", "optical/S2_before_0006").place
    assert dated("chips", "047").place != dated("chips", "048").place
    assert dated("chips", "20171399_20170511") == Dated("chips 20171399_20170511")


def test_every_other_date_of_a_place(tmp_path: Path) -> None:
    pairs = read_pairs(write_pairs(tmp_path / "pairs", 3))
    assert across_dates(pairs) == []
    one, two, elsewhere = (replace(pair, dated=Dated(place, date(2020, month, 1), date(2020, month, 11)))
                           for pair, place, month in zip(pairs, ("a", "a", "b"), (1, 7, 1), strict=True))
    first, second = across_dates([one, two, elsewhere])
    assert (first.source, first.optical, first.sar, first.dated.days) == (ACROSS, one.optical, two.sar, 192)
    assert (second.optical, second.sar, second.dated.days) == (two.optical, one.sar, 172)
    assert first.id != second.id
    kept = across_dates([one, replace(two, source="other"), elsewhere], source=None)
    assert [pair.source for pair in kept] == ["pairs", "other"]


def test_another_truth_is_another_grid(tmp_path: Path) -> None:
    one, two = (replace(pair, dated=Dated("a")) for pair in read_pairs(write_pairs(tmp_path / "pairs", 2)))
    assert across_dates([one, replace(two, affine=two.affine + 1)]) == []


@pytest.mark.skipif(bool(LACKING), reason=f"not installed: {LACKING}; no training")
def test_what_is_held_back_is_held_back_at_all_dates(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("promptmid_core.bench.pairs.dated", lambda source, name: Dated("a" if name in ("p0", "p1") else name))
    scenes = read_scenes([write_pairs(tmp_path / "pairs", 3)])
    assert [scene.source for scene in scenes] == ["pairs"] * 3 + [ACROSS] * 2
    learnt, held = replace(Recipe.read("smoke"), validation={"pairs": [scenes[0].name]}).divided(scenes)
    assert [scene.place for scene in held] == ["a"] * 4
    assert len(learnt) == 1
