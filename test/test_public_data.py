"""Public data as they lie on disk: the shards of SARLO-80, and images of each sensor in a folder."""

import io
import json
import tarfile
from pathlib import Path

import cv2
import numpy as np
import pytest
from optional import lacking
from pair_folders import write_pairs

from promptmid_core.errors import InputError

LACKING = lacking("torch", "accelerate", "safetensors")
pytestmark = pytest.mark.skipif(bool(LACKING), reason=f"not installed: {LACKING}; no training")
if not LACKING:
    from promptmid_core.training.layouts import caption_landuse
    from promptmid_core.training.scenes import read_scenes

CAPTIONS = {"SHORT": "A residential area with roads.", "MID": "More of it.", "LONG": "Still more of it."}


def png(shape: tuple[int, ...], seed: int = 0) -> bytes:
    return cv2.imencode(".png", np.random.default_rng(seed).integers(1, 255, shape, np.uint8))[1].tobytes()


def write_shard(path: Path, samples: dict[str, dict[str, bytes]]) -> Path:
    """`path` with KEY.ENDING of each sample, one after the other."""
    path.parent.mkdir(exist_ok=True)
    with tarfile.open(path, "w") as archive:
        for key, files in samples.items():
            for ending, content in files.items():
                member = tarfile.TarInfo(f"{key}.{ending}")
                member.size = len(content)
                archive.addfile(member, io.BytesIO(content))
    return path


def sample(city: str = "Oslo", seed: int = 0) -> dict[str, bytes]:
    facts = json.dumps({"city": city, "caption": CAPTIONS}).encode()
    return {"meta.json": facts, "optic.png": png((64, 64, 3), seed), "sar.npy": b"\x93NUMPY", "sar.png": png((64, 64), seed)}


def test_shards_give_scenes_with_city_and_land_use(tmp_path: Path) -> None:
    write_shard(tmp_path / "sarlo" / "shard-00001.tar", {"b0": sample("Lima", 2)})
    write_shard(tmp_path / "sarlo" / "shard-00000.tar", {"a0": sample(seed=1), "a1": sample(seed=3)})
    scenes = read_scenes([tmp_path / "sarlo"])
    assert [(scene.source, scene.name, scene.place) for scene in scenes] == [
        ("sarlo", "a0", "sarlo Oslo"), ("sarlo", "a1", "sarlo Oslo"), ("sarlo", "b0", "sarlo Lima")]
    first = scenes[0]
    assert (first.optical[..., ::-1] == cv2.imdecode(np.frombuffer(png((64, 64, 3), 1), np.uint8), 1)).all()
    assert np.median(first.sar) == pytest.approx(1) and first.valid.all() and set(np.unique(first.landuse)) == {5}


@pytest.mark.parametrize(("files", "words"), [
    ({key: value for key, value in sample().items() if key != "optic.png"}, ["a0.optic.png", "newer releases"]),
    (sample() | {"sar.png": png((32, 64))}, ["(64, 64) and (32, 64)", "not on one grid"]),
    (sample() | {"sar.png": b"none"}, ["a0.sar.png", "cannot be read as an image"]),
    (sample() | {"meta.json": b"["}, ["sample a0", "no JSON"]),
])
def test_a_sample_that_cannot_be_used_is_named(tmp_path: Path, files: dict[str, bytes], words: list[str]) -> None:
    shard = write_shard(tmp_path / "sarlo" / "shard-00000.tar", {"a0": files})
    with pytest.raises(InputError) as refused:
        read_scenes([tmp_path / "sarlo"])
    assert all(word in str(refused.value) for word in [str(shard), *words]), refused.value


def test_a_shard_that_is_none_is_named(tmp_path: Path) -> None:
    (tmp_path / "shard-00000.tar").write_bytes(b"PK" * 600)
    with pytest.raises(InputError, match=r"shard-00000\.tar cannot be read as a shard"):
        read_scenes([tmp_path])


@pytest.mark.parametrize("names", [("{}", "{}"), ("opt_{}", "sar_{}"), ("{}_optical", "{}_sar"), ("opt{}", "sar{}")])
def test_two_folders_of_like_names_are_pairs(tmp_path: Path, names: tuple[str, str]) -> None:
    made = write_pairs(tmp_path / "made", 2)
    folder = tmp_path / "set"
    for kind, name in zip(("optical", "sar"), names, strict=True):
        (folder / f"{kind}_256").mkdir(parents=True)
        for number in range(2):
            (made / kind / f"{number}.png").rename(folder / f"{kind}_256" / f"{name.format(number)}.png")
    scenes = read_scenes([folder])
    assert [(scene.source, scene.name) for scene in scenes] == [("set", "0"), ("set", "1")]
    assert (scenes[0].optical != scenes[1].optical).any()
    next((folder / "sar_256").iterdir()).unlink()
    with pytest.raises(InputError, match="no counterpart of the other sensor"):
        read_scenes([folder])


@pytest.mark.parametrize(("caption", "landuse"), [
    ("A dense forest beside a road.", "forest"), ("Farmland with trees.", "cropland"), ("A city on a lake.", None),
    ("Roads.", None), ("", None)])
def test_a_caption_that_names_one_land_use_tells_it(caption: str, landuse: str | None) -> None:
    assert caption_landuse(caption) == landuse


def test_what_is_no_data_is_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is no training data; name a folder with pairs"):
        read_scenes([tmp_path])
