"""Decoys counted: what is flown shares no ground, records are kept by all they came from, and bounds go by places."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from benchmarks.certify import ledger
from benchmarks.certify.__main__ import WANTED_FRAMES, WANTED_PLACES, fly_all, line
from benchmarks.certify.ledger import Ledger, Record
from benchmarks.certify.plan import CLASSES, SCENARIOS, Class, Plan, Way
from benchmarks.certify.tally import honesty, rows, table
from promptmid_core.errors import InputError
from promptmid_core.scenario.ground import DATA, Chips, GroundFiles
from promptmid_core.scenario.scenario import Scenario, Terrane
from promptmid_core.scenario.stage import Leg, Stage
from promptmid_core.scenario.store import Store

WORLD = """shows: A small world.
world:
  simulated: {size_px: 320}
map: {landcover: false}
flight: {drift_px: 10}
parameters: {patch_px: 128}
seeds: [1]
criteria: {false_fixes_most: 0}
"""
SMALL = Way("structural", 128, (160, 160), frames=3)


class Unmade(Stage):
    """A stage that makes no ground: a leg for each seed, and for each of some cells."""

    def ground(self, wanted: Terrane) -> GroundFiles:
        return GroundFiles(Path(wanted.folder if isinstance(wanted, Chips) else str(wanted)), Path("sar.tif"))

    def legs(self, scenario: Scenario) -> Iterator[Leg]:
        for seed in scenario.seeds:
            ground = self.ground(scenario.world(seed))
            for cell in ((col, row) for row in range(4) for col in range(11)) if scenario.cells else (None,):
                yield Leg(f"seed {seed} {cell}", "", seed, ground, cell)


@pytest.fixture
def unmade(tmp_path: Path) -> Unmade:
    return Unmade(Store(tmp_path), lambda _: None)


def of(name: str, place: str, frames: int = 40, fixes: int = 0, false: int = 0, told: Any = ()) -> Record:
    return {"name": place, "class": name, "place": place, "frames": frames, "flown": frames, "fixes": fixes,
            "false_fixes": [{"frame": 1}] * false, "told": list(told)}


def test_simulated_worlds_alone_are_enough_to_certify_and_no_ground_is_flown_over_twice(unmade: Unmade) -> None:
    tasks = [task for task in Plan().tasks(unmade)]
    assert max(Counter((task.leg.ground.optical, task.leg.cell) for task in tasks).values()) == 1
    assert len({task.name for task in tasks}) == len(tasks)
    simulated = [task for task in tasks if task.of.decoy and task.leg.cell is None]
    assert len(simulated) >= WANTED_PLACES and sum(task.way.frames for task in simulated) >= WANTED_FRAMES
    for each in CLASSES:
        ways = Counter(task.way for task in tasks if task.of is each)
        assert min(ways[way] for way in each.ways) >= 2, each.name
    assert all(task.way.footprint_px <= 256 for task in tasks if task.leg.cell)
    by_network = sum(task.way.descriptor == "promptmid" for task in simulated)
    assert len(simulated) / 5 <= by_network <= len(simulated) / 3


def test_a_flight_is_the_same_whatever_else_is_flown(unmade: Unmade) -> None:
    everything = {task.name: task for task in Plan().tasks(unmade)}
    few = list(Plan(only=["30 % replaced"], share=0.3).tasks(unmade))
    assert {task.scenario.name for task in few} == {"replaced-30", "replaced-30-la", "replaced-30-oc"}
    assert len([task for task in few if task.scenario.name == "replaced-30"]) == 2
    assert all(task == everything[task.name] for task in few if task.leg.cell is None)


def test_worlds_and_what_is_done_to_their_maps_differ_from_place_to_place(unmade: Unmade) -> None:
    tasks = [task for task in Plan(only=["another region"]).tasks(unmade) if task.leg.cell is None]
    changes = [task.scenario.map.alterations[0] for task in tasks]
    assert len({change.options.seed for change in changes}) == len({change.other for change in changes}) == len(tasks)
    assert all(task.scenario.world(task.leg.seed) != task.scenario.map.alterations[0].other for task in tasks)


def test_a_class_of_an_unknown_scenario_is_refused() -> None:
    with pytest.raises(InputError, match=r"none\.yaml"):
        Plan((Class("none", ("none",), 1),), SCENARIOS)


def test_a_place_counts_once_however_often_it_was_flown_over() -> None:
    decoys = (Class("turned", ("decoy-turned",), 1), Class("desert", ("desert",), 1), Class("water", ("water",), 1))
    true = Class("true", ("tracking-la",), 1, decoy=False)
    records = [of("turned", "a"), of("turned", "b", fixes=2, false=2), of("desert", "a", fixes=1), of("true", "c", fixes=40),
               of("water", "d", frames=0)]
    turned, desert, truly, total = rows((*decoys, true), records)
    assert (turned["places"], turned["places_with_false_fixes"], turned["false_fixes"], turned["frames"]) == (2, 1, 2, 80)
    assert (desert["places"], desert["fixes"], truly["fixes"]) == (1, 1, 40)
    assert (total["class"], total["places"], total["flights"], total["frames"], total["fixes"]) == ("all decoys", 2, 3, 120, 3)
    assert total["places_with_false_fixes"] == 1


def test_the_bound_is_that_of_places_whatever_the_frames() -> None:
    each = (Class("desert", ("desert",), 1),)
    none = rows(each, [of("desert", str(place), frames=1000) for place in range(59)])[0]
    assert none["false_fix_bound95"] == pytest.approx(1 - 0.05 ** (1 / 59), abs=1e-6) and none["false_fix_bound95"] < 0.05
    one = rows(each, [of("desert", str(place), false=int(place == 0)) for place in range(59)])[0]
    share = one["false_fix_bound95"]
    assert (1 - share) ** 59 + 59 * share * (1 - share) ** 58 == pytest.approx(0.05, abs=1e-4)


def test_hypotheses_are_counted_by_what_was_said_and_the_first_of_a_flight_stands_for_its_place() -> None:
    records = [of("true", "a", told=[[0, 0.95, False], [1, 0.97, True], [2, 0.9, True], [3, 0.8, True], [4, 1.0, True]]),
               of("true", "b", told=[[0, 0.98, True], [5, 0.6, False]]), of("true", "c"),
               of("chequer", "d", told=[[0, 0.7, False]]), of("mirrored", "e", told=[[0, 0.7, False]])]
    classes = (Class("true", (), 1, decoy=False), Class("chequer", (), 1), Class("mirrored", (), 1, nowhere=True))
    half, ninety, more, most, *of_decoys = honesty(classes, records)
    assert [row["n"] for row in of_decoys] == [1, 0, 0, 0]
    assert (ninety["n"], ninety["right"], ninety["places"], ninety["first_right"]) == (4, 3, 2, 1)
    assert ninety["mean_of_places"] == pytest.approx((2 / 3 + 1) / 2, abs=1e-4)
    assert (half["n"], half["right"], half["places"]) == (2, 1, 2)
    assert (more["n"], more["mean_of_places"], most["n"]) == (0, None, 1)
    shown = table(rows(classes, records), honesty(classes, records))
    assert "90 to 99 %" in shown and "all decoys" in shown


def test_what_was_left_out_is_told() -> None:
    assert "no room" in line({"class": "water", "name": "a", "left_out": "no room"}, True)


@pytest.mark.slow
def test_flights_are_flown_once_and_anew_where_their_code_is_another(tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
                                                                     capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.delenv(DATA, raising=False)
    (tmp_path / "small.yaml").write_text(WORLD)
    chips = "chips: {folder: data/eval/s1s2-orange-county}"
    (tmp_path / "real.yaml").write_text(WORLD.replace("simulated: {size_px: 320}", chips))
    each = Class("small", ("small", "real"), 1, ways=(SMALL,))
    plan = Plan((each,), tmp_path)
    (record,) = fly_all(plan, tmp_path / "out")
    assert (record["frames"], record["flown"], record["false_fixes"]) == (3, 3, []) and record["fixes"] >= 2
    assert max(said for _, said, right in record["told"] if right) > 0.99
    assert plan.skipped["real"].startswith(DATA)
    told = capsys.readouterr().out
    assert "3 of 3 frames" in told and "(kept)" not in told and f"skipped: real, as {DATA}" in told

    assert fly_all(Plan((each,), tmp_path), tmp_path / "out") == [record]
    assert "(kept)" in capsys.readouterr().out
    monkeypatch.setattr(ledger, "CODE", ("localization",))
    (again,) = fly_all(Plan((each,), tmp_path), tmp_path / "out")
    assert "(kept)" not in capsys.readouterr().out and again["made_from"] != record["made_from"]
    assert again["fixes"] == record["fixes"]

    # the same flight as one of ground that is not on the map: whatever it fixes is false
    stage = Stage(Store(tmp_path / "out/work"), lambda _: None)
    (task,) = Plan((Class("nowhere", ("small",), 1, nowhere=True, ways=(SMALL,)),), tmp_path).tasks(stage)
    fooled, flown = Ledger(tmp_path / "out/flights", stage).record(task)
    assert flown and len(fooled["false_fixes"]) == fooled["fixes"] == record["fixes"]
    assert fooled["false_fixes"][0]["ground_error_px"] < 5 and "FALSE" in line(fooled, flown)
    assert rows((task.of,), [fooled])[-1]["places_with_false_fixes"] == 1
