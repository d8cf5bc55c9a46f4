"""Land use: every class code of a raster has its word, and the words under a footprint give its prompt."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from small_maps import HEIGHT, WEST, WIDTH, BoxMean, contents, write

from promptmid_core.errors import InputError
from promptmid_core.geometry import DescriptorMap, Patch
from promptmid_core.prompts import TABLES, ClassTable, dominant, mix
from promptmid_core.prompts.prompt import LAND_USES, Modality, Prompt
from promptmid_core.refmap import ReferenceMap, map_info, verify_map
from promptmid_core.refmap.build import BuildOptions, Crew, Sources, build_map
from promptmid_core.simulation.world.simulate import COVER_COLOURS


@dataclass(frozen=True)
class Prompted(BoxMean):
    """Notes the prompts that it is given."""

    prompts: list[str] = field(default_factory=list, compare=False)

    def describe(self, patch: Patch, prompt: Prompt) -> DescriptorMap:
        self.prompts.append(prompt.text)
        return super().describe(patch, Prompt(prompt.modality))


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: Any) -> dict[str, Path]:
    """Cropland in the west, water in the middle, these and forest in a mesh of pixels in the east; the last rows unknown."""
    folder = tmp_path_factory.mktemp("inputs")
    rng = np.random.default_rng(1)
    rows, cols = np.mgrid[0:HEIGHT, 0:WIDTH]
    cover = np.where(cols < 250, 40, np.where(cols < 450, 80, np.array([10, 40, 80])[(rows + cols) % 3])).astype(np.uint8)
    cover[500:] = 0
    return {
        "sar": write(folder / "sar.tif", rng.integers(1, 255, (HEIGHT, WIDTH), np.uint8), nodata=0),
        "landcover": write(folder / "landcover.tif", cover, nodata=0),
    }


@pytest.fixture(scope="module")
def built(inputs: dict[str, Path], tmp_path_factory: Any) -> Path:
    out: Path = tmp_path_factory.mktemp("maps") / "map"
    build_map(Sources(**inputs), out, BuildOptions(BoxMean()))
    return out


def test_prompts_are_worded_as_the_paper_words_them() -> None:
    assert Prompt(Modality.OPTICAL, "cropland").text == "an optical image of cropland"
    assert Prompt(Modality.SAR, "built-up area").text == "a SAR image of built-up area"
    assert Prompt(Modality.SAR).text == "a SAR image"


@pytest.mark.parametrize("name", TABLES)
def test_the_tables_that_come_with_the_package_hold_every_class(name: str) -> None:
    table = ClassTable.load(name)
    codes = {"worldcover": set(COVER_COLOURS), "igbp": {*range(1, 18), 255},
             "corine": {*range(1, 45), 48, 111, 112, 141, 211, 244, 311, 335, 411, 423, 511, 523, 999}}[name]
    assert codes <= set(table.landuse)
    assert set(table.landuse.values()) - {None} == set(LAND_USES)
    ids = table.prompt_ids()
    assert ids.shape == (65536,) and ids[65535] == 0
    assert all(ids[code] == (LAND_USES.index(word) + 1 if word else 0) for code, word in table.landuse.items())


def test_corine_codes_and_grid_codes_say_the_same() -> None:
    words = ClassTable.load("corine").landuse
    assert [words[code] for code in range(1, 45)] == [words[code] for code in sorted(words) if 111 <= code <= 523]


@pytest.mark.parametrize(("text", "named"), [
    ("source: mine\nclasses: {1: cropland, 2: null}\n", None),
    ("source: mine\nclasses: {1: farm}\n", "'farm'"),
    ("source: mine\nclasses: {-1: water}\n", "-1"),
    ("source: mine\nclasses: {70000: water}\n", "70000"),
    ("source: mine\nclasses: {true: water}\n", "True"),
    ("source: mine\nclasses: {one: water}\n", "'one'"),
    ("source: mine\nclasses:\n  1: water\n  1: forest\n", "twice"),
    ("source: mine\nclasses: {}\n", "no class table"),
    ("1: water\n", "no class table"),
    ("[", "no YAML"),
    ("source: mine\nclasses: {1: [water]}\n", "'water'"),
    ("source: mine\nclasses: {1: {}}\n", "land use {}"),
    ("source: mine\nclasses: {" + "9" * 900 + ": water}\n", "class code 9{18}\\.\\.\\.9{19};"),
    ("source: mine\nclasses: {[1]: water}\n", "no YAML"),
    ("[" * 20_000, "no YAML .*nests deeper"),
    ("source: mine\nclasses: {1: 2001-99-99}\n", "no YAML"),
    ("#" * 3_000_000, "too large"),
    ("", "no class table"),
])
def test_a_table_of_ones_own_is_checked(tmp_path: Path, text: str, named: str | None) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(text)
    if named is None:
        assert ClassTable.load(str(file)) == ClassTable("mine", "mine", {1: "cropland", 2: None})
        return
    with pytest.raises(InputError, match=named) as refusal:
        ClassTable.load(str(file))
    assert str(file) in str(refusal.value) and "\n" not in str(refusal.value)


def test_a_table_that_is_not_there_is_refused_with_the_names_of_those_that_are() -> None:
    with pytest.raises(InputError, match="worldcover, corine, igbp"):
        ClassTable.load("corine2018")


def test_class_that_the_table_lacks_is_refused_before_any_work(inputs: dict[str, Path], tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"has class 40, 80, .*'igbp'") as refusal:
        build_map(Sources(**inputs), tmp_path / "map",
                  BuildOptions(BoxMean(), landcover_table="igbp"))
    assert str(inputs["landcover"]) in str(refusal.value)
    assert not (tmp_path / "map").exists()


def test_mix_counts_the_pixels_of_each_block() -> None:
    ids = np.zeros((5, 7), np.uint8)
    ids[:4, :3], ids[4:, 6:] = 1, 7
    counts = mix(ids, 4)
    assert counts.shape == (len(LAND_USES) + 1, 2, 2)
    assert counts[1].tolist() == [[12, 0], [0, 0]] and counts[7].tolist() == [[0, 0], [0, 1]]
    assert counts.sum(axis=0).tolist() == [[16, 12], [4, 3]]
    assert dominant(counts).tolist() == [[1, 0], [0, 0]]


def test_half_is_no_majority_and_unknown_ground_counts_against_one() -> None:
    counts = np.zeros((len(LAND_USES) + 1, 4))
    counts[4] = 50, 51, 51, 0
    counts[2] = 50, 49, 0, 0
    counts[0] = 0, 0, 51, 9
    assert dominant(counts).tolist() == [0, 4, 0, 0]


def test_the_map_stores_what_its_classes_say_block_by_block(built: Path) -> None:
    reference = ReferenceMap.open(built)
    step, grid = reference.header.block_px, reference.grid
    assert step == 64
    codes = reference.landuse(0, 0, grid.width, grid.height)
    assert codes is not None
    ids = ClassTable.load("worldcover").prompt_ids()[np.where(codes.valid, codes.image, 0)]
    expected = mix(ids, step)
    for row in range(expected.shape[1]):
        for col in range(expected.shape[2]):
            np.testing.assert_array_equal(reference.landuse_mix(col * step, row * step, step, step), expected[:, row, col])
    half = reference.landuse_mix(32, 64, 64, 64)
    np.testing.assert_array_equal(half, (expected[:, 1, 0] + expected[:, 1, 1]) / 2)
    np.testing.assert_array_equal(reference.landuse_mix(0, 0, grid.width + 99, grid.height + 99), expected.sum(axis=(1, 2)))
    assert verify_map(built) == []


def test_the_prompt_is_that_of_the_ground_under_the_footprint(built: Path) -> None:
    reference = ReferenceMap.open(built)
    east = round(reference.grid.width * 240 / WIDTH)  # the border, in map pixels, less a block's worth of doubt
    assert reference.prompt(0, 0, 128, 128) == Prompt(Modality.OPTICAL, "cropland")
    assert reference.prompt(0, 0, 128, 128, Modality.SAR).text == "a SAR image of cropland"
    assert reference.prompt(east + 60, 30, 100, 200).landuse == "water"
    assert reference.prompt(east - 100, 30, 120, 200).landuse == "cropland"
    assert reference.prompt(480, 0, 128, 256).landuse is None  # mixed
    assert reference.prompt(0, 510, 128, 40).landuse is None  # unknown
    assert reference.prompt(-200, -200, 300, 300).landuse == "cropland"  # what lies beyond the map has no say
    assert reference.prompt(-500, -500, 100, 100).landuse is None


def test_coarser_levels_ask_the_finest_for_the_prompt(inputs: dict[str, Path], tmp_path: Path) -> None:
    descriptor = Prompted()
    finest = build_map(Sources(**inputs), tmp_path / "map",
                       BuildOptions(descriptor, levels=3), Crew(workers=1))
    for level in range(1, 3):
        reference, scale = finest.at(level), 2 ** level
        assert reference.vocabulary is finest.vocabulary
        for window in ((0, 0, 32, 32), (100, 10, 40, 60), (7, 3, 91, 41), (-20, -20, 60, 60)):
            fine = tuple(scale * value for value in window)
            np.testing.assert_allclose(reference.landuse_mix(*window), finest.landuse_mix(*fine) / scale ** 2)
            assert reference.prompt(*window) == finest.prompt(*fine)
        assert reference.prompt(0, 0, 32, 32).landuse == "cropland"
        assert not (tmp_path / f"map/{level}/prompt").exists() and (tmp_path / f"map/{level}/landuse").exists()
    assert len(descriptor.prompts) > 4 and verify_map(tmp_path / "map") == []


def test_sar_tiles_are_told_their_own_land_use_and_seams_do_not_show(inputs: dict[str, Path], built: Path,
                                                                           tmp_path: Path) -> None:
    descriptor = Prompted()
    build_map(Sources(**inputs), tmp_path / "map", BuildOptions(descriptor), Crew(workers=1))
    assert descriptor.prompts == ["a SAR image of cropland"] + ["a SAR image"] * 3
    neutral = build_map(Sources(inputs["sar"]), tmp_path / "neutral", BuildOptions(BoxMean()))
    window = (0, 0, neutral.grid.width // 2 * 2, neutral.grid.height // 2 * 2)
    np.testing.assert_array_equal(neutral.descriptors(*window).array, ReferenceMap.open(built).descriptors(*window).array)
    assert neutral.prompt(0, 0, 128, 128) == Prompt(Modality.OPTICAL)
    assert "neutral" in map_info(tmp_path / "neutral")["prompts_from"]


def test_the_vocabulary_stands_in_the_header_and_info_tells_it(built: Path) -> None:
    header, info = ReferenceMap.open(built).header, map_info(built)
    assert header.vocabulary.land_uses == LAND_USES
    assert header.vocabulary.prompts["SAR"][1] == info["prompts"]["SAR"][1] == "a SAR image of cropland"
    assert header.vocabulary.table and header.vocabulary.table.landuse[40] == "cropland"
    assert info["landuse_table"] == "worldcover" and info["prompts_from"] == "land cover"
    assert list(info["land_uses"]) == ["cropland", "water", "forest"] and sum(info["land_uses"].values()) == pytest.approx(1)
    assert info["land_uses"]["cropland"] == pytest.approx(info["landuse"]["40"])


def test_damaged_land_use_gives_the_neutral_prompt_and_is_told(inputs: dict[str, Path], tmp_path: Path) -> None:
    reference = build_map(Sources(**inputs), tmp_path / "map", BuildOptions(BoxMean()))
    (tmp_path / "map/0/landuse_mix/c/0/0/0").write_bytes(b"")
    assert not reference.damaged(0, 0, 64, 64)
    assert reference.prompt(0, 0, 128, 128).landuse is None
    assert reference.damaged(0, 0, 64, 64)
    assert verify_map(tmp_path / "map") == ["0/landuse_mix/c/0/0/0"]


def test_maps_of_different_tables_are_different_maps(inputs: dict[str, Path], tmp_path: Path) -> None:
    mine = tmp_path / "mine.yaml"
    for name, word in (("a", "forest"), ("b", "forest"), ("c", "wetland")):
        mine.write_text(f"source: mine\nclasses: {{10: null, 40: {word}, 80: water}}\n")
        build_map(Sources(**inputs), tmp_path / name,
                  BuildOptions(BoxMean(), landcover_table=str(mine)))
    a, b, c = (contents(tmp_path / name) for name in "abc")
    names = {name for name in a if name != "manifest.json"}
    assert {name for name in names if a[name] != b[name]} == set()
    assert {"zarr.json", "0/prompt/c/0/0", "0/landuse_mix/c/0/0/0"} <= {name for name in names if a[name] != c[name]}
    with pytest.raises(InputError, match="other inputs or options"):
        build_map(Sources(**inputs), tmp_path / "c", BuildOptions(BoxMean()))


def test_land_cover_elsewhere_is_refused(inputs: dict[str, Path], tmp_path: Path) -> None:
    from rasterio.transform import from_origin

    far = write(tmp_path / "far.tif", np.full((50, 50), 40, np.uint8), transform=from_origin(WEST + 1e5, 0, 10, 10))
    with pytest.raises(InputError, match="does not overlap"):
        build_map(Sources(inputs["sar"], landcover=far), tmp_path / "map", BuildOptions(BoxMean()))
