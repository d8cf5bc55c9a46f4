"""What tells one raster from another: all that GDAL reads for it, which may be more than one file."""

from __future__ import annotations

import hashlib
from pathlib import Path
from xml.etree import ElementTree

from promptmid_core.errors import InputError
from promptmid_core.files import digest, read_regular, sha256
from promptmid_core.georaster.source import check_file, opened
from promptmid_core.georaster.vrt import check_vrt
from promptmid_core.products import Safe, is_safe, metadata_beside

OVERVIEWS = (".ovr", ".rrd")  # copies of pixels for viewers, which nothing here reads
AUXILIARY = ".aux.xml"
# what viewers note there and nothing here reads; of metadata only these items say what a pixel is
NOTES = ("Histograms", "GDALRasterAttributeTable", "CategoryNames", "Minimum", "Maximum")
MOST_NOTES = 16 * 2**20  # bytes; of a larger one all counts
ITEMS = ("NODATA_VALUES", "PIXELTYPE")


def raster_identity(path: Path) -> str | None:
    """Return the SHA-256 of a raster: that of its file, and where GDAL reads more than that one, of all these files together.

    To these belong the sources of a VRT, whatever lies between, files beside a raster that change its pixels or their place, the
    metadata of an agency beside it, and of a Sentinel-1 product pixels, annotation and tables;
    not overviews, nor what a viewer wrote beside it. Where they lie does not matter. None where the file cannot be read. Raises
    InputError where a VRT reads what is no raster of this machine.
    """
    try:
        check_file(path)
    except InputError:
        return None
    if is_safe(path):
        return digest({"safe": [[file.name, sha256(file)] for file in Safe.of(path).files]})
    known = sha256(path)
    if path.suffix.lower() == ".vrt":
        check_vrt(path)
    try:
        with opened(path) as source:
            others = [name for name in source.files if Path(name) != path.absolute() and not name.lower().endswith(OVERVIEWS)]
    except InputError:
        return known  # of no raster the file is all
    counted = []
    for file in map(Path, others):
        content = _notes(file) if file.name.endswith(AUXILIARY) else raster_identity(file)
        if content:
            counted.append([file.suffix.lower(), content])
    metadata = metadata_beside(path)
    if metadata:
        counted.append(["metadata", sha256(metadata) or ""])
    # files beside a raster are found in any order, its sources in that of the file that names them
    return digest({"file": known, "others": sorted(counted, key=lambda entry: entry[0])}) if counted else known


def _notes(file: Path) -> str | None:
    """The SHA-256 of what an auxiliary file says of pixels and their place; None where it says nothing of these."""
    try:
        root = ElementTree.fromstring(read_regular(file, MOST_NOTES))
        _strip(root)
        said = ElementTree.canonicalize(ElementTree.tostring(root), strip_text=True) if len(root) else ""
    except (InputError, ElementTree.ParseError, RecursionError):
        return sha256(file)
    return hashlib.sha256(said.encode()).hexdigest() if said else None


def _strip(element: ElementTree.Element) -> None:
    """Take out of an auxiliary file's XML what tells nothing of pixels and their place."""
    for child in list(element):
        _strip(child)
        note = child.tag in NOTES or (child.tag == "MDI" and child.get("key") not in ITEMS)
        if note or (child.tag in ("Metadata", "PAMRasterBand") and not len(child)):
            element.remove(child)
