"""How public data lie on disk: the shards of SARLO-80, and sets that keep the images of each sensor in a folder."""

from __future__ import annotations

import json
import re
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from promptmid_core.arrays import UInt8
from promptmid_core.bench.dates import dated
from promptmid_core.bench.pairs import IDENTITY, MOST_BYTES, Pair, decoded_image
from promptmid_core.errors import InputError

SHARD = "*.tar"
OPTICAL, RADAR, FACTS = ".optic.png", ".sar.png", ".meta.json"  # of a sample in a shard, behind its key
IMAGES = {".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp"}
# words of a caption that name a land use; trees stand in captions of everything
NAMED = {
    "cropland": "farmland|croplands?|agricultural|farms?|orchards?|vineyards?", "grassland": "grasslands?|meadows?|pasture",
    "shrubland": "shrubland|scrubland|shrubs", "forest": "forests?|forested|woodlands?",
    "built-up area": "urban|residential|city|town|industrial|airport|buildings|port|harbou?r",
    "bare land": "desert|barren|arid|rocky|sand|dunes?", "water": "sea|ocean|lake|river|water",
    "wetland": "wetlands?|marsh|mangroves?", "snow and ice": "snow|ice|glaciers?",
}


@dataclass(frozen=True)
class ShardSample:
    """`optical` (H, W, 3) and `sar` (H, W) uint8 on one grid, 0 where unknown; `place`: samples of one are not shared by training
    and validation; `landuse`: a word of LAND_USES, or None."""

    name: str
    place: str
    optical: UInt8
    sar: UInt8
    landuse: str | None


def is_sharded(folder: Path) -> bool:
    """Return whether a folder holds WebDataset shards."""
    return any(folder.glob(SHARD))


def read_shards(folder: Path) -> Iterator[ShardSample]:
    """Yield the samples of a folder of shards as SARLO-80 has them: KEY.optic.png, KEY.sar.png and KEY.meta.json.

    The place is the `city` of the metadata, and the land use the only one that the shortest of its captions names. Raises
    InputError where a shard cannot be read, or a sample has no optical image.
    """
    for shard in sorted(folder.glob(SHARD)):
        try:
            with tarfile.open(shard) as archive:
                for key, files in _samples(archive, shard):
                    yield _sample(key, files, shard)
        except (tarfile.TarError, OSError) as error:
            raise InputError(f"{shard} cannot be read as a shard ({error}); fetch it again") from error


def in_two_folders(folder: Path) -> list[Pair]:
    """Return the pairs of two folders within `folder`, one whose name begins with `opt` and one with `sar`, whose files have the
    same names or differ in these words alone; pixels coincide. Empty where there are no two such folders.

    Raises InputError where a file has no counterpart.
    """
    inside = [child for child in folder.iterdir() if child.is_dir()] if folder.is_dir() else []
    optical, sar = ([child for child in inside if child.name.lower().startswith(word)] for word in ("opt", "sar"))
    if len(optical) != 1 or len(sar) != 1:
        return []
    seen, around = ({_stem(path): path for path in sorted(side.iterdir()) if path.suffix.lower() in IMAGES}
                    for side in (optical[0], sar[0]))
    if alone := sorted(seen.keys() ^ around.keys()):
        path = seen.get(alone[0]) or around[alone[0]]
        raise InputError(f"{path} has no counterpart of the other sensor in {folder}; give both the same name, or take it away")
    source = folder.resolve().name
    return [Pair(source, name, path, around[name], None, None, np.array(IDENTITY), dated(source, name))
            for name, path in seen.items()]


def caption_landuse(caption: str) -> str | None:
    """Return the land use that a caption names, None where it names none or several."""
    named = [use for use, words in NAMED.items() if re.search(rf"\b({words})\b", caption, re.IGNORECASE)]
    return named[0] if len(named) == 1 else None


def _stem(path: Path) -> str:
    """The name without what tells the sensor."""
    return re.sub(r"(^|[_-])(optical|optic|opt|sar)(?=[_\-\d]|$)", "", path.stem, flags=re.IGNORECASE).strip("_-")


def _samples(archive: tarfile.TarFile, shard: Path) -> Iterator[tuple[str, dict[str, bytes]]]:
    """What follows each other under one key; the complex SAR image, of which the amplitude is there too, is passed over."""
    key, files = "", dict[str, bytes]()
    for member in archive:
        name, _, ending = member.name.partition(".")
        if name != key and files:
            yield key, files
            files = {}
        key = name
        if f".{ending}" in (OPTICAL, RADAR, FACTS):
            content = archive.extractfile(member)
            if content is None or member.size > MOST_BYTES:
                raise InputError(f"{shard} has {member.name}, which is no file that can be read; fetch the shard again")
            files[f".{ending}"] = content.read()
    if files:
        yield key, files


def _sample(key: str, files: dict[str, bytes], shard: Path) -> ShardSample:
    where = f"{shard} sample {key}"
    for ending in (OPTICAL, RADAR):
        if ending not in files:
            raise InputError(f"{where} has no {key}{ending}; newer releases leave the optical images out: make them as the data "
                             "set says, and put them into the shards")
    try:
        facts = json.loads(files.get(FACTS, b"{}"))
        captions = facts.get("caption") or {}
        short, city = str(captions.get("SHORT", "")), str(facts.get("city", key))
    except (ValueError, AttributeError) as error:
        raise InputError(f"{where} has metadata that are no JSON of a sample ({error}); fetch the shard again") from error
    optical, sar = (decoded_image(files[ending], Path(f"{shard}/{key}{ending}"), grey)
                    for ending, grey in ((OPTICAL, False), (RADAR, True)))
    if optical.ndim == 2:
        optical = np.repeat(optical[..., None], 3, axis=2)
    if optical.shape[:2] != sar.shape:
        raise InputError(f"{where} has images of {optical.shape[:2]} and {sar.shape} pixels, which are not on one grid; leave it "
                         "out")
    return ShardSample(key, city, optical, sar, caption_landuse(short))
