"""Fetching: what was chosen is read window by window, checked, and laid ready for `map build`."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from promptmid_core.errors import InputError
from promptmid_core.fetch.account import Account
from promptmid_core.fetch.box import Box
from promptmid_core.fetch.lockfile import LockedWindow, Selection
from promptmid_core.fetch.offer import COVER, HEIGHTS, SAR
from promptmid_core.fetch.reading import is_remote
from promptmid_core.fetch.request import Request
from promptmid_core.fetch.selecting import select
from promptmid_core.fetch.window import Asset, blocks, fetch_window, pixel_hash
from promptmid_core.files import make_folder, replacing, writing
from promptmid_core.georaster.proj import transformer
from promptmid_core.products.acquisition import in_utc
from promptmid_core.refmap.format.lock import locked

CHOSEN, LOCK, WINDOWS, PARTS = "chosen.json", "lock.json", "windows", "parts"
EGM2008 = "EPSG:4326+3855"  # what heights of Copernicus refer to, which their files do not tell
GAMMA0 = "sentinel-1-rtc"  # linear intensity, terrain-corrected
SEEN_PX = 512

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Fetched:
    """Files for a map: SAR rasters in their order, land cover and heights where there are any.

    `acquired` is when the first of the SAR images was taken, None where the catalogue does not tell; `seen` is the share of the
    box that has SAR pixels; `is_gamma0` whether all of it is terrain-corrected intensity.
    """

    request: Request
    sar: tuple[Path, ...]
    landcover: Path | None
    dem: Path | None
    acquired: str | None
    seen: float
    is_gamma0: bool
    lock: Path


def fetch(request: Request | None, out: Path, lock: Path | None = None, progress: Progress | None = None,
          account: Account | None = None) -> Fetched:
    """Fetch the rasters of a request into the folder `out`, or those of a lock file, where that exists; else it is written.

    A fetch that was cut off goes on where it stopped, with what it had chosen. `progress(done, total)` counts blocks. Raises
    InputError where nothing is there for the request, where a catalogue or a file cannot be reached, where one is no longer what
    it was when the lock file was written, and where `out` holds another fetch.
    """
    lock, account = lock or out / LOCK, account or Account()
    known = Selection.read(lock) if lock.exists() else None
    if known and request and known.request != request:
        asked = known.request
        dates = f", --date {asked.date}" if asked.date else ""
        raise InputError(f"{lock} is of another request ({asked.box}, --gsd {asked.gsd:g}, {asked.catalogue}{dates}); give that, "
                         "or another --lock")
    if not (known or request):
        raise InputError(f"{lock} is not there; give --bbox and --gsd, and it is written")
    make_folder(out)
    with locked(out):
        selection = _begun(out, known, request, account)
        files = _windows(out, selection, account, progress or (lambda done, total: None))
        hashes = [pixel_hash(file) for file in files]
        for window, file, found in zip(selection.windows, files, hashes, strict=True):
            if window.sha256 and found != window.sha256:
                raise InputError(f"{file}, of {window.address}, is not what it was when {lock} was written; remove it to read "
                                 "it again, or fetch with another --lock")
        merged = {kind: _merged(out / f"{name}.tif", [file for window, file in zip(selection.windows, files, strict=True)
                                                      if window.kind == kind])
                  for kind, name in ((HEIGHTS, "dem"), (COVER, "landcover"))}
        if not lock.exists():
            selection.hashed(hashes).write(lock)
        shutil.rmtree(out / PARTS, ignore_errors=True)
    scenes = {file: window for window, file in zip(selection.windows, files, strict=True) if window.kind == SAR}
    is_gamma0 = all(window.collection == GAMMA0 for window in scenes.values())
    return Fetched(selection.request, tuple(scenes), merged[COVER], merged[HEIGHTS], _acquired(scenes.values()),
                   _seen(list(scenes), selection.request.box), is_gamma0, lock)


def _acquired(windows: Iterable[LockedWindow]) -> str | None:
    known = []
    for window in windows:
        with suppress(ValueError):
            known.append(in_utc(window.when))
    return min(known, default=None)


def _begun(out: Path, known: Selection | None, request: Request | None, account: Account) -> Selection:
    """What this folder takes: as it was begun, by the lock file, or chosen now."""
    file = out / CHOSEN
    if file.exists():
        begun = Selection.read(file)
        wanted = known or begun
        if (request and begun.request != request) or wanted.hashed([""] * len(wanted.windows)) != begun:
            raise InputError(f"{out} holds another fetch ({begun.request.box}, {begun.request.catalogue}); give another --out, "
                             "or remove that one yourself")
        return wanted
    strangers = [entry.name for entry in out.iterdir() if entry.name != LOCK and not entry.name.endswith(".lock")]
    if strangers:
        raise InputError(f"{out} holds something that is no fetch ({strangers[0]}); give a folder that is new or empty")
    if known is None:
        assert request is not None
        known = select(request, account)
    known.hashed([""] * len(known.windows)).write(file)
    return known


def _windows(out: Path, selection: Selection, account: Account, progress: Progress) -> list[Path]:
    """The files of all windows, those that are not there yet read now."""
    (out / WINDOWS).mkdir(exist_ok=True)
    files = [out / WINDOWS / f"{window.name}.tif" for window in selection.windows]
    counts = [len(blocks(window.place)) for window in selection.windows]
    total = sum(counts)
    done = sum(count for file, count in zip(files, counts, strict=True) if file.exists())
    progress(done, total)

    def told() -> None:
        nonlocal done
        done += 1
        progress(done, total)

    for window, file in zip(selection.windows, files, strict=True):
        if not file.exists():
            _window(window, file, out / PARTS / window.name, account, told)
    return files


def _window(window: LockedWindow, file: Path, parts: Path, account: Account, told: Callable[[], None]) -> None:
    make_folder(parts, parts.parent.parent)
    asset = Asset(window.address, account, is_remote(window.catalogue))
    fetch_window(asset, window.place, file, parts, told, EGM2008 if window.kind == HEIGHTS else None)


def _merged(file: Path, tiles: Sequence[Path]) -> Path | None:
    """Tiles beside one another as one raster; None where there are none."""
    from rasterio.enums import Resampling
    from rasterio.merge import merge

    if not tiles:
        return None
    if not file.exists():
        with writing(file), replacing(file) as beside:
            if len(tiles) == 1:
                shutil.copyfile(tiles[0], beside)
            else:
                # only where tiles have columns of different widths, as those of Copernicus beyond 50 degrees
                resampling = Resampling.bilinear if file.stem == "dem" else Resampling.nearest
                merge(tiles, dst_path=beside, resampling=resampling, use_highest_res=True,
                      dst_kwds={"compress": "deflate", "tiled": True, "blockxsize": 256, "blockysize": 256})
    return file


def _seen(files: Sequence[Path], box: Box) -> float:
    """The share of the box's lattice where a SAR raster has a pixel that is not nodata and not 0."""
    import rasterio

    lon, lat = box.lattice()
    seen = np.zeros(lon.shape, bool)
    for file in files:
        with rasterio.open(file, driver="GTiff") as source:
            down, across = (max(1, -(-size // SEEN_PX)) for size in source.shape)
            pixels = source.read(1, out_shape=(-(-source.height // down), -(-source.width // across)), masked=True)
            u, v = ~source.transform @ transformer("EPSG:4326", source.crs.to_wkt()).transform(lon, lat)
            on = (u >= 0) & (u < source.width) & (v >= 0) & (v < source.height)
            col, row = ((at[on] * size / whole).astype(int) for at, size, whole in (
                (u, pixels.shape[1], source.width), (v, pixels.shape[0], source.height)))
            values = pixels.filled(0)
            seen[on] |= (np.isfinite(values) & (values != 0))[row, col]
    return float(seen.mean())
