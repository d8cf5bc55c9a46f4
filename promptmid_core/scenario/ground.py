"""The ground of a scenario where it is real: rasters, or a mosaic of the chips of a data folder."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from promptmid_core.errors import InputError
from promptmid_core.sections import Section

DATA = "PROMPTMID_DATA"
JOINER = "tools/make_geotiffs.py"
RASTER_FIELDS = {
    "optical": "The orthophoto that is flown over.",
    "sar": "The SAR raster that the map is built from.",
    "dem": "Heights, of the ground that is flown over and of the map; default: flat at 0 m.",
    "landcover": "Land-cover classes of ESA WorldCover, for the map.",
}
CHIP_FIELDS = {
    "folder": f"A folder with `optical/`, `sar/` and `metadata.json`, below `${DATA}`.",
    "names": "The chips that are joined, without `.png`; default: all.",
}


class NoData(Exception):
    """Real images are asked for where nothing tells where they are; the text says so."""


@dataclass(frozen=True)
class GroundFiles:
    """The rasters of a world; heights and land cover where there are any."""

    optical: Path
    sar: Path
    dem: Path | None = None
    landcover: Path | None = None


@dataclass(frozen=True)
class Rasters:
    """Rasters by their names in the file: those that begin with `$PROMPTMID_DATA/` lie below that folder, others beside the
    scenario's file, in `beside`. `where` is what a sentence about one begins with, by RASTER_FIELDS."""

    names: dict[str, str]
    beside: Path
    where: dict[str, str]

    @staticmethod
    def of(within: Section) -> Rasters:
        """Return what a section says. Raises InputError, with file, line and field, where it is wrong."""
        within.only(*RASTER_FIELDS)
        given = ("optical", "sar", *(name for name in ("dem", "landcover") if name in within))
        names = {name: within.text(name) for name in given}
        return Rasters(names, within.path.parent, {name: within.spelled(name) for name in names})

    def files(self) -> GroundFiles:
        """Return the rasters. Raises NoData where they lie in a data folder that nothing names, InputError where one is
        missing."""
        found = {}
        for name, text in self.names.items():
            below = text.removeprefix(f"${DATA}/")
            found[name] = data_folder() / below if below != text else self.beside / text
            if not found[name].is_file():
                raise InputError(f"{self.where[name]} is {text}, and {found[name]} is no file; name a GeoTIFF")
        return GroundFiles(**found)


@dataclass(frozen=True)
class Chips:
    """Chips of a data folder, which its own program joins to two rasters. `where` is what a sentence about them begins with."""

    folder: str
    names: tuple[str, ...]
    where: str

    @staticmethod
    def of(within: Section) -> Chips:
        """Return what a section says. Raises InputError, with file, line and field, where it is wrong."""
        within.only(*CHIP_FIELDS)
        folder = PurePosixPath(within.text("folder"))
        if folder.is_absolute() or ".." in folder.parts:
            raise within.wrong("folder", f"a path below ${DATA}, such as data/eval/s1s2-orange-county")
        names = within.entries("names", "names of chips") if "names" in within else []
        if not all(isinstance(name, str) and name.isalnum() for name in names):
            raise within.wrong("names", "a list of names of chips in quotes, such as ['047', '048']")
        return Chips(str(folder), tuple(names), within.spelled("folder"))

    def join(self, out: Path) -> GroundFiles:
        """Write `optical.tif` and `sar.tif` into the folder `out`, by the program tools/make_geotiffs.py of the data folder.

        Raises NoData where nothing names that folder, InputError where the chips cannot be joined.
        """
        data = data_folder()
        for needed in (data / JOINER, data / self.folder / "metadata.json"):
            if not needed.is_file():
                raise InputError(f"{self.where} is {self.folder}, and {needed} is no file; let {DATA} name the folder that has "
                                 "both")
        chosen = ["--chips", ",".join(self.names)] if self.names else []
        words = [sys.executable, str(data / JOINER), str(data / self.folder), str(out), *chosen]
        done = subprocess.run(words, capture_output=True, text=True, check=False)
        if done.returncode:
            last = (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
            raise InputError(f"{self.where} is {self.folder}, and {JOINER} ended with status {done.returncode} ({last}); correct "
                             "the folder or the names of its chips")
        return GroundFiles(out / "optical.tif", out / "sar.tif")


def data_folder() -> Path:
    """Return the folder that the environment names. Raises NoData where it names none, InputError where that is no folder."""
    named = os.environ.get(DATA)
    if not named:
        raise NoData(f"{DATA} does not name a folder of real images")
    if not Path(named).is_dir():
        raise InputError(f"{DATA} is {named}, which is no folder; let it name the folder of real images, or unset it")
    return Path(named)
