"""An input of a map is the same where all that GDAL reads for it is: the file, its sources, and what lies beside them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import rasterio
from small_maps import BoxMean
from test_regions import WEST, raster

from promptmid_core.errors import InputError
from promptmid_core.georaster import raster_identity
from promptmid_core.refmap.build import BuildOptions, Sources, build_map, repair_map

SIDE = 200
NOTED = """<PAMDataset><PAMRasterBand band="1"><Histograms><HistItem><HistMin>0</HistMin></HistItem></Histograms>
  <Metadata><MDI key="STATISTICS_MAXIMUM">255</MDI><MDI key="STATISTICS_MEAN">97.3</MDI></Metadata></PAMRasterBand>
  <Metadata domain="Esri"><MDI key="PyramidResamplingType">NEAREST</MDI></Metadata></PAMDataset>"""
NODATA = '<PAMDataset><PAMRasterBand band="1"><NoDataValue>90</NoDataValue></PAMRasterBand></PAMDataset>'
VRT = """<VRTDataset rasterXSize="{side}" rasterYSize="{side}"><SRS>EPSG:32611</SRS>
  <GeoTransform>380000, 10, 0, 3770000, 0, -10</GeoTransform><VRTRasterBand dataType="Byte" band="1"><SimpleSource>
  <SourceFilename relativeToVRT="{relative}">{name}</SourceFilename><SourceBand>1</SourceBand></SimpleSource></VRTRasterBand>
</VRTDataset>"""


def vrt(path: Path, name: object, relative: bool = True) -> Path:
    path.write_text(VRT.format(side=SIDE, name=name, relative=int(relative)))
    return path


def masked(file: Path) -> None:
    with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=False), rasterio.open(file, "r+") as source:
        source.write_mask(np.tri(SIDE, dtype=bool))


def overviews(file: Path) -> None:
    with rasterio.Env(TIFF_USE_OVR=True), rasterio.open(file, "r+") as source:
        source.build_overviews([2])


def moved(file: Path) -> None:
    file.with_suffix(".tfw").write_text("10\n0\n0\n-10\n400005\n3769995\n")


CHANGES: list[tuple[str, Callable[[Path], object], bool]] = [
    ("another source", lambda folder: raster(folder / "sar.tif", "EPSG:32611", WEST, seed=5, side=SIDE), True),
    ("nodata of the source", lambda folder: (folder / "sar.tif.aux.xml").write_text(NODATA), True),
    ("a mask of the source", lambda folder: masked(folder / "sar.tif"), True),
    ("statistics of the source", lambda folder: (folder / "sar.tif.aux.xml").write_text(NOTED), False),
    ("statistics of the VRT", lambda folder: (folder / "whole.vrt.aux.xml").write_text(NOTED), False),
    ("overviews", lambda folder: overviews(folder / "sar.tif"), False),
]


@pytest.mark.parametrize(("change", "other"), [change[1:] for change in CHANGES], ids=[change[0] for change in CHANGES])
def test_all_that_gdal_reads_for_an_input_tells_whether_it_is_the_same(tmp_path: Path, change: Callable[[Path], object],
                                                                       other: bool) -> None:
    raster(tmp_path / "sar.tif", "EPSG:32611", WEST, side=SIDE)
    vrt(tmp_path / "part.vrt", "sar.tif")
    whole, descriptor = vrt(tmp_path / "whole.vrt", "part.vrt"), BoxMean()
    build_map(Sources(whole), tmp_path / "map", BuildOptions(BoxMean()))
    change(tmp_path)
    if other:
        with pytest.raises(InputError, match="other inputs or options"):
            build_map(Sources(whole), tmp_path / "map", BuildOptions(descriptor))
        (tmp_path / "map/0/sar/c/0/0").unlink()
        with pytest.raises(InputError, match=r"whole\.vrt is not the sar raster"):
            repair_map(tmp_path / "map", Sources(whole), descriptor)
    else:
        build_map(Sources(whole), tmp_path / "map", BuildOptions(descriptor))
        (tmp_path / "map/0/sar/c/0/0").unlink()
        assert repair_map(tmp_path / "map", Sources(whole), BoxMean()) == ["0/sar/c/0/0"]
    assert not descriptor.seen


def test_a_plain_file_is_told_by_its_own_hash_and_with_others_by_all(tmp_path: Path) -> None:
    file = raster(tmp_path / "sar.tif", "EPSG:32611", WEST, side=SIDE)
    plain = hashlib.sha256(file.read_bytes()).hexdigest()
    assert raster_identity(file) == plain
    (tmp_path / "sar.tif.aux.xml").write_text(NOTED)
    moved(file)  # the file has a geotransform, so that GDAL does not ask for a world file
    assert raster_identity(file) == plain
    known = set()
    for said in (NODATA, NODATA.replace("90", "91"), "<PAMDataset"):
        (tmp_path / "sar.tif.aux.xml").write_text(said)
        known.add(raster_identity(file))
    assert len(known | {plain}) == 4
    with rasterio.open(tmp_path / "bare.tif", "w", driver="GTiff", width=9, height=9, count=1, dtype="uint8") as target:
        target.write(np.ones((9, 9), np.uint8), 1)
    before = raster_identity(tmp_path / "bare.tif")
    moved(tmp_path / "bare.tif")
    assert raster_identity(tmp_path / "bare.tif") != before
    assert raster_identity(tmp_path / "none.tif") is None


def test_a_vrt_and_its_sources_are_the_same_wherever_they_lie(tmp_path: Path) -> None:
    one, other = tmp_path / "one", tmp_path / "other"
    for folder in (one, other):
        folder.mkdir()
        raster(folder / "sar.tif", "EPSG:32611", WEST, side=SIDE)
        vrt(folder / "sar.vrt", "sar.tif")
    (other / "sar.vrt").rename(other / "renamed.vrt")
    assert raster_identity(one / "sar.vrt") == raster_identity(other / "renamed.vrt") != raster_identity(one / "sar.tif")
