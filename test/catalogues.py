"""STAC catalogues of small rasters of known ground, as files and behind a server that searches and gives ranges."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pyproj
import rasterio
from affine import Affine
from numpy.typing import NDArray

EAST, NORTH, PIXEL, SIDE = 380_000.0, 3_770_000.0, 10.0, 640
BOX = (-118.290, 34.022, -118.245, 34.058)  # within the ground
CRS = "EPSG:32611"


def ground() -> NDArray[np.float32]:
    speckle = np.random.default_rng(0).gamma(4, 25, (SIDE, SIDE))
    return np.clip(cv2.GaussianBlur(speckle, (0, 0), 1.5), 1, None).astype(np.float32)


def geotiff(path: Path, pixels: NDArray[Any], crs: str, transform: Affine, **options: Any) -> Path:
    """As clouds have them: in blocks."""
    with rasterio.open(path, "w", driver="GTiff", width=pixels.shape[1], height=pixels.shape[0], count=1, dtype=pixels.dtype,
                       crs=crs, transform=transform, tiled=True, blockxsize=256, blockysize=256, **options) as target:
        target.write(pixels, 1)
    return path


def scene(path: Path, cols: slice, nodata: float | None = None) -> Path:
    """Columns of the ground."""
    return geotiff(path, ground()[:, cols], CRS, Affine(PIXEL, 0, EAST + PIXEL * cols.start, 0, -PIXEL, NORTH), nodata=nodata)


def degrees(path: Path, west: float, east: float, value: Any, **options: Any) -> Path:
    """Heights or classes over the ground between two meridians, in cells of 1/3600 degree."""
    across, down, cell = round((east - west) * 3600), 360, 1 / 3600
    cols, rows = np.meshgrid(np.arange(across) + round(west * 3600), np.arange(down))
    return geotiff(path, value(cols, rows), "EPSG:4326", Affine(cell, 0, west, 0, -cell, 34.1), **options)


def outline(path: Path) -> list[list[float]]:
    with rasterio.open(path) as source:
        corners = [source.transform @ corner for corner in ((0, 0), (source.width, 0), (source.width, source.height),
                                                            (0, source.height), (0, 0))]
        to_degrees = pyproj.Transformer.from_crs(source.crs.to_wkt(), "EPSG:4326", always_xy=True)
        return [list(to_degrees.transform(*corner)) for corner in corners]


def item(path: Path, collection: str, asset: str, when: str = "2024-05-01T14:00:00Z", **properties: Any) -> dict[str, Any]:
    """An item that tells the truth of a raster."""
    ring = outline(path)
    lon, lat = zip(*ring, strict=True)
    return {
        "type": "Feature", "stac_version": "1.0.0", "id": path.stem, "collection": collection, "links": [],
        "geometry": {"type": "Polygon", "coordinates": [ring]}, "bbox": [min(lon), min(lat), max(lon), max(lat)],
        "properties": {"datetime": when, **properties},
        "assets": {asset: {"href": f"./{path.name}", "type": "image/tiff; application=geotiff; profile=cloud-optimized",
                           "roles": ["data"]},
                   "thumbnail": {"href": "./thumbnail.tif", "type": "image/tiff", "roles": ["thumbnail"]}},
    }


def sar(path: Path, orbit: int, when: str = "2024-05-01T14:00:00Z", **more: Any) -> dict[str, Any]:
    return item(path, "scenes", "vv", when, **{"sar:instrument_mode": "IW", "sat:relative_orbit": orbit,
                                               "sat:orbit_state": "ascending"} | more)


@dataclass
class World:
    """Items, of which files are made: a catalogue with a collection each."""

    folder: Path
    items: list[dict[str, Any]] = field(default_factory=list)

    @staticmethod
    def of(folder: Path) -> World:
        """Two scenes of orbit 71 that meet in the box, one of orbit 5 that ends inside it, heights in two tiles, land cover."""
        folder.mkdir()
        left, right = scene(folder / "left.tif", slice(0, 360)), scene(folder / "right.tif", slice(300, SIDE))
        end = scene(folder / "end.tif", slice(0, 400))
        slope = [degrees(folder / f"slope_{name}.tif", west, east,
                         lambda cols, rows: (cols + 426_300 + 2 * rows).astype(np.float32))
                 for name, west, east in (("west", -118.4, -118.27), ("east", -118.27, -118.2))]
        cover = degrees(folder / "cover.tif", -118.4, -118.2,
                        lambda cols, rows: np.where(rows % 90 < 45, 10, 50).astype(np.uint8))
        return World(folder, [
            sar(left, 71), sar(right, 71, "2024-05-01T14:00:25Z"), sar(end, 5, "2024-05-03T14:00:00Z"),
            *(item(path, "cop-dem-glo-30", "data", "2021-04-22T00:00:00Z") for path in slope),
            item(cover, "esa-worldcover", "map", "2021-01-01T00:00:00Z")])

    def named(self, name: str) -> dict[str, Any]:
        return next(item for item in self.items if item["id"] == name)

    def save(self) -> str:
        """Write the catalogue; its address as a file."""
        names = sorted({item["collection"] for item in self.items})
        for name in names:
            own = [item for item in self.items if item["collection"] == name]
            for each in own:
                (self.folder / f"{each['id']}.json").write_text(json.dumps(each))
            links = [{"rel": "item", "href": f"./{each['id']}.json"} for each in own]
            (self.folder / f"{name}.json").write_text(json.dumps(self.collection(name) | {"links": links}))
        links = [{"rel": "child", "href": f"./{name}.json"} for name in names]
        catalogue = {"type": "Catalog", "stac_version": "1.0.0", "id": "test", "description": "test", "links": links}
        (self.folder / "catalog.json").write_text(json.dumps(catalogue))
        return f"file://{self.folder}/catalog.json"

    def collection(self, name: str) -> dict[str, Any]:
        extent = {"spatial": {"bbox": [[-119, 33, -118, 35]]}, "temporal": {"interval": [[None, None]]}}
        return {"type": "Collection", "stac_version": "1.0.0", "id": name, "description": name, "license": "other",
                "extent": extent, "links": []}


@dataclass
class Served:
    """`address` of the server; `given` bytes of each file, `asked` for by which paths and keys."""

    address: str
    given: dict[str, int] = field(default_factory=dict)
    asked: list[tuple[str, str | None]] = field(default_factory=list)


@contextmanager
def served(world: World) -> Iterator[Served]:
    """A STAC API at /api over the items, whose assets are read by ranges; /token/... gives tokens to who has the key."""
    told = Served("")

    class Handler(SimpleHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: Any) -> None:
            pass

        def answer(self, values: Any, status: int = 200) -> None:
            self.give(json.dumps(values).encode(), status)

        def give(self, content: bytes, status: int, **headers: str) -> None:
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name.replace("_", "-"), value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(content)

        def do_GET(self) -> None:
            path = self.path.partition("?")[0]
            told.asked.append((self.path, self.headers.get("Ocp-Apim-Subscription-Key")))
            base, names = f"{told.address}/api", sorted({item["collection"] for item in world.items})
            if path == "/api":
                self.answer({
                    "type": "Catalog", "stac_version": "1.0.0", "id": "api", "description": "api",
                    "conformsTo": [f"https://api.stacspec.org/v1.0.0/{part}" for part in ("core", "item-search", "collections")],
                    "links": [{"rel": "self", "href": base}, {"rel": "root", "href": base},
                              {"rel": "data", "href": f"{base}/collections"},
                              {"rel": "search", "href": f"{base}/search", "method": "POST", "type": "application/geo+json"}]})
            elif path == "/api/collections":
                self.answer({"collections": [world.collection(name) for name in names], "links": []})
            elif path.startswith("/token/"):
                if "strange" in path:
                    self.answer({"message": "unknown"}, 404)
                elif self.headers.get("Ocp-Apim-Subscription-Key") != "secret":
                    self.answer({"message": "no"}, 401)
                else:
                    self.answer({"msft:expiry": "2999-01-01T00:00:00Z", "token": "sig=token"})
            else:
                self.file(world.folder / path.lstrip("/"))

        def file(self, path: Path) -> None:
            if not path.is_file():
                self.give(b"", 404)
                return
            content, ranges = path.read_bytes(), re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
            if ranges is None:
                part, status, headers = content, 200, {}
            else:
                begin, end = int(ranges[1]), min(int(ranges[2] or len(content)), len(content) - 1)
                part, status = content[begin:end + 1], 206
                headers = {"Content_Range": f"bytes {begin}-{end}/{len(content)}"}
            if self.command != "HEAD":
                told.given[path.name] = told.given.get(path.name, 0) + len(part)
            self.give(part, status, **headers)

        def do_HEAD(self) -> None:
            self.do_GET()

        def do_POST(self) -> None:
            asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            begin, _, end = (asked.get("datetime") or "0/9").partition("/")
            found = [item for item in world.items if item["collection"] in asked["collections"]
                     and (item["collection"] != "scenes" or begin <= item["properties"]["datetime"] <= end)]
            for each in found:
                for asset in each["assets"].values():
                    asset["href"] = f"{told.address}/{Path(asset['href']).name}"
            self.answer({"type": "FeatureCollection", "features": found, "links": []})

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    told.address = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield told
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
