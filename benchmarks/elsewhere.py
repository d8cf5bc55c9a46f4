"""Grounds whose optical image is of another date or sensor than what the truth was fitted with, for `benchmarks.strata`.

    python -m benchmarks.elsewhere "$PROMPTMID_DATA" --out elsewhere_out

writes folders with optical.tif and sar.tif: places of OMBRIA before a flood under SAR after it, the Eifel in a season under SAR
of the other one, an airborne L band radar under its optical image. The images are pixel-aligned by their sources. GeoTIFFs stand
anywhere, on a grid of their ground resolution.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import cv2
import numpy as np

from promptmid_core.arrays import UInt8
from promptmid_core.files import make_folder

CRS, WEST, NORTH = "EPSG:32632", 500_000.0, 5_500_000.0
SUMMER = range(5, 10)  # months


def main() -> None:
    """Write the grounds."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    data = args.data / "data"
    for after in sorted((data / "train/ombria-after/sar").glob("S1_after_*.png")):
        number = after.stem[-4:]
        ground(args.out / f"flood_{number}", data / f"train/ombria-floods/optical/S2_before_{number}.png", after, 10.0)
    ground(args.out / "lband", *(data / f"eval/uavsar-lband/{kind}/carolina.png" for kind in ("optical", "sar")), 5.6)
    dates = sorted((data / "eval/eifel-seasons/optical").glob("*.png"))
    summer, winter = ([path for path in dates if (int(path.stem[4:6]) in SUMMER) is season] for season in (True, False))
    for i, (one, other) in enumerate(zip(summer, winter, strict=False)):
        ground(args.out / f"season_{2 * i}", one, data / "eval/eifel-seasons/sar" / other.name, 10.0)
        ground(args.out / f"season_{2 * i + 1}", other, data / "eval/eifel-seasons/sar" / one.name, 10.0)


def ground(folder: Path, optical: Path, sar: Path, gsd: float) -> None:
    """Write the two images of a place."""
    make_folder(folder)
    colour = cv2.imread(str(optical))[..., ::-1]
    raster(folder / "optical.tif", np.moveaxis(colour, 2, 0), gsd)
    raster(folder / "sar.tif", cv2.imread(str(sar), cv2.IMREAD_GRAYSCALE)[None], gsd)


def raster(path: Path, bands: UInt8, gsd: float) -> None:
    """Write bands (C, H, W) as a GeoTIFF."""
    import rasterio
    from rasterio.transform import from_origin

    count, height, width = bands.shape
    with rasterio.open(path, "w", driver="GTiff", dtype="uint8", count=count, height=height, width=width, crs=CRS,
                       transform=from_origin(WEST, NORTH, gsd, gsd)) as file:
        file.write(np.ascontiguousarray(bands))


if __name__ == "__main__":
    main()
