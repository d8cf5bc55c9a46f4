"""Grids, and descriptor maps cut along them."""

import numpy as np
import pytest

from promptmid_core.geometry import ChannelGroup, DescriptorMap, Grid


def test_grid_pixels_map_and_geotransform_agree() -> None:
    grid = Grid.from_transform((8.0, 0, 500_000.0, 0, -8.0, 4_000_000.0), 100, 50, (499_000.0, 3_999_000.0))
    assert grid.to_map(0, 0) == (1004.0, 996.0)
    assert grid.bounds == (1000.0, 600.0, 1800.0, 1000.0)
    assert grid.to_transform((499_000.0, 3_999_000.0)) == (8.0, 0.0, 500_000.0, 0.0, -8.0, 4_000_000.0)
    assert grid.to_pixel(*grid.to_map(7.25, 3.5)) == (7.25, 3.5)
    cells = grid.every(2)
    assert cells.to_map(0, 0) == (1008.0, 992.0)
    assert cells.bounds == grid.bounds


def test_a_window_and_cells_of_a_grid() -> None:
    grid = Grid(100.0, 200.0, 4.0, 11, 7)
    assert grid.shape == (7, 11)
    assert grid.cut(2, 3, 5, 4) == Grid(108.0, 188.0, 4.0, 5, 4)
    assert grid.every(3) == Grid(104.0, 196.0, 12.0, 3, 2)
    x, y = grid.axes()
    assert (x[0], x[-1], len(x), y[0], y[-1], len(y)) == (100, 140, 11, 200, 176, 7)


def described(valid: np.ndarray) -> DescriptorMap:
    """Two groups of channels whose values tell their cell."""
    height, width = valid.shape
    array = np.arange(3.0 * height * width, dtype=np.float32).reshape(3, height, width)
    return DescriptorMap(array, valid, Grid(100.0, 200.0, 4.0, width, height), 2, (ChannelGroup("a", 1), ChannelGroup("b", 2)))


def test_a_part_of_a_descriptor_map_lies_where_it_lay() -> None:
    whole = described(np.arange(77).reshape(7, 11) % 3 > 0)
    part = whole.cut(2, 3, 5, 4)
    assert part.grid == whole.grid.cut(2, 3, 5, 4)
    assert (part.stride, part.groups) == (2, whole.groups)
    assert part.array.tolist() == whole.array[:, 3:7, 2:7].tolist()
    assert part.valid.tolist() == whole.valid[3:7, 2:7].tolist()


@pytest.mark.parametrize(("rows", "cols", "cut"), [
    ((3, 7), (5, 9), (4, 2, 6, 6)), ((2, 8), (4, 10), (4, 2, 6, 6)), ((0, 1), (11, 12), (10, 0, 2, 2)),
    ((5, 6), (0, 12), (0, 4, 12, 2))])
def test_a_descriptor_map_is_trimmed_to_its_valid_cells_in_whole_steps(rows, cols, cut) -> None:
    valid = np.zeros((10, 12), bool)
    valid[slice(*rows), slice(*cols)] = True
    whole = described(valid)
    trimmed, expected = whole.trimmed(2), whole.cut(*cut)
    assert trimmed.grid == expected.grid and trimmed.array.tolist() == expected.array.tolist()
    assert trimmed.valid.sum() == valid.sum()


def test_a_descriptor_map_that_is_all_valid_or_not_at_all_stays_whole() -> None:
    for valid in (np.ones((10, 12), bool), np.zeros((10, 12), bool)):
        whole = described(valid)
        assert whole.trimmed(2) is whole
