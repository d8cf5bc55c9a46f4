"""The reference map: what is built is what is read, and nothing damaged, unfinished or foreign is taken for a map."""

from __future__ import annotations

import json
import logging
import shutil
import signal
import subprocess
import sys
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pyproj
import pytest
import rasterio
import zarr
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from rasterio.transform import from_origin

from promptmid_core.descriptors import Evidence
from promptmid_core.errors import InputError
from promptmid_core.geometry import ChannelGroup, DescriptorMap, Measure, Patch
from promptmid_core.georaster import RasterFacts, map_frame, resample
from promptmid_core.prompts import Modality, Prompt
from promptmid_core.refmap import ReferenceMap, build_map, map_info, verify_map
from promptmid_core.refmap.amplitude import AmplitudeScale
from promptmid_core.refmap.chunks import ChunkReader
from promptmid_core.refmap.header import Tile, digest

WEST, NORTH, PIXEL = -13183742.2, 4017420.3, 10.0
WIDTH, HEIGHT = 640, 560


@dataclass(frozen=True)
class BoxMean:
    """Means and spreads over boxes of 9 x 9 pixels: a descriptor with a halo, cheap enough for tests."""

    name: str = "boxmean"
    stride: int = 2
    halo: int = 5
    fingerprint: str = "boxmean-1"
    text_encoder: str | None = None
    evidence: Evidence = field(default_factory=lambda: Evidence(1, 1, 1, 0))
    seen: list[Patch] = field(default_factory=list, compare=False)

    def groups(self, modality: Modality) -> tuple[ChannelGroup, ...]:
        return ChannelGroup("mean", 1, bound=8.0), ChannelGroup("spread", 1, Measure.DEPENDENCE, 0.5, bound=8.0)

    def describe(self, patch: Patch, prompt: Prompt) -> DescriptorMap:
        assert prompt.modality is Modality.SAR
        assert patch.image.dtype == np.float32
        self.seen.append(patch)
        grid = patch.grid.every(2)
        image = patch.image * patch.valid
        mean, square = cv2.blur(image, (9, 9)), cv2.blur(image * image, (9, 9))
        valid = cv2.erode(patch.valid.astype(np.uint8), np.ones((5, 5), np.uint8), borderValue=1).astype(bool)
        cells = np.s_[..., 0:2 * grid.height:2, 0:2 * grid.width:2]
        array = np.stack([mean, np.sqrt(np.maximum(square - mean * mean, 0))])[cells]
        return DescriptorMap(array, valid[cells], grid, 2, self.groups(Modality.SAR))


def write(path: Path, pixels: NDArray[Any], pixel: float = PIXEL, **options: Any) -> Path:
    profile = {"crs": "EPSG:3395", "transform": from_origin(WEST, NORTH, pixel, pixel)} | options
    with rasterio.open(path, "w", driver="GTiff", width=pixels.shape[1], height=pixels.shape[0], count=1, dtype=pixels.dtype,
                       **profile) as target:
        target.write(pixels, 1)
    return path


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: Any) -> dict[str, Path]:
    """SAR with a hole, land cover of half of it, and a DEM that is a plane with a gap."""
    folder = tmp_path_factory.mktemp("inputs")
    rng = np.random.default_rng(0)
    sar = np.clip(cv2.GaussianBlur(rng.gamma(4, 25, (HEIGHT, WIDTH)), (0, 0), 1.5), 1, 255).astype(np.uint8)
    sar[200:260, 300:380] = 0
    cover = np.full((HEIGHT, WIDTH // 2), 10, np.uint8)
    cover[:, WIDTH // 4:] = 80
    rows, cols = np.mgrid[0:HEIGHT // 3, 0:WIDTH // 3]
    dem = (100 + 2.0 * cols + 1.0 * rows).astype(np.float32)
    dem[30:34, 30:34] = -9999
    return {
        "sar": write(folder / "sar.tif", sar, nodata=0),
        "landcover": write(folder / "landcover.tif", cover),
        "dem": write(folder / "dem.tif", dem, 3 * PIXEL, nodata=-9999, crs="EPSG:3395+5773"),
    }


@pytest.fixture(scope="module")
def built(inputs: dict[str, Path], tmp_path_factory: Any) -> Path:
    out: Path = tmp_path_factory.mktemp("maps") / "map"
    build_map(inputs["sar"], out, landcover=inputs["landcover"], dem=inputs["dem"], descriptor=BoxMean())
    return out


@pytest.fixture
def copy(built: Path, tmp_path: Path) -> Path:
    """A map that a test may break."""
    return Path(shutil.copytree(built, tmp_path / "map"))


def contents(path: Path) -> dict[str, bytes]:
    return {file.relative_to(path).as_posix(): file.read_bytes() for file in path.rglob("*") if file.is_file()}


def whole(reference: ReferenceMap) -> tuple[int, int, int, int]:
    """The window of all whole cells."""
    return 0, 0, reference.grid.width // 2 * 2, reference.grid.height // 2 * 2


def test_descriptors_are_those_of_the_map_described_whole(built: Path, inputs: dict[str, Path]) -> None:
    reference = ReferenceMap.open(built)
    assert min(reference.grid.shape) > 512  # several tiles each way, so that their seams are in it
    sar = resample(inputs["sar"], map_frame(inputs["sar"]))
    assert sar.grid == reference.grid
    with rasterio.open(inputs["sar"]) as source:
        values = source.read(1)
    amplitude = np.where(sar.valid, sar.image / np.median(values[values > 0]), 0).astype(np.float32)
    expected = BoxMean().describe(Patch(amplitude, sar.valid, sar.grid), Prompt(Modality.SAR))

    got = reference.descriptors(*whole(reference))

    assert got.array.dtype == np.float32
    assert got.grid == expected.grid == reference.grid.every(2)
    assert (got.valid != expected.valid).mean() < 1e-4
    both = got.valid & expected.valid
    assert 0.9 < both.mean() < 0.99
    np.testing.assert_allclose(got.array[:, both], expected.array[:, both], rtol=1e-3, atol=1e-3)
    assert not got.array[:, ~got.valid].any()


def test_image_is_the_product_on_the_map_grid(built: Path, inputs: dict[str, Path]) -> None:
    reference = ReferenceMap.open(built)
    expected = resample(inputs["sar"], reference.frame, like=reference.grid.cut(500, 380, 90, 140))
    got = reference.image(500, 380, 90, 140)
    assert got.grid == expected.grid
    assert (got.valid == expected.valid).all()
    np.testing.assert_allclose(got.image, expected.image, atol=0.51)


def test_window_reaching_beyond_the_map_is_masked_there(built: Path) -> None:
    reference = ReferenceMap.open(built)
    inner, outer = reference.descriptors(0, 0, 60, 40), reference.descriptors(-20, -10, 80, 50)
    assert outer.grid == reference.grid.cut(-20, -10, 80, 50).every(2)
    np.testing.assert_array_equal(outer.array[:, 5:, 10:], inner.array)
    np.testing.assert_array_equal(outer.valid[5:, 10:], inner.valid)
    assert not outer.valid[:5].any() and not outer.valid[:, :10].any() and not outer.array[:, :5].any()
    for far in ((-4000, 0), (0, 4000), (10**6, 10**6)):
        assert not reference.descriptors(*far, 40, 40).valid.any()
        assert not reference.image(*far, 40, 40).valid.any()
    assert not reference.damaged(-4000, -4000, 10000, 10000)


@pytest.mark.parametrize("window", [(1, 0, 40, 40), (0, 3, 40, 40), (0, 0, 41, 40), (0, 0, 40, 7)])
def test_window_off_the_stride_is_an_error(built: Path, window: tuple[int, int, int, int]) -> None:
    with pytest.raises(ValueError, match="stride"):
        ReferenceMap.open(built).descriptors(*window)


@settings(max_examples=25, deadline=None)
@given(col=st.integers(-60, 300), row=st.integers(-60, 300), width=st.integers(1, 200), height=st.integers(1, 200))
def test_small_cache_gives_the_same(built: Path, col: int, row: int, width: int, height: int) -> None:
    kept, forgetful = readers(built)
    window = (2 * col, 2 * row, 2 * width, 2 * height)
    for _ in range(2):
        one, other = kept.descriptors(*window), forgetful.descriptors(*window)
        np.testing.assert_array_equal(one.array, other.array)
        np.testing.assert_array_equal(one.valid, other.valid)
    assert len(forgetful._cache._kept) <= 1


def readers(path: Path, kept: dict[Path, tuple[ReferenceMap, ReferenceMap]] = {}) -> tuple[ReferenceMap, ReferenceMap]:  # noqa: B006
    return kept.setdefault(path, (ReferenceMap.open(path), ReferenceMap.open(path, cache_bytes=0)))


def test_window_ahead_is_read_in_the_background(built: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    loads: list[tuple[str, tuple[int, int]]] = []
    load = ChunkReader._load

    def noted(reader: ChunkReader, index: tuple[int, int]) -> Any:
        loads.append((threading.current_thread().name, index))
        return load(reader, index)

    monkeypatch.setattr(ChunkReader, "_load", noted)
    reference, plain = ReferenceMap.open(built, prefetch=True), ReferenceMap.open(built)
    expected = plain.descriptors(320, 0, 200, 100)
    loads.clear()
    for col in (0, 0, 160):  # a chunk has 256 pixels
        reference.descriptors(col, 0, 200, 100)
    assert reference._prefetch
    reference._prefetch.wait()
    assert [index for name, index in loads if name.startswith("prefetch")] == [(0, 2), (0, 2)]  # of descriptors and their mask
    before = len(loads)
    np.testing.assert_array_equal(reference.descriptors(320, 0, 200, 100).array, expected.array)
    reference.descriptors(-4000, 0, 200, 100)  # a jump is not flown on
    reference._prefetch.wait()
    assert len(loads) == before


def test_equal_inputs_give_equal_bytes_wherever_they_lie(built: Path, inputs: dict[str, Path], tmp_path: Path) -> None:
    renamed = {name: Path(shutil.copy(path, tmp_path / f"other_{name}.tif")) for name, path in inputs.items()}
    sar = renamed.pop("sar")
    build_map(sar, tmp_path / "map", **renamed, descriptor=BoxMean())
    one, other = contents(built), contents(tmp_path / "map")
    manifests = [json.loads(files.pop("manifest.json")) for files in (one, other)]
    assert one == other
    assert manifests[0]["files"] == manifests[1]["files"]
    assert manifests[0]["content"] == manifests[1]["content"]
    assert set(manifests[0]["files"]) == set(one)
    assert verify_map(built) == []


KILLED = """
import os, signal, sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from test_refmap import BoxMean
from promptmid_core.refmap import build_map

class Dying(BoxMean):
    def describe(self, patch, prompt):
        if len(self.seen) == 2:
            os.kill(os.getpid(), signal.SIGKILL)
        return super().describe(patch, prompt)

sar, landcover, dem, out = map(Path, sys.argv[2:])
build_map(sar, out, landcover=landcover, dem=dem, descriptor=Dying(), workers=1)
"""


@pytest.fixture(scope="module")
def killed(inputs: dict[str, Path], tmp_path_factory: Any) -> Path:
    """What a build leaves that is killed in its third tile."""
    out: Path = tmp_path_factory.mktemp("killed") / "map"
    paths = [Path(__file__).parent, inputs["sar"], inputs["landcover"], inputs["dem"], out]
    assert subprocess.run([sys.executable, "-c", KILLED, *paths], check=False).returncode == -signal.SIGKILL
    return out


def test_killed_build_is_no_map_until_it_is_finished(killed: Path) -> None:
    for use in (ReferenceMap.open, verify_map, map_info):
        with pytest.raises(InputError, match="unfinished"):
            use(killed)


def test_killed_build_goes_on_where_it_stopped(killed: Path, built: Path, inputs: dict[str, Path], tmp_path: Path) -> None:
    out = Path(shutil.copytree(killed, tmp_path / "map"))
    (out / "0/sar/c/0/0.1234.partial").write_bytes(b"half a shard")
    with (out / "building.jsonl").open("a") as journal:
        journal.write('{"tile": {"col"')  # the line that the kill cut short
    descriptor, done = BoxMean(), []
    build_map(inputs["sar"], out, landcover=inputs["landcover"], dem=inputs["dem"], descriptor=descriptor,
              progress=lambda *counts: done.append(counts))
    assert len(descriptor.seen) == 2
    assert done == [(k, 4) for k in range(2, 5)]
    assert verify_map(out) == []
    assert contents(out).keys() == contents(built).keys()
    manifests = [json.loads((path / "manifest.json").read_bytes()) for path in (out, built)]
    assert manifests[0]["files"] == manifests[1]["files"]


def test_shard_spoilt_since_the_kill_is_made_again(killed: Path, inputs: dict[str, Path], tmp_path: Path) -> None:
    out = Path(shutil.copytree(killed, tmp_path / "map"))
    shard = out / "0/descriptors/c/0/0/1"
    shard.write_bytes(shard.read_bytes()[:1000])
    descriptor = BoxMean()
    build_map(inputs["sar"], out, landcover=inputs["landcover"], dem=inputs["dem"], descriptor=descriptor)
    assert len(descriptor.seen) == 3
    assert verify_map(out) == []


def test_unfinished_map_of_other_inputs_is_refused(killed: Path, inputs: dict[str, Path]) -> None:
    before = contents(killed)
    with pytest.raises(InputError, match="unfinished map of other inputs"):
        build_map(inputs["sar"], killed, descriptor=BoxMean())
    assert contents(killed) == before


def test_finished_map_is_left_alone(copy: Path, inputs: dict[str, Path], caplog: pytest.LogCaptureFixture) -> None:
    before, descriptor = contents(copy), BoxMean()
    with caplog.at_level(logging.INFO):
        again = build_map(inputs["sar"], copy, landcover=inputs["landcover"], dem=inputs["dem"], descriptor=descriptor)
    assert not descriptor.seen
    assert "already built" in caplog.text
    assert again.fingerprint == "boxmean-1"
    for other in ({"gsd": 20.0}, {"crs": "EPSG:26911"}, {"descriptor": BoxMean(fingerprint="boxmean-2")}, {"dem": None}):
        options = {"landcover": inputs["landcover"], "dem": inputs["dem"], "descriptor": BoxMean()} | other
        with pytest.raises(InputError, match="other inputs"):
            build_map(inputs["sar"], copy, **options)
    assert contents(copy) == before


def test_folder_that_is_not_ours_is_refused_and_kept(inputs: dict[str, Path], tmp_path: Path) -> None:
    photos = tmp_path / "photos"
    photos.mkdir()
    (photos / "holiday.jpg").write_bytes(b"dear to somebody")
    group = tmp_path / "group"
    zarr.create_group(group, attributes={"format": "something else"})
    file = tmp_path / "file"
    file.write_text("text")
    before = contents(tmp_path)
    for taken in (photos, group, file):
        with pytest.raises(InputError, match=str(taken)):
            build_map(inputs["sar"], taken, descriptor=BoxMean())
    with pytest.raises(InputError, match="cannot be written"):
        build_map(inputs["sar"], file / "map", descriptor=BoxMean())
    assert contents(tmp_path) == before
    for use in (ReferenceMap.open, verify_map, map_info):
        with pytest.raises(InputError, match="not a map"):
            use(photos)
        with pytest.raises(InputError, match="not a map"):
            use(tmp_path / "nowhere")


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_verify_names_the_file_that_changed(built: Path, data: st.DataObject) -> None:
    files = sorted(name for name, content in contents(built).items() if content)
    name = data.draw(st.sampled_from(files))
    content = (built / name).read_bytes()
    at = data.draw(st.integers(0, len(content) - 1))
    spoilt = bytearray(content)
    spoilt[at] ^= data.draw(st.integers(1, 255))
    try:
        (built / name).write_bytes(spoilt)
        # white space in the manifest is not part of what it says
        harmless = name == "manifest.json" and {content[at], spoilt[at]} <= set(b" \t\r\n")
        assert verify_map(built) == ([] if harmless else [name])
    finally:
        (built / name).write_bytes(content)


def test_verify_names_what_is_missing_or_extra(copy: Path) -> None:
    (copy / "0/sar/c/1/1").unlink()
    (copy / "0/dem/c/0/0").unlink()
    (copy / "0/notes.txt").write_text("mine")
    (copy / ".hidden").write_text("mine")
    assert verify_map(copy) == [".hidden", "0/dem/c/0/0", "0/notes.txt", "0/sar/c/1/1"]


def flip(content: bytes) -> bytes:
    spoilt = bytearray(content)
    spoilt[10] ^= 255
    return bytes(spoilt)


SPOILERS: dict[str, Any] = {
    "a flipped byte": flip,
    "a lost tail": lambda content: content[:len(content) // 2],
    "nothing left": lambda content: b"",
    "gone": None,
    "a wrong index": lambda content: content[:-20] + bytes(16) + content[-4:],
    "all ones": lambda content: b"\xff" * len(content),
}


@pytest.mark.parametrize("how", SPOILERS)
@pytest.mark.parametrize("name", ["descriptors/c/0/0/0", "descriptors_valid/c/0/0"])
def test_damaged_descriptors_are_masked_and_told(copy: Path, built: Path, name: str, how: str) -> None:
    spoil(copy / "0" / name, how)
    sound, hurt = ReferenceMap.open(built), ReferenceMap.open(copy)
    # one flipped byte costs its own chunk of 256 pixels, the rest of these its shard of 512
    reach = 256 if how == "a flipped byte" else 512
    assert not hurt.damaged(0, 0, 512, 512)
    expected, got = sound.descriptors(*whole(sound)), hurt.descriptors(*whole(hurt))
    lost = expected.valid & ~got.valid
    assert lost[60:120, 60:120].all()
    assert not lost[reach // 2:].any() and not lost[:, reach // 2:].any()
    assert not (got.valid & ~expected.valid).any()
    np.testing.assert_array_equal(got.array[:, got.valid], expected.array[:, got.valid])
    assert not got.array[:, ~got.valid].any()
    assert hurt.damaged(100, 100, 20, 20) and hurt.damaged(0, 0, 1, 1)
    assert not hurt.damaged(reach, reach, 20, 20)
    assert verify_map(copy) == [f"0/{name}"]


def spoil(file: Path, how: str) -> None:
    change = SPOILERS[how]
    content = file.read_bytes()
    file.unlink()
    if change:
        file.write_bytes(change(content))


@pytest.mark.parametrize("how", SPOILERS)
@pytest.mark.parametrize("name", ["sar", "sar_valid", "landuse"])
def test_damaged_pixels_are_masked(copy: Path, built: Path, name: str, how: str) -> None:
    spoil(copy / "0" / name / "c/0/0", how)
    hurt, sound = ReferenceMap.open(copy), ReferenceMap.open(built)
    window = (100, 100, 50, 50)
    got = hurt.landuse(*window) if name == "landuse" else hurt.image(*window)
    expected = sound.landuse(*window) if name == "landuse" else sound.image(*window)
    assert got and expected and expected.valid.all()
    assert not got.valid.any() and not got.image.any()
    assert hurt.damaged(*window)


def test_damaged_heights_are_told(copy: Path) -> None:
    spoil(copy / "0/dem/c/0/0", "a flipped byte")
    hurt = ReferenceMap.open(copy)
    heights = hurt.terrain().on_grid(hurt.grid)
    assert np.isfinite(heights).all() and heights.min() > 90
    assert hurt.damaged(100, 100, 50, 50)


def test_heights_are_read_where_they_are_asked_for(copy: Path, built: Path) -> None:
    """Half of the DEM's files may be gone: what lies under the other half is as it was, and no damage is met."""
    dem = zarr.open_array(copy / "0" / "dem", mode="r")
    rows, cols = (-(-size // step) for size, step in zip(dem.shape, dem.shards or dem.chunks, strict=True))
    assert cols > 1
    for row in range(rows):
        (copy / f"0/dem/c/{row}/{cols - 1}").unlink()
    reference, sound = ReferenceMap.open(copy), ReferenceMap.open(built)
    west = reference.grid.cut(0, 0, 200, reference.grid.height - 1)
    np.testing.assert_array_equal(reference.terrain().on_grid(west), sound.terrain().on_grid(west))
    assert not reference.damaged(0, 0, 200, 200)
    point, hit = reference.terrain().intersect(np.array([*west.to_map(50, 50), 2000.0]), np.array([[0.1, 0.05, -1.0]]))
    assert hit.all() and point[0, 2] == pytest.approx(sound.terrain().height(*point[:, :2].T)[0], abs=1e-3)
    reference.terrain().height(*reference.grid.to_map(reference.grid.width - 5, 50))
    assert reference.damaged(reference.grid.width - 20, 40, 20, 20)


@pytest.mark.parametrize("name", ["zarr.json", "0/descriptors/zarr.json", "0/sar/zarr.json"])
@pytest.mark.parametrize("how", ["a lost tail", "nothing left", "gone", "all ones"])
def test_map_without_its_metadata_is_refused(copy: Path, name: str, how: str) -> None:
    spoil(copy / name, how)
    with pytest.raises(InputError, match=str(copy)):
        ReferenceMap.open(copy)


def change_header(path: Path, sign: bool, **values: Any) -> None:
    document = json.loads((path / "zarr.json").read_bytes())
    attributes = document["attributes"] | values
    if sign:
        attributes["sha256"] = digest({key: value for key, value in attributes.items() if key != "sha256"})
    (path / "zarr.json").write_text(json.dumps(document | {"attributes": attributes}))


def test_header_that_was_altered_or_is_of_another_format_is_refused(copy: Path) -> None:
    change_header(copy, sign=True, vertical_datum="EGM96 height")
    ReferenceMap.open(copy)  # the way of altering it is sound
    change_header(copy, sign=False, vertical_datum="EGM2008 height")
    with pytest.raises(InputError, match="damaged"):
        ReferenceMap.open(copy)
    change_header(copy, sign=True, version=99)
    with pytest.raises(InputError, match="newer"):
        ReferenceMap.open(copy)
    change_header(copy, sign=True, version=1)
    with pytest.raises(InputError, match=r"older .* build it again"):
        ReferenceMap.open(copy)


def test_opening_needs_the_manifest_to_be_there_but_does_not_read_it(copy: Path) -> None:
    (copy / "manifest.json").write_bytes(b"\xff not JSON")
    ReferenceMap.open(copy).descriptors(0, 0, 20, 20)
    assert verify_map(copy) == ["manifest.json"]
    with pytest.raises(InputError, match=r"manifest\.json is damaged"):
        map_info(copy)
    (copy / "manifest.json").unlink()
    with pytest.raises(InputError, match="unfinished"):
        ReferenceMap.open(copy)


def test_info_tells_what_the_map_is(built: Path, inputs: dict[str, Path]) -> None:
    info, reference = map_info(built), ReferenceMap.open(built)
    json.dumps(info)
    assert info["crs"] == "EPSG:32611" and tuple(info["origin"]) == reference.frame.origin == map_frame(inputs["sar"]).origin
    assert info["gsd_m"] == reference.gsd and info["size_px"] == [reference.grid.width, reference.grid.height]
    x_min, y_min, x_max, y_max = info["bounds"]
    assert (x_max - x_min) * (y_max - y_min) / 1e6 == pytest.approx(info["area_km2"])
    assert info["area_km2"] == pytest.approx(WIDTH * HEIGHT * 8.3**2 / 1e6, rel=0.05)
    pixels, cells = reference.image(0, 0, *info["size_px"]), reference.descriptors(*whole(reference))
    assert (info["valid_fraction"], info["described_fraction"]) == (pixels.valid.mean(), cells.valid.mean())
    assert info["descriptor"] == {
        "name": "boxmean", "stride": 2, "fingerprint": "boxmean-1", "channels": 2, "groups": ["mean", "spread"]}
    assert info["vertical_datum"] == reference.vertical_datum == "EGM96 height"
    assert info["bytes"] == sum(len(content) for name, content in contents(built).items() if name != "manifest.json")
    assert info["bytes_per_km2"] == pytest.approx(info["bytes"] / info["area_km2"])
    assert info["landuse"].keys() == {"10", "80"} and sum(info["landuse"].values()) == pytest.approx(1)
    assert info["landuse"]["10"] == pytest.approx(0.5, abs=0.02)
    assert info["inputs"]["dem"]["path"] == str(inputs["dem"])
    assert info["levels"] == 1 and info["build_seconds"] >= 0 and info["versions"]["zarr"] == zarr.__version__


def test_landuse_and_terrain_lie_where_the_rasters_do(built: Path, inputs: dict[str, Path]) -> None:
    reference = ReferenceMap.open(built)
    codes = reference.landuse(*whole(reference))
    assert codes is not None
    expected = resample(inputs["landcover"], reference.frame, like=codes.grid, resampling="nearest")
    np.testing.assert_array_equal(codes.image, expected.image)
    np.testing.assert_array_equal(codes.valid, expected.valid)
    assert 0.4 < codes.valid.mean() < 0.6

    def height(col: Any, row: Any) -> Any:
        """The map's height at a pixel of the DEM, by way of pyproj."""
        to_map = pyproj.Transformer.from_crs(3395, reference.frame.crs, always_xy=True)
        east, north = to_map.transform(WEST + 30 * (np.asarray(col) + 0.5), NORTH - 30 * (np.asarray(row) + 0.5))
        return reference.terrain().height(east - reference.frame.origin[0], north - reference.frame.origin[1])

    col, row = np.meshgrid(np.linspace(40, WIDTH // 3 - 3, 9), np.linspace(2, HEIGHT // 3 - 3, 9))
    np.testing.assert_allclose(height(col, row), 100 + 2.0 * col + 1.0 * row, atol=0.05)
    assert map_info(built)["dem_gsd_m"] == pytest.approx(2 * reference.gsd)
    assert height(31.5, 31.5) == pytest.approx(100 + 3 * 31.5, abs=10)  # the gap holds the heights around it


def test_map_without_landcover_and_dem_says_so(inputs: dict[str, Path], tmp_path: Path) -> None:
    reference = build_map(inputs["sar"], tmp_path / "map", descriptor=BoxMean(), gsd=30.0)
    assert reference.gsd == 30.0
    assert (reference.has_dem, reference.vertical_datum, reference.landuse(0, 0, 8, 8)) == (False, "unknown", None)
    assert reference.terrain().height(np.zeros(3), np.zeros(3)).tolist() == [0, 0, 0]
    assert map_info(tmp_path / "map")["landuse"] == {}


@pytest.mark.parametrize(("which", "options", "named"), [
    ("landcover", {"transform": from_origin(WEST + 1e5, NORTH, 10, 10)}, "does not overlap"),
    ("dem", {"transform": from_origin(WEST, NORTH - 1e5, 10, 10)}, "does not overlap"),
    ("dem", {"crs": None}, "no CRS"),
    ("dem", {"crs": "EPSG:32611+6360"}, "metres"),
    ("sar", {"crs": None}, "no CRS"),
])
def test_input_that_does_not_fit_is_refused_before_any_work(inputs: dict[str, Path], tmp_path: Path, which: str,
                                                            options: dict[str, Any], named: str) -> None:
    bad = write(tmp_path / "bad.tif", np.ones((50, 50), np.int16), **options)
    given = {"sar": inputs["sar"], which: bad}
    with pytest.raises(InputError, match=named) as refusal:
        build_map(given.pop("sar"), tmp_path / "map", **given, descriptor=BoxMean())
    assert str(bad) in str(refusal.value)
    assert not (tmp_path / "map").exists()


@pytest.mark.parametrize(("which", "value", "named"), [
    ("sar", 0, "zero"), ("landcover", -4, "class codes"),
])
def test_values_that_make_no_map_are_refused(inputs: dict[str, Path], tmp_path: Path, which: str, value: int, named: str) -> None:
    bad = write(tmp_path / "bad.tif", np.full((50, 50), value, np.int16))
    given = {"sar": inputs["sar"], which: bad}
    with pytest.raises(InputError, match=named):
        build_map(given.pop("sar"), tmp_path / "map", **given, descriptor=BoxMean())


@pytest.mark.parametrize("gsd", [0.0, -3.0, float("nan"), float("inf"), 1e6, 1e-3])
def test_gsd_that_makes_no_map_is_refused(inputs: dict[str, Path], tmp_path: Path, gsd: float) -> None:
    with pytest.raises(InputError):
        build_map(inputs["sar"], tmp_path / "map", descriptor=BoxMean(), gsd=gsd)


def test_dem_of_nodata_over_the_map_makes_no_finished_map(inputs: dict[str, Path], tmp_path: Path) -> None:
    heights = np.full((300, 300), -9999, np.float32)
    heights[290:, 290:] = 12  # far off to the south-east
    dem = write(tmp_path / "dem.tif", heights, 60.0, nodata=-9999)
    with pytest.raises(InputError, match="holds no height where"):
        build_map(inputs["sar"], tmp_path / "map", dem=dem, descriptor=BoxMean(), gsd=20.0)
    assert not (tmp_path / "map/manifest.json").exists()


def test_amplitude_has_median_one_whatever_the_product(inputs: dict[str, Path], tmp_path: Path) -> None:
    with rasterio.open(inputs["sar"]) as source:
        linear = source.read(1).astype(np.float32)
    linear[linear == 0] = np.nan
    patches = {}
    for name, pixels in (("linear", linear * 37), ("decibel", 20 * np.log10(linear) - 60)):
        descriptor = BoxMean()
        build_map(write(tmp_path / f"{name}.tif", pixels), tmp_path / name, descriptor=descriptor)
        patches[name] = descriptor.seen[0]
        assert map_info(tmp_path / name)["amplitude"]["decibel"] == (name == "decibel")
        assert np.median(descriptor.seen[0].image[descriptor.seen[0].valid]) == pytest.approx(1, abs=0.02)
    both = patches["linear"].valid
    np.testing.assert_allclose(patches["linear"].image[both], patches["decibel"].image[both], rtol=0.05)
    assert not AmplitudeScale.of(Path("x"), RasterFacts("float32", 1.0, -0.01, 9.0, 0.5)).decibel


def test_float_product_does_not_overshoot_its_values(tmp_path: Path) -> None:
    pixels = np.full((120, 120), 0.02, np.float32)
    pixels[::7, ::5] = 900.0
    pixels[::7, 1::5] = 900.0  # between two of them a cubic rises above both
    reference = build_map(write(tmp_path / "sar.tif", pixels), tmp_path / "map", descriptor=BoxMean(), gsd=5.0)
    patch = reference.image(0, 0, reference.grid.width, reference.grid.height)
    assert patch.image[patch.valid].min() == np.float32(0.02)
    assert patch.image.max() == 900


def test_other_readers_find_plain_zarr(built: Path) -> None:
    reference = ReferenceMap.open(built)
    group = zarr.open_group(built, mode="r")
    assert group.attrs["frame"] == {"crs": "EPSG:32611", "origin": list(reference.frame.origin)}
    sar, cells = group["0/sar"], group["0/descriptors"]
    assert sar.metadata.dimension_names == ("y", "x")
    assert cells.metadata.dimension_names == ("channel", "cell_y", "cell_x")
    assert cells.dtype == np.float16 and sar.dtype == np.uint8
    for array in (sar, cells):
        inner = array.metadata.to_dict()["codecs"][0]
        assert inner["name"] == "sharding_indexed"
        assert [codec["name"] for codec in inner["configuration"]["codecs"]] == ["bytes", "zstd", "crc32c"]
    transform = group.attrs["transform"]
    assert transform == pytest.approx(reference.grid.to_transform(reference.frame.origin))
    assert group["0/x"][0] == pytest.approx(transform[2] + transform[0] / 2)
    assert group["0/y"][-1] == pytest.approx(transform[5] + transform[4] * (reference.grid.height - 0.5))


def test_xarray_opens_a_level_without_our_code(built: Path) -> None:
    xarray = pytest.importorskip("xarray", reason="comes with the extra [dev]")
    reference = ReferenceMap.open(built)
    with xarray.open_zarr(built, group="0", consolidated=False) as level:
        assert level.sar.dims == ("y", "x") and level.descriptors.dims == ("channel", "cell_y", "cell_x")
        # a place by its easting and northing, in the CRS that the level names
        assert pyproj.CRS(level.attrs["crs"]) == pyproj.CRS("EPSG:32611") and level.attrs["gsd_m"] == reference.gsd
        col, row = 301, 207
        x, y = (float(v) + o for v, o in zip(reference.grid.to_map(col, row), reference.frame.origin, strict=True))
        here = level.sel(x=x + 2, y=y - 2, cell_x=x, cell_y=y, method="nearest")
        assert float(here.sar) == reference.image(col, row, 1, 1).image[0, 0] > 0
        cells = reference.descriptors(col // 2 * 2, row // 2 * 2, 2, 2)
        np.testing.assert_array_equal(here.descriptors.values, cells.array[:, 0, 0].astype(np.float16))
        assert bool(here.descriptors_valid) == cells.valid[0, 0]


def test_tiles_cover_the_map_once(built: Path) -> None:
    header = ReferenceMap.open(built).header
    covered = np.zeros(header.grid.shape, int)
    for tile in header.tiles():
        assert tile == Tile(tile.col, tile.row, tile.width, tile.height) and tile.col % 512 == tile.row % 512 == 0
        covered[tile.row:tile.row + tile.height, tile.col:tile.col + tile.width] += 1
    assert (covered == 1).all()


def test_no_search_for_a_height_goes_round_the_world(built: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where all around is unknown, so far and no further."""
    import promptmid_core.refmap.heights as heights

    reference = ReferenceMap.open(built)
    reader, asked = reference._readers["dem"], []

    def unknown(row: int, col: int, height: int, width: int) -> tuple[NDArray[Any], NDArray[Any]]:
        asked.append(height * width)
        return np.zeros((height, width), np.float32), np.zeros((height, width), bool)

    monkeypatch.setattr(reader, "read", unknown)
    found = reference.terrain().height(*reference.grid.to_map(100, 100))
    assert found == pytest.approx(reference.header.dem_range[0])
    assert max(asked) == (2 * heights.MOST_REACH + 1) ** 2 * reader.chunk[0] * reader.chunk[1]
