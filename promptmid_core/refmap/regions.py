"""The regions of a map: further maps below it, each with its own CRS, for a territory that no one CRS can show."""

from __future__ import annotations

import os
import re
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from promptmid_core.arrays import Float64
from promptmid_core.errors import InputError
from promptmid_core.folders import is_partial
from promptmid_core.georaster.frame import FURTHEST_DEG, trouble_of
from promptmid_core.georaster.proj import transformer
from promptmid_core.refmap.format.fields import Fields
from promptmid_core.refmap.format.header import Header, attributes_of
from promptmid_core.refmap.format.lock import LOCK_FILE
from promptmid_core.refmap.format.manifest import MANIFEST_FILE, REGIONS_FILE, REGIONS_FOLDER, damaged_files
from promptmid_core.refmap.format.parts import FURTHEST_M
from promptmid_core.refmap.format.sealed import read_object, unsealed, write_sealed

FORMAT, VERSION = "promptmid-regions", 1
MAIN = "main"
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,199}")
MOST_REGIONS = 10_000
CURE = "remove it and give each 'promptmid map append' again, which finds the regions that are there"
OUTLINE = 16  # points along a side of a footprint


@dataclass(frozen=True)
class Region:
    """A region as the table names it: `path` relative to the map, `bounds` west, south, east and north in degrees.

    `footprint` is the closed outline of its grid, longitude and latitude in degrees; over the date line both go on beyond 180.
    """

    name: str
    path: str
    crs: str
    origin: tuple[float, float]
    bounds: tuple[float, float, float, float]
    footprint: tuple[tuple[float, float], ...]

    @staticmethod
    def of(name: str, header: Header) -> Region:
        """Return the entry of a map; the region MAIN is the map itself."""
        lon, lat = transformer(header.frame.crs, "EPSG:4326").transform(*_outline(header))
        lon = (lon - lon[0] + 180) % 360 - 180 + lon[0]
        west, south, until, north = (round(float(value), 6) for value in (lon.min(), lat.min(), lon.max(), lat.max()))
        points = tuple((round(float(x), 6), round(float(y), 6)) for x, y in zip(lon, lat, strict=True))
        return Region(name, _folder(name), header.frame.crs, header.frame.origin, (west, south, until, north), points)

    @staticmethod
    def from_dict(fields: Fields) -> Region:
        """Return the region that a table's JSON values tell. Raises InputError where they tell none."""
        name = fields.word("name")
        if not NAME.fullmatch(name):
            fields.refuse("name", "the name of a region")
        east, north = fields.numbers("origin", 2, FURTHEST_M)
        west, south, until, top = fields.numbers("bounds", 4, FURTHEST_DEG)
        footprint = tuple((x, y) for x, y in fields.rows("footprint", 2, FURTHEST_DEG))
        region = Region(name, fields.word("path", (_folder(name),)), fields.text("crs"), (east, north), (west, south, until, top),
                        footprint)
        if trouble_of(region.crs):
            fields.refuse("crs", "that of a map")
        fields.done()
        return region

    def to_dict(self) -> dict[str, Any]:
        """Return the region as JSON values."""
        return asdict(self)


def read_regions(path: Path) -> list[Region]:
    """Return the regions of a map folder, first the map itself as MAIN. Raises InputError where it is none or the table is
    damaged."""
    file = path / REGIONS_FILE
    if not os.path.lexists(file):
        return [Region.of(MAIN, Header.read(path))]
    fields = unsealed(read_object(file, CURE), file, CURE)
    fields.word("format", (FORMAT,))
    version = fields.whole("version", 1)
    if version > VERSION:
        raise InputError(f"{file} is of version {version}, newer than this program's {VERSION}; update promptmid")
    regions = [Region.from_dict(region) for region in fields.parts("regions", MOST_REGIONS)]
    fields.done()
    if regions[0].name != MAIN or len({region.name for region in regions}) < len(regions):
        fields.refuse("regions", f"a list of different regions, the first of them {MAIN}")
    root = Path(os.path.realpath(path))
    for region in regions:
        if Path(os.path.realpath(path / region.path)) != root / region.path:
            raise InputError(f"{path / region.path} leads out of its place through a link; put the region's own folder there")
    return regions


def write_regions(path: Path, regions: list[Region]) -> None:
    """Write the table of a map, in one step."""
    values = {"format": FORMAT, "version": VERSION, "regions": [region.to_dict() for region in regions]}
    write_sealed(path / REGIONS_FILE, values)


def _folder(name: str) -> str:
    return "." if name == MAIN else f"{REGIONS_FOLDER}/{name}"


def region_path(path: Path, name: str = "") -> Path:
    """Return the map folder of a region, of the map itself for no name or MAIN. Raises InputError, which names those there are,
    for another."""
    if name in ("", MAIN):
        return path
    regions = read_regions(path)
    for region in regions:
        if region.name == name:
            return path / region.path
    raise InputError(f"{path} has no region '{name}'; it has {', '.join(region.name for region in regions)}")


def verify_map(path: Path) -> list[str]:
    """Return the files of a map and its regions that are damaged, missing or not theirs, relative to it; empty where all is well.

    An append that was cut off is no damage: `unfinished_regions` names it. Raises InputError where the folder is no finished map.
    """
    damaged, listed = damaged_files(path), set[str]()
    try:
        regions = read_regions(path)[1:] if (path / REGIONS_FILE).exists() else []
    except InputError:
        damaged, regions = [*damaged, REGIONS_FILE], []
    for region in regions:
        listed.add(region.name)
        try:
            damaged += [f"{region.path}/{name}" for name in damaged_files(path / region.path)]
        except InputError:
            damaged.append(f"{region.path}/{MANIFEST_FILE}")
    for entry in sorted((path / REGIONS_FOLDER).iterdir()) if (path / REGIONS_FOLDER).is_dir() else []:
        # what an append that was cut off may leave behind is no damage
        names = {file.name for file in entry.iterdir()} if entry.is_dir() else {entry.name}
        left = all(name == LOCK_FILE or is_partial(name) for name in names)
        if entry.name not in listed and not left and attributes_of(entry) is None:
            damaged.append(f"{REGIONS_FOLDER}/{entry.name}")
    return sorted(damaged)


def unfinished_regions(path: Path) -> list[str]:
    """Return the names of regions whose append was cut off."""
    listed = {region.name for region in read_regions(path)}
    folders = (path / REGIONS_FOLDER).iterdir() if (path / REGIONS_FOLDER).is_dir() else iter(())
    return sorted(entry.name for entry in folders if entry.name not in listed and attributes_of(entry) is not None)


def holds(outer: Header, inner: Header) -> bool:
    """Return whether a map lies within the bounds of another one, to 2 px of it."""
    east, north = transformer(inner.frame.crs, outer.frame.crs).transform(*_outline(inner))
    x, y, slack = east - outer.frame.origin[0], north - outer.frame.origin[1], 2 * outer.grid.gsd
    x_min, y_min, x_max, y_max = outer.grid.bounds
    return bool(((x >= x_min - slack) & (x <= x_max + slack) & (y >= y_min - slack) & (y <= y_max + slack)).all())


def _outline(header: Header) -> tuple[Float64, Float64]:
    """Eastings and northings along the edge of a map's grid, closed."""
    x_min, y_min, x_max, y_max = header.grid.bounds
    there = np.linspace(0, 1, OUTLINE, endpoint=False)
    x = np.concatenate([x_min + there * (x_max - x_min), np.full(OUTLINE, x_max), x_max - there * (x_max - x_min),
                        np.full(OUTLINE, x_min), [x_min]])
    y = np.concatenate([np.full(OUTLINE, y_min), y_min + there * (y_max - y_min), np.full(OUTLINE, y_max),
                        y_max - there * (y_max - y_min), [y_min]])
    return x + header.frame.origin[0], y + header.frame.origin[1]
