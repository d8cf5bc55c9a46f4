"""The window of an asset over the box, as a GeoTIFF of its own: the asset's pixels as they are, and the asset's own transform."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from math import ceil, floor
from pathlib import Path
from typing import Any

import numpy as np

from promptmid_core.arrays import Mask
from promptmid_core.errors import InputError
from promptmid_core.fetch.account import Account
from promptmid_core.fetch.box import Box
from promptmid_core.fetch.reading import by_http, is_remote, local
from promptmid_core.files import read_regular, replacing, writing
from promptmid_core.folders import put
from promptmid_core.georaster.proj import transformer

MARGIN_PX = 8  # beyond the box, for what resampling needs
BLOCK_PX = 1024
STRIP_PX = 256
GDAL = {"GDAL_DISABLE_READDIR_ON_OPEN": "EMPTY_DIR", "GDAL_HTTP_MAX_RETRY": 4, "GDAL_HTTP_RETRY_DELAY": 1,
        "GDAL_HTTP_CONNECTTIMEOUT": 20, "GDAL_HTTP_TIMEOUT": 300, "GDAL_HTTP_LOW_SPEED_TIME": 60,
        "GDAL_HTTP_LOW_SPEED_LIMIT": 100, "GDAL_INGESTED_BYTES_AT_OPEN": 32768,
        "GDAL_CACHEMAX": 64 * 2**20}
Place = tuple[int, int, int, int]  # column, row, width, height


@dataclass(frozen=True)
class Asset:
    """A raster of a catalogue by its address; `remote` says whether the catalogue is of the network, so that no file of this
    machine is read for it."""

    address: str
    account: Account
    remote: bool

    @contextmanager
    def opened(self) -> Iterator[Any]:
        """Give the rasterio dataset, of GeoTIFF alone and of no file beside it. Raises InputError where there is none."""
        import rasterio
        from rasterio.errors import RasterioIOError

        away = is_remote(self.address)
        if self.remote and not away:
            raise InputError(f"{self.address} is on this machine, and the catalogue is not, so that it is not read")
        path = f"/vsicurl/{self.account.signed(by_http(self.address))}" if away else str(local(self.address).absolute())
        with rasterio.Env(**GDAL):
            try:
                source = rasterio.open(path, driver="GTiff")
            except RasterioIOError as error:
                # what GDAL says would tell the token of an account
                reason = "cannot be reached, or is no GeoTIFF" if away else "is no GeoTIFF, or not there"
                raise InputError(f"{self.address} {reason}") from error
            with source:
                yield source

    def place(self, box: Box) -> tuple[Place, Mask]:
        """Return the window over the box, and which points of its lattice lie on the raster: by its own transform.

        Raises InputError where the raster has none, or does not reach into the box.
        """
        with self.opened() as source:
            if source.crs is None or source.transform.is_identity:
                how = "ground control points alone" if source.gcps[0] else "no place on the Earth"
                raise InputError(f"{self.address} has {how}; a map is made of products that are projected")
            to_source, inverse = transformer("EPSG:4326", source.crs.to_wkt()), ~source.transform
            cols, rows = inverse @ to_source.transform(*box.outline())
            u, v = inverse @ to_source.transform(*box.lattice())
            on = (u >= 0) & (u < source.width) & (v >= 0) & (v < source.height)
            known = np.isfinite(cols) & np.isfinite(rows)
            if not on.any() or not known.all():
                raise InputError(f"{self.address} lies elsewhere than {box}, by its own transform")
            left, top = max(floor(cols.min()) - MARGIN_PX, 0), max(floor(rows.min()) - MARGIN_PX, 0)
            right, bottom = min(ceil(cols.max()) + MARGIN_PX, source.width), min(ceil(rows.max()) + MARGIN_PX, source.height)
        return (left, top, right - left, bottom - top), np.asarray(on)


def blocks(place: Place) -> list[Place]:
    """Return the pieces in which a window is read, along the raster's own blocks."""
    left, top, width, height = place
    cols, rows = (sorted({start, *range(-(-start // BLOCK_PX) * BLOCK_PX, start + size, BLOCK_PX)})
                  for start, size in ((left, width), (top, height)))
    return [(col, row, min(end_x, left + width) - col, min(end_y, top + height) - row)
            for row, end_y in zip(rows, [*rows[1:], top + height], strict=True)
            for col, end_x in zip(cols, [*cols[1:], left + width], strict=True)]


def fetch_window(asset: Asset, place: Place, file: Path, parts: Path, told: Callable[[], None], crs: str | None = None) -> None:
    """Write the window of an asset as the GeoTIFF `file`, whole or not at all.

    What was read so far lies in the folder `parts`, where a fetch that was cut off goes on. `told` is called for each block;
    `crs` stands in place of the asset's own, which it says more of. Raises InputError where it cannot be read or written.
    """
    import rasterio
    from affine import Affine
    from rasterio.errors import RasterioError
    from rasterio.windows import Window

    def part(block: Place) -> Path:
        return parts / f"{block[0]}_{block[1]}.npy"

    left, top, width, height = place
    pieces = blocks(place)
    for row in sorted({block[1] for block in pieces}):
        line = [block for block in pieces if block[1] == row]
        missing = [block for block in line if not part(block).exists()]
        if missing:
            # opened anew for each row, so that a token of an account does not end meanwhile
            with asset.opened() as source:
                for block in missing:
                    try:
                        values = source.read(window=Window(*block))
                    except RasterioError as error:
                        raise InputError(f"{asset.address} breaks off or is damaged; give the same command again, which goes "
                                         "on") from error
                    with writing(parts), io.BytesIO() as memory:
                        np.save(memory, values, allow_pickle=False)
                        put(part(block), memory.getvalue(), parts, lasting=False)
                    told()
        for _ in range(len(line) - len(missing)):
            told()
    with asset.opened() as source:
        profile = {"driver": "GTiff", "width": width, "height": height, "count": source.count, "dtype": source.dtypes[0],
                   "crs": crs or source.crs, "transform": source.transform @ Affine.translation(left, top),
                   "nodata": source.nodata, "tiled": True, "blockxsize": 256, "blockysize": 256, "compress": "deflate",
                   "bigtiff": "if_safer"}
        tags, scales, offsets, names = source.tags(), source.scales, source.offsets, source.descriptions
    with writing(file), replacing(file) as beside, rasterio.open(beside, "w", **profile) as target:
        target.scales, target.offsets, target.descriptions = scales, offsets, names
        target.update_tags(**tags)
        for block in pieces:
            values = np.load(io.BytesIO(read_regular(part(block), 2**31)), allow_pickle=False)
            target.write(values, window=Window(block[0] - left, block[1] - top, *block[2:]))


def pixel_hash(file: Path) -> str:
    """Return the SHA-256 of a GeoTIFF's pixels, of their type and of their place, whatever else its bytes are."""
    import rasterio
    from rasterio.windows import Window

    found = hashlib.sha256()
    with rasterio.open(file, driver="GTiff") as source:
        found.update(repr((source.width, source.height, source.count, source.dtypes, source.nodata,
                           tuple(source.transform)[:6])).encode())
        for band in source.indexes:
            for row in range(0, source.height, STRIP_PX):
                window = Window(0, row, source.width, min(STRIP_PX, source.height - row))
                found.update(source.read(band, window=window).tobytes())
    return found.hexdigest()
