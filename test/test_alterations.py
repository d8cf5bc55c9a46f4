"""Rasters that are wrong in parts: each pixel comes from where it should, and the rest is as it was."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from rasterio.transform import Affine

from promptmid_core import cli
from promptmid_core.errors import InputError
from promptmid_core.simulation.world.alter import alter_raster, altered_pixels
from promptmid_core.simulation.world.alterations import AlterationOptions

SIZE = 64
PIXELS = np.arange(1, SIZE * SIZE + 1, dtype=np.uint16).reshape(1, SIZE, SIZE)
FOREIGN = (PIXELS + 10_000).astype(np.uint16)


def altered(pixels: Any = PIXELS, **values: Any) -> Any:
    return altered_pixels(pixels, AlterationOptions.of(**values), FOREIGN)


@pytest.mark.parametrize(("part", "where", "rest"), [
    ("left", np.s_[0, :, :32], np.s_[0, :, 32:]), ("right", np.s_[0, :, 32:], np.s_[0, :, :32]),
    ("upper", np.s_[0, :32], np.s_[0, 32:]), ("lower", np.s_[0, 32:], np.s_[0, :32]),
])
def test_half_of_a_map_lies_elsewhere_and_the_other_half_is_right(part: str, where: Any, rest: Any) -> None:
    out = altered(part=part, shift_px=(5, -3))
    assert np.array_equal(out[rest], PIXELS[rest])
    # the ground of (r, c) lies at (r - 3, c + 5); at the rim it is mirrored
    rows, cols = np.indices((SIZE, SIZE))
    inside = np.zeros((SIZE, SIZE), bool)
    inside[where[1:] if len(where) == 3 else where[1]] = True
    known = inside & (rows + 3 < SIZE) & (cols - 5 >= 0)
    assert np.array_equal(out[0][known], PIXELS[0][np.minimum(rows + 3, SIZE - 1), cols - 5][known])
    assert np.isin(out, PIXELS).all()


def test_a_shift_of_nothing_changes_nothing_and_one_beyond_the_map_still_ends() -> None:
    assert np.array_equal(altered(shift_px=(0, 0)), PIXELS)
    assert np.isin(altered(shift_px=(1000, -777)), PIXELS).all()


@pytest.mark.parametrize(("share", "tile"), [(30, 8), (100, 16), (0, 8)])
def test_some_tiles_show_other_ground(share: float, tile: int) -> None:
    out = altered(way="replace", share_percent=share, tile_px=tile, seed=3)
    tiles = (out != PIXELS)[0].reshape(SIZE // tile, tile, SIZE // tile, tile)
    assert np.array_equal(tiles.all(axis=(1, 3)), tiles.any(axis=(1, 3))), "whole tiles"
    assert tiles.any(axis=(1, 3)).sum() == round(share / 100 * (SIZE // tile) ** 2)
    assert (out[out != PIXELS] > 10_000).all()


def test_turns_and_mirrors() -> None:
    assert np.array_equal(altered(way="mirror")[0], PIXELS[0, :, ::-1])
    for quarters in (1, 2, 3):
        assert np.array_equal(altered(way="turn", quarters=quarters)[0], np.rot90(PIXELS[0], quarters))
    half = altered(way="turn", part="lower")
    assert np.array_equal(half[0, 32:], PIXELS[0, 32:][::-1, ::-1]) and np.array_equal(half[0, :32], PIXELS[0, :32])
    with pytest.raises(ValueError, match="a part of 64x32 pixels does not fit its place after 1 quarter turns; give 2 quarters"):
        altered(way="turn", part="lower", quarters=1)


def test_shuffled_tiles_are_all_there_and_none_is_at_home() -> None:
    out = altered(way="shuffle", tile_px=16, seed=5)
    assert np.array_equal(np.sort(out.ravel()), PIXELS.ravel())
    assert (out != PIXELS).all()
    assert not np.array_equal(out, altered(way="shuffle", tile_px=16, seed=6))
    rim = altered(np.concatenate([PIXELS, PIXELS[..., :5]], axis=2), way="shuffle", tile_px=16)
    assert np.array_equal(rim[..., 64:], PIXELS[..., :5]), "what no tile covers stays"


def test_tiles_that_do_not_fit_are_refused() -> None:
    for way in ("shuffle", "replace"):
        with pytest.raises(ValueError, match="tiles of 64 px do not fit into 64x32 pixels; give a smaller tile_px"):
            altered(way=way, part="upper", tile_px=64)


def write(path: Path, pixels: Any) -> Path:
    place = {"crs": "EPSG:32611", "transform": Affine(10, 0, 400_000, 0, -10, 3_750_000), "nodata": 0}
    with rasterio.open(path, "w", driver="GTiff", width=pixels.shape[2], height=pixels.shape[1], count=len(pixels),
                       dtype=pixels.dtype, **place) as file:
        file.write(pixels)
        file.update_tags(CALIBRATION="sigma0 = (DN / 500)^2")
    return path


def test_the_altered_raster_is_of_the_same_grid_and_kind(tmp_path: Path) -> None:
    source = write(tmp_path / "sar.tif", PIXELS)
    before = source.read_bytes()
    alter_raster(source, tmp_path / "out.tif", AlterationOptions.of(part="left", shift_px=(6, 0)))
    assert source.read_bytes() == before
    with rasterio.open(source) as old, rasterio.open(tmp_path / "out.tif") as new:
        assert (new.crs, new.transform, new.dtypes, new.shape) == (old.crs, old.transform, old.dtypes, (SIZE, SIZE))
        assert new.nodata == 0
        assert new.tags()["CALIBRATION"] == "sigma0 = (DN / 500)^2"
        assert np.array_equal(new.read(), altered(part="left", shift_px=(6, 0)))
    foreign = write(tmp_path / "b.tif", FOREIGN)
    alter_raster(source, tmp_path / "other.tif", AlterationOptions.of(way="replace", tile_px=8), foreign)
    with rasterio.open(tmp_path / "other.tif") as new:
        assert (new.read() > 10_000).mean() == pytest.approx(0.3, abs=0.01)


def test_rasters_that_cannot_be_altered_are_named_and_nothing_is_written(tmp_path: Path) -> None:
    source, out = write(tmp_path / "sar.tif", PIXELS), tmp_path / "out.tif"
    for given, other, words in (
        ({"way": "turn", "part": "left", "quarters": 1}, None, r"sar\.tif cannot be altered so: a part of 32x64"),
        ({"way": "replace"}, write(tmp_path / "f.tif", FOREIGN.astype(np.float32)), r"f\.tif has 1 bands of float32"),
        ({"way": "replace"}, tmp_path / "absent.tif", "absent"),
        ({"way": "shuffle", "tile_px": 512}, None, "tiles of 512 px do not fit"),
    ):
        with pytest.raises(InputError, match=words):
            alter_raster(source, out, AlterationOptions.of(**given), other)
        assert not out.exists()
    (tmp_path / "cut.tif").write_bytes(source.read_bytes()[:3000])
    with pytest.raises(InputError, match=r"cut\.tif"):
        alter_raster(tmp_path / "cut.tif", out, AlterationOptions())
    assert not out.exists()


def test_the_command_alters_a_raster(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source, out = write(tmp_path / "sar.tif", PIXELS), tmp_path / "out.tif"
    assert cli.main(["simulate", "alter", str(source), "--out", str(out), "--way", "mirror", "--part", "right"]) == 0
    assert "mirror of right" in capsys.readouterr().out
    with rasterio.open(out) as new:
        assert np.array_equal(new.read(), altered(way="mirror", part="right"))
    assert cli.main(["simulate", "alter", str(source), "--out", str(source)]) != 0, "never over what is read"
