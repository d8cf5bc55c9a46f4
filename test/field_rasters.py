"""Rasters as the field delivers them, and what reads such."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from numpy.typing import NDArray
from rasterio.transform import Affine
from refusals import told
from small_maps import BoxMean

from promptmid_core.bench.cutting import cut_pairs
from promptmid_core.prompts import ClassTable
from promptmid_core.refmap.build import BuildOptions, Sources, build_map
from promptmid_core.simulation.flight.options import FlightOptions
from promptmid_core.simulation.flight.simulate import simulate_flight

DEGREES = Affine(1e-4, 0, -118.4, 0, -1e-4, 34.1)  # in Los Angeles
UTM = Affine(10, 0, 380_000, 0, -10, 3_770_000)
PLACES = {"own": ("EPSG:32611", UTM), "reprojected": ("EPSG:4326", DEGREES)}
SCALES: dict[str, Any] = {
    "intensity": lambda a: (a / 100) ** 2 / 20, "db": lambda a: 20 * np.log10(a / 100) - 12, "amplitude": lambda a: a,
}
USES = [("build", "sar"), ("build", "landcover"), ("build", "dem"), ("cut", "optical"), ("cut", "sar"), ("cut", "landcover"),
        ("flight", "optical"), ("flight", "dem")]


def raster(path: Path, pixels: NDArray[Any], crs: Any = "EPSG:4326", transform: Affine = DEGREES, **options: Any) -> Path:
    """A GeoTIFF of pixels (H, W) or (B, H, W)."""
    bands = pixels if pixels.ndim == 3 else pixels[None]
    profile = {"crs": crs, "transform": transform} | options
    with rasterio.open(path, "w", driver="GTiff", width=bands.shape[2], height=bands.shape[1], count=bands.shape[0],
                       dtype=bands.dtype, **profile) as target:
        target.write(bands)
    return path


def speckle(shape: tuple[int, int] = (96, 120), seed: int = 0) -> NDArray[np.float32]:
    """Amplitudes of even ground, with a median of about 100."""
    return (np.sqrt(np.random.default_rng(seed).gamma(4, 0.25, shape)) * 100 + 1).astype(np.float32)


def los_angeles_rasters(folder: Path) -> dict[str, dict[str, Path]]:
    """Four rasters of a place with longitudes from -180 to 180, from 0 to 360, and one turn less."""
    rng = np.random.default_rng(1)
    kinds = {
        "sar": (speckle((300, 340)), 1.0), "optical": (rng.integers(1, 255, (3, 300, 340)).astype(np.uint8), 1.0),
        "landcover": (rng.choice(np.array([10, 50, 80], np.uint8), (150, 170)), 2.0),
        "dem": (rng.uniform(50, 60, (60, 68)).astype(np.float32), 5.0),
    }
    return {str(turn): {
        name: raster(folder / f"{name}{turn}.tif", pixels, transform=Affine(1e-4 * size, 0, -118.4 + turn, 0, -1e-4 * size, 34.1))
        for name, (pixels, size) in kinds.items()} for turn in (0, 360, -360)}


def used(given: dict[str, Path], out: Path, use: str) -> None:
    """Give rasters to what reads such: a map's build, the bench's cut, or a flight."""
    if use == "build":
        build_map(Sources(given["sar"], given["landcover"], given["dem"]), out, BuildOptions(BoxMean()))
    elif use == "cut":
        cut_pairs(given["optical"], given["sar"], out, side=96, landcover=given["landcover"], table=ClassTable.load("worldcover"))
    else:
        simulate_flight(given["optical"], out, FlightOptions.of(frames=2, seed=1, footprint_px=64, drift_px=5, yaw_error_deg=1,
                        altitude_error_percent=1, image_size=(64, 64)), dem=given["dem"])


def refused(los_angeles: dict[str, dict[str, Path]], out: Path, use: str, name: str, bad: Path) -> str:
    """The sentence by which a raster is refused, with nothing left behind."""
    sentence = told(used, los_angeles["0"] | {name: bad}, out, use)
    assert not out.exists()
    sentence.encode()
    return sentence
