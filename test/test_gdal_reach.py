"""What GDAL opens for a raster: plain files of this machine in formats that are meant, and nothing else."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from zipfile import ZipFile

import numpy as np
import pytest
import rasterio
from rasterio.crs import CRS
from rasterio.transform import from_origin
from refusals import told
from small_maps import BoxMean
from test_raster_identity import VRT, masked, vrt
from test_regions import WEST, raster

from promptmid_core.errors import InputError
from promptmid_core.georaster import RasterView, check_raster, map_frame, raster_identity
from promptmid_core.georaster.source import opened
from promptmid_core.refmap import verify_map
from promptmid_core.refmap.build import BuildOptions, Sources, build_map

SIDE = 200


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    raster(tmp_path / "sar.tif", "EPSG:32611", WEST, side=SIDE)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def url() -> Iterator[str]:
    """An address on this machine that nobody may ask."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_error(404)

        do_HEAD = do_GET

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/{os.urandom(4).hex()}.tif"
    server.shutdown()
    server.server_close()
    assert not asked


WMS = """<GDAL_WMS><Service name="TMS"><ServerUrl>{url}</ServerUrl></Service><DataWindow><UpperLeftX>0</UpperLeftX>
  <UpperLeftY>9</UpperLeftY><LowerRightX>9</LowerRightX><LowerRightY>0</LowerRightY><SizeX>64</SizeX><SizeY>64</SizeY></DataWindow>
  <Projection>EPSG:4326</Projection><BandsCount>1</BandsCount></GDAL_WMS>"""
STACIT = '{{"type": "FeatureCollection", "stac_version": "1.0.0", "features": [{{"assets": {{"b": {{"href": "{url}"}}}}}}]}}'
CODE = ('<VRTRasterBand dataType="Byte" band="1" subClass="VRTDerivedRasterBand"><PixelFunctionType>f</PixelFunctionType>'
        "<PixelFunctionLanguage>Python</PixelFunctionLanguage><PixelFunctionCode>def f(a, out, *b, **c): open('run', 'w')"
        "</PixelFunctionCode>")
RAW = ('<VRTRasterBand dataType="Byte" band="1" subClass="VRTRawRasterBand"><SourceFilename relativetoVRT="1">secret'
       "</SourceFilename><ImageOffset>0</ImageOffset><PixelOffset>1</PixelOffset><LineOffset>1</LineOffset></VRTRasterBand>")
BAND = '<VRTRasterBand dataType="Byte" band="1">'


def text_of(name: object = "sar.tif", relative: int = 1) -> str:
    return VRT.format(side=SIDE, name=name, relative=relative)


# files by their names, the first of which is read; what is said of it
REACHING: dict[str, tuple[Callable[[str], dict[str, str]], str]] = {
    "a VRT by another name": (lambda url: {"a.tif": text_of()}, "no raster in a format that is read"),
    "a VRT of a URL by another name": (lambda url: {"a.tif": text_of(url, 0)}, "no raster in a format"),
    "WMS": (lambda url: {"a.tif": WMS.format(url=url)}, "no raster in a format"),
    "WMS in XML": (lambda url: {"a.xml": WMS.format(url=url)}, "no raster in a format"),
    "STAC": (lambda url: {"a.json": STACIT.format(url=url)}, "no raster in a format"),
    "text for heights": (lambda url: {"N34W118.hgt": (" " * 40 + text_of(url, 0)).ljust(2 * 1201**2)}, "no raster in a format"),
    "a URL": (lambda url: {"a.vrt": text_of(url, 0)}, "which is no file of this machine"),
    "a URL by curl": (lambda url: {"a.vrt": text_of(f"/vsicurl/{url}", 0)}, "which is no file of this machine"),
    "a URL from its own folder": (lambda url: {"a.vrt": text_of(f"/vsicurl/{url}")}, "which is no file of this machine"),
    "a bucket": (lambda url: {"a.vrt": text_of("/vsis3/bucket/a.tif", 0)}, "which is no file of this machine"),
    "a dataset in a file": (lambda url: {"a.vrt": text_of("GTIFF_DIR:1:sar.tif")}, "which is no file of this machine"),
    "a VRT in a VRT's text": (lambda url: {"a.vrt": text_of(text_of(url, 0).replace("<", "&lt;"), 0)}, "no file of this machine"),
    "a VRT of a name": (lambda url: {"a.vrt": text_of(f"vrt://{url}", 0)}, "which is no file of this machine"),
    "nothing": (lambda url: {"a.vrt": text_of("")}, "which is no file of this machine"),
    "a VRT by another name within": (lambda url: {"a.vrt": text_of("b.tif"), "b.tif": text_of(f"/vsicurl/{url}", 0)},
                                     "b.tif is no raster in a format"),
    "WMS within": (lambda url: {"a.vrt": text_of("b.tif"), "b.tif": WMS.format(url=url)}, "b.tif is no raster in a format"),
    "a URL further within": (lambda url: {"a.vrt": text_of("b.vrt"), "b.vrt": text_of(f"/vsicurl/{url}", 0)},
                             r"b\.vrt reads .*which is no file"),
    "itself": (lambda url: {"a.vrt": text_of("a.vrt")}, "reads itself"),
    "itself by another": (lambda url: {"a.vrt": text_of("b.vrt"), "b.vrt": text_of("./a.vrt")}, "reads itself"),
    "ten deep": (lambda url: {"a.vrt": text_of("0.vrt")} | {f"{i}.vrt": text_of(f"{i + 1}.vrt") for i in range(10)}, "8 deep"),
    "a text file": (lambda url: {"a.vrt": text_of("secret"), "secret": "text"}, "secret is no raster in a format"),
    "what is not there": (lambda url: {"a.vrt": text_of("none.tif")}, "none.tif cannot be read"),
    "a device": (lambda url: {"a.vrt": text_of("/dev/zero", 0)}, "zero is a device where a file is wanted"),
    "a folder": (lambda url: {"a.vrt": text_of("..")}, "is a folder where a file is wanted"),
    "code": (
        lambda url: {"a.vrt": text_of().replace(BAND, CODE)},
        "a kind that no VRT of plain rasters needs|'pixelfunctiontype'"),
    "raw bytes": (lambda url: {"a.vrt": text_of().replace(BAND, RAW + BAND), "secret": "x" * SIDE**2}, "no VRT of plain rasters"),
    "a warp": (lambda url: {"a.vrt": text_of().replace("<VRTDataset", '<VRTDataset subClass="VRTWarpedDataset"')}, "of a kind"),
    "an attribute for a name": (
        lambda url: {"a.vrt": text_of().replace("<SimpleSource>", f'<SimpleSource SourceFilename="{url}">')},
                                "no VRT of plain rasters needs"),
    "small letters": (lambda url: {"a.vrt": text_of(f"/vsicurl/{url}", 0).replace("SourceFilename", "sourcefilename")},
                      "which is no file of this machine"),
    "two of one attribute": (
        lambda url: {"a.vrt": text_of("sar.tif").replace("relativeToVRT", 'RELATIVETOVRT="0" relativeToVRT')},
                             "no VRT of plain rasters"),
    "a child for an attribute": (
        lambda url: {"a.vrt": text_of().replace(">sar.tif<", "><relativeToVRT>0</relativeToVRT>sar.tif<")},
                                 "no VRT of plain rasters"),
    "a comment": (lambda url: {"a.vrt": text_of().replace("<SRS>", "<!-- > --><SRS>")}, "comments, CDATA or definitions"),
    "an entity": (
        lambda url: {"a.vrt": '<!DOCTYPE x [<!ENTITY y "sar">]>' + text_of("&y;.tif")},
        "comments, CDATA or definitions"),
    "another encoding": (lambda url: {"a.vrt": '<?xml version="1.0" encoding="utf-7"?>' + text_of()}, "comments, CDATA or"),
    "brackets without end": (lambda url: {"a.vrt": "<VRTDataset>" * 100_000}, "no VRT that can be read"),
    "a mask that is a VRT": (
        lambda url: {"sar.tif": "", "sar.tif.msk": text_of(f"/vsicurl/{url}", 0)},
        "msk, .* is no TIFF; remove it"),
    "overviews that are a VRT": (lambda url: {"sar.tif": "", "sar.tif.ovr": text_of(f"/vsicurl/{url}", 0)}, "ovr, .* is no TIFF"),
    "a mask within": (lambda url: {"a.vrt": text_of(), "sar.tif.msk": text_of(f"/vsicurl/{url}", 0)}, "msk, .* is no TIFF"),
}


@pytest.mark.parametrize(("files", "said"), REACHING.values(), ids=REACHING)
def test_what_would_reach_further_is_refused_in_a_sentence(folder: Path, url: str, files: Callable[[str], dict[str, str]],
                                                           said: str) -> None:
    made = files(url)
    for name, content in made.items():
        if content:
            (folder / name).write_text(content)
    first = folder / next(iter(made))
    with pytest.raises(InputError, match=said) as refused:
        check_raster(first, "sar")
    assert "\n" not in str(refused.value) and first.name in str(refused.value)
    assert not (folder / "run").exists()
    if first.suffix == ".vrt":
        with pytest.raises(InputError):
            raster_identity(first)


@pytest.mark.parametrize("name", ["a.tif", "a.vrt", "source.tif", "sar.tif.aux.xml", "sar.tfw", "sar.tif.msk", "sar_RPC.TXT"])
@pytest.mark.parametrize("what", ["pipe", "socket", "device"])
def test_pipes_and_devices_are_told_and_never_waited_for(folder: Path, name: str, what: str) -> None:
    if what == "pipe":
        os.mkfifo(name)
    elif what == "socket":
        with socket.socket(socket.AF_UNIX) as server:
            server.bind(name)
    else:
        (folder / name).symlink_to("/dev/zero")
    path = folder / name
    if name == "source.tif":
        path = vrt(folder / "b.vrt", "source.tif")
    elif name.startswith("sar"):
        path = folder / "sar.tif"
    assert name in told(check_raster, path, "sar")
    assert name in told(lambda: list(opened(path).gen))


def test_a_name_is_that_of_a_file_whatever_it_looks_like(folder: Path) -> None:
    for name in ("GTIFF_DIR:1:sar.tif", "GTIFF_RAW:sar.tif", 'a"b.tif', "zip+file:a.tif", "http:", "a?b!c.tif"):
        raster(folder / "other.tif", "EPSG:32611", WEST, seed=7, side=SIDE).rename(folder / name)
        with opened(Path(name)) as source:
            assert source.files[0] == str(folder / name)
        (folder / name).unlink()
    with ZipFile("archive.zip", "w") as archive:
        archive.write("sar.tif")
    assert "no file of this machine" in told(check_raster, Path("/vsizip/archive.zip/sar.tif"), "sar")
    assert "is a zip archive, which is not read" in told(check_raster, folder / "archive.zip", "sar")


def test_rasters_of_other_formats_are_read(folder: Path) -> None:
    with rasterio.open("sar.tif") as source:
        pixels, profile = source.read(1), {"crs": source.crs, "transform": source.transform}
    written: list[tuple[str, str, dict[str, str]]] = [
        ("a.jp2", "JP2OpenJPEG", {"QUALITY": "100", "REVERSIBLE": "YES"}), ("big.tif", "GTiff", {"BIGTIFF": "YES"}),
        ("motorola.tif", "GTiff", {"ENDIANNESS": "BIG"}), ("cog.tif", "COG", {})]
    for name, driver, options in written:
        with rasterio.open(name, "w", driver=driver, width=SIDE, height=SIDE, count=1, dtype="uint8", **profile,
                           **options) as out:
            out.write(pixels, 1)
        assert check_raster(folder / name, "sar").valid_fraction == 1
    heights = np.full((1201, 1201), 120, np.int16)
    heights[0, :5] = (-32768, 8848, -430, 0, 1)
    with rasterio.open("N34W118.hgt", "w", driver="SRTMHGT", width=1201, height=1201, count=1, dtype="int16", crs="EPSG:4326",
                       transform=from_origin(-118 - 1 / 2400, 35 + 1 / 2400, 1 / 1200, 1 / 1200)) as out:
        out.write(heights, 1)
    assert check_raster(folder / "N34W118.hgt", "dem").maximum == 8848


def test_vrts_as_gdal_writes_them_are_read(folder: Path) -> None:
    from rasterio.shutil import copy

    masked(folder / "sar.tif")
    copy("sar.tif", "copy.vrt", driver="VRT")
    frame = map_frame(folder / "sar.tif")
    plain, seen = (RasterView.of(folder / name, frame).read(0, 0, SIDE, SIDE) for name in ("sar.tif", "copy.vrt"))
    np.testing.assert_array_equal(plain.image, seen.image)
    np.testing.assert_array_equal(plain.valid, seen.valid)
    assert not seen.valid.all() and raster_identity(folder / "copy.vrt") != raster_identity(folder / "sar.tif")
    text = (folder / "copy.vrt").read_text()
    # as gdalbuildvrt writes sources of rasters with nodata
    sized = f'xOff="0" yOff="0" xSize="{SIDE}" ySize="{SIDE}"'
    (folder / "complex.vrt").write_text(text_of().replace("SimpleSource", "ComplexSource").replace(
        "<SourceBand>", f'<SourceProperties RasterXSize="{SIDE}" RasterYSize="{SIDE}" DataType="Byte" BlockXSize="{SIDE}" '
        f'BlockYSize="40" /><SrcRect {sized} /><DstRect {sized} /><NODATA>0</NODATA><SourceBand>'))
    assert "SourceFilename" in text and check_raster(folder / "complex.vrt", "sar").valid_fraction == 1
    build_map(Sources(vrt(folder / "whole.vrt", "complex.vrt")), folder / "map", BuildOptions(BoxMean()))
    assert verify_map(folder / "map") == []


def test_a_vrt_that_changes_is_looked_at_again(folder: Path, url: str) -> None:
    path = vrt(folder / "a.vrt", "sar.tif")
    for _ in range(2):
        with opened(path):
            pass
    vrt(path, f"/vsicurl/{url}", relative=False)
    assert "no file of this machine" in told(check_raster, path, "sar")


def test_a_crs_that_names_a_file_by_its_path_is_refused_and_the_file_not_waited_for(folder: Path) -> None:
    """PROJ reads its grids where their names lead, be it a pipe; names without a path are those of its own data."""
    grid, raster_file = folder / "grid.gsb", folder / "local.tif"
    with rasterio.open(raster_file, "w", driver="GTiff", width=64, height=64, count=1, dtype="uint8", crs=CRS.from_string(
            f"+proj=utm +zone=11 +ellps=clrk66 +nadgrids={grid} +units=m +no_defs"),
            transform=from_origin(4e5, 3.7e6, 10, 10)) as target:
        target.write(np.ones((64, 64), np.uint8), 1)
    os.mkfifo(grid)
    done = subprocess.run([sys.executable, "-m", "promptmid_core.cli", "map", "build", str(raster_file), str(folder / "map")],
                          capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 1
    assert "has a CRS that names a file by its path" in done.stderr.splitlines()[-1]
