"""Repair: what is damaged is made again, byte for byte, and nothing else is touched."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from small_maps import BoxMean, contents, write

from promptmid_core import cli
from promptmid_core.descriptors import load
from promptmid_core.errors import InputError
from promptmid_core.refmap import verify_map
from promptmid_core.refmap.build import BuildOptions, Crew, Sources, build_map, repair_map
from promptmid_core.refmap.sar import SarProduct

SIDE = 1030  # the pyramid has a second level


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder, rng = tmp_path_factory.mktemp("inputs"), np.random.default_rng(4)
    return {"sar": write(folder / "sar.tif", rng.gamma(4, 25, (SIDE, SIDE)).clip(1, 255).astype(np.uint8), nodata=0),
            "landcover": write(folder / "landcover.tif", rng.choice([10, 80], (SIDE // 2, SIDE // 2)).astype(np.uint8), 20.0),
            "dem": write(folder / "dem.tif", np.full((35, 35), 120, np.float32), 300.0)}


@pytest.fixture(scope="module")
def built(inputs: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("built") / "map"
    build_map(Sources(**inputs), out, BuildOptions(load("structural")))
    return out


@pytest.fixture
def copy(built: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(built, tmp_path / "map"))


def flip_bit(path: Path, rng: np.random.Generator, files: list[str], sizes: Any) -> str:
    """Flip one random bit of all of a map's; the file that it lies in."""
    name = str(rng.choice(files, p=sizes / sizes.sum()))
    content = bytearray((path / name).read_bytes())
    content[rng.integers(len(content))] ^= 1 << rng.integers(8)
    (path / name).write_bytes(content)
    return name


def test_any_flipped_bit_is_found(copy: Path) -> None:
    rng, sound = np.random.default_rng(7), contents(copy)
    files = [name for name in sound if name != "manifest.json"]
    sizes = np.array([len(sound[name]) for name in files], float)
    for _ in range(50):
        name = flip_bit(copy, rng, files, sizes)
        assert verify_map(copy) == [name]
        (copy / name).write_bytes(sound[name])


def test_damaged_files_are_made_again_and_no_others_touched(copy: Path, built: Path, inputs: dict[str, Path]) -> None:
    lost = ["zarr.json", "0/sar/zarr.json", "0/x/c/0", "0/sar/c/1/1", "0/dem/c/0/0", "1/descriptors/c/0/0/1", "1/zarr.json"]
    for name in lost:
        (copy / name).unlink()
    for name in ("0/descriptors/c/0/1/0", "1/sar/c/0/0", "0/landuse/c/0/1"):
        shard = bytearray((copy / name).read_bytes())
        shard[40] ^= 1
        (copy / name).write_bytes(shard)
        lost.append(name)
    kept = {file: file.stat().st_mtime_ns for file in copy.rglob("c/*/*") if file.is_file()}
    counts: list[tuple[int, int]] = []

    assert repair_map(copy, Sources(inputs["sar"]), crew=Crew(progress=lambda *count: counts.append(count))) == sorted(lost)

    assert verify_map(copy) == []
    assert contents(copy) == contents(built)
    assert counts[-1][0] == counts[-1][1] > 0
    touched = {file.relative_to(copy).as_posix() for file, time in kept.items() if file.stat().st_mtime_ns != time}
    assert touched <= set(lost)
    assert repair_map(copy, Sources(inputs["sar"])) == []


def test_repair_reads_the_product_and_the_classes_as_the_build_did(inputs: dict[str, Path], tmp_path: Path) -> None:
    table, product = tmp_path / "mine.yaml", SarProduct("intensity", speckle="lee", looks=4, terrain_corrected="no",
                                                        incidence_deg=40, look_deg=90)
    table.write_text("source: mine\nclasses: {10: wetland, 80: null}\n")
    copy = tmp_path / "map"
    build_map(Sources(**inputs), copy,
              BuildOptions(load("structural"), landcover_table=str(table), product=product, store="int8", levels=2, gsd=12.0))
    table.unlink()
    sound = contents(copy)
    lost = ["zarr.json", "0/landuse_mix/zarr.json", "0/prompt/c/0/1", "0/landuse_mix/c/0/1/0", "0/descriptors/c/0/0/1",
            "0/block_x/c/0", "1/descriptors/c/0/0/0", "1/channel_scale/c/0", "1/landuse/c/0/0"]
    for name in lost:
        (copy / name).unlink()
    assert repair_map(copy, Sources(inputs["sar"])) == sorted(lost)
    assert contents(copy) == sound


def test_other_inputs_repair_nothing(copy: Path, inputs: dict[str, Path], tmp_path: Path) -> None:
    (copy / "0/sar/c/1/1").unlink()
    other = write(tmp_path / "other.tif", np.full((SIDE, SIDE), 7, np.uint8))
    before = contents(copy)
    with pytest.raises(InputError, match=rf"{other} is not the sar raster"):
        repair_map(copy, Sources(other))
    with pytest.raises(InputError, match=rf"{other} is not the dem raster"):
        repair_map(copy, Sources(inputs["sar"], dem=other))
    with pytest.raises(InputError, match="boxmean-1"):
        repair_map(copy, Sources(inputs["sar"]), BoxMean())
    (copy / "manifest.json").write_text("{}")
    with pytest.raises(InputError, match=r"manifest\.json is damaged"):
        repair_map(copy, Sources(inputs["sar"]))
    assert {name: content for name, content in contents(copy).items() if name != "manifest.json"} == {
        name: content for name, content in before.items() if name != "manifest.json"}


def test_command_repairs_and_tells(copy: Path, inputs: dict[str, Path], capsys: pytest.CaptureFixture[str]) -> None:
    (copy / "0/sar/c/1/1").unlink()
    assert cli.main(["map", "verify", str(copy)]) == 1
    assert "--repair" in capsys.readouterr().err
    assert cli.main(["map", "verify", str(copy), "--repair", str(inputs["sar"]), "--dem", str(inputs["dem"])]) == 0
    assert "0/sar/c/1/1 made again" in capsys.readouterr().err
