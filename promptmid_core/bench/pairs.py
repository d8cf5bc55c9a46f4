"""Pairs of an optical and a SAR image of the same place, as `promptmid bench` reads them."""

from __future__ import annotations

import csv
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from zlib import crc32

import cv2
import numpy as np

from promptmid_core.arrays import Float64, UInt8
from promptmid_core.bags.images import decoded
from promptmid_core.bench.checkpoints import fitted_affine
from promptmid_core.bench.dates import Dated, dated
from promptmid_core.errors import InputError, Refusal
from promptmid_core.files import read_regular
from promptmid_core.prompts.prompt import LAND_USES

Affine = Float64
Row = dict[str, str]

TABLE = "pairs.csv"
COEFFICIENTS = ("a", "b", "c", "d", "e", "f")
FOLDER_COLUMNS = ("id", "optical", "sar", "gsd_m", "landuse", *COEFFICIENTS)
DATASET_COLUMNS = ("split", "source", "optical", "sar", "land_use", "gsd_m", "alignment")
ALIGNED, CHECKPOINTS = "pixel-aligned", "checkpoint-pairs"
# published as aligned, which they are not
UNREGISTERED = "s1s2-"
MOST_BYTES = 2**30  # of the file of an image
CURE = "write it again as PNG or take it out"
SCORE_PX, CHECKPOINT_SCORE_PX = 5.0, 10.0
# what the labels of published pairs mean among the land uses that prompts tell apart
LABELS = {"agri": "cropland", "farmland": "cropland", "barrenland": "bare land", "urban": "built-up area"}
IDENTITY = ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0))


@dataclass(frozen=True)
class Pair:
    """An optical and a SAR image of one place.

    `affine` (2, 3) takes optical pixels (x, y) to SAR pixels, integers at pixel centres; `gsd_m` is that of the SAR image;
    `dated`: the place that it shows, and when; `score_px`: the error up to which its truth can judge a match.
    """

    source: str
    id: str
    optical: Path
    sar: Path
    gsd_m: float | None
    landuse: str | None
    affine: Affine
    dated: Dated
    score_px: float = SCORE_PX


@dataclass(frozen=True)
class Images:
    """`optical` (H, W, 3) RGB; `sar` (H, W); `sar_median`: of the pixels of the SAR image that are not 0."""

    optical: UInt8
    sar: UInt8
    sar_median: float


def read_pairs(folder: Path, sources: Sequence[str] | None = None) -> list[Pair]:
    """Return the pairs that `folder`/pairs.csv lists, of the named sources or of all, in the order of the table.

    Two layouts are known: a pair folder (one source, named after the folder), and a data set of several sources, in which
    pixel-aligned pairs get the identity and checkpoint pairs an affine fitted to their checkpoints. Raises InputError, in one
    sentence with file and row, where a table or a row cannot be used, where a source is unknown, and where no pair is left.
    """
    table = folder / TABLE
    columns, rows = _rows(table)
    if set(DATASET_COLUMNS) <= set(columns):
        pairs = _dataset(folder, rows, sources)
    else:
        missing = [name for name in FOLDER_COLUMNS if name not in columns]
        if missing:
            raise InputError(f"{table} lacks the column{'s' * (len(missing) > 1)} {', '.join(missing)}; a pair folder's table "
                             f"has {','.join(FOLDER_COLUMNS)}")
        name = folder.resolve().name
        _check_sources(table, sources, {name})
        pairs = [_of_folder(folder, name, row, where) for where, row in rows]
    if not pairs:
        raise InputError(f"{table} lists no pair to match; add rows with an optical and a SAR image")
    seen: set[tuple[str, str]] = set()
    for pair in pairs:
        if (pair.source, pair.id) in seen:
            raise InputError(f"{table} has two pairs '{pair.id}'; give each an id of its own")
        seen.add((pair.source, pair.id))
    return pairs


def landuse_of(label: str | None) -> str | None:
    """Return the word of LAND_USES that a pair's label means, or None: then the prompt is neutral."""
    word = LABELS.get(label or "", label)
    return word if word in LAND_USES else None


def several(folder: Path) -> bool:
    """Return whether `folder`/pairs.csv lists a data set of several sources. Raises InputError where it cannot be read."""
    return set(DATASET_COLUMNS) <= set(_rows(folder / TABLE)[0])


@lru_cache(maxsize=2)
def _images(optical: Path, sar: Path) -> Images:
    colour, grey = _image(optical, grey=False), _image(sar, grey=True)
    if colour.ndim == 2:
        colour = np.repeat(colour[..., None], 3, axis=2)
    lit = grey[grey > 0]
    if not lit.size:
        raise InputError(f"{sar} is black all over; take its row out of {TABLE}")
    return Images(colour, grey, float(np.median(lit)))


def read_images(pair: Pair) -> Images:
    """Return both images of a pair. Raises InputError where one cannot be read or has other than 8-bit pixels."""
    return _images(pair.optical, pair.sar)


def content_of(pair: Pair) -> tuple[int, int]:
    """Return the CRC-32 of the files of the optical and the SAR image. Raises InputError where one cannot be read."""
    optical, sar = (crc32(read_regular(path, MOST_BYTES, CURE)) for path in (pair.optical, pair.sar))
    return optical, sar


def _rows(table: Path) -> tuple[Sequence[str], list[tuple[str, Row]]]:
    """The header, and each row with the words that name it in an error."""
    try:
        with table.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file, restval="")
            rows = [(f"{table} row {reader.line_num}", row) for row in reader]
            return reader.fieldnames or (), rows
    except FileNotFoundError as error:
        raise InputError(f"{table} does not exist; name a folder with {TABLE} (columns {','.join(FOLDER_COLUMNS)})") from error
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{table} cannot be read as a CSV table ({error}); write it as UTF-8 text") from error


def _of_folder(folder: Path, source: str, row: Row, where: str) -> Pair:
    try:
        affine = np.array([float(row[name]) for name in COEFFICIENTS]).reshape(2, 3)
    except ValueError as error:
        raise InputError(f"{where} has an affine that is no six numbers ({error}); write a to f as numbers") from error
    _check_affine(affine, where)
    return _pair(folder, source, row["id"], row, row["landuse"], affine, where)


def _dataset(folder: Path, rows: Sequence[tuple[str, Row]], sources: Sequence[str] | None) -> list[Pair]:
    table = folder / TABLE
    matchable = [(where, row) for where, row in rows if row["sar"]]
    names = [Path(row["source"]).name for _, row in matchable]
    _check_sources(table, sources, set(names))
    pairs, left_out = [], {}
    for name, (where, row) in zip(names, matchable, strict=True):
        if sources is not None and name not in sources:
            continue
        if name.startswith(UNREGISTERED):
            left_out[name] = f"python {folder.parent / 'tools' / 'register_pairs.py'} OUT --split {row['split']}"
            continue
        if row["alignment"] == ALIGNED:
            affine, score_px = np.array(IDENTITY), SCORE_PX
        elif name == CHECKPOINTS:
            affine, score_px = fitted_affine(folder / row["optical"]), CHECKPOINT_SCORE_PX
        else:
            raise InputError(f"{where} is aligned by '{row['alignment']}', which the bench cannot use; leave source {name} out "
                             "with --sources, or write a pair folder with its affine")
        _check_affine(affine, where)
        inside = row["optical"].removeprefix(f"{row['source']}/")
        pairs.append(_pair(folder, name, str(Path(inside).with_suffix("")), row, row["land_use"], affine, where, score_px))
    for name, command in left_out.items():
        sentence = (f"source {name} of {table} is published as aligned but is several pixels off; write it corrected with "
                    f"'{command}' and run 'promptmid bench OUT'")
        if sources is not None:
            raise InputError(sentence)
        print(f"left out: {sentence}", file=sys.stderr)
    return pairs


def _pair(folder: Path, source: str, name: str, row: Row, landuse: str, affine: Affine, where: str,
          score_px: float = SCORE_PX) -> Pair:
    if not name:
        raise InputError(f"{where} has no id; give every pair one")
    optical, sar = folder / row["optical"], folder / row["sar"]
    for kind, path in (("optical", optical), ("SAR", sar)):
        if not path.is_file():
            raise InputError(f"{where} names the {kind} image {path}, which does not exist; correct the path or take the row out")
    return Pair(source, name, optical, sar, _gsd(row["gsd_m"], where), landuse or None, affine,
                dated(source, name), score_px)


def _gsd(text: str, where: str) -> float | None:
    if text in ("", "unknown"):
        return None
    try:
        gsd = float(text)
    except ValueError:
        gsd = np.nan
    if not 0 < gsd < np.inf:
        raise InputError(f"{where} has gsd_m '{text}'; write metres per SAR pixel, or nothing where it is unknown")
    return gsd


def _check_affine(affine: Affine, where: str) -> None:
    if not np.isfinite(affine).all():
        raise InputError(f"{where} has an affine that is not finite; write a to f as numbers, the identity as 1,0,0,0,1,0")
    if abs(np.linalg.det(affine[:, :2])) < 1e-6:
        raise InputError(f"{where} has a singular affine, which puts the whole optical image on a line; correct a to f")


def _check_sources(table: Path, sources: Sequence[str] | None, known: set[str]) -> None:
    for name in sources or ():
        if name not in known:
            raise InputError(f"{table} has no source '{name}' with SAR images; known are {', '.join(sorted(known)) or 'none'}")


def decoded_image(content: bytes, path: Path, grey: bool) -> UInt8:
    """Return the pixels of an image file, (H, W) or (H, W, 3) RGB, colour ones made `grey` where that is asked for. Raises
    InputError, which names `path`, where it cannot be read or has other than 8-bit pixels."""
    try:
        pixels = decoded(content)
        if pixels is None:
            pixels = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_UNCHANGED)
            if pixels is not None and pixels.ndim == 3:
                pixels = pixels[..., 2::-1]
    except (cv2.error, Refusal) as error:
        raise InputError(f"{path} cannot be read as an image ({' '.join(str(error).split())}); {CURE}") from error
    if pixels is None:
        raise InputError(f"{path} cannot be read as an image; {CURE}")
    if pixels.dtype != np.uint8:
        raise InputError(f"{path} has {pixels.dtype} pixels, and pairs have 8 bits; convert it, e.g. with "
                         "'gdal_translate -ot Byte -scale'")
    pixels = np.ascontiguousarray(pixels)
    return np.asarray(cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY) if grey and pixels.ndim == 3 else pixels, np.uint8)


def _image(path: Path, grey: bool) -> UInt8:
    return decoded_image(read_regular(path, MOST_BYTES, CURE), path, grey)


def by_source(pairs: Sequence[Pair]) -> Iterator[tuple[str, list[Pair]]]:
    """Yield the pairs of each source, sources in the order of their first pair."""
    for source in dict.fromkeys(pair.source for pair in pairs):
        yield source, [pair for pair in pairs if pair.source == source]
