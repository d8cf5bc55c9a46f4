"""Rasters that must be refused, and what one that can be used tells."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from geotiffs import speckle, write
from rasterio.transform import Affine

from promptmid_core.errors import InputError
from promptmid_core.georaster import check_raster


def masked(path: Path) -> None:
    with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True):
        write(path, speckle())
        with rasterio.open(path, "r+") as target:
            target.write_mask(np.zeros((200, 220), bool))


@pytest.mark.parametrize(("make", "kind", "named"), [
    (lambda p: None, "sar", "not a file"),
    (lambda p: p.write_text("no raster"), "sar", "no raster"),
    (lambda p: p.write_bytes(b""), "sar", "no raster"),
    (lambda p: write(p, speckle(), crs=None), "sar", "no CRS"),
    (lambda p: write(p, speckle(), transform=Affine.identity()), "sar", "no geotransform"),
    (lambda p: write(p, np.zeros((50, 50), np.uint8), nodata=0), "sar", "no valid pixel"),
    (lambda p: write(p, np.full((50, 50), np.nan, np.float32)), "sar", "no valid pixel"),
    (masked, "sar", "no valid pixel"),
    (lambda p: write(p, speckle().astype(np.complex64)), "optical", "complex64"),
    (lambda p: write(p, speckle().astype(np.uint32)), "sar", "uint32"),
    (lambda p: write(p, speckle()), "optical", "float32"),
    (lambda p: write(p, speckle()), "landcover", "float32"),
    (lambda p: write(p, np.ones((2, 50, 50), np.uint8)), "sar", "2 bands"),
    (lambda p: write(p, np.ones((5, 50, 50), np.uint8)), "optical", "5 bands"),
])
def test_raster_that_cannot_be_used_is_refused(tmp_path: Path, make: Any, kind: Any, named: str) -> None:
    path = tmp_path / "input.tif"
    make(path)
    with pytest.raises(InputError) as refusal:
        check_raster(path, kind)
    assert named in str(refusal.value)
    assert str(path) in str(refusal.value)
    assert "\n" not in str(refusal.value)


TILED = {"tiled": True, "blockxsize": 64, "blockysize": 64}


@pytest.mark.parametrize("options", [{}, TILED, {"compress": "deflate"}, {"compress": "jpeg"}, TILED | {"compress": "lzw"}])
@pytest.mark.parametrize("left", [-1, -64, -900, 0.9, 0.5, 0.1, 0.01])
def test_truncated_raster_is_refused_wherever_it_was_cut(tmp_path: Path, options: dict[str, Any], left: float) -> None:
    path = write(tmp_path / "sar.tif", speckle().astype(np.uint8), **options)
    check_raster(path, "sar")
    whole = path.read_bytes()
    path.write_bytes(whole[:int(left * len(whole)) if left > 0 else int(left)])
    with pytest.raises(InputError, match=str(path)):
        check_raster(path, "sar")


def test_damaged_block_in_the_middle_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "sar.tif", speckle(), compress="lzw")
    content = bytearray(path.read_bytes())
    content[len(content) // 2:len(content) // 2 + 64] = bytes(64)
    path.write_bytes(content)
    with pytest.raises(InputError, match="damaged"):
        check_raster(path, "sar")


def test_what_a_usable_raster_tells(tmp_path: Path) -> None:
    pixels = np.full((100, 100), 7, np.int16)
    pixels[:, :50] = -3
    pixels[:25] = -999
    facts = check_raster(write(tmp_path / "sar.tif", pixels, nodata=-999), "sar")
    assert (facts.dtype, facts.valid_fraction, facts.minimum, facts.maximum) == ("int16", 0.75, -3, 7)
    nan = speckle()
    nan[10:30] = np.nan
    assert check_raster(write(tmp_path / "float.tif", nan), "sar").valid_fraction == pytest.approx(0.9)
