"""What becomes of rasters that others made: every one below a folder built into a map, or the sentence that refuses it.

    python -m benchmarks.scenes FOLDER [--json FILE] [--most-px 1500]

Each is built with the descriptor structural, as coarse as leaves so many pixels on a side. Where one is built, `off GDAL px` says
how far its pixels lie from where GDAL's own warp puts them, at most, over a lattice of the map. GDAL places no Sentinel-1 folder:
`off grid px` is how far, in samples and lines, its orbit puts the points of its geolocation grid from where this says they are,
at most; of images in bursts, whose lines repeat ground, in samples alone. Exit status 1 where one ends in anything but a map or a
sentence, or lies off by a pixel.
"""

from __future__ import annotations

import argparse
import json
import logging
import sys
from collections.abc import Iterator
from math import ceil
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from promptmid_core.descriptors import load
from promptmid_core.errors import InputError
from promptmid_core.geometry import Grid
from promptmid_core.georaster import MapFrame, covering_grid, map_frame
from promptmid_core.georaster.mapping import mapping_to
from promptmid_core.georaster.placement import ControlPoints, Geotransform
from promptmid_core.georaster.saferaster import Orbital
from promptmid_core.georaster.source import opened
from promptmid_core.products.safe import Safe, is_safe, swaths
from promptmid_core.refmap.build import BuildOptions, Sources, build_map
from promptmid_core.refmap.sar import SarProduct

ENDINGS = (".tif", ".tiff", ".vrt", ".jp2", ".cog", ".img", ".nc")
LATTICE = 150


def rasters_in(folder: Path) -> Iterator[Path]:
    """Yield every raster below a folder, Sentinel-1 products as a whole, swath by swath."""
    for path in sorted(folder.rglob("*")):
        if any(is_safe(parent) for parent in path.parents if parent.is_relative_to(folder)):
            continue
        if path.is_dir() and is_safe(path):
            yield from swaths(path)
        elif path.is_file() and path.suffix.lower() in ENDINGS:
            yield path


def off_gdal(path: Path, frame: MapFrame, grid: Grid) -> float | None:
    """Return by how many of its pixels a raster lies off GDAL's own warp at most; None where that tells nothing."""
    from rasterio.enums import Resampling
    from rasterio.transform import Affine
    from rasterio.warp import reproject

    grid = grid.every(max(1, max(grid.shape) // LATTICE))
    with opened(path) as source:
        placement, width, height = source.placement, source.width, source.height
        cols, rows = np.meshgrid(np.arange(grid.width, dtype=float), np.arange(grid.height, dtype=float))
        ours = np.stack(mapping_to(source, frame, grid)(cols, rows))
    row, col = np.mgrid[0:height, 0:width].astype(np.float32)
    if isinstance(placement, Geotransform):
        how: dict[str, Any] = {"src_transform": placement.transform, "src_crs": placement.crs}
    elif isinstance(placement, ControlPoints):
        how = {"gcps": placement.points, "src_crs": placement.crs} | ({"SRC_METHOD": "GCP_TPS"} if placement.spline else {})
    else:
        how = {"rpcs": placement.coefficients, "src_crs": placement.crs, "RPC_HEIGHT": placement.height_m}
    told = np.full((2, *grid.shape), np.nan, np.float32)
    reproject(np.stack([col, row]), told, dst_crs=frame.crs, dst_transform=Affine(*grid.to_transform(frame.origin)),
              dst_nodata=np.nan, resampling=Resampling.nearest, tolerance=0, **how)
    # the pixel that is nearest lies half of one off; at the edge rounding decides whether there is one
    inside = (np.abs(ours[0] - width / 2) < width / 2) & (np.abs(ours[1] - height / 2) < height / 2)
    there = np.isfinite(told).all(axis=0) & inside
    off = np.abs(ours - told)[:, there]
    return float(np.maximum(off - 0.5, 0).max()) if off.size else None


def off_grid(path: Path) -> list[float]:
    """Return by how many samples, and lines, the orbit of a Sentinel-1 product puts its geolocation grid elsewhere at most."""
    told = Safe.of(path).annotation
    lines, pixels, lat, lon, height = told.points.T
    found = [Orbital(told).pixel(lon[[at]], lat[[at]], float(height[at])) for at in range(len(lon))]
    across, down = (np.array([place[axis][0] for place in found]) - 0.5 for axis in (0, 1))
    offs = [np.abs(across - pixels).max()] + ([] if told.bursts else [np.abs(down - lines).max()])
    return [round(float(off), 4) for off in offs]


def outcome(path: Path, out: Path, most_px: int) -> dict[str, Any]:
    """Return what becomes of a raster: `built` with its facts, or `refused` with the sentence."""
    told: dict[str, Any] = {"raster": str(path)}
    try:
        if is_safe(path):
            told["off grid px"] = off_grid(path)
        frame = map_frame(path)
        grid = covering_grid(path, frame)
        with opened(path) as source:
            band = None if source.count == 1 else 1
            told["placed by"] = source.placement.kind
        coarse = ceil(max(grid.shape) / most_px)
        gsd = round(grid.gsd * coarse, 6) if coarse > 1 else None
        built = build_map(Sources(path), out, BuildOptions(load("structural", threads=1), SarProduct(band=band), gsd=gsd))
        told |= {"outcome": "built", "gsd_m": built.gsd, "size_px": [built.grid.width, built.grid.height]}
        if not is_safe(path):
            told["off GDAL px"] = off_gdal(path, frame, grid)
    except InputError as error:
        told |= {"outcome": "refused", "sentence": str(error)}
    except Exception as error:
        told |= {"outcome": "FAILED", "sentence": f"{type(error).__name__}: {error}"}
    return told


def main() -> int:
    """Print the table; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--most-px", type=int, default=1500)
    args = parser.parse_args()
    logging.disable(logging.WARNING)
    found = []
    for number, path in enumerate(rasters_in(args.folder)):
        with TemporaryDirectory() as folder:
            told = outcome(path, Path(folder) / f"map{number}", args.most_px)
        found.append(told)
        off = told.get("off GDAL px")
        detail = told.get("sentence", "").replace(f"{args.folder}/", "") or (
            f"{told['placed by']}, {told['size_px'][0]} x {told['size_px'][1]} px of {told['gsd_m']:.4g} m"
            + ("" if off is None else f", {off:.3f} px off GDAL"))
        if "off grid px" in told:
            detail += f" ({' and '.join(map(str, told['off grid px']))} px off its geolocation grid)"
        print(f"{told['outcome']:8s} {path.relative_to(args.folder)}: {detail}", flush=True)
    if args.json:
        args.json.write_text(json.dumps(found, indent=2) + "\n")
    counts = {word: sum(told["outcome"] == word for told in found) for word in ("built", "refused", "FAILED")}
    print(", ".join(f"{count} {word}" for word, count in counts.items()))
    return int(counts["FAILED"] > 0 or any((told.get("off GDAL px") or 0.0) >= 1 for told in found))


if __name__ == "__main__":
    sys.exit(main())
