"""The map's header: the small part that says what a map is, kept as attributes of the Zarr group."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from promptmid_core.descriptors import Descriptor
from promptmid_core.errors import InputError
from promptmid_core.files import digest
from promptmid_core.geometry import ChannelGroup, Grid, Measure
from promptmid_core.georaster import MapFrame
from promptmid_core.prompts.prompt import Modality

FORMAT = "promptmid-map"
VERSION = 5
HEADER_FILE = "zarr.json"

CHUNK_PX = 256
CHUNKS_PER_TILE = 2
BLOCK_PX = 64


@dataclass(frozen=True)
class DescriptorIdentity:
    """Which descriptor made the map: `stride` in level pixels, `fingerprint` and `groups` as the descriptor gives them."""

    name: str
    stride: int
    fingerprint: str
    groups: tuple[ChannelGroup, ...]

    @property
    def channels(self) -> int:
        return sum(group.channels for group in self.groups)

    @staticmethod
    def of(descriptor: Descriptor) -> DescriptorIdentity:
        return DescriptorIdentity(descriptor.name, descriptor.stride, descriptor.fingerprint, descriptor.groups(Modality.SAR))

    @staticmethod
    def read(values: dict[str, Any]) -> DescriptorIdentity:
        """From the header's JSON values."""
        groups = tuple(ChannelGroup(**group | {"measure": Measure(group["measure"])}) for group in values["groups"])
        return DescriptorIdentity(**values | {"groups": groups})


@dataclass(frozen=True)
class Tile:
    """The part of the map that one task makes: a window of a level's pixels that is one shard of every array of the level."""

    col: int
    row: int
    width: int
    height: int
    level: int = 0


@dataclass(frozen=True)
class Header:
    """What a map is and what it was made from.

    `grid` are the level-0 pixels; a pixel of level k covers 2^k by 2^k of them. `amplitude` says how the product's values became
    SAR amplitude, `sar` what was said of it and which bands were read; `registration_sigma_m` is the standard deviation per axis
    of the ground's place in the product, as far as it is known to be off; `dem_stride` is the number of level-0 pixels per height
    cell, 0 without a DEM, and `dem_range` its lowest and highest height in metres; `vocabulary` is `Vocabulary.attributes`;
    `store` is the element type of the descriptors; `inputs` maps sar, landcover and dem to the SHA-256 of the file; `options` are
    those of the build as they were given. `scenes` are the SAR rasters of a mosaic, sar, sar2, ..., the first of which that is
    valid gives a pixel: `name` and `gain_db`, which was added to its values; empty where there is one raster only.
    """

    frame: MapFrame
    grid: Grid
    vertical_datum: str
    descriptor: DescriptorIdentity
    amplitude: dict[str, Any]
    sar_dtype: str
    sar: dict[str, Any]
    registration_sigma_m: float
    has_landuse: bool
    dem_stride: int
    dem_range: tuple[float, float]
    levels: int
    store: str
    vocabulary: dict[str, Any]
    inputs: dict[str, str]
    options: dict[str, Any]
    scenes: list[dict[str, Any]] = field(default_factory=list)

    @property
    def chunk_px(self) -> int:
        """Level pixels along one side of a chunk, the unit of reading: a multiple of the stride near CHUNK_PX."""
        stride = self.descriptor.stride
        return stride * max(1, round(CHUNK_PX / stride))

    @property
    def tile_px(self) -> int:
        """Level pixels along one side of a tile, which is one shard."""
        return self.chunk_px * CHUNKS_PER_TILE

    def pixels(self, level: int) -> Grid:
        """The grid of a level's pixels; a rest of less than a pixel is left out."""
        return self.grid.every(2 ** level)

    def cells(self, level: int) -> Grid:
        """The grid of a level's descriptor cells."""
        return self.pixels(level).every(self.descriptor.stride)

    @property
    def dem_grid(self) -> Grid:
        """The grid of the height cells; unlike the descriptors' it covers the last pixels too."""
        return self._covered_by(self.dem_stride)

    @property
    def block_px(self) -> int:
        """Level-0 pixels along one side of a block of land use: the largest divisor of a chunk that is at most BLOCK_PX."""
        return max(step for step in range(1, BLOCK_PX + 1) if self.chunk_px % step == 0)

    @property
    def blocks(self) -> Grid:
        """The grid of the blocks of land use, which covers the last pixels too."""
        return self._covered_by(self.block_px)

    def _covered_by(self, stride: int) -> Grid:
        shift = (stride - 1) / 2 * self.grid.gsd
        return Grid(self.grid.x + shift, self.grid.y - shift, self.grid.gsd * stride,
                    -(-self.grid.width // stride), -(-self.grid.height // stride))

    def tiles(self, level: int = 0) -> Iterator[Tile]:
        """The tiles of a level in row order, cut at the map's edge."""
        step, grid = self.tile_px, self.pixels(level)
        for row in range(0, grid.height, step):
            for col in range(0, grid.width, step):
                yield Tile(col, row, min(step, grid.width - col), min(step, grid.height - row), level)

    def attributes(self) -> dict[str, Any]:
        """The header as JSON values, with a checksum of itself."""
        values = asdict(self)
        if not self.scenes:
            del values["scenes"]
        values["frame"]["origin"] = list(self.frame.origin)
        values["dem_range"] = list(self.dem_range)
        values["descriptor"]["groups"] = list(values["descriptor"]["groups"])
        values |= {"format": FORMAT, "version": VERSION, "transform": list(self.grid.to_transform(self.frame.origin))}
        return values | {"sha256": digest(values)}

    @staticmethod
    def read(path: Path) -> Header:
        """The header of a map folder; InputError where it is no map, of a newer format, or damaged."""
        values = attributes_of(path)
        if values is None:
            raise InputError(f"{path} is not a map; build one with: promptmid map build SAR.tif {path}")
        return Header.of(values, path)

    @staticmethod
    def of(values: dict[str, Any], path: Path) -> Header:
        """The header from its attributes; InputError, which names the map folder `path`, as for `read`."""
        version = values.get("version")
        if isinstance(version, int) and version > VERSION:
            raise InputError(f"{path} is a map of format {version}, newer than this program's {VERSION}; update promptmid")
        if version != VERSION:
            raise InputError(f"{path} is a map of format {version}, older than this program's {VERSION}; build it again")
        rest = {key: value for key, value in values.items() if key != "sha256"}
        if values.get("sha256") != digest(rest):
            raise InputError(f"{path / HEADER_FILE} is damaged: its checksum does not hold; copy or build the map again")
        fields = {key: value for key, value in rest.items() if key not in ("format", "version", "transform")}
        frame = MapFrame(fields["frame"]["crs"], tuple(fields["frame"]["origin"]))
        return Header(**fields | {"frame": frame, "grid": Grid(**fields["grid"]), "dem_range": tuple(fields["dem_range"]),
                                  "descriptor": DescriptorIdentity.read(fields["descriptor"])})


def sar_names(count: int) -> list[str]:
    """The names of so many SAR rasters among the inputs of a map: sar, sar2, sar3, ..."""
    return [f"sar{number if number > 1 else ''}" for number in range(1, count + 1)]


def attributes_of(path: Path) -> dict[str, Any] | None:
    """The attributes of a folder that calls itself one of our maps, finished or not; None where it does not."""
    try:
        values = json.loads((path / HEADER_FILE).read_bytes()).get("attributes")
    except (OSError, ValueError, AttributeError):
        return None
    return values if isinstance(values, dict) and values.get("format") == FORMAT else None
