"""What scenarios take place on: cells of rasters, chips that are joined, what is kept, and what befalls a flight."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import rasterio
from flights import CAMERA, FRAME, PlainMap
from rasterio.transform import from_origin
from refusals import told

from promptmid_core.errors import InputError
from promptmid_core.geometry import Pose
from promptmid_core.replay.run import ReplayedFrame
from promptmid_core.replay.shares import bound95
from promptmid_core.scenario import store as stores
from promptmid_core.scenario.cells import Division
from promptmid_core.scenario.events import crossings, jumps
from promptmid_core.scenario.ground import DATA, JOINER, Chips, NoData, Rasters, data_folder
from promptmid_core.scenario.scenario import Alteration, MapWanted
from promptmid_core.scenario.store import RECORD, Store
from promptmid_core.simulation.flight.options import FlightOptions
from promptmid_core.simulation.world.alterations import AlterationOptions

SECOND = 1_000_000_000


def raster(path: Path, pixels: np.ndarray, west: float = 400_000.0, north: float = 3_700_000.0) -> Path:
    with rasterio.open(path, "w", driver="GTiff", width=pixels.shape[1], height=pixels.shape[0], count=1, dtype="uint8", nodata=0,
                       crs="EPSG:32611", transform=from_origin(west, north, 10, 10)) as file:
        file.write(pixels, 1)
    return path


def flown(stamps_s: list[float]) -> list[ReplayedFrame]:
    return [ReplayedFrame(index, 0, SimpleNamespace(stamp_ns=round(stamp * SECOND)), 1.0) for index, stamp in enumerate(stamps_s)]


def test_cells_are_those_that_the_raster_shows(tmp_path: Path) -> None:
    pixels = np.full((130, 200), 7, np.uint8)
    pixels[70:, :60] = 0
    optical = raster(tmp_path / "optical.tif", pixels)
    assert Division(64).cells(optical) == [(0, 0), (1, 0), (2, 0), (1, 1), (2, 1)]
    assert Division(64, most=3).cells(optical) == [(0, 0), (2, 0), (2, 1)]
    assert Division(64, margin_px=32).cells(optical) == [(2, 0), (2, 1)]
    assert "no cell of 150 px that it shows whole" in told(Division(150).cells, optical)


def test_a_cell_is_cut_with_its_margin_in_its_place(tmp_path: Path) -> None:
    pixels = np.arange(130 * 200).reshape(130, 200).astype(np.uint8)
    optical = raster(tmp_path / "optical.tif", pixels)
    Division(64, margin_px=10).cut(optical, (1, 0), tmp_path / "cut.tif")
    with rasterio.open(tmp_path / "cut.tif") as file:
        assert (file.read(1) == pixels[:74, 54:138]).all()
        assert file.transform == from_origin(400_540.0, 3_700_000.0, 10, 10) and (file.nodata, str(file.crs)) == (0, "EPSG:32611")


def test_what_was_made_is_made_once_and_what_fails_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[Path] = []

    def make(folder: Path) -> None:
        assert not list(folder.iterdir())
        (folder / "what").write_text("made")
        made.append(folder)

    def fail(folder: Path) -> None:
        make(folder)
        raise InputError("no")

    store = Store(tmp_path / "work")
    with pytest.raises(InputError, match="no"):
        store.made("worlds", {"seed": 1}, fail)
    assert not [path for path in (tmp_path / "work").rglob("*") if path.is_file()]
    first = store.made("worlds", {"seed": 1}, make)
    assert (first / "what").read_text() == "made" and (first / RECORD).is_file()
    assert Store(tmp_path / "work").made("worlds", {"seed": 1}, make) == first and len(made) == 2
    assert store.made("worlds", {"seed": 2}, make) != first != store.made("flights", {"seed": 1}, make)
    monkeypatch.setattr(stores, "code_of", lambda names: "another program")
    assert store.made("worlds", {"seed": 1}, make) != first and len(made) == 5
    (tmp_path / "file").touch()
    assert "is a file; name a folder" in told(Store, tmp_path / "file")


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A data folder whose program notes what it is told."""
    folder = tmp_path / "given"
    for name in ("tools", "data/chips"):
        (folder / name).mkdir(parents=True)
    (folder / "data/chips/metadata.json").write_text("[]")
    (folder / JOINER).write_text(
        "import pathlib, sys\nif 'wrong' in sys.argv[-1]:\n    sys.exit('no such chips')\n"
        "pathlib.Path(sys.argv[2], 'told').write_text(' '.join(sys.argv[1:]))\n")
    monkeypatch.setenv(DATA, str(folder))
    return folder


def test_chips_are_joined_by_the_program_of_the_data_folder(data: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    files = Chips("data/chips", ("047", "048"), "here").join(out)
    assert (out / "told").read_text() == f"{data / 'data/chips'} {out} --chips 047,048"
    assert (files.optical, files.sar, files.dem) == (out / "optical.tif", out / "sar.tif", None)
    Chips("data/chips", (), "here").join(out)
    assert (out / "told").read_text() == f"{data / 'data/chips'} {out}"
    assert told(Chips("data/chips", ("wrong",), "here").join, out) == (
        f"here is data/chips, and {JOINER} ended with status 1 (no such chips); correct the folder or the names of its chips")
    assert "metadata.json is no file" in told(Chips("data/others", (), "here").join, out)


def test_real_ground_needs_a_folder_that_is_there(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (data / "a.tif").touch()
    (tmp_path / "b.tif").touch()
    rasters = Rasters({"optical": f"${DATA}/a.tif", "sar": "b.tif"}, tmp_path, {"optical": "here", "sar": "there"})
    assert (rasters.files().optical, rasters.files().sar) == (data / "a.tif", tmp_path / "b.tif")
    assert "there is c.tif, and" in told(replace(rasters, names=rasters.names | {"sar": "c.tif"}).files)
    monkeypatch.setenv(DATA, str(tmp_path / "none"))
    assert "which is no folder" in told(data_folder)
    monkeypatch.setenv(DATA, "")
    with pytest.raises(NoData):
        rasters.files()


def test_a_jump_is_the_first_frame_after_it() -> None:
    jumped = FlightOptions.of(frames=10, jump=[[3, 20], [6, 5]])
    assert jumps(jumped, flown([10.0 + n for n in range(10)])) == (3, 6)
    twice_a_second = FlightOptions.of(frames=10, frame_rate_hz=2, outage=[[2, 1.5]], outage_offset_px=70)
    assert jumps(twice_a_second, flown([n / 2 for n in range(10)])) == (5,)
    # an outage of the images themselves
    assert jumps(twice_a_second, flown([n / 2 for n in range(10) if n not in (2, 3, 4)])) == (2,)
    assert jumps(FlightOptions.of(frames=10, outage=[[2, 3]]), flown([float(n) for n in range(10)])) == ()
    assert jumps(jumped, []) == ()


@pytest.mark.parametrize(("part", "columns", "rows", "expected"), [
    ("right", [40, 49, 51, 60, 40, 55], [10] * 6, (2, 5)), ("left", [40, 49, 51, 60, 40, 55], [10] * 6, (4,)),
    ("lower", [10] * 5, [10, 39, 41, 30, 79], (2, 4)), ("upper", [10] * 5, [10, 39, 41, 30, 79], (3,)),
    ("right", [60, 70, 80], [10] * 3, ()), ("all", [40, 60], [10] * 2, ()),
])
def test_a_crossing_comes_onto_the_altered_part(tmp_path: Path, part: str, columns: list[int], rows: list[int],
                                                expected: tuple[int, ...]) -> None:
    sar = raster(tmp_path / "sar.tif", np.full((80, 100), 9, np.uint8))
    wanted = MapWanted(alterations=(Alteration(AlterationOptions.of(way="mirror", part=part)),))
    east, north = FRAME.origin

    def frame(col: int, row: int) -> ReplayedFrame:
        place = np.array([400_000.0 + (col + 0.5) * 10 - east, 3_700_000.0 - (row + 0.5) * 10 - north, 1000.0])
        level: Any = SimpleNamespace(stamp_ns=0)
        return ReplayedFrame(0, 0, level, 1.0, CAMERA, Pose.from_rpy(place, 0.0, 0.0, 0.3))

    reference: Any = PlainMap()
    track = [frame(col, row) for col, row in zip(columns, rows, strict=True)]
    assert crossings(wanted, sar, reference, track) == expected
    # what has no truth tells nothing
    assert crossings(wanted, sar, reference, [track[0], replace(track[0], truth=None), *track[1:]]) == tuple(
        index + 1 for index in expected)


def test_the_bound_of_a_share_is_that_of_clopper_and_pearson() -> None:
    assert bound95(0, 100) == pytest.approx(1 - 0.05 ** (1 / 100), abs=1e-6)
    assert (bound95(0, 0), bound95(3, 3)) == (None, 1.0)
    assert bound95(1, 10) == pytest.approx(0.394163, abs=1e-5)

