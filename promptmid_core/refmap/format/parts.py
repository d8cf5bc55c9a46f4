"""The parts of a map's header: what each can be, and how it is read."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from promptmid_core.geometry import Grid
from promptmid_core.georaster import MapFrame, Transformation
from promptmid_core.georaster.frame import LEAST_PIXEL_M, MOST_PIXEL_M, trouble_of
from promptmid_core.georaster.undulation import GEOID_M
from promptmid_core.refmap.format.fields import Fields

# what a map can be at most, so that nothing that goes by its header outgrows a machine
MOST_PX = 2**40
MOST_SCENES = 65534
FURTHEST_M = 1e8  # of eastings and northings, whatever their CRS adds to them
MOST_HEIGHT_M = 1e5
MOST_SIGMA_M = 1e5
MOST_GAIN_DB = 200.0
MOST_SHIFT_PX, MOST_OVERLAPS = 1e3, 2**20  # of scenes on one another


@dataclass(frozen=True)
class GridOptions:
    """What was asked for at the build, None where it was left to the program: the CRS, the GSD in metres, and how far what the
    heights of the DEM count from lies above the ellipsoid."""

    crs: str | None
    gsd_m: float | None
    geoid_height_m: float | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return the options as JSON values."""
        values = asdict(self)
        # left out where nobody told it, so that maps from before it could be told keep their bytes
        if self.geoid_height_m is None:
            del values["geoid_height_m"]
        return values


@dataclass(frozen=True)
class SceneFacts:
    """A SAR raster of a mosaic: its name among the inputs, and the decibels that were added to its values."""

    name: str
    gain_db: float


@dataclass(frozen=True)
class OverlapFacts:
    """Two SAR rasters of a mosaic by their names among the inputs, and how many map pixels east and north the `second` shows what
    the `first` shows, with the standard deviation of that, an axis."""

    first: str
    second: str
    east_px: float
    north_px: float
    sigma_px: float


def frame(fields: Fields) -> MapFrame:
    """Return the frame of a map. Raises InputError where no map can have it."""
    east, north = fields.numbers("origin", 2, FURTHEST_M)
    frame = MapFrame(fields.text("crs"), (east, north))
    if trouble_of(frame.crs):
        fields.refuse("crs", "a plain projected CRS, in metres to the east and north, of the Earth, that PROJ knows")
    fields.done()
    return frame


def grid(fields: Fields) -> Grid:
    """Return the pixels of level 0. Raises InputError where no map can have them."""
    grid = Grid(fields.number("x", -FURTHEST_M, FURTHEST_M), fields.number("y", -FURTHEST_M, FURTHEST_M),
                fields.number("gsd", LEAST_PIXEL_M, MOST_PIXEL_M), fields.whole("width", 1), fields.whole("height", 1))
    if grid.width * grid.height > MOST_PX:
        fields.refuse("width", f"that of a map of {MOST_PX} px at most")
    fields.done()
    return grid


def span(fields: Fields) -> tuple[float, float]:
    """Return the lowest and the highest height. Raises InputError where they are none."""
    lowest, highest = fields.numbers("dem_range", 2, MOST_HEIGHT_M)
    if lowest > highest:
        fields.refuse("dem_range", "the lowest and the highest height")
    return lowest, highest


def inputs(fields: Fields) -> dict[str, str]:
    """Return the SHA-256 of inputs by their names. Raises InputError where one is none."""
    return {name: fields.sha256(name) for name in fields.names}


def options(fields: Fields) -> GridOptions:
    """Return the options of a build. Raises InputError where they are none."""
    options = GridOptions(None if fields.empty("crs") else fields.text("crs"),
                          None if fields.empty("gsd_m") else fields.positive("gsd_m"),
                          fields.number("geoid_height_m", *GEOID_M) if fields.holds("geoid_height_m") else None)
    fields.done()
    return options


def scene(fields: Fields) -> SceneFacts:
    """Return what is known of a raster of a mosaic. Raises InputError where that cannot be."""
    scene = SceneFacts(fields.word("name"), fields.number("gain_db", -MOST_GAIN_DB, MOST_GAIN_DB))
    fields.done()
    return scene


def overlap(fields: Fields) -> OverlapFacts:
    """Return how two rasters of a mosaic lie on one another. Raises InputError where they cannot."""
    overlap = OverlapFacts(fields.word("first"), fields.word("second"), fields.number("east_px", -MOST_SHIFT_PX, MOST_SHIFT_PX),
                           fields.number("north_px", -MOST_SHIFT_PX, MOST_SHIFT_PX), fields.positive("sigma_px", MOST_SHIFT_PX))
    fields.done()
    return overlap


def transformation(fields: Fields) -> Transformation:
    """Return the transformation from another datum. Raises InputError where it is none."""
    accuracy = None if fields.empty("accuracy_m") else fields.positive("accuracy_m")
    transformation = Transformation(fields.word("name"), accuracy)
    fields.done()
    return transformation
