"""The heights above ground from which a camera's frames can be matched to a map."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from promptmid_core.errors import InputError
from promptmid_core.geometry import Camera, Pose, Terrain, ground_resolution
from promptmid_core.localization.attitude import metres_per_tenth
from promptmid_core.localization.options import SearchOptions
from promptmid_core.refmap import ReferenceMap

SMALLEST_PX = 128.0  # shorter side of a footprint, in map pixels: 7 of 10 frames of flights over Los Angeles get a fix with it
ROUNDED = 1e-6  # share of a height
COARSENESS = 2.0  # image pixels may be so many times as coarse as the map's


@dataclass(frozen=True)
class Footprint:
    """What a camera that looks straight down sees from one metre above flat ground, in metres: `across` and `along` the image,
    and the `resolution` of its middle."""

    across: float
    along: float
    resolution: float

    @staticmethod
    def of(camera: Camera) -> Footprint:
        """Return that of a camera. Raises InputError where its lens sees no bounded ground."""
        middle = (camera.width - 1) / 2, (camera.height - 1) / 2
        ends = np.array([[-0.5, middle[1]], [camera.width - 0.5, middle[1]], [middle[0], -0.5], [middle[0], camera.height - 0.5]])
        try:
            rays = camera.rays(ends)
        except ValueError as error:
            raise InputError(f"the camera cannot be planned with: {error}") from error
        if not (rays[:, 2] > 1e-3).all():
            raise InputError("the camera sees the horizon and beyond at its rim, so that its footprint has no end; rectify its "
                             "images, or cut them")
        flat = rays[:, :2] / rays[:, 2:]
        pose = Pose.from_rpy(np.array([0.0, 0.0, 1.0]), 0.0, 0.0, 0.0)
        return Footprint(float(flat[1, 0] - flat[0, 0]), float(flat[3, 1] - flat[2, 1]),
                         ground_resolution(camera, pose, Terrain.flat()))

    @property
    def shorter(self) -> float:
        return min(self.across, self.along)


@dataclass(frozen=True)
class Band:
    """The usable heights above ground, in metres: from `least` to `most`, `full` from where a frame fills the patch that is
    matched, and what ends the band above: `ceiling`. Of a `footprint` over pixels of `gsd` metres."""

    footprint: Footprint
    gsd: float
    least: float
    most: float
    full: float
    ceiling: str

    @property
    def usual(self) -> float:
        """The height to plan with where none is given: frames fill the patch, as far as the band allows it."""
        return float(np.clip(self.full, self.least, self.most))

    @property
    def sentence(self) -> str:
        """What the band is, in words."""
        return (f"{self.least:.0f} to {self.most:.0f} m above ground with this camera, best from {self.usual:.0f} m; above, "
                f"{self.ceiling}")

    def trouble(self, height: float) -> str:
        """Return why frames from a height cannot be matched, in a few words; empty where they can."""
        if height < self.least * (1 - ROUNDED):
            return f"too low: a frame shows less than {self.least * self.footprint.shorter / self.gsd:.0f} px of the map"
        return f"too high: {self.ceiling}" if height > self.most * (1 + ROUNDED) else ""

    def footprint_px(self, height: float) -> float:
        """Return the shorter side of a footprint in map pixels of level 0."""
        return height * self.footprint.shorter / self.gsd

    def level(self, height: float) -> int:
        """Return the level of the map that frames from a height are matched on."""
        ratio = height * self.footprint.resolution / (COARSENESS * self.gsd)
        return max(int(np.ceil(np.log2(max(ratio, 1e-9)) - 1e-9)), 0)

    def at(self, height: float, search: SearchOptions) -> dict[str, float]:
        """Return what a height comes to: metres per image pixel, footprint in metres and in pixels of the map, metres that 0.1
        degrees of attitude move a position by, and the largest error of the prior that is searched, in metres."""
        return {
            "height_m": height, "resolution_m": height * self.footprint.resolution,
            "footprint_across_m": height * self.footprint.across, "footprint_along_m": height * self.footprint.along,
            "footprint_px": self.footprint_px(height), "error_m_per_0_1deg": metres_per_tenth(height),
            "largest_prior_error_m": search.most_radius_px * self.gsd * 2 ** self.level(height),
        }


def band_of(reference: ReferenceMap, camera: Camera, search: SearchOptions) -> Band:
    """Return the heights at which frames of a camera can be matched to a map.

    Below, a frame shows too little ground; above, its pixels are too coarse for the map's coarsest level, or it shows more ground
    than the map has. Raises InputError where no height is left.
    """
    seen = Footprint.of(camera)
    least, full = (side * reference.gsd / seen.shorter for side in (min(SMALLEST_PX, search.patch_px), search.patch_px))
    coarsest = COARSENESS * reference.gsd * 2 ** (reference.levels - 1) / seen.resolution
    whole = min(reference.grid.shape) * reference.gsd / seen.shorter
    if least > coarsest:
        raise InputError(f"images of {camera.width}x{camera.height} px are too small for any height over {reference.path}: where "
                         f"they show {SMALLEST_PX:.0f} of its pixels, theirs are more than twice as coarse; use larger images")
    if least > whole:
        raise InputError(f"{reference.path} is {min(reference.grid.shape)} px wide, less than the {SMALLEST_PX:.0f} px that a "
                         "frame has to show; build it of a larger raster")
    ceiling = ("pixels of the image are twice as coarse as the map's coarsest" if coarsest <= whole
               else "a frame shows more ground than the map has")
    return Band(seen, reference.gsd, least, min(coarsest, whole), full, ceiling)
