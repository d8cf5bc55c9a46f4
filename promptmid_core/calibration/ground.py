"""A ground: one place in both kinds of image, its map, and what a camera over it would see."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from promptmid_core.arrays import Mask, UInt8
from promptmid_core.descriptors import Descriptor
from promptmid_core.errors import InputError
from promptmid_core.files import digest, make_folder, sha256
from promptmid_core.geometry import Grid, Terrain
from promptmid_core.georaster import RasterView
from promptmid_core.refmap import ReferenceMap
from promptmid_core.refmap.build import BuildOptions, Crew, Sources, build_map
from promptmid_core.simulation.flight.flightplan import drape
from promptmid_core.simulation.flight.sight import Sight, nadir_sight
from promptmid_core.simulation.flight.view import View

OPTICAL, SAR, DEM, LANDCOVER = "optical.tif", "sar.tif", "dem.tif", "landcover.tif"
SMALL, LARGE = (320, 240), (480, 360)  # px of images, by the footprint that they have to resolve
SMALL_PX = 192.0  # the largest footprint of the small ones
CHECKED_PX = 160.0  # footprint for which the DEM is asked whether it covers the orthophoto


@dataclass(frozen=True)
class KnownGround:
    """`reference`: the map made of its SAR image; `image` (H, W, 3), `valid` (H, W) and `grid`: its orthophoto in the map's
    frame, over `terrain`."""

    name: str
    reference: ReferenceMap
    image: UInt8
    valid: Mask
    grid: Grid
    terrain: Terrain
    _views: dict[tuple[int, int], View] = field(default_factory=dict, compare=False, repr=False)

    @staticmethod
    def open(folder: Path, descriptor: Descriptor, work: Path, progress: Callable[[int, int], None] | None = None) -> KnownGround:
        """Read a folder with optical.tif and sar.tif, and where they are dem.tif and landcover.tif; its map is made in a folder
        of `work`, or found there where it was made of equal files for this descriptor.

        Raises InputError where a file is missing or cannot be used.
        """
        files = {name: folder / name for name in (OPTICAL, SAR, DEM, LANDCOVER) if (folder / name).exists()}
        for name in (OPTICAL, SAR):
            if name not in files:
                raise InputError(f"{folder} has no {name}; name folders with {OPTICAL} and {SAR}, as 'promptmid simulate world' "
                                 "writes them")
        made_of = digest({"descriptor": descriptor.fingerprint,
                          **{name: sha256(path) for name, path in files.items() if name != OPTICAL}})
        make_folder(work)
        sources = Sources(files[SAR], files.get(LANDCOVER), files.get(DEM))
        reference = build_map(sources, work / f"{folder.resolve().name}-{made_of[:16]}", BuildOptions(descriptor),
                              Crew(progress=progress))
        ortho = RasterView.of(files[OPTICAL], reference.frame)
        seen = ortho.read(0, 0, ortho.grid.width, ortho.grid.height)
        if seen.image.ndim != 3:
            raise InputError(f"{files[OPTICAL]} has one band; cameras see colour, name an orthophoto of three")
        image = np.where(seen.valid[..., None], seen.image, 0).astype(np.uint8)
        terrain = drape(files.get(DEM), ortho, nadir_sight(*SMALL, CHECKED_PX * reference.gsd))
        return KnownGround(folder.resolve().name, reference, image, seen.valid, seen.grid, terrain)

    def sight(self, footprint_px: float) -> Sight:
        """Return the camera whose footprint has a shorter side of so many map pixels."""
        return nadir_sight(*(SMALL if footprint_px <= SMALL_PX else LARGE), footprint_px * self.reference.gsd)

    def view(self, sight: Sight) -> View:
        """Return what a camera sees of the orthophoto."""
        size = sight.camera.width, sight.camera.height
        if size not in self._views:
            self._views[size] = View(self.image, self.valid, self.grid, self.terrain, sight.camera)
        return self._views[size]
