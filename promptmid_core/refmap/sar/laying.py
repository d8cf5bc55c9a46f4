"""The SAR rasters of a map checked, laid on one grid, and made equally bright."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from promptmid_core.errors import InputError
from promptmid_core.geometry import Grid
from promptmid_core.georaster import RasterFacts, RasterView, check_raster, covering_grid, map_frame, raster_identity
from promptmid_core.georaster.source import check_file
from promptmid_core.refmap.sar.amplitude import AmplitudeScale
from promptmid_core.refmap.sar.levelling import Part, common_part, levels_db
from promptmid_core.refmap.sar.product import SarProduct
from promptmid_core.refmap.sar.registration import Overlap, overlaps
from promptmid_core.refmap.sar.scene import Scene
from promptmid_core.refmap.sar.view import SarView

log = logging.getLogger(__name__)

# source pixels per map pixel beyond which a GSD is a slip of the pen, and its map too large or empty
FINEST, COARSEST = 1 / 16, 100.0
LEAST_COVERED = 0.25
LEAST_ADDED = 0.01  # share of a scene's pixels that are in the map
SAMPLED_BLOCKS, BLOCK_PX = 32, 256  # of a scene, to see what it adds
LATTICE = 65


@dataclass(frozen=True)
class Laid:
    """Scenes on the grid of their map: `scale` and `dtype` are of the values that it holds, `view` is that of the first;
    `overlaps`: how those with ground in common lie on one another; `borders` are the shares of each raster that a border of zeros
    takes."""

    scenes: tuple[Scene, ...]
    scale: AmplitudeScale
    dtype: str
    overlaps: tuple[Overlap, ...] = ()
    borders: tuple[float, ...] = ()

    @property
    def lifted(self) -> bool:
        """Whether the heights of a DEM have put the pixels of every scene in their place."""
        return all(scene.sar.view.ground for scene in self.scenes)

    @property
    def view(self) -> RasterView:
        return self.scenes[0].sar.view


def laid(rasters: dict[str, Path], product: SarProduct, stride: int, *, crs: str | None, gsd: float | None,
         dem: Path | None = None, geoid_m: float | None = None) -> Laid:
    """Check the SAR rasters of a map, by name, and lay them on one grid. Raises InputError for any that cannot be used.

    The first gives the pixels: its GSD, or `gsd` metres, and where they lie; the grid covers all. `stride` is a descriptor cell;
    `dem` has the heights for rasters whose pixels these move, `geoid_m` as for `RasterView.of`.
    """
    first, *others = rasters.values()
    if others:
        _check_different([first, *others])
    facts, scales = zip(*(checked(path, product) for path in rasters.values()), strict=True)
    frame = map_frame(first, crs, others)
    grid = covering_grid(first, frame, gsd, others)
    views = [replace(RasterView.of(path, frame, like=grid, bands=product.bands, kind="sar", dem=dem, geoid_m=geoid_m),
                     limits=(fact.minimum, fact.maximum))
             for path, fact in zip(rasters.values(), facts, strict=True)]
    parts = [view.part() for view in views]
    for view, (_, _, width, height) in zip(views, parts, strict=True):
        if not FINEST <= view.ratio <= COARSEST:
            what = f"--gsd {grid.gsd:g}" if gsd or not others else f"the {grid.gsd:.3g} m of {first}"
            raise InputError(f"{view.path} has pixels of {grid.gsd / view.ratio:.3g} m: {what} makes no map of it")
        if min(width, height) < stride:
            raise InputError(f"{view.path} is smaller than a descriptor cell at {grid.gsd:g} m per pixel; give a larger one")
    if others:
        _check_covered(views, grid)
    return _levelled(list(rasters), views, parts, scales, facts, product)


def checked(path: Path, product: SarProduct) -> tuple[RasterFacts, AmplitudeScale]:
    """Return what a SAR raster holds of what it can hold, and its scale. Raises InputError for one that cannot be used."""
    facts = check_raster(path, "sar", product.bands)
    scale = AmplitudeScale.of(path, facts, product.scale)
    plausible = scale.plausible
    if product.combine:
        facts = replace(check_raster(path, "sar", product.bands, scale.span, plausible), dtype="float32")
        return facts, scale.around(facts)
    if not plausible.least <= facts.minimum <= facts.maximum <= plausible.most:
        facts = check_raster(path, "sar", product.bands, plausible=plausible)
        # what was no echo had its part in the median
        scale = AmplitudeScale.of(path, facts, product.scale)
    return facts, scale


def _levelled(names: Sequence[str], views: Sequence[RasterView], parts: Sequence[Part],
              scales: Sequence[AmplitudeScale], facts: Sequence[RasterFacts], product: SarProduct) -> Laid:
    _check_alike(views, scales)
    gains, compared = [0.0] * len(views), list[Overlap]()
    if len(views) > 1:
        scenes = [SarView(view, scale, product, None) for view, scale in zip(views, scales, strict=True)]
        for index in range(1, len(scenes)):
            _check_adds(scenes[:index + 1], parts[:index + 1])
        areas = [fact.valid_fraction * width * height for fact, (_, _, width, height) in zip(facts, parts, strict=True)]
        scales = [scale.levelled(float(level)) for scale, level in zip(scales, levels_db(scenes, parts, areas), strict=True)]
        gains = [round(scale.gain_db(scales[0]), 6) + 0.0 for scale in scales]
        compared = overlaps(scenes, parts)
    found = tuple(Scene(name, SarView(view, scale, product, None), gain, part)
                  for name, view, scale, gain, part in zip(names, views, scales, gains, parts, strict=True))
    dtypes = {fact.dtype for fact in facts}
    return Laid(found, scales[0], dtypes.pop() if len(dtypes) == 1 else "float32", tuple(compared),
                tuple(fact.border for fact in facts))


def _check_different(files: Sequence[Path]) -> None:
    known: dict[str, Path] = {}
    for file in files:
        check_file(file)
        content = raster_identity(file) or str(file)
        if content in known:
            what = "is given twice" if known[content] == file else f"holds the same as {known[content]}"
            raise InputError(f"{file} {what}; give each scene once")
        known[content] = file


def _check_alike(views: Sequence[RasterView], scales: Sequence[AmplitudeScale]) -> None:
    for view, scale in zip(views, scales, strict=True):
        if scale.scale != scales[0].scale:
            raise InputError(f"{view.path} holds {scale.scale} ({scale.reason}) and {views[0].path} {scales[0].scale} "
                             f"({scales[0].reason}), and one map takes one kind; convert one of them, or say with --sar-scale "
                             "what both are")


def _check_adds(scenes: Sequence[SarView], parts: Sequence[Part]) -> None:
    """InputError where all that the last of several scenes has is won by those before it; a warning where almost all is."""
    col, row, width, height = parts[-1]
    blocks = [(col + left, row + top, min(BLOCK_PX, width - left), min(BLOCK_PX, height - top))
              for top in range(0, height, BLOCK_PX) for left in range(0, width, BLOCK_PX)]
    np.random.default_rng(0).shuffle(blocks)
    own = added = 0
    for count, block in enumerate(blocks):
        # a sample tells, unless it finds nothing at all
        if count >= SAMPLED_BLOCKS and added:
            break
        valid = scenes[-1].read(*block)[0].valid
        own += int(valid.sum())
        for scene, part in zip(scenes[:-1], parts[:-1], strict=True):
            if not valid.any():
                break
            # of a thousand scenes only neighbours have anything here
            if all(common_part(part, block)[2:]):
                valid &= ~scene.read(*block)[0].valid
        added += int(valid.sum())
    if added and added >= LEAST_ADDED * own:
        return
    path, gsd = scenes[-1].view.path, scenes[-1].view.grid.gsd
    if not own:
        raise InputError(f"{path} gives the map no valid pixel: at {gsd:.3g} m per pixel all is nodata, masked or empty; leave "
                         "it out, or give a --gsd at which it shows ground")
    twin = parts.index(parts[-1])
    alike = scenes[twin if twin < len(parts) - 1 else 0].view.path
    why = (f"{path} adds {'next to ' if added else ''}nothing to the map, for where it is valid a scene before it is too, and "
           "the first of them counts")
    cure = (f"polarisations of one scene are joined with 'gdalbuildvrt -separate both.vrt {alike} {path}', and both.vrt is given "
            "with --combine span")
    if not added:
        raise InputError(f"{why}; leave it out, or, {cure}")
    log.warning("%s; %s", why, cure)


def _check_covered(views: Sequence[RasterView], grid: Grid) -> None:
    cols, rows = np.meshgrid(np.linspace(0, grid.width - 1, LATTICE), np.linspace(0, grid.height - 1, LATTICE))
    covered = np.zeros(cols.shape, bool)
    for view in views:
        covered |= view.reaches(cols, rows)
    if covered.mean() < LEAST_COVERED:
        raise InputError(f"{views[0].path} and the {len(views) - 1} other rasters cover only {covered.mean():.0%} of the map "
                         "that would hold them all; build the map of those that lie together, and add the others with "
                         "'promptmid map append', each region as a map of its own")
