"""Datums and the data of PROJ: how good a transformation is, and data of another installation told before any work."""

from __future__ import annotations

import contextlib
import os
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import pyproj
import pytest
from field_rasters import DEGREES, UTM, raster, speckle
from rasterio.transform import Affine

from promptmid_core.georaster import MapFrame, Transformation, map_frame, transformation

pytestmark = pytest.mark.slow


@pytest.mark.parametrize(("crs", "transform", "accuracy", "named"), [
    ("EPSG:4326", DEGREES, 0.0, "UTM zone 11N"),
    ("EPSG:4269", DEGREES, 4.0, "NAD83 to WGS 84"),
    ("EPSG:26711", UTM, 7.0, "NAD27 to WGS 84 (6)"),
    ("EPSG:32611", UTM, 0.0, "none"),
    ("+proj=longlat +ellps=clrk66 +no_defs", DEGREES, None, "Ballpark"),
])
def test_accuracy_of_a_datum_is_what_proj_knows_of_it(tmp_path: Path, crs: str, transform: Affine, accuracy: float | None,
                                                      named: str) -> None:
    sar = raster(tmp_path / "sar.tif", speckle(), crs, transform)
    taken = transformation(sar, map_frame(sar, "EPSG:32611"))
    assert taken.accuracy_m == accuracy and named in taken.name


def test_datum_of_the_map_itself_costs_no_accuracy(tmp_path: Path) -> None:
    sar = raster(tmp_path / "sar.tif", speckle(), "EPSG:26711", UTM)
    assert transformation(sar, MapFrame("EPSG:26711", (0.0, 0.0))) == Transformation(
        "none: the raster lies in the CRS of the map", 0.0)


PROGRAM = """
import sys
from pathlib import Path
{before}
from promptmid_core.cli import main
sys.exit(main(sys.argv[1:]))
"""


def command(*arguments: object, before: str = "", **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", PROGRAM.format(before=before), *map(str, arguments)], check=False, text=True,
                          capture_output=True, env=os.environ | environment)


@pytest.fixture(scope="module")
def other_proj(tmp_path_factory: Any) -> Path:
    """The data of a PROJ whose database is older than any library that is used."""
    folder = tmp_path_factory.mktemp("proj")
    with contextlib.closing(sqlite3.connect(folder / "proj.db")) as database:
        database.execute("create table metadata (key text, value text)")
        database.execute("insert into metadata values ('DATABASE.LAYOUT.VERSION.MAJOR', '1')")
        database.execute("insert into metadata values ('DATABASE.LAYOUT.VERSION.MINOR', '0')")
        database.commit()
    return folder


@pytest.mark.parametrize(("use", "variable"), [
    ("build", "PROJ_LIB"), ("build", "PROJ_DATA"), ("cut", "PROJ_DATA"), ("flight", "PROJ_LIB"), ("world", "PROJ_DATA"),
])
def test_data_of_another_proj_are_named_before_any_work(los_angeles: dict[str, dict[str, Path]], tmp_path: Path, other_proj: Path,
                                                        variable: str, use: str) -> None:
    given, out = los_angeles["0"], tmp_path / "out"
    arguments = {
        "build": ("map", "build", given["sar"], out, "--descriptor", "structural"),
        "cut": ("bench", "cut", given["optical"], given["sar"], out, "--side", "96"),
        "flight": ("simulate", "flight", "--optical", given["optical"], "--out", out),
        "world": ("simulate", "world", "--out", out, "--size-px", "256"),
    }[use]
    done = command(*arguments, **{variable: str(other_proj)})
    assert done.returncode == 1 and not out.exists()
    assert f"{variable}={other_proj}" in done.stderr and f"unset {variable}" in done.stderr
    assert "Traceback" not in done.stderr and len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize("named", [True, False])
def test_pyproj_that_has_no_data_of_its_own_is_told_of_too(tmp_path: Path, other_proj: Path, named: bool) -> None:
    """That of a distribution has none in its folder, and goes by the variable as rasterio does everywhere."""
    found = Path(pyproj.__file__).parent
    shutil.copytree(found, tmp_path / "pyproj", ignore=shutil.ignore_patterns("proj_dir", "__pycache__"))
    if found.with_name("pyproj.libs").is_dir():
        (tmp_path / "pyproj.libs").symlink_to(found.with_name("pyproj.libs"))
    program = ("import sys; sys.path.insert(0, sys.argv[1])\nfrom promptmid_core.errors import InputError\n"
               "from promptmid_core.georaster import MapFrame\nfrom promptmid_core.georaster.geodetic import Geodetic\n"
               "try:\n    Geodetic(MapFrame('EPSG:32611', (0.0, 0.0)), 'unknown')\nexcept InputError as error:\n    print(error)")
    where = str(other_proj if named else tmp_path / "nowhere")
    done = subprocess.run([sys.executable, "-c", program, str(tmp_path)], check=False, text=True, capture_output=True,
                          env=os.environ | {"PROJ_DATA": where})
    assert f"PROJ_DATA={where}" in done.stdout and "unset PROJ_DATA" in done.stdout and not done.stderr, done.stderr
