"""The age of a map: what tells it, what is warned of, what it adds to the covariance of a fix, and how that was measured."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pytest
from geotiffs import speckle
from overflight import STAMP, Overflight, overflight  # noqa: F401
from simulated import Scene
from small_maps import BoxMean, write

from benchmarks.age import DAWN, DUSK, Errors, across, grown
from promptmid_core.bags.topics import Part, Topics
from promptmid_core.cli import main
from promptmid_core.descriptors import load
from promptmid_core.errors import InputError
from promptmid_core.geometry import Grid
from promptmid_core.localization.localizer import Localizer
from promptmid_core.outputs.health_keys import HEALTH, Configured, Health
from promptmid_core.outputs.keys import OK, WARN, level, values_of
from promptmid_core.refmap import ReferenceMap, map_info, verify_map
from promptmid_core.refmap.age import CHANGED_PX2, SEASON_PX2, Age, age_of, changed_px, season
from promptmid_core.refmap.build import BuildOptions, Sources, build_map, repair_map, tell_acquired, write_offset
from promptmid_core.refmap.format.manifest import Manifest
from promptmid_core.refmap.format.offset import AuditedFlight, OffsetFacts
from promptmid_core.refmap.sar import SarProduct
from promptmid_core.replay.run import replay

TAKEN = "2025-07-02T05:30:00Z"
MEADOWS, TOWN = {"grassland": 0.6, "built-up area": 0.4}, {"built-up area": 0.9, "grassland": 0.1}


def aged(days: int) -> Age:
    age = age_of((TAKEN,), date(2025, 7, 2) + timedelta(days=days))
    assert age is not None
    return age


@pytest.mark.parametrize(("days", "within_the_year"), [(0, 0), (90, 90), (-90, 90), (183, 182), (365, 0), (400, 35), (731, 0)])
def test_days_and_seasons_are_counted_apart(days: int, within_the_year: int) -> None:
    assert (aged(days).days, aged(days).season_days) == (abs(days), within_the_year)


def test_of_several_scenes_the_furthest_counts() -> None:
    age = age_of(("2024-07-01T00:00:00Z", "2025-01-01T00:00:00Z"), date(2025, 7, 1))
    assert age is not None
    assert (age.days, age.season_days, age.taken) == (365, 181, "2024-07-01 to 2025-01-01")
    assert age_of((), date(2025, 7, 1)) is None


def test_a_season_is_warned_of_where_something_grows() -> None:
    summer, winter = aged(365), aged(183)
    assert summer.warnings(MEADOWS, 0.3) == [] == winter.warnings(TOWN, 0.3)
    told, = winter.warnings(MEADOWS, 0.3)
    assert "182 days of the year away" in told and "60% of it (grassland)" in told
    assert f"registration_sigma_px to {np.hypot(0.3, np.sqrt(SEASON_PX2)):.1f}" in told
    assert "no land cover" in winter.warnings({}, 0.3)[0]
    # who has done as he was told is left in peace
    assert winter.warnings(MEADOWS, 1.0) == []


def test_more_years_than_were_measured_are_warned_of() -> None:
    assert aged(5 * 365).warnings(TOWN, 0.3) == []
    told, = aged(10 * 365).warnings(TOWN, 0.3)
    assert "10.0 years away" in told and "90% of it that are built up" in told


def test_what_has_changed_adds_to_the_error_of_a_fix(overflight: Overflight) -> None:  # noqa: F811
    matcher, frame, points = overflight.matcher(), overflight.frame(), np.zeros((1, 2))
    own = matcher.solver._budget(frame, points).floor
    header = matcher.reference.header
    old = replace(matcher, reference=_of(matcher.reference, "2020-01-01T00:00:00Z"))
    grown = old.solver._budget(frame, points).floor
    assert grown ** 2 - own ** 2 == pytest.approx(CHANGED_PX2 * header.grid.gsd ** 2)
    # 2023-11-14 and two weeks: half of it
    assert changed_px(("2023-10-30T00:00:00Z",), STAMP) == pytest.approx(np.sqrt(CHANGED_PX2 / 2))
    # neither without a day of the map, nor by a clock that was never set
    assert changed_px((), STAMP) == 0 == changed_px((TAKEN,), 10**9)


def test_a_replay_notes_what_the_season_costs(scene: Scene) -> None:
    reference = _of(scene.reference(), TAKEN)
    flight = replay(scene.bag, Localizer(reference, load("structural")), reference, topics=Topics(part=Part(0.0, 1.0)))
    assert any("182 days of the year away from the flight on 2026-01-01" in note for note in flight.notes)


def test_the_node_warns_of_another_season_all_through_the_flight(scene: Scene) -> None:
    def told(days: int, *times: str) -> tuple[dict[str, object], int]:
        reference = scene.reference()
        reference.header = replace(reference.header, acquired=times)
        setup = Configured(Localizer(reference, load("structural")), ("none", ""), date(2025, 7, 2) + timedelta(days=days))
        keys = {name: HEALTH[name] for name in ("map_age_days", "map_season_days")}
        values = values_of(keys, Health("inactive", setup))
        return values, level(keys, values)[0]

    assert told(10, TAKEN) == ({"map_age_days": 10, "map_season_days": 10}, OK)
    assert told(150, TAKEN) == ({"map_age_days": 150, "map_season_days": 150}, WARN)
    assert told(150) == ({"map_age_days": None, "map_season_days": None}, OK)


def test_a_finished_map_is_told_its_day_and_is_as_if_built_with_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sar, told, built = write(tmp_path / "sar.tif", speckle(256, 256)), tmp_path / "told", tmp_path / "built"
    for path, product in ((told, SarProduct()), (built, SarProduct(acquired=TAKEN))):
        build_map(Sources(sar), path, BuildOptions(BoxMean(), product))
    facts = OffsetFacts(Grid(0.0, 0.0, 320.0, 3, 2), 5.0, 400.0, (AuditedFlight("flight", 9),), "2025-08-01T00:00:00+00:00")
    write_offset(told, facts, np.full((4, 2, 3), 2.0, np.float32))
    # cut off before the manifest is written: damaged, until it is told again, be it another day
    with monkeypatch.context() as cut, pytest.raises(KeyboardInterrupt):
        cut.setattr(Manifest, "write", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        tell_acquired(told, "2024-01-01T00:00:00Z")
    assert verify_map(told)
    assert main(["map", "set", str(told), "--acquired", TAKEN]) == 0
    assert verify_map(told) == [] and map_info(told)["acquired"] == [TAKEN]
    assert (told / "zarr.json").read_bytes() == (built / "zarr.json").read_bytes()
    ours, theirs = (Manifest.read(path) for path in (told, built))
    assert (ours.files, ours.content) == (theirs.files, theirs.content)
    assert ReferenceMap.open(told)._stored.offset is not None
    assert map_info(told)["offset"]["flights"][0]["bag"] == "flight"


def test_what_is_no_map_or_no_time_is_told_nothing(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is not a map"):
        tell_acquired(tmp_path, TAKEN)
    build_map(Sources(write(tmp_path / "sar.tif", speckle(256, 256))), tmp_path / "map", BuildOptions(BoxMean()))
    with pytest.raises(InputError, match="no time of acquisition"):
        tell_acquired(tmp_path / "map", "yesterday")
    assert verify_map(tmp_path / "map") == []


def test_the_day_is_told_by_an_option_where_no_metadata_do(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sar = write(tmp_path / "sar.tif", speckle(256, 256))
    words = ["map", "build", str(sar), str(tmp_path / "map"), "--descriptor", "structural", "--acquired"]
    assert main([*words, "2025-07-02T07:30:00+02:00"]) == 0
    info = map_info(tmp_path / "map")
    assert (info["acquired"], info["sar"]["acquired"]) == ([TAKEN], TAKEN)
    capsys.readouterr()
    main(["doctor", "--map", str(tmp_path / "map"), "--date", "2026-01-01", "--json"])
    seen = json.loads(capsys.readouterr().out)
    assert (seen["age"]["days"], seen["age"]["season_days"]) == (183, 182)
    assert sum("taken on 2025-07-02" in warning for warning in seen["warnings"]) == 1
    with pytest.raises(SystemExit):
        main([*words, "2025-02-30"])
    assert "2025-02-30 is no day or time" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main([*words, "2925-07-02"])
    assert "2925-07-02 lies in the future by this machine's clock" in capsys.readouterr().err


def test_a_map_of_a_told_day_is_repaired_to_its_own_bytes(tmp_path: Path) -> None:
    sar, out = write(tmp_path / "sar.tif", speckle(256, 256)), tmp_path / "map"
    build_map(Sources(sar), out, BuildOptions(BoxMean(), SarProduct(acquired=TAKEN)))
    shard = next(iter(sorted((out / "0" / "sar").rglob("c/*/*"))))
    shard.unlink()
    assert repair_map(out, Sources(sar), BoxMean()) and ReferenceMap.open(out).header.acquired == (TAKEN,)
    with pytest.raises(InputError, match="no time of acquisition"):
        build_map(Sources(sar), tmp_path / "n", BuildOptions(BoxMean(), SarProduct(acquired="yesterday")))


def test_the_benchmark_finds_what_two_dates_cost() -> None:
    rng, place = np.random.default_rng(1), np.repeat(np.arange(300), 2)
    # how dates lie on one another is no matter, a date's own error neither
    found = {(one, other): Errors(rng.normal([0.5, -0.3 * (one == DAWN)], np.sqrt(0.3 + 0.2 * (one != other)), (600, 2)), place)
             for one in (DAWN, DUSK) for other in (DAWN, DUSK)}
    told = across(found, rng)
    more, low, high = told["variance_more_px2"]
    assert low < more < high and more == pytest.approx(0.2, abs=0.04) and high - low < 0.15
    assert told["right_less"] == [0, 0, 0] and told["variance_one_date_px2"] == pytest.approx(0.3, abs=0.04)


def test_the_benchmark_tells_years_from_seasons() -> None:
    rng = np.random.default_rng(1)
    days = [date(2017, 1, 1) + timedelta(days=int(each)) for each in rng.integers(0, 2000, 40)]
    apart = np.array([[(seen - mapped).days for mapped in days] for seen in days])
    variance = 0.4 + 0.05 * abs(apart) / 365.25 + 0.8 * np.vectorize(season)(apart)
    errors = rng.normal(0, np.sqrt(variance)[..., None, None], (40, 40, 4, 2))
    told = grown(days, days, errors, rng)
    for name, true in (("at_once", 0.4), ("a_year", 0.05), ("half_a_year_of_season", 0.8)):
        middle, low, high = told[f"variance_px2_{name}"]
        assert low < true < high and middle == pytest.approx(true, abs=0.08)


def _of(reference: ReferenceMap, *times: str) -> ReferenceMap:
    """The map as if it had been taken at these times."""
    opened = ReferenceMap.open(reference.path)
    opened.header = replace(opened.header, acquired=times)
    return opened
