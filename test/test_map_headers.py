"""A header with a valid checksum and anything in it: the map is refused in one sentence, or works in all that is asked of it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from copy import copy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from refusals import told
from small_maps import BoxMean

from promptmid_core import cli
from promptmid_core.errors import InputError, Refusal
from promptmid_core.files import digest
from promptmid_core.georaster.geodetic import Geodetic
from promptmid_core.localization.localizer import Localizer
from promptmid_core.refmap import ReferenceMap, map_info, verify_map
from promptmid_core.refmap.format.header import Header

pytestmark = pytest.mark.slow

HEADERS: dict[str, Any] = json.loads((Path(__file__).parent / "map_headers.json").read_text())
GONE = object()
DEEP: list[Any] = []
for _ in range(25):
    DEEP = [DEEP]
JUNK = [GONE, None, True, False, 0, -1, 1, 2, 3, 255, 10**9, 2**31, 2**63, 10**400, 1e308, -1e308, 1e-12, 0.5, float("inf"), "",
        "x", "EPSG:0", "EPSG:4326", "EPSG:3857", "x" * 100_000, "a\nb", "\ud800", "\0", [], [0], [[]], [1e308, 1e308], [-1, 1],
        [True, False], {}, {"x": 1}, {"a\nb": 1}, {"y" * 10_000: 1}, {"9" * 5000: None}, DEEP]


def places(values: Any, way: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The way to each value of a JSON object."""
    for step, value in values.items() if isinstance(values, dict) else enumerate(values) if isinstance(values, list) else ():
        yield (*way, step)
        yield from places(value, (*way, step))


def mutations(sound: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Headers of which one value is another or gone, or one object has one more, each with a checksum that holds."""
    ways = [way for way in places(sound) if way[0] not in ("sha256", "format")]
    texts = [way for way in ways if way[:2] == ("vocabulary", "prompts") and len(way) > 3]
    for way in ways:
        if way in texts[2:]:
            continue  # one as the other
        for junk in JUNK:
            # a copy of what is on the way, for the rest stays what it is
            header = within = dict[Any, Any](sound)
            for step in way[:-1]:
                within[step] = copy(within[step])
                within = within[step]
            if junk is GONE:
                del within[way[-1]]
            else:
                within[way[-1]] = junk
            yield f"{way} is {str(junk)[:40]}", resealed(header, moved=way[0] != "transform")


def resealed(header: dict[str, Any], moved: bool = True) -> dict[str, Any]:
    with suppress(KeyError, TypeError, ValueError, OverflowError):
        grid, (east, north) = header["grid"], header["frame"]["origin"]
        half = grid["gsd"] / 2
        if moved:
            # what follows from other fields follows
            header["transform"] = [grid["gsd"], 0.0, east + grid["x"] - half, 0.0, -grid["gsd"], north + grid["y"] + half]
    return header | {"sha256": digest({key: value for key, value in header.items() if key != "sha256"})}


def accepted(header: dict[str, Any]) -> bool:
    try:
        Header.from_dict(header, Path("map"))
    except InputError as refusal:
        assert "\n" not in str(refusal) and str(refusal).isprintable() and len(str(refusal)) < 600, str(refusal)
        return False
    return True


@pytest.mark.parametrize("name", HEADERS)
def test_any_header_is_refused_in_a_sentence_or_says_what_can_be(name: str) -> None:
    count = 0
    for what, header in mutations(HEADERS[name]):
        if accepted(header):
            # what is taken is kept as it is, but for 0 that is 0.0
            kept = json.loads(json.dumps(Header.from_dict(header, Path("map")).to_dict()))
            assert kept | {"sha256": ""} == header | {"sha256": ""}, what
        count += 1
    assert count > 3500


def used(path: Path) -> None:
    """All that is done with a map: InputError, or an answer."""
    reference = ReferenceMap.open(path)
    Localizer(reference, BoxMean())
    ground = reference.terrain()
    Geodetic(reference.frame, reference.vertical_datum).place(0.0, 0.0, 0.0)
    for level in range(reference.levels):
        there = reference.at(level)
        cells = 4 * there.stride
        for col, row in ((0, 0), (-cells, cells * 50), (there.grid.width // cells * cells - cells, 0)):
            described = there.descriptors(col, row, 2 * cells, 2 * cells)
            assert np.isfinite(described.array).all()
            there.image(col, row, 40, 40)
            there.landuse(col, row, 40, 40)
            there.scene(col, row, 40, 40)
            there.prompt(col, row, 64, 64)
        for x, y in (there.grid.to_map(10, 10), (0.0, 0.0)):
            try:
                assert np.isfinite(ground.height(np.asarray(x), np.asarray(y))).all()
                ground.intersect(np.array([x, y, reference.header.dem_range[1] + 1000.0]), np.array([[0.1, 0.1, -1.0]]))
            except Refusal as refusal:
                assert refusal.reason == "map_damaged"


@pytest.mark.parametrize("step", [5, pytest.param(1, marks=pytest.mark.long)])
def test_a_header_that_is_taken_breaks_nothing_later(copied_map: Path, step: int, capsys: pytest.CaptureFixture[str]) -> None:
    file = copied_map / "zarr.json"
    document = json.loads(file.read_bytes())
    taken = works = 0
    for what, header in mutations(document["attributes"]):
        if not accepted(header):
            continue
        taken += 1
        if taken % step:
            continue
        file.write_text(json.dumps(document | {"attributes": header}))
        try:
            used(copied_map)
            works += 1
        except InputError as refusal:
            assert "\n" not in str(refusal) and len(str(refusal)) < 1000, what
        try:
            json.dumps(map_info(copied_map), allow_nan=False)
        except InputError as refusal:
            assert "\n" not in str(refusal), what
    assert verify_map(copied_map) == ["zarr.json"]
    assert works > 200 / step, (taken, works)

    assert "Traceback" not in capsys.readouterr().err


@pytest.mark.parametrize("crs", ["EPSG:999999", "nonsense", "", "EPSG:4326", "EPSG:3857", "EPSG:3395", "EPSG:2225",
                                 "+proj=tmerc +R=1737400 +units=m", "EPSG:32611+5773"])
def test_crs_in_which_no_map_lies_is_refused_by_every_command(copied_map: Path, crs: str,
                                                              capsys: pytest.CaptureFixture[str]) -> None:
    file = copied_map / "zarr.json"
    document = json.loads(file.read_bytes())
    header = document["attributes"]
    header["frame"]["crs"] = crs
    file.write_text(json.dumps(document | {"attributes": resealed(header)}))
    said = told(ReferenceMap.open, copied_map)
    assert said.startswith(f"{file} gives 'frame.crs' as ") and "a plain projected CRS" in said
    for words in (["info"], ["info", "--json"], ["preview", "--out", str(copied_map.parent / "map.png")]):
        assert cli.main(["map", words[0], str(copied_map), *words[1:]]) == 1
        assert capsys.readouterr().err == f"promptmid: {said}\n"
    assert cli.main(["map", "verify", str(copied_map)]) == 1
    assert capsys.readouterr().out == "zarr.json\n"


@pytest.mark.parametrize("crs", ["+proj=tmerc +lon_0=-117 +ellps=WGS84 +nadgrids={} +units=m +type=crs", "+init={}:1"])
def test_crs_that_reads_a_file_is_refused_and_the_file_not_waited_for(copied_map: Path, tmp_path: Path, crs: str) -> None:
    os.mkfifo(tmp_path / "pipe")
    file = copied_map / "zarr.json"
    document = json.loads(file.read_bytes())
    header = document["attributes"]
    header["frame"]["crs"] = crs.format(tmp_path / "pipe")
    file.write_text(json.dumps(document | {"attributes": resealed(header)}))
    command = [sys.executable, "-m", "promptmid_core.cli", "map", "info", str(copied_map)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 1 and "a plain projected CRS" in done.stderr and len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize(("crs", "origin"), [("EPSG:32611", [9e7, 9e7]), ("EPSG:27700", [-9e7, 9e7]),
                                             ("+proj=aeqd +lat_0=34 +lon_0=-118 +datum=WGS84 +units=m +type=crs", [5e7, 0.0])])
def test_map_that_lies_nowhere_on_earth_is_refused(copied_map: Path, crs: str, origin: list[float]) -> None:
    file = copied_map / "zarr.json"
    document = json.loads(file.read_bytes())
    header = document["attributes"]
    header["frame"] = {"crs": crs, "origin": origin}
    file.write_text(json.dumps(document | {"attributes": resealed(header)}))
    assert "which is not one of places on the Earth" in told(ReferenceMap.open, copied_map)


ARRAY_CHANGES = {
    "chunks without end": lambda told: told["codecs"][0]["configuration"].update(chunk_shape=[2, 2**40, 2**40]),
    "shards without end": lambda told: told["chunk_grid"]["configuration"].update(chunk_shape=[2, 2**40, 2**40]),
    "another shape": lambda told: told.update(shape=[2, 2**40, 2**40]), "no shape": lambda told: told.pop("shape"),
    "another type": lambda told: told.update(data_type="float64"), "no codecs": lambda told: told.update(codecs=[]),
    "codecs of something else": lambda told: told.update(codecs=["blosc"]), "a number": lambda told: told.update(codecs=7),
    "another codec": lambda told: told["codecs"][0]["configuration"].update(codecs=[{"name": "numcodecs.pickle"}]),
    "big-endian": lambda told: told["codecs"][0]["configuration"]["codecs"][0]["configuration"].update(endian="big"),
    "an index in front": lambda told: told["codecs"][0]["configuration"].update(index_location="start"),
    "another separator": lambda told: told["chunk_key_encoding"]["configuration"].update(separator="."),
}


@pytest.mark.parametrize("how", [*ARRAY_CHANGES, "deep", "nothing", "a list", "a folder"])
def test_array_metadata_that_are_not_the_maps_are_refused(copied_map: Path, how: str) -> None:
    file = copied_map / "0/descriptors/zarr.json"
    if how in ARRAY_CHANGES:
        values = json.loads(file.read_bytes())
        ARRAY_CHANGES[how](values)
        file.write_text(json.dumps(values))
    elif how == "a folder":
        file.unlink()
        file.mkdir()
    else:
        file.write_text({"deep": "[" * 20_000, "nothing": "", "a list": "[]"}[how])
    said = told(ReferenceMap.open, copied_map)
    assert said.startswith(str(file)) and len(said) < len(str(file)) + 300
    shutil.rmtree(copied_map)
