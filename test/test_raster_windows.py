"""Windows of a raster: the same as of the whole, where pyproj puts them, by the cubic of the paper."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyproj
import pytest
from geotiffs import DEGREES, MERCATOR, UTM, source_under, speckle, write
from hypothesis import given, settings
from hypothesis import strategies as st

from promptmid_core.geometry import Grid
from promptmid_core.georaster import RasterView, map_frame
from promptmid_core.georaster.positions import positions
from promptmid_core.georaster.sampling import cubic


@settings(max_examples=12, deadline=None)
@given(col=st.integers(-40, 200), row=st.integers(-40, 200), width=st.integers(1, 150), height=st.integers(1, 150),
       gsd=st.sampled_from([8.3, 20.0]))
def test_a_window_equals_the_same_window_of_the_whole(tmp_path_factory: Any, col: int, row: int, width: int, height: int,
                                                       gsd: float) -> None:
    path = tmp_path_factory.getbasetemp() / "windows.tif"
    if not path.exists():
        pixels = speckle()
        pixels[50:80, 60:90] = np.nan
        write(path, pixels)
    view = RasterView.of(path, map_frame(path), gsd)
    around = view.read(-200, -200, 600, 600)
    window = view.read(col, row, width, height)
    place = np.s_[row + 200:row + 200 + height, col + 200:col + 200 + width]
    assert window.grid == view.grid.cut(col, row, width, height)
    known = around.valid[place]
    assert (window.valid != known).sum() <= 2  # a hole's border may pass between two pixels by 1e-4
    both = window.valid & known
    np.testing.assert_allclose(window.image[both], around.image[place][both], atol=0.05)


def test_raster_on_its_own_grid_is_taken_pixel_by_pixel(tmp_path: Path) -> None:
    pixels = speckle()
    pixels[30:40, 50:60] = np.nan
    path = write(tmp_path / "sar.tif", pixels, UTM)
    frame = map_frame(path)
    view = RasterView.of(path, frame)
    assert view.shift == (0, 0) and RasterView.of(path, frame, 9.0).shift is None
    seen = view.read(-3, 5, 230, 100)
    np.testing.assert_array_equal(seen.image[:, 3:223], np.nan_to_num(pixels[5:105]))
    np.testing.assert_array_equal(seen.valid[:, 3:223], np.isfinite(pixels[5:105]))
    assert not seen.valid[:, :3].any() and not seen.valid[:, 223:].any()
    moved = RasterView.of(path, frame, like=view.grid.cut(7, -2, 50, 50))
    assert moved.shift == (7, -2)
    assert RasterView.of(path, frame, like=Grid(view.grid.x + 0.5, view.grid.y, 8.0, 50, 50)).shift is None
    assert RasterView.of(write(tmp_path / "mercator.tif", pixels), frame).shift is None


@pytest.mark.parametrize("place", [MERCATOR, DEGREES, ("EPSG:4326", 29.0, 78.0, 1e-3)])
def test_places_between_the_nodes_are_where_pyproj_puts_them(tmp_path: Path, place: Any) -> None:
    path = write(tmp_path / "sar.tif", np.ones((600, 700), np.uint8), place)
    frame = map_frame(path)
    grid = RasterView.of(path, frame).grid
    u, v = source_under(place, frame, grid)

    def exact(col: Any, row: Any) -> tuple[Any, Any]:
        exact.calls.append(col.size)
        at = Grid(grid.x, grid.y, grid.gsd, 1, 1).to_map(col, row)
        east, up = pyproj.Transformer.from_crs(frame.crs, place[0], always_xy=True).transform(
            at[0] + frame.origin[0], at[1] + frame.origin[1])
        return (east - place[1]) / place[3] - 0.5, (place[2] - up) / place[3] - 0.5

    exact.calls = []
    got = positions(exact, 130, 70, 200, 150)
    for mine, true in zip(got, (u, v), strict=True):
        np.testing.assert_allclose(mine, true[70:220, 130:330], atol=3e-4)
    assert sum(exact.calls) < 100


def test_places_that_bend_too_much_are_all_asked_for() -> None:
    def bent(col: Any, row: Any) -> tuple[Any, Any]:
        return np.abs(col - 100.0), row + 0.0

    u, v = positions(bent, 90, 0, 20, 5)
    np.testing.assert_array_equal(u[0], np.abs(np.arange(90, 110) - 100))
    np.testing.assert_array_equal(v[:, 0], np.arange(5))


def test_cubic_is_keys_and_positions_are_a_64th_of_a_pixel_off_at_most() -> None:
    rng = np.random.default_rng(3)
    image, valid = rng.gamma(4, 25, (1, 60, 70)).astype(np.float32), np.ones((60, 70), bool)
    u, v = rng.uniform(3, 66, (200, 300)), rng.uniform(3, 56, (200, 300))
    seen, known = cubic(image, valid, u, v)
    rounded = [np.floor(place * 32 + 0.5) / 32 for place in (u, v)]
    np.testing.assert_allclose(seen[0], keys(image[0], *rounded), atol=1e-2)
    assert known.all()
    ramp = np.broadcast_to(np.arange(70, dtype=np.float32), (1, 60, 70))
    assert np.abs(cubic(np.ascontiguousarray(ramp), valid, u, v)[0][0] - u).max() <= 1 / 64 + 1e-5


def keys(image: Any, u: Any, v: Any) -> Any:
    """Keys' cubic of 4 x 4 pixels, as it is written in the paper."""
    def weight(distance: Any) -> Any:
        d = np.abs(distance)
        return np.where(d < 1, 1.5 * d**3 - 2.5 * d**2 + 1, np.where(d < 2, -0.5 * d**3 + 2.5 * d**2 - 4 * d + 2, 0))

    left, top = np.floor(u).astype(int), np.floor(v).astype(int)
    taps = [(top + i, left + j) for i in range(-1, 3) for j in range(-1, 3)]
    return sum(weight(v - row) * weight(u - col) * image[row, col] for row, col in taps)


def test_windows_agree_to_the_rounding_of_a_float(tmp_path: Path) -> None:
    pixels = speckle(300, 320)
    pixels[50:80, 60:90] = np.nan
    path = write(tmp_path / "sar.tif", pixels)
    view = RasterView.of(path, map_frame(path))
    whole, part = view.read(0, 0, 250, 250), view.read(37, 81, 100, 90)
    np.testing.assert_allclose(part.image, whole.image[81:171, 37:137], rtol=2e-6)
    np.testing.assert_array_equal(part.valid, whole.valid[81:171, 37:137])
