"""Folders of maps with hostile metadata under checksums that hold, and with hostile bytes."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import rasterio
from rasterio.transform import from_origin

from benchmarks.fuzz.hostile import changed_bytes, changed_tree
from promptmid_core.descriptors import load
from promptmid_core.errors import Refusal
from promptmid_core.localization.localizer import Localizer
from promptmid_core.refmap import ReferenceMap, map_info
from promptmid_core.refmap.build import BuildOptions, Sources, build_map
from promptmid_core.refmap.build.append import append_region
from promptmid_core.refmap.format.sealed import SEAL, sealed
from promptmid_core.refmap.regions import read_regions, verify_map

SIDE_PX, GSD_M = 300, 10.0
WEST, NORTH = 400_000.0, 3_700_000.0
MOST_CELLS = 10**7


class Files:
    """A small map of which one file is changed at a time: its metadata as a tree, sealed again, or any file as bytes."""

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="fuzz-")
        self._map = _built(Path(self._folder.name))
        self._descriptor = load("structural")

    def run(self, rng: Random) -> str:
        file = rng.choice(self._chosen())
        before = file.read_bytes()
        file.write_bytes(self._changed(rng, before))
        try:
            return self._read(rng)
        finally:
            file.write_bytes(before)

    def close(self) -> None:
        self._folder.cleanup()

    def _chosen(self) -> list[Path]:
        raise NotImplementedError

    def _changed(self, rng: Random, content: bytes) -> bytes:
        raise NotImplementedError

    def _read(self, rng: Random) -> str:
        match rng.randrange(4):
            case 0:
                map_info(self._map)
                return "told"
            case 1:
                return "damage told" if verify_map(self._map) else "verified"
            case 2:
                read_regions(self._map)
                return "regions"
        reference = ReferenceMap.open(self._map)
        Localizer(reference, self._descriptor)
        for level in range(reference.levels):
            here = reference.at(level)
            assert here.grid.width * here.grid.height < MOST_CELLS
            found = here.descriptors(64, 64, 128, 64)
            assert np.isfinite(found.array).all()
            assert np.isfinite(here.image(-10, 200, 150, 150).image).all()
            here.prompt(0, 0, 64, 64)
        try:
            assert np.isfinite(reference.terrain().height(np.array([500.0, 1e6]), np.array([-700.0, 0.0]))).all()
        except Refusal:
            return "heights refused"
        return "read"


class Headers(Files):
    """Metadata changed as trees, under checksums that hold."""

    name = "headers"
    hang_s = 5

    def _chosen(self) -> list[Path]:
        return sorted(self._map.rglob("*.json"))

    def _changed(self, rng: Random, content: bytes) -> bytes:
        tree = changed_tree(rng, json.loads(content))
        return json.dumps(_sealed_again(tree)).encode(errors="surrogateescape")


class Bytes(Files):
    """Any file of the map changed as bytes."""

    name = "maps"
    hang_s = 5

    def _chosen(self) -> list[Path]:
        return sorted(path for path in self._map.rglob("*") if path.is_file())

    def _changed(self, rng: Random, content: bytes) -> bytes:
        return changed_bytes(rng, content)


def _sealed_again(tree: Any) -> Any:
    """The tree with the checksums that its tables carry made anew."""
    if isinstance(tree, list):
        return [_sealed_again(value) for value in tree]
    if not isinstance(tree, dict):
        return tree
    inner = {key: _sealed_again(value) for key, value in tree.items() if key != SEAL}
    try:
        return sealed(inner) if SEAL in tree else inner
    except (ValueError, RecursionError):
        return inner


def _built(folder: Path) -> Path:
    """A map of two levels with land cover and heights, and a region in the zone beside."""
    path = folder / "map"
    build_map(Sources(**_rasters(folder, "EPSG:32611")), path, BuildOptions(load("structural"), levels=2))
    append_region(path, Sources(**_rasters(folder, "EPSG:32612")), name="beside")
    return path


def _rasters(folder: Path, crs: str) -> dict[str, Path]:
    rng = np.random.default_rng(0)
    layers = {"sar": rng.gamma(4, 25, (SIDE_PX, SIDE_PX)).clip(1, 255).astype(np.uint8),
              "landcover": rng.choice([10, 40, 80], (SIDE_PX, SIDE_PX)).astype(np.uint8),
              "dem": rng.uniform(0, 300, (SIDE_PX // 3, SIDE_PX // 3)).astype(np.float32)}
    paths = {name: folder / f"{name}_{crs[5:]}.tif" for name in layers}
    for name, pixels in layers.items():
        side = GSD_M * SIDE_PX / pixels.shape[0]
        with rasterio.open(paths[name], "w", driver="GTiff", height=pixels.shape[0], width=pixels.shape[1], count=1,
                           dtype=pixels.dtype, crs=crs, transform=from_origin(WEST, NORTH, side, side)) as target:
            target.write(pixels, 1)
    return paths
