"""Tables of pairs: the two layouts, checkpoints, and what is refused and how."""

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
import rasterio
from pair_folders import write_pairs

from promptmid_core.bench.pairs import read_images, read_pairs
from promptmid_core.cli import main
from promptmid_core.errors import InputError
from promptmid_core.prompts import ClassTable
from promptmid_core.prompts.prompt import LAND_USES
from promptmid_core.simulation.world.options import WorldOptions
from promptmid_core.simulation.world.simulate import simulate_world

HEADER = "split,source,optical,sar,land_use,region,size,gsd_m,alignment\n"


def picture(path: Path, value: int = 90) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), np.full((8, 8), value, np.uint8))


@pytest.fixture()
def dataset(tmp_path: Path) -> Path:
    """A data set of an aligned source, an unregistered one, checkpoint pairs, and a photo without SAR."""
    data = tmp_path / "shared" / "data"
    rows = [
        "train,train/flat,train/flat/a/o1.png,train/flat/a/s1.png,farmland,here,8x8,10,pixel-aligned",
        "train,train/flat,train/flat/b/o1.png,train/flat/b/s1.png,,here,8x8,unknown,pixel-aligned",
        "train,train/s1s2-x,train/s1s2-x/o.png,train/s1s2-x/s.png,,here,8x8,10,pixel-aligned",
        "eval,eval/checkpoint-pairs,eval/checkpoint-pairs/u_optical.png,eval/checkpoint-pairs/u_sar.png,,,8x8,3,5 checkpoints",
        "eval,eval/checkpoint-pairs,eval/checkpoint-pairs/V1b.png,eval/checkpoint-pairs/V1a.png,,,8x8,3,5 landmarks",
        "eval,eval/photo,eval/photo/p.jpg,,,,8x8,,none",
    ]
    for row in rows[:5]:
        for name in row.split(",")[2:4]:
            picture(data / name)
    x, y = np.array([3.0, 90, 40, 7, 61]), np.array([5.0, 8, 77, 50, 20])
    u, v = 2 * x - y + 30, 0.5 * x + y - 4  # in coordinates that count from 1
    for name, header, columns in (("u", "optical_x,optical_y,sar_x,sar_y", (x, y, u, v)),
                                  ("V1", "a_x,a_y,b_x,b_y", (u, v, x, y))):
        table = data / f"eval/checkpoint-pairs/{name}_checkpoints.csv"
        np.savetxt(table, np.stack(columns, 1), "%.4f", ",", header=header, comments="")
    (data / "pairs.csv").write_text(HEADER + "\n".join(rows) + "\n")
    return data


def test_a_pair_folder_is_one_source(tmp_path: Path) -> None:
    folder = write_pairs(tmp_path / "mine", 2, affine=(1, 0, 3, 0, 1, -4), landuse=("urban", ""))
    one, two = read_pairs(folder)
    assert (one.source, one.id, one.gsd_m, one.landuse, one.score_px) == ("mine", "p0", 10.0, "urban", 5.0)
    assert two.landuse is None
    assert one.affine.tolist() == [[1, 0, 3], [0, 1, -4]]
    images = read_images(one)
    assert images.optical.shape == (200, 200, 3) and images.sar.shape == (200, 200)
    assert images.sar_median == np.median(images.sar)


def test_a_data_set_has_several_sources(dataset: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pairs = read_pairs(dataset)
    assert [(pair.source, pair.id) for pair in pairs] == [
        ("flat", "a/o1"), ("flat", "b/o1"), ("checkpoint-pairs", "u_optical"), ("checkpoint-pairs", "V1b")]
    assert (pairs[0].landuse, pairs[0].gsd_m, pairs[1].gsd_m) == ("farmland", 10.0, None)
    assert pairs[0].affine.tolist() == [[1, 0, 0], [0, 1, 0]]
    told = capsys.readouterr().err
    assert len(told.splitlines()) == 1
    assert f"python {dataset.parent}/tools/register_pairs.py OUT --split train" in told
    assert [pair.source for pair in read_pairs(dataset, ["checkpoint-pairs"])] == ["checkpoint-pairs"] * 2
    assert capsys.readouterr().err == ""


def test_checkpoints_give_the_affine_in_coordinates_that_count_from_0(dataset: Path) -> None:
    for pair in read_pairs(dataset, ["checkpoint-pairs"]):
        assert pair.score_px == 10
        # the optical pixel counted (11, 21) from 1 lies at (31, 22.5) counted from 1
        assert np.allclose(pair.affine @ [10, 20, 1], (30, 21.5), atol=1e-3)


@pytest.mark.parametrize(("sources", "words"), [
    (["s1s2-x"], ["s1s2-x", "register_pairs.py OUT --split train", "promptmid bench OUT"]),
    (["flat", "nowhere"], ["'nowhere'", "known are checkpoint-pairs, flat, s1s2-x"]),
    (["photo"], ["'photo'", "SAR"]),
])
def test_a_source_that_cannot_be_used_is_refused_by_name(dataset: Path, sources: list[str], words: list[str]) -> None:
    with pytest.raises(InputError) as refused:
        read_pairs(dataset, sources)
    assert all(word in str(refused.value) for word in ["pairs.csv", *words])


def edited(old: str, new: str) -> Callable[[Path], object]:
    def edit(folder: Path) -> None:
        table = folder / "pairs.csv"
        text = table.read_text()
        assert old in text
        table.write_text(text.replace(old, new, 1))
    return edit


@pytest.mark.parametrize(("harm", "words"), [
    (lambda folder: (folder / "pairs.csv").unlink(), ["pairs.csv", "does not exist"]),
    (edited("gsd_m,landuse,a,", "gsd,landuse,"), ["pairs.csv", "columns gsd_m, a"]),
    (edited("1,0,0,0,1,0", "1,0,nan,0,1,0"), ["row 2", "not finite"]),
    (edited("1,0,0,0,1,0", "1,0,x,0,1,0"), ["row 2", "'x'"]),
    (edited("1,0,0,0,1,0", "1,1,0,1,1,0"), ["row 2", "singular"]),
    (edited(",10,", ",-3,"), ["row 2", "gsd_m '-3'"]),
    (edited("p1", "p0"), ["two pairs 'p0'"]),
    (edited("sar/1.png", "sar/7.png"), ["row 3", "sar/7.png", "does not exist"]),
    (lambda folder: (folder / "pairs.csv").write_text((folder / "pairs.csv").read_text().splitlines()[0]), ["no pair"]),
    (lambda folder: (folder / "pairs.csv").write_bytes(b"\xff\xfe\x00\x81"), ["pairs.csv", "cannot be read"]),
])
def test_a_bad_table_gets_one_sentence_with_file_and_row(tmp_path: Path, harm, words: list[str]) -> None:
    folder = write_pairs(tmp_path / "mine", 2)
    harm(folder)
    with pytest.raises(InputError) as refused:
        read_pairs(folder)
    assert all(word in str(refused.value) for word in words), refused.value
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(("harm", "words"), [
    (lambda path: path.write_text("no picture"), ["cannot be read as an image"]),
    (lambda path: cv2.imwrite(str(path), np.zeros((9, 9), np.uint16)), ["uint16", "gdal_translate"]),
    (lambda path: cv2.imwrite(str(path), np.zeros((9, 9), np.uint8)), ["black all over"]),
])
def test_a_bad_image_gets_one_sentence(tmp_path: Path, harm, words: list[str]) -> None:
    folder = write_pairs(tmp_path / "mine", 1)
    harm(folder / "sar/0.png")
    with pytest.raises(InputError) as refused:
        read_images(read_pairs(folder)[0])
    assert all(word in str(refused.value) for word in ["sar/0.png", *words])


@pytest.mark.parametrize("content", ["", "a_x,a_y\n1,2\n", "optical_x,optical_y,sar_x,sar_y\n1,2,3,4\n", None])
def test_checkpoints_that_are_none_are_refused(dataset: Path, content: str | None) -> None:
    table = dataset / "eval/checkpoint-pairs/u_checkpoints.csv"
    if content is None:
        table.unlink()
    else:
        table.write_text(content)
    with pytest.raises(InputError, match="u_checkpoints"):
        read_pairs(dataset, ["checkpoint-pairs"])


def test_an_alignment_that_is_unknown_is_refused(dataset: Path) -> None:
    edited("10,pixel-aligned", "10,roughly")(dataset)
    with pytest.raises(InputError, match="row 2 is aligned by 'roughly'"):
        read_pairs(dataset)


def test_rasters_are_cut_into_pairs_that_lie_on_each_other(tmp_path: Path) -> None:
    """Of a simulated world: each tile is where its name says, in both images, and its label covers more than half of it."""
    world, out = tmp_path / "world", tmp_path / "pairs"
    simulate_world(world, WorldOptions.of(seed=5, size_px=512))
    command = ["bench", "cut", *(str(world / name) for name in ("optical.tif", "sar.tif")), str(out), "--side", "128",
               "--landcover", str(world / "landcover.tif")]
    assert main(command) == 0
    pairs = read_pairs(out)
    assert len(pairs) == 16 and len({pair.landuse for pair in pairs}) > 2
    with rasterio.open(world / "optical.tif") as optical, rasterio.open(world / "sar.tif") as sar, \
            rasterio.open(world / "landcover.tif") as cover:
        colours, radar, codes = optical.read().transpose(1, 2, 0), sar.read(1).astype(float), cover.read(1)
    table = ClassTable.load("worldcover").landuse
    for pair in pairs:
        row, col = map(int, pair.id.split("_"))
        part = np.s_[row:row + 128, col:col + 128]
        images = read_images(pair)
        np.testing.assert_array_equal(images.optical, colours[part])
        assert np.corrcoef(images.sar.ravel(), np.minimum(radar[part], 5 * np.median(radar)).ravel())[0, 1] > 0.99
        shares = [np.isin(codes[part], [code for code, known in table.items() if known == word]).mean() for word in LAND_USES]
        assert pair.landuse == (LAND_USES[int(np.argmax(shares))] if max(shares) > 0.5 else None)
    assert main(command) == 1, "what is there is not written over"
    command[4] = str(tmp_path / "labelled")
    assert main([*command, "--labelled"]) == 0
    assert [pair.id for pair in read_pairs(tmp_path / "labelled")] == [pair.id for pair in pairs if pair.landuse]
    assert main([*command[:-2], "--labelled"]) == 1
