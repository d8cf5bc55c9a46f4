"""The preview shows what the map holds, and nothing that it does not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from small_maps import HEIGHT, WIDTH, BoxMean, write

from promptmid_core.cli import main
from promptmid_core.errors import InputError
from promptmid_core.preview.page import components, write_preview
from promptmid_core.refmap import ReferenceMap
from promptmid_core.refmap.build import BuildOptions, Sources, build_map

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def built(tmp_path_factory: Any) -> Path:
    folder = tmp_path_factory.mktemp("preview")
    sar = np.random.default_rng(2).integers(1, 255, (HEIGHT, WIDTH), np.uint8)
    sar[100:300, 100:300] = 0
    cover = np.full((HEIGHT, WIDTH), 40, np.uint8)
    cover[:, :WIDTH // 2] = 80
    build_map(Sources(write(folder / "sar.tif", sar, nodata=0), landcover=write(folder / "landcover.tif", cover)), folder / "map",
              BuildOptions(BoxMean()))
    return folder / "map"


def colours_of(picture: Any) -> set[tuple[int, int, int]]:
    """Of a picture (H, W, 3) as OpenCV reads it: red, green, blue."""
    packed = np.unique(picture.astype(np.uint32) @ np.array([1, 256, 65536], np.uint32))
    return {(value >> 16, value >> 8 & 255, value & 255) for value in packed.tolist()}


def test_a_picture_of_the_map(built: Path, tmp_path: Path) -> None:
    assert main(["map", "preview", str(built), "--out", str(tmp_path / "map.png")]) == 0
    picture = cv2.imread(str(tmp_path / "map.png"))
    assert picture is not None and min(picture.shape[:2]) > 800
    colours = colours_of(picture)
    assert {(240, 150, 255), (0, 100, 200), (120, 180, 140), (226, 230, 236)} <= colours  # cropland, water, described, no data
    assert (0, 100, 0) not in colours  # no forest
    write_preview(tmp_path / "again.png", ReferenceMap.open(built))
    assert (tmp_path / "again.png").read_bytes() == (tmp_path / "map.png").read_bytes()


def test_a_picture_of_a_wide_map_reads_its_coarsest_level_that_shows_enough(tmp_path: Path) -> None:
    sar = np.random.default_rng(2).integers(1, 255, (100, 1700), np.uint8)
    built = build_map(Sources(write(tmp_path / "sar.tif", sar, nodata=0)), tmp_path / "map", BuildOptions(BoxMean(), levels=3))
    assert built.grid.width // 2 >= 800 > built.grid.width // 4
    for level in ("0", "2"):
        for file in [*(built.path / level).rglob("c/*/*"), *(built.path / level).rglob("c/0/*/*")]:
            file.unlink(missing_ok=True) if file.is_file() else None
    whole = ReferenceMap.open(built.path)
    write_preview(tmp_path / "map.png", whole)
    assert not whole.damaged(0, 0, *whole.grid.shape[::-1]) and not whole.at(2).damaged(0, 0, *whole.at(2).grid.shape[::-1])
    picture = cv2.imread(str(tmp_path / "map.png"))
    assert (120, 180, 140) in colours_of(picture)  # described


def test_a_page_with_the_facts(built: Path, tmp_path: Path) -> None:
    write_preview(tmp_path / "map.html", ReferenceMap.open(built))
    page = (tmp_path / "map.html").read_text()
    assert page.startswith("<!doctype html>") and "data:image/png;base64," in page
    for fact in ("EPSG:32611", "boxmean-1", "a SAR image of cropland", "worldcover", "bytes_per_km2"):
        assert fact in page
    assert "http://" not in page and "https://" not in page


def test_a_map_without_land_cover_and_with_damage_is_drawn_too(tmp_path: Path) -> None:
    sar = np.random.default_rng(2).integers(1, 255, (40, 300), np.uint8)
    build_map(Sources(write(tmp_path / "sar.tif", sar, nodata=0)), tmp_path / "map", BuildOptions(BoxMean()))
    (tmp_path / "map/0/descriptors/c/0/0/0").unlink()
    write_preview(tmp_path / "map.png", ReferenceMap.open(tmp_path / "map"))
    assert cv2.imread(str(tmp_path / "map.png")) is not None


@pytest.mark.parametrize(("name", "named"), [("map.pdf", r"\.png or \.html"), ("nowhere/map.png", "folder does not exist")])
def test_previews_that_cannot_be_written_are_refused(built: Path, tmp_path: Path, name: str, named: str) -> None:
    with pytest.raises(InputError, match=named):
        write_preview(tmp_path / name, ReferenceMap.open(built))


def test_components_tell_apart_what_differs_most() -> None:
    rng = np.random.default_rng(0)
    array = rng.normal(0, 0.1, (5, 40, 60)).astype(np.float32)
    array[:, :, 30:] += np.array([1, -2, 3, 0.5, -1], np.float32)[:, None, None] * 100  # whatever the channels' own scales
    valid = np.ones((40, 60), bool)
    valid[:5] = False
    picture = components(array, valid)
    assert (picture[:5] == 255).all()
    first = picture[5:, :, 0].astype(int)
    assert abs(first[:, :30].mean() - first[:, 30:].mean()) > 200
    assert (components(array, np.zeros_like(valid)) == 255).all()
    assert components(array[:2], valid)[5:, :, 2].min() == 255
