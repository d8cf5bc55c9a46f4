"""A map that lies beside the ground, by another amount at each place, is audited against flights, and fixes of another use it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import rasterio
from refusals import told
from simulated import Flown, Scene
from small_maps import contents

from promptmid_core import cli
from promptmid_core.audit.look import check_truth
from promptmid_core.bags.bag import FlightBag, Recorded, Topics
from promptmid_core.descriptors import load
from promptmid_core.geometry import Grid
from promptmid_core.localization.localizer import Localizer
from promptmid_core.localization.options import ErrorOptions
from promptmid_core.localization.separation import spread
from promptmid_core.refmap import ReferenceMap, map_info, verify_map
from promptmid_core.refmap.build import BuildOptions, Sources, build_map, write_offset
from promptmid_core.refmap.format.offset import AuditedFlight, OffsetFacts
from promptmid_core.simulation.flight.options import FlightOptions
from promptmid_core.simulation.flight.simulate import simulate_flight

pytestmark = pytest.mark.slow

GSD = 10.0
SHIFT_PX = 14.0


def beside(east: np.ndarray, north: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """By how many px the warped map has the ground east and north of where it is, at places in px."""
    return 2.0 + 1.5 * np.sin(2 * np.pi * north / 500), -1.0 + 1.5 * np.sin(2 * np.pi * east / 600)


def warped_map(scene: Scene, folder: Path, off: Callable[..., tuple[np.ndarray, np.ndarray]] = beside) -> Path:
    """The scene's map, made of a SAR raster whose ground lies beside its place."""
    with rasterio.open(scene.sar) as source:
        pixels, profile = source.read(1), source.profile
    rows, cols = np.mgrid[:pixels.shape[0], :pixels.shape[1]].astype(np.float32)
    right, up = off(cols, -rows)
    moved = cv2.remap(pixels.astype(np.float32), (cols - right).astype(np.float32), (rows + up).astype(np.float32),
                      cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT)
    if np.issubdtype(pixels.dtype, np.integer):
        moved = np.clip(np.round(moved), 1, np.iinfo(pixels.dtype).max)
    with rasterio.open(folder / "sar.tif", "w", **profile) as target:
        target.write(moved.astype(pixels.dtype), 1)
    build_map(Sources(folder / "sar.tif", dem=scene.dem), folder / "map", BuildOptions(load("structural")))
    return folder / "map"


@dataclass(frozen=True)
class Audited:
    path: Path
    bags: list[Path]
    before: dict[str, Any]
    after: dict[str, Any]
    values: dict[str, Any]


@pytest.fixture(scope="module")
def audited(scene: Scene, tmp_path_factory: pytest.TempPathFactory) -> Audited:
    """The warped map audited against two flights, and a third replayed before and after."""
    folder = tmp_path_factory.mktemp("audit")
    path, bags = warped_map(scene, folder), [folder / "first", folder / "second", folder / "third"]
    for seed, bag in enumerate(bags, 11):
        options = FlightOptions.of(frames=24, seed=seed, footprint_px=360, image_size=(400, 320), drift_px=10, yaw_error_deg=1)
        simulate_flight(scene.optical, bag, options, dem=scene.dem)

    def replayed() -> dict[str, Any]:
        assert cli.main(["replay", str(bags[2]), "--map", str(path), "--json", str(folder / "replay.json")]) == 0
        return dict(json.loads((folder / "replay.json").read_text()))

    before = replayed()
    words = ["map", "audit", str(path), "--against", str(bags[0]), str(bags[1]), "--json", str(folder / "audit.json")]
    # the map lies further beside the ground than --limit-px
    assert cli.main([*words, "--write"]) == 1
    return Audited(path, bags, before, replayed(), json.loads((folder / "audit.json").read_text()))


def test_the_offset_is_that_of_the_map(audited: Audited) -> None:
    reference = ReferenceMap.open(audited.path)
    offset = reference._stored.offset
    assert offset is not None
    seen = offset.values[3] > 0
    x, y = (values[seen] for values in np.meshgrid(*offset.grid.axes()))
    col, row = reference.grid.to_pixel(x, y)
    true = np.stack(beside(col, -row))
    found = offset.values[:2, seen] / GSD
    # the simulated radar has hills beside their place too
    assert np.median(np.hypot(*(found - true))) < 0.5 * np.median(np.hypot(*true))
    assert all(np.corrcoef(found[axis], true[axis])[0, 1] > 0.8 for axis in (0, 1))


def test_a_flight_that_had_no_part_in_it_is_off_by_less_and_rejected_no_more(audited: Audited) -> None:
    before, after = audited.before, audited.after
    assert after["fixes"] >= before["fixes"] > 0.9 * before["frames"]
    assert after["ground_error_px"]["median"] < before["ground_error_px"]["median"] / 3
    assert after["ground_error_px"]["p95"] < before["ground_error_px"]["p95"] / 2


def test_it_tells_where_it_was_seen_and_how_much_the_flights_foretell_of_each_other(audited: Audited) -> None:
    values = audited.values
    assert values["written"] and 0.1 < values["covered"] < 1.0
    assert values["offset_px"]["median"] == pytest.approx(2.5, abs=0.8)
    assert values["looks"]["most"] >= 2
    for flight in values["flights"]:
        held = flight["held_out"]
        assert held["covered"] > 0 and held["explained"] > 0.7
        assert held["after_px"]["median"] < held["before_px"]["median"] / 2
    assert verify_map(audited.path) == []
    assert [Path(flight["bag"]).name for flight in map_info(audited.path)["offset"]["flights"]] == ["first", "second"]


def test_a_second_audit_is_of_the_map_as_it_was_built(audited: Audited, tmp_path: Path) -> None:
    """Else it would take the map for right, and a second --write would undo the first. Without --write it changes nothing."""
    before, target = contents(audited.path), tmp_path / "again.json"
    words = ["map", "audit", str(audited.path), "--against", *map(str, audited.bags[:2]), "--json", str(target)]
    assert cli.main([*words, "--limit-px", "9"]) == 0
    again = json.loads(target.read_text())
    judged = ("written", "verdict", "passed", "why")
    assert {name: again[name] for name in again if name not in judged} == {
        name: audited.values[name] for name in audited.values if name not in judged}
    assert (again["verdict"], audited.values["verdict"]) == ("sound", "moved") and not again["written"]
    assert contents(audited.path) == before


def test_a_map_that_lies_far_beside_is_flown_by_its_offset(scene: Scene, tmp_path: Path) -> None:
    """Belief, tie points and what all of a patch says speak of true places, also where the search is as wide as the offset is."""
    path = warped_map(scene, tmp_path, lambda east, north: (np.full_like(east, SHIFT_PX), np.zeros_like(north)))
    words = ["replay", str(scene.bag), "--map", str(path), "--json", str(tmp_path / "replay.json")]
    found = []
    for sigma_m in (None, 1.0):
        if sigma_m is not None:
            values = np.zeros((4, 2, 2), np.float32)
            values[0], values[2] = SHIFT_PX * GSD, sigma_m
            flights = (AuditedFlight("flight", 1),)
            write_offset(path, OffsetFacts(Grid(-500.0, 500.0, 1000.0, 2, 2), 5.0, 500.0, flights, "now"), values)
        assert cli.main(words) == 0
        found.append(json.loads((tmp_path / "replay.json").read_text()))
    before, after = found
    assert before["ground_error_px"]["median"] == pytest.approx(SHIFT_PX, abs=1.5)
    assert after["fixes"] >= before["fixes"] > 12
    assert after["ground_error_px"]["median"] < 1.5


def test_its_sigma_stands_for_the_registrations_where_it_is_smaller(scene: Scene, flown: Flown, tmp_path: Path) -> None:
    path, grid = Path(shutil.copytree(scene.map_path, tmp_path / "map")), Grid(-500.0, 500.0, 1000.0, 2, 2)
    frame, prior = flown.frames[5], flown.priors[5]
    plain, found = flown.localizer.match(frame, prior), []
    registration_m = ErrorOptions().registration_sigma_px * GSD
    for sigma_m in (1.0, 50.0):
        values = np.zeros((4, 2, 2), np.float32)
        values[2] = sigma_m
        write_offset(path, OffsetFacts(grid, 5.0, 500.0, (AuditedFlight("flight", 1),), "now"), values)
        found.append(Localizer(ReferenceMap.open(path), load("structural")).match(frame, prior))
    sure, unsure = found
    assert plain.ground and sure.ground and unsure.ground and plain.pose and unsure.pose
    # parts of the frame are measured from the fix, which moves a little
    wide, narrow = (each.covariance - spread(each.separation) for each in (plain.ground, sure.ground))
    assert wide - narrow == pytest.approx((registration_m ** 2 - 1.0) * np.eye(2), abs=1e-6)
    assert (unsure.ground.covariance == plain.ground.covariance).all()
    assert (unsure.pose.position == plain.pose.position).all()


def test_flights_that_cannot_judge_a_map_are_refused(audited: Audited, scene: Scene, tmp_path: Path,
                                                     capsys: pytest.CaptureFixture[str]) -> None:
    def refusal(*words: str) -> str:
        capsys.readouterr()
        assert cli.main(["map", "audit", str(audited.path), "--write", "--against", *words]) == 1
        said = capsys.readouterr().err
        assert "Traceback" not in said
        return said

    first = str(audited.bags[0])
    before = contents(audited.path)
    assert "/nothing" in refusal(first, "--ground-truth-topic", "/nothing")
    copy = shutil.copytree(first, tmp_path / "copy")
    assert "are the same flight, which would count as two" in refusal(first, str(copy))
    build_map(Sources(mirrored(scene, tmp_path), dem=scene.dem), tmp_path / "map", BuildOptions(load("structural")))
    assert cli.main(["map", "audit", str(tmp_path / "map"), "--against", first]) == 1
    assert "too few to trust it" in capsys.readouterr().err
    assert contents(audited.path) == before


def test_a_truth_without_attitude_is_refused() -> None:
    recorded = {"/ground_truth": Recorded("sensor_msgs/msg/NavSatFix", 10)}
    assert "tells no attitude" in told(check_truth, FlightBag(Path("bag"), recorded, Topics()))


def mirrored(scene: Scene, folder: Path) -> Path:
    """The scene's SAR raster, left for right."""
    with rasterio.open(scene.sar) as source:
        pixels, profile = source.read(1), source.profile
    with rasterio.open(folder / "mirrored.tif", "w", **profile) as target:
        target.write(pixels[:, ::-1], 1)
    return folder / "mirrored.tif"
