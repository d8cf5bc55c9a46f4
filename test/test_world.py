"""The files of a simulated world, and the errors of making one."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import rasterio
from pyproj import Proj

from promptmid_core.errors import InputError
from promptmid_core.georaster import check_raster
from promptmid_core.simulation.world.options import WorldOptions
from promptmid_core.simulation.world.simulate import World, simulate_world


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    return simulate_world(tmp_path_factory.mktemp("world") / "new" / "folder", WorldOptions.of(seed=4, size_px=512))


def test_files_lie_on_one_utm_grid_of_true_scale(world: World) -> None:
    for path in (world.optical, world.sar, world.landcover, world.dem):
        with rasterio.open(path) as file:
            assert file.crs.to_epsg() == 32633
            assert file.transform.to_gdal() == rasterio.Affine(*world.transform).to_gdal()
            assert file.shape == (512, 512)
            assert (file.bounds.left + file.bounds.right, file.bounds.bottom + file.bounds.top) == (2 * 468_000, 2 * 5_205_000)
            assert file.profile["tiled"] and file.profile["compress"] == "deflate"
            corners = rasterio.transform.xy(file.transform, [-0.5, -0.5, 511.5, 511.5], [-0.5, 511.5, -0.5, 511.5])
    utm = Proj("EPSG:32633")
    factors = utm.get_factors(*utm(*(np.asarray(c) for c in corners), inverse=True))
    assert np.abs(np.asarray(factors.meridional_scale) - 1).max() < 1e-3


def test_files_are_what_the_map_builder_takes(world: World) -> None:
    with rasterio.open(world.sar) as file:
        assert (file.dtypes, file.nodata) == (("uint16",), 0)
    with rasterio.open(world.optical) as file:
        assert (file.dtypes, file.count) == (("uint8",) * 3, 3)
    with rasterio.open(world.landcover) as file:
        colours = file.colormap(1)
        assert colours[80][:3] == (0, 100, 200) and colours[10][:3] == (0, 100, 0)
    assert check_raster(world.sar, "sar").valid_fraction == 1
    assert check_raster(world.optical, "optical").valid_fraction == 1
    assert check_raster(world.landcover, "landcover").valid_fraction == 1
    facts = check_raster(world.dem, "dem")
    assert facts.dtype == "float32" and 30 < facts.maximum - facts.minimum < 600


def test_southern_zone_and_coarser_pixels(tmp_path: Path) -> None:
    told: list[str] = []
    made = simulate_world(tmp_path, WorldOptions.of(seed=1, size_px=256, gsd=20.0, epsg=32719), progress=told.append)
    with rasterio.open(made.dem) as file:
        assert file.crs.to_epsg() == 32719 and file.res == (20.0, 20.0)
        assert -60 < Proj("EPSG:32719")(*file.xy(128, 128), inverse=True)[1] < -10
    assert "optical image" in told and "SAR image" in told


def test_same_seed_same_pixels_other_seed_other_world(world: World, tmp_path: Path) -> None:
    again = simulate_world(tmp_path / "again", WorldOptions.of(seed=4, size_px=512))
    other = simulate_world(tmp_path / "other", WorldOptions.of(seed=5, size_px=512))
    for name in ("optical", "sar", "landcover", "dem"):
        images = []
        for made in (world, again, other):
            with rasterio.open(getattr(made, name)) as file:
                images.append(file.read().astype(float))
        first, second, third = images
        assert np.array_equal(first, second), name
        if name in ("optical", "sar"):
            assert abs(np.corrcoef(first.ravel(), third.ravel())[0, 1]) < 0.25, name


@pytest.mark.parametrize(
    ("options", "words"),
    [({"seed": -1}, "seed is -1"), ({"size_px": 100}, "size_px is 100"), ({"size_px": 9000}, "size_px is 9000"),
     ({"gsd": 0.2}, "gsd is 0.2"), ({"size_px": 4096, "gsd": 20.0}, "81.92 km"), ({"gsd": float("nan")}, "gsd is nan"),
     ({"epsg": 4326}, "epsg is 4326"), ({"epsg": 32690}, "epsg is 32690")],
)  # fmt: skip
def test_arguments_that_make_no_world(tmp_path: Path, options: dict[str, float], words: str) -> None:
    with pytest.raises(InputError, match=words):
        simulate_world(tmp_path / "w", WorldOptions.of(**({"seed": 1, "size_px": 256} | options)))  # type: ignore[arg-type]
    assert not (tmp_path / "w").exists()


def test_targets_that_cannot_be_written(tmp_path: Path) -> None:
    taken = tmp_path / "taken"
    taken.write_text("a file")
    with pytest.raises(InputError, match="taken is a file"):
        simulate_world(taken, WorldOptions.of(seed=1, size_px=256))
    with pytest.raises(InputError, match="below cannot be made"):
        simulate_world(taken / "below", WorldOptions.of(seed=1, size_px=256))
    assert taken.read_text() == "a file"
    (tmp_path / "world" / "landcover.tif").mkdir(parents=True)
    with pytest.raises(InputError, match=r"landcover\.tif cannot be written"):
        simulate_world(tmp_path / "world", WorldOptions.of(seed=1, size_px=256))
    assert [path.name for path in (tmp_path / "world").iterdir()] == ["landcover.tif"]


def test_a_write_that_fails_leaves_what_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "landcover.tif").write_bytes(b"old")

    def full(self: rasterio.io.DatasetWriter, **_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(rasterio.io.DatasetWriter, "update_tags", full)
    with pytest.raises(InputError, match="No space left"):
        simulate_world(tmp_path, WorldOptions.of(seed=1, size_px=256))
    assert [path.name for path in tmp_path.iterdir()] == ["landcover.tif"]
    assert (tmp_path / "landcover.tif").read_bytes() == b"old"
