"""The rasters that a map is made from."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from promptmid_core.errors import InputError
from promptmid_core.products.safe import swaths


@dataclass(frozen=True)
class Sources:
    """The rasters of a map: one of SAR, or several of which the first that is valid at a place gives the map there.

    `landcover` holds land-cover classes and `dem` heights, where there are any.
    """

    sar: Path | str | Sequence[Path | str]
    landcover: Path | str | None = None
    dem: Path | str | None = None

    @property
    def scenes(self) -> list[Path]:
        """The SAR rasters in their order, of products of several swaths each swath. Raises InputError where there is none."""
        rasters = [self.sar] if isinstance(self.sar, Path | str) else self.sar
        if not rasters:
            raise InputError("no SAR raster is given, and a map is made from one at least; name a GeoTIFF")
        return [swath for raster in rasters for swath in swaths(Path(raster))]

    @property
    def files(self) -> dict[str, Path]:
        """The absolute paths by the names that a map's header gives its inputs: sar, sar2, sar3, ..., landcover, dem."""
        named = {f"sar{number if number > 1 else ''}": path for number, path in enumerate(self.scenes, 1)}
        named |= {name: Path(path) for name, path in (("landcover", self.landcover), ("dem", self.dem)) if path is not None}
        # what a ring of links comes to, which `resolve` would not tell, is no file and refused as such where it is read
        return {name: Path(os.path.realpath(path)) for name, path in named.items()}
