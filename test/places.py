"""The ground of one simulated world laid at other places of the Earth, with its map and frames of known truth."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyproj
import pytest
import rasterio
from rasterio.transform import from_origin
from rasterio.warp import Resampling, reproject
from shared import shared

from promptmid_core.bags.bag import open_bag
from promptmid_core.descriptors import load
from promptmid_core.geometry import Pose, Prior, boresight_point
from promptmid_core.localization.fix import Candidate, Frame
from promptmid_core.localization.localizer import Localizer
from promptmid_core.localization.options import Options
from promptmid_core.refmap import ReferenceMap
from promptmid_core.refmap.build import BuildOptions, Sources, build_map
from promptmid_core.replay.recording import Recording
from promptmid_core.simulation.flight.options import FlightOptions
from promptmid_core.simulation.flight.simulate import simulate_flight
from promptmid_core.simulation.world.options import WorldOptions
from promptmid_core.simulation.world.simulate import World, simulate_world

FRAMES = 2


@dataclass(frozen=True)
class Place:
    """Where a world is laid: `crs` of its rasters, longitude and latitude of its middle, the CRS that its map is to have where
    that is not left to itself, and the height of its lowest ground above the ellipsoid, where its heights are to be such."""

    crs: str
    longitude: float
    latitude: float
    map_crs: str | None = None
    lowest: float | None = None


@dataclass(frozen=True)
class Flown:
    """A map at a place, and frames over it with their priors and true poses."""

    reference: ReferenceMap
    frames: list[Frame]
    priors: list[Prior]
    truths: list[Pose]

    @staticmethod
    def read(folder: Path) -> Flown:
        """What `flown_over` made in a folder."""
        reference = ReferenceMap.open(folder / "map")
        recording = Recording(open_bag(folder / "bag"), reference.frame)
        flown = Flown(reference, [], [], [])
        for image in recording.images():
            truth = recording.truth(image.stamp_ns)
            assert truth is not None
            flown.frames.append(recording.intake.frame(image.message))
            flown.priors.append(recording.intake.odometry.at(image.stamp_ns)[0])
            flown.truths.append(truth)
        return flown

    def localizer(self, descriptor: str = "structural", threads: int = 1) -> Localizer:
        return Localizer(self.reference, load(descriptor, threads=threads), Options.of(patch_px=192))

    def ground_error_px(self, candidate: Candidate, index: int) -> float:
        assert candidate.pose is not None
        camera, terrain = self.frames[index].camera, self.reference.terrain()
        found, true = (boresight_point(camera, pose, terrain) for pose in (candidate.pose, self.truths[index]))
        return float(np.linalg.norm(found - true)) / self.reference.gsd


def laid(world: World, place: Place, folder: Path) -> World:
    """The same pixels at another place of the Earth; heights above the ellipsoid in a raster by degrees."""
    folder.mkdir(parents=True)
    east, north = pyproj.Transformer.from_crs("EPSG:4326", place.crs, always_xy=True).transform(place.longitude, place.latitude)
    half = world.size_px // 2 * world.gsd_m
    corner = round(east, -1) - half, round(north, -1) + half
    moved = {}
    for name in ("optical", "sar", "landcover", "dem"):
        with rasterio.open(getattr(world, name)) as source:
            pixels, profile = source.read(), source.profile
        profile |= {"crs": place.crs, "transform": from_origin(*corner, world.gsd_m, world.gsd_m)}
        if name == "dem" and place.lowest is not None:
            pixels, profile = by_degrees(pixels - pixels.min() + np.float32(place.lowest), profile)
        moved[name] = folder / f"{name}.tif"
        with rasterio.open(moved[name], "w", **profile) as target:
            target.write(pixels)
    return replace(world, **moved)


def by_degrees(heights: Any, profile: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
    """Heights (1, H, W) and what they are written with, resampled to the 3-D degrees of WGS 84 (EPSG:4979)."""
    lying = {"src_crs": profile["crs"], "src_transform": profile["transform"]}
    wide, (bottom, right) = 1.2, heights.shape[1:]
    east, north = profile["transform"] @ (right / 2, bottom / 2)
    longitude, latitude = pyproj.Transformer.from_crs(profile["crs"], "EPSG:4326", always_xy=True).transform(east, north)
    pixel = profile["transform"].a / 111_000
    stretch = 1 / np.cos(np.radians(latitude))
    transform = from_origin(longitude - wide * right / 2 * pixel * stretch, latitude + wide * bottom / 2 * pixel, pixel * stretch,
                            pixel)
    turned = np.full((1, int(wide * bottom), int(wide * right)), -9999, np.float32)
    reproject(heights, turned, **lying, dst_crs="EPSG:4979", dst_transform=transform, dst_nodata=-9999,
              resampling=Resampling.bilinear)
    kept = {"driver": "GTiff", "dtype": "float32", "count": 1, "height": turned.shape[1], "width": turned.shape[2]}
    return turned, kept | {"crs": "EPSG:4979", "transform": transform, "nodata": -9999}


def flown_over(world: World, folder: Path, map_crs: str | None = None, descriptor: str = "structural") -> Flown:
    """Build the map of a world, simulate a flight over it, and read both."""
    options = BuildOptions(load(descriptor, threads=1), crs=map_crs, levels=1)
    build_map(Sources(world.sar, landcover=world.landcover, dem=world.dem), folder / "map", options)
    simulate_flight(world.optical, folder / "bag", FlightOptions.of(frames=FRAMES, seed=2, footprint_px=240, drift_px=10,
                    yaw_error_deg=3, altitude_error_percent=2, image_size=(480, 360)), dem=world.dem, crs=map_crs)
    return Flown.read(folder)


def flown_over_a_small_world(factory: pytest.TempPathFactory) -> Flown:
    """Over one of 512 px, which is made once for all tests."""
    def make(folder: Path) -> None:
        flown_over(simulate_world(folder / "world", WorldOptions.of(seed=3, size_px=512)), folder)

    return Flown.read(shared(factory, "flown", make))
