"""The map's header: the small part that says what a map is, kept as attributes of the Zarr group."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from promptmid_core.errors import InputError
from promptmid_core.geometry import Grid
from promptmid_core.georaster import MapFrame, Transformation
from promptmid_core.georaster.frame import OF_FILES, lies_on_earth
from promptmid_core.refmap.format import facts, parts
from promptmid_core.refmap.format.fields import Fields
from promptmid_core.refmap.format.identity import DescriptorIdentity
from promptmid_core.refmap.format.parts import GridOptions, OverlapFacts, SceneFacts
from promptmid_core.refmap.format.quantisation import STORES
from promptmid_core.refmap.format.sar import SarReading, scale_from_dict, scale_to_dict
from promptmid_core.refmap.format.sealed import read_object, sealed, unsealed
from promptmid_core.refmap.format.vocabulary import VocabularyFacts
from promptmid_core.refmap.sar.amplitude import AmplitudeScale
from promptmid_core.refmap.sar.told import Fact
from promptmid_core.refmap.tile import Tile

FORMAT = "promptmid-map"
VERSION = 5
HEADER_FILE = "zarr.json"
CURE = "build the map again with 'promptmid map build'"

CHUNK_PX = 256
CHUNKS_PER_TILE = 2
BLOCK_PX = 64
MOST_LEVELS = 31
SAR_TYPES = ("uint8", "int8", "uint16", "int16", "uint32", "int32", "float32")


@dataclass(frozen=True)
class Header:
    """What a map is and what it was made from.

    `grid` are the level-0 pixels; a pixel of level k covers 2^k by 2^k of them. `amplitude` says how the product's values became
    SAR amplitude, `sar` what was said of it and which bands were read; `registration_sigma_m` is the standard deviation per axis
    of the ground's place in the product, as far as it is known to be off, by heights and by its datum; `dem_stride` is the number
    of level-0 pixels per height cell, 0 without a DEM, and `dem_range` its lowest and highest height in metres; `store` is the
    element type of the descriptors; `inputs` maps sar, landcover and dem to their `raster_identity`; `options` are those of the
    build as they were given. `scenes` are the SAR rasters of a mosaic, sar, sar2, ..., the first of which that is valid gives a
    pixel; empty where there is one raster only; `overlaps`: how those with ground in common lie on one another. `transformation`
    is the one from the datum of the SAR raster, of several that of the least accurate; None where the datum is that of the map,
    and in maps from before it was noted. `acquired` are the times at which the SAR rasters were taken, in order, as far as their
    metadata tell; `facts` what else is known of these, and where from; empty where no metadata tell anything and nothing was
    measured.
    """

    frame: MapFrame
    grid: Grid
    vertical_datum: str
    descriptor: DescriptorIdentity
    amplitude: AmplitudeScale
    sar_dtype: str
    sar: SarReading
    registration_sigma_m: float
    has_landuse: bool
    dem_stride: int
    dem_range: tuple[float, float]
    levels: int
    store: str
    vocabulary: VocabularyFacts
    inputs: dict[str, str]
    options: GridOptions
    scenes: tuple[SceneFacts, ...] = ()
    transformation: Transformation | None = None
    overlaps: tuple[OverlapFacts, ...] = ()
    acquired: tuple[str, ...] = ()
    facts: tuple[Fact, ...] = ()

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
        """Return the grid of a level's pixels; a rest of less than a pixel is left out."""
        return self.grid.every(2 ** level)

    def cells(self, level: int) -> Grid:
        """Return the grid of a level's descriptor cells."""
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
        """Yield the tiles of a level in row order, cut at the map's edge."""
        step, grid = self.tile_px, self.pixels(level)
        for row in range(0, grid.height, step):
            for col in range(0, grid.width, step):
                yield Tile(col, row, min(step, grid.width - col), min(step, grid.height - row), level)

    def to_dict(self) -> dict[str, Any]:
        """Return the header as JSON values, with a checksum of themselves."""
        values = {
            "frame": {"crs": self.frame.crs, "origin": list(self.frame.origin)},
            "grid": asdict(self.grid),
            "vertical_datum": self.vertical_datum,
            "descriptor": self.descriptor.to_dict(),
            "amplitude": scale_to_dict(self.amplitude),
            "sar_dtype": self.sar_dtype,
            "sar": self.sar.to_dict(),
            "registration_sigma_m": self.registration_sigma_m,
            "has_landuse": self.has_landuse,
            "dem_stride": self.dem_stride,
            "dem_range": list(self.dem_range),
            "levels": self.levels,
            "store": self.store,
            "vocabulary": self.vocabulary.to_dict(),
            "inputs": dict(self.inputs),
            "options": self.options.to_dict(),
        }
        # what a map does not have is left out, so that maps from before it could have it keep their bytes
        if self.scenes:
            values["scenes"] = [asdict(scene) for scene in self.scenes]
        if self.transformation:
            values["transformation"] = asdict(self.transformation)
        if self.overlaps:
            values["overlaps"] = [asdict(overlap) for overlap in self.overlaps]
        if self.acquired:
            values["acquired"] = [{"time": time} for time in self.acquired]
        if self.facts:
            values["facts"] = [facts.to_dict(fact) for fact in self.facts]
        transform = list(self.grid.to_transform(self.frame.origin))
        return sealed(values | {"format": FORMAT, "version": VERSION, "transform": transform})

    @staticmethod
    def read(path: Path) -> Header:
        """Return the header of a map folder. Raises InputError where it is no map, of another format, or damaged."""
        values = _attributes(path)
        if values is None:
            if path.suffix == ".zip" and path.is_file():
                raise InputError(f"{path} is a packed map, if any; unpack it first: promptmid map unpack {path} MAP")
            raise InputError(f"{path} is not a map; build one with: promptmid map build SAR.tif {path}")
        return Header.from_dict(values, path)

    @staticmethod
    def from_dict(values: dict[str, Any], path: Path) -> Header:
        """Return the header from its JSON values. Raises InputError, which names the map folder `path`, as for `read`."""
        file = path / HEADER_FILE
        _check_version(Fields(values, file, CURE).whole("version"), path)
        fields = unsealed(values, file, CURE)
        header = Header(
            parts.frame(fields.part("frame")), parts.grid(fields.part("grid")), fields.word("vertical_datum"),
            DescriptorIdentity.from_dict(fields.part("descriptor")), scale_from_dict(fields.part("amplitude")),
            fields.word("sar_dtype", SAR_TYPES), SarReading.from_dict(fields.part("sar")),
            fields.number("registration_sigma_m", 0, parts.MOST_SIGMA_M), fields.flag("has_landuse"),
            fields.whole("dem_stride"), parts.span(fields), fields.whole("levels", 1), fields.word("store", STORES),
            VocabularyFacts.from_dict(fields.part("vocabulary")), parts.inputs(fields.part("inputs")),
            parts.options(fields.part("options")),
            tuple(map(parts.scene, fields.parts("scenes", parts.MOST_SCENES))) if fields.holds("scenes") else (),
            parts.transformation(fields.part("transformation")) if fields.holds("transformation") else None,
            tuple(map(parts.overlap, fields.parts("overlaps", parts.MOST_OVERLAPS))) if fields.holds("overlaps") else (),
            tuple(map(facts.time, fields.parts("acquired", facts.MOST_TIMES))) if fields.holds("acquired") else (),
            tuple(map(facts.fact, fields.parts("facts", facts.MOST_FACTS))) if fields.holds("facts") else (),
        )
        header._check(fields)
        return header

    def _check(self, fields: Fields) -> None:
        """Raise InputError where the fields, each of which is sound, do not go together."""
        stride, side = self.descriptor.stride, min(self.grid.shape)
        if self.levels > MOST_LEVELS or side >> (self.levels - 1) < stride:
            fields.refuse("levels", f"what {self.grid.width} x {self.grid.height} px have room for, in cells of {stride}")
        if self.dem_stride and self.chunk_px % self.dem_stride:
            fields.refuse("dem_stride", f"a divisor of the {self.chunk_px} px of a chunk")
        if self.has_landuse != (self.vocabulary.table is not None):
            fields.refuse("has_landuse", "what the vocabulary's table of classes tells")
        names = {"sar", *(scene.name for scene in self.scenes)}
        told = names | ({"landcover"} if self.has_landuse else set()) | ({"dem"} if self.dem_stride else set())
        if self.inputs.keys() != told or 0 < len(self.scenes) != len(names):
            fields.refuse("inputs", "a table that names each SAR raster, and land cover and DEM where the map has them")
        if not {name for overlap in self.overlaps for name in (overlap.first, overlap.second)} <= names:
            fields.refuse("overlaps", "a table of rasters that the map was made of")
        if OF_FILES.search(self.vertical_datum):
            fields.refuse("vertical_datum", "the name of a datum")
        if not lies_on_earth(self.frame, self.grid.bounds):
            fields.refuse("grid", f"one of places on the Earth in {self.frame.crs:.60}")
        if fields.word("format") != FORMAT or fields.whole("version") != VERSION:
            fields.refuse("version", f"{VERSION}")
        if list(fields.numbers("transform", 6)) != list(self.grid.to_transform(self.frame.origin)):
            fields.refuse("transform", "that of the grid and the frame")
        fields.done()


def _check_version(version: int, path: Path) -> None:
    if version > VERSION:
        raise InputError(f"{path} is a map of format {version}, newer than this program's {VERSION}; update promptmid")
    if version < VERSION:
        raise InputError(f"{path} is a map of format {version}, older than this program's {VERSION}; build it again")


def attributes_of(path: Path) -> dict[str, Any] | None:
    """Return the attributes of a folder that calls itself one of our maps, finished or not; None where it does not."""
    try:
        return _attributes(path)
    except InputError:
        return None


def _attributes(path: Path) -> dict[str, Any] | None:
    """As `attributes_of`; InputError where something is there that cannot be read."""
    try:
        values = read_object(path / HEADER_FILE, CURE).get("attributes")
    except InputError as error:
        if isinstance(error.__cause__, FileNotFoundError | NotADirectoryError):
            return None
        raise
    return values if isinstance(values, dict) and values.get("format") == FORMAT else None
