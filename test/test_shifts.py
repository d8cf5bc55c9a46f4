"""Scenes of a mosaic that lie beside one another: found, of the right size, with a sigma that holds, and told."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
import pytest
from rasterio.transform import from_origin
from refusals import told
from small_maps import BoxMean, write

from promptmid_core import cli
from promptmid_core.arrays import Float32
from promptmid_core.refmap import map_info, seams
from promptmid_core.refmap.build import BuildOptions, Crew, Sources, build_map
from promptmid_core.refmap.format.header import Header
from promptmid_core.refmap.sar.shifts import REACH_PX, Shift, shift_between

SIZE = 448
EAST, NORTH, PIXEL = 380_000.0, 3_770_000.0, 10.0


def land(seed: int, size: int = SIZE + 2 * REACH_PX) -> Float32:
    """The backscatter of fields and of a few walls, of mean 1."""
    rng = np.random.default_rng(seed)
    fields = rng.gamma(4, 0.25, (size // 24, size // 24)).astype(np.float32)
    patches = cv2.resize(fields, (size, size), interpolation=cv2.INTER_NEAREST)
    for _ in range(60):
        at = rng.integers(0, size, 4)
        cv2.line(patches, (int(at[0]), int(at[1])), (int(at[0] + at[2] // 12), int(at[1] + at[3] // 12)), 6.0, 1)
    return np.asarray(cv2.GaussianBlur(patches, (0, 0), 0.8), np.float32)


def taken(ground: Float32, rng: np.random.Generator, east: float = 0.0, north: float = 0.0, looks: float = 4.4) -> Float32:
    """The amplitude of an image of a ground, so many pixels beside where it lies, with speckle of its own."""
    rows, cols = np.mgrid[:SIZE, :SIZE].astype(np.float32)
    power = cv2.remap(ground, cols + REACH_PX - np.float32(east), rows + REACH_PX + np.float32(north), cv2.INTER_CUBIC)
    return np.sqrt(np.maximum(power, 0.01) * rng.gamma(looks, 1 / looks, power.shape)).astype(np.float32)


def view(amplitude: Float32, valid: Any = None) -> Any:
    """What `shift_between` asks of a SarView."""
    known = np.ones(amplitude.shape, bool) if valid is None else valid

    def read(col: int, row: int, width: int, height: int) -> tuple[Any, Float32]:
        block = np.s_[row:row + height, col:col + width]
        return SimpleNamespace(valid=known[block]), amplitude[block]

    return SimpleNamespace(read=read)


def between(seed: int, east: float, north: float, **kinds: float) -> Shift | None:
    rng, ground = np.random.default_rng([seed, 1]), land(seed)
    return shift_between(view(taken(ground, rng)), view(taken(ground, rng, east, north, **kinds)), (0, 0, SIZE, SIZE))


def significant(shift: Shift) -> bool:
    """Beyond what a shift of nothing comes to in one of a hundred."""
    return (shift.east ** 2 + shift.north ** 2) / shift.sigma ** 2 > 9.21


@pytest.mark.parametrize(("east", "north"), [(1.0, 0.0), (-0.6, 2.4), (12.0, -7.3), (-25.0, 18.0)])
def test_a_shift_is_found_to_a_fraction_of_a_pixel(east: float, north: float) -> None:
    found = between(1, east, north)
    assert found is not None and found.blocks == 9
    assert (found.east, found.north) == pytest.approx((east, north), abs=0.3 if abs(east) < 20 else 0.5)
    assert np.hypot(found.east - east, found.north - north) < 4 * found.sigma


@pytest.mark.parametrize("draws", [8, pytest.param(100, marks=pytest.mark.long)])
def test_a_shift_of_a_pixel_is_found_and_none_is_not(draws: int) -> None:
    shifted = [between(seed, np.cos(seed), np.sin(seed)) for seed in range(draws)]
    still = [between(1000 + seed, 0.0, 0.0) for seed in range(draws)]
    found = [each is not None and significant(each) for each in shifted]
    assert np.mean(found) >= 0.95
    sizes = np.array([each.length for each in shifted if each is not None])
    assert np.abs(sizes - 1).max() < 0.3
    assert sum(each is None or significant(each) for each in still) <= max(1, 0.03 * draws)


def test_other_ground_tells_nothing() -> None:
    rng = np.random.default_rng(2)
    assert shift_between(view(taken(land(1), rng)), view(taken(land(2), rng)), (0, 0, SIZE, SIZE)) is None
    image = view(taken(land(1), rng))
    assert shift_between(image, image, (0, 0, 130, SIZE)) is None, "three blocks"
    known = np.zeros((SIZE, SIZE), bool)
    known[:, :100] = True
    assert shift_between(image, view(taken(land(1), rng), known), (0, 0, SIZE, SIZE)) is None
    assert between(1, 40.0, 0.0) is None, "further than is looked"


def scenes(folder: Path, east: float) -> list[Path]:
    """Two rasters whose middle thirds overlap, the second `east` pixels beside the ground."""
    rng, ground = np.random.default_rng(5), land(5)
    pixels = {"a": taken(ground, rng)[:, :400], "b": taken(ground, rng, east)[:, 60:]}
    return [write(folder / f"{name}.tif", np.float32(100) * image, crs="EPSG:32611",
                  transform=from_origin(EAST + col * PIXEL, NORTH, PIXEL, PIXEL))
            for (name, image), col in zip(pixels.items(), (0, 60), strict=True)]


def test_a_build_tells_of_the_seam(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rasters = scenes(tmp_path, 3.0)
    words = ["map", "build", *map(str, rasters), str(tmp_path / "map"), "--descriptor", "structural", "--levels", "1"]
    assert cli.main(words) == 0
    warned = capsys.readouterr().err
    assert f"warning: {rasters[1].resolve()} shows the ground " in warned
    assert f"px from where {rasters[0].resolve()} does" in warned
    (told_of,) = map_info(tmp_path / "map")["overlaps"]
    assert (told_of["first"], told_of["second"]) == ("sar", "sar2")
    assert (told_of["east_px"], told_of["north_px"]) == pytest.approx((3.0, 0.0), abs=0.2)


def test_scenes_that_agree_have_no_seam_and_a_header_names_its_own(tmp_path: Path) -> None:
    build_map(Sources(scenes(tmp_path, 0.0)), tmp_path / "map", BuildOptions(BoxMean(), levels=1), Crew(workers=1))
    header = Header.read(tmp_path / "map")
    assert len(header.overlaps) == 1 and seams(tmp_path / "map") == []
    assert Header.from_dict(header.to_dict(), tmp_path) == header
    other = replace(header, overlaps=(replace(header.overlaps[0], second="sar7"),))
    assert "'overlaps' as" in (sentence := told(Header.from_dict, other.to_dict(), tmp_path))
    assert "not a table of rasters that the map was made of" in sentence
