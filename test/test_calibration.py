"""What scores say is fitted on looks whose truth is known, kept by fingerprint, and told of where it is missing."""

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from flights import KnownLocalizer, PlainMap, messages, write_bag

from promptmid_core.calibration.calibrate import Sampling, calibrate
from promptmid_core.calibration.fit import Pool, fit
from promptmid_core.calibration.looks import START, Look
from promptmid_core.calibration.reliability import Said, held_back, table
from promptmid_core.cli import main
from promptmid_core.descriptors import calibration, load
from promptmid_core.descriptors.calibration import Calibration
from promptmid_core.descriptors.likelihood import CAUTIOUS, Likelihood
from promptmid_core.descriptors.structural import Structural
from promptmid_core.errors import InputError
from promptmid_core.localization.belief import HALF, Belief, Cells
from promptmid_core.replay.run import replay
from promptmid_core.runtime import profile
from promptmid_core.simulation.world.options import WorldOptions
from promptmid_core.simulation.world.simulate import simulate_world

CELL, REACH, SIDE = 40.0, 9, 2 * HALF + 1
FALL = 1.5  # of the density of scores at wrong places
KNOTS, SURPLUS, EVEN = (-3.0, -1.0, 2.4, 5.4, 8.0, 10.4, 14.4, 21.0), 1.2, 0.6  # nats at the scores of START; of tie points
SCORES = np.linspace(0.0, 18.0, 361)


def synthetic(looks: int, seed: int = 1) -> list[Look]:
    """Looks whose scores are drawn from two densities that differ by what the likelihood of KNOTS says; one in three a decoy."""
    rng = np.random.default_rng(seed)
    wrong = np.exp(-FALL * SCORES)
    right = wrong * np.exp(np.interp(SCORES, START.scores, KNOTS))
    inside = np.zeros((SIDE, SIDE), bool)
    inside[HALF - REACH:HALF + REACH + 1, HALF - REACH:HALF + REACH + 1] = True
    belief = Belief.of(np.eye(2) * (5 * CELL) ** 2, CELL)
    found = []
    for i in range(looks):
        scores = np.where(inside, rng.choice(SCORES, (SIDE, SIDE), p=wrong / wrong.sum()), 0.0)
        row, col = divmod(int(rng.choice(SIDE ** 2, p=(belief.past / belief.past.sum()).ravel())), SIDE)
        shift = np.array([col - HALF, HALF - row]) * CELL
        true = i % 3 < 2
        if true:
            scores[row, col] = rng.choice(SCORES, p=right / right.sum())
        # tie points that agree on one half or the other, wherever the place is
        agreed = (np.arange(SIDE) < HALF) == rng.choice([True, False])
        agreed = np.broadcast_to(agreed, inside.shape)
        surplus = rng.normal(SURPLUS if true and (agreed & inside)[row, col] else 0.0)
        cells = Cells(scores, scores, inside, agreed, np.array(surplus), np.array(1.0))
        found.append(Look(f"ground {i % 4}", belief, cells, shift, true))
    return found


def known() -> Likelihood:
    wrong = np.exp(-FALL * SCORES)
    norm = float((wrong * np.exp(np.interp(SCORES, START.scores, KNOTS))).sum() / wrong.sum())
    return Likelihood(START.scores, tuple(float(nats - np.log(norm)) for nats in KNOTS), 0.0, SURPLUS, EVEN)


def test_the_fit_finds_the_likelihood_that_looks_were_drawn_by() -> None:
    found, drawn = fit(synthetic(300)), known()
    scores = np.array([2.0, 4.0, 6.0, 8.0])
    assert found.log_ratio(scores) == pytest.approx(drawn.log_ratio(scores), abs=1.0)
    assert found.surplus == pytest.approx(SURPLUS, abs=0.4)
    others = Pool.of(synthetic(300, 2))
    assert others.score(found) > others.score(drawn) - 0.05 > others.score(START)
    assert fit(synthetic(30)) == fit(synthetic(30))


def test_what_is_said_on_grounds_held_back_is_counted() -> None:
    said = held_back(synthetic(240))
    rows = table(said)
    assert len(said) == 240 and [row["said_low"] for row in rows] == [0.5, 0.9, 0.99, 0.999]
    for row in rows:
        share = row["right"] / max(row["n"], 1)
        spread = 3 * np.sqrt(0.25 / max(row["n"], 1))
        assert row["n"] == 0 or row["said_low"] - spread <= share <= row["said_high"] + spread
    assert held_back([look for look in synthetic(40) if look.ground == "ground 0"]) == []
    one = [Said(0.95, True, False), Said(0.95, False, True), Said(1.0, True, False), Said(0.3, False, False)]
    assert [(row["n"], row["right"], row["decoys"]) for row in table(one)] == [(0, 0, 0), (2, 1, 1), (0, 0, 0), (1, 1, 0)]


@pytest.mark.parametrize("name", ["structural", "promptmid"])
def test_what_is_shipped_is_calibrated(name: str) -> None:
    descriptor = load(name)
    found = Calibration.read(descriptor.calibration_file)
    assert found.fingerprint == descriptor.fingerprint, f"{name} is another than the one that was calibrated: run make calibrate"
    assert descriptor.likelihood == found.likelihood
    assert found.looks["grounds"] >= 20 and found.looks["true"] >= 300 and found.looks["decoys"] >= 100
    # enough pieces of ground for a risk of 1 % without following the tail, and errors about as large as their covariance says
    assert found.errors.certified(0.01) and 0.8 < found.errors.level(0.5) < 1.6


def test_one_that_somebody_tries_flies_with_a_cautious_likelihood() -> None:
    tried = Structural(ratio_decay=3.0)
    assert tried.calibration is None and tried.likelihood == CAUTIOUS


def written(path: Path, **changes: object) -> Path:
    path.write_text(json.dumps(Calibration("some-1", CAUTIOUS).to_dict() | changes))
    return path


def test_a_file_is_read_as_it_was_written_and_that_of_another_descriptor_refused(tmp_path: Path) -> None:
    path = written(tmp_path / "likelihood.json")
    assert Calibration.at(path, "some-1") == Calibration("some-1", CAUTIOUS)
    assert Calibration.at(tmp_path / "none.json", "some-1") is None
    with pytest.raises(InputError) as refused:
        Calibration.at(path, "other-2")
    told = str(refused.value)
    assert "some-1" in told and "other-2" in told and "\n" not in told
    assert told.endswith(f"promptmid calibrate descriptor GROUND... --descriptor promptmid:{tmp_path}")


@pytest.mark.parametrize("changes", [
    {"fingerprint": ""}, {"fingerprint": 1}, {"fingerprint": "a\nb"}, {"likelihood": None}, {"looks": []}, {"versions": "1"},
    {"reliability": [1]}, {"more": 1}, {"errors": [2.0, 1.0]}, {"likelihood": CAUTIOUS.to_dict() | {"nats": [3, 2, 1, 0]}},
])
def test_a_file_that_is_no_calibration_is_refused_in_one_sentence(tmp_path: Path, changes: dict[str, object]) -> None:
    path = written(tmp_path / "likelihood.json", **changes)
    with pytest.raises(InputError) as refused:
        Calibration.read(path)
    assert str(refused.value).startswith(f"{path} is no calibration of a descriptor (") and "\n" not in str(refused.value)


@pytest.mark.parametrize("content", ["", "{", "[" * 100_000, '{"fingerprint": NaN}', "x" * 2**21])
def test_a_file_that_is_damaged_is_refused_in_one_sentence(tmp_path: Path, content: str) -> None:
    path = tmp_path / "likelihood.json"
    path.write_text(content)
    with pytest.raises(InputError, match="make it anew with: promptmid calibrate descriptor") as refused:
        Calibration.read(path)
    assert "\n" not in str(refused.value)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("grounds") / "world"
    simulate_world(folder, WorldOptions(seed=3, size_px=512))
    return folder


def test_the_command_writes_a_file_that_loads(world: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    maps = tmp_path / "maps"
    command = ["calibrate", "descriptor", str(world), "--descriptor", "structural", "--looks", "6", "--work", str(maps)]
    files = [tmp_path / name for name in ("first.json", "second.json")]
    for file in files:
        assert main([*command, "--out", str(file)]) == 0
    told = capsys.readouterr().out
    assert "over 1 grounds" in told and f"{files[0]}: the likelihood of {Structural().fingerprint}" in told
    found = Calibration.at(files[0], Structural().fingerprint)
    assert found is not None and found.looks["true"] >= 3 and found.looks["decoys"] >= 1
    # 512 px are four pieces of 256
    fixes, none, wrong = (found.looks[name] for name in ("places", "places_without_fix", "places_wrong"))
    assert fixes + none == 4 and len(found.errors.scores) == fixes - wrong >= 2
    assert f"{fixes} of 4 pieces of ground had a fix, {wrong} of them of a wrong place" in told
    assert files[0].read_bytes() == files[1].read_bytes()
    assert len(list(maps.iterdir())) == 1


def test_a_descriptor_that_is_not_calibrated_flies_and_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
                                                               capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(calibration, "STRUCTURAL", tmp_path / "likelihood.json")
    monkeypatch.setattr(profile, "COMPACT", shutil.copytree(profile.COMPACT, tmp_path / "compact"))
    (profile.COMPACT / calibration.FILE).unlink()
    told = "is not calibrated: .* fit it with: promptmid calibrate descriptor GROUND... --descriptor promptmid$"
    main(["doctor", "--json"])
    seen = json.loads(capsys.readouterr().out)
    assert seen["likelihood"] == {"calibrated": False}
    assert [line for line in seen["warnings"] if re.search(told, line)]
    localizer = KnownLocalizer()
    localizer.descriptor.calibration = None
    localizer.descriptor.calibration_file = profile.COMPACT / calibration.FILE
    flight = replay(write_bag(tmp_path / "bag", messages(2)), localizer, PlainMap())
    assert [note for note in flight.notes if re.search(told, note)]


def test_grounds_that_are_none_are_refused(world: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    common = ["--descriptor", "structural", "--work", str(tmp_path / "maps"), "--out", str(tmp_path / "out.json")]
    assert main(["calibrate", "descriptor", str(tmp_path), *common]) == 1
    assert "has no optical.tif" in capsys.readouterr().err
    assert main(["calibrate", "descriptor", str(world), str(world), *common]) == 1
    assert "several are called world" in capsys.readouterr().err
    assert not (tmp_path / "out.json").exists()


def test_too_few_looks_are_refused(world: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="too few to fit anything"):
        calibrate([world], Structural(), tmp_path, Sampling(looks=1))
