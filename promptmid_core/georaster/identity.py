"""What tells one raster from another: all that GDAL reads for it, which may be more than one file."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from xml.etree import ElementTree

from promptmid_core.errors import InputError
from promptmid_core.files import digest, sha256
from promptmid_core.georaster.source import check_file, opened

OVERVIEWS = (".ovr", ".rrd")  # copies of pixels for viewers, which nothing here reads
AUXILIARY = ".aux.xml"
# what viewers note there and nothing here reads; of metadata only these items say what a pixel is
NOTES = ("Histograms", "GDALRasterAttributeTable", "CategoryNames", "Minimum", "Maximum")
ITEMS = ("NODATA_VALUES", "PIXELTYPE")


def raster_identity(path: Path) -> str | None:
    """Return the SHA-256 of a raster: that of its file, and where GDAL reads more than that one, of all these files together.

    To these belong the sources of a VRT, whatever lies between, and files beside a raster that change its pixels or their place;
    not overviews, nor what a viewer wrote beside it. Where they lie does not matter. None where the file cannot be read. Raises
    Raises InputError where a source is no file of this machine.
    """
    return _identity(path, frozenset())


def _identity(path: Path, within: frozenset[Path]) -> str | None:
    """As `raster_identity`; rasters `within` which this one lies are left out, as those that lie in themselves."""
    try:
        check_file(path)
    except InputError:
        return None
    known = sha256(path)
    try:
        with opened(path) as source:
            others = [name for name in source.files if Path(name) != path and not name.lower().endswith(OVERVIEWS)]
    except InputError:
        return known  # of no raster the file is all
    counted = []
    for name in others:
        file = _on_disk(name)
        if file is None:
            raise InputError(f"{path} reads {name}, which is no file of this machine, so that nothing tells whether it changes; "
                             "copy it here with gdal_translate and name that")
        if file in within:
            continue
        content = _notes(file) if name.endswith(AUXILIARY) else _identity(file, within | {path})
        if content:
            counted.append([file.suffix.lower(), content])
    # files beside a raster are found in any order, its sources in that of the file that names them
    return digest({"file": known, "others": sorted(counted, key=lambda entry: entry[0])}) if counted else known


def _on_disk(name: str) -> Path | None:
    """The file behind a name of GDAL's: itself, the archive that it lies in, or that of a dataset within a file."""
    for part in (name, *re.split(r'["{}]|:(?!//)', name)):
        path = Path(re.sub(r"^(/vsi[a-z0-9_]+/)+", "", part))
        for place in (path, *path.parents):
            if place.is_file():
                return place
    return None


def _notes(file: Path) -> str | None:
    """The SHA-256 of what an auxiliary file says of pixels and their place; None where it says nothing of these."""
    try:
        root = ElementTree.parse(file).getroot()
        _strip(root)
        said = ElementTree.canonicalize(ElementTree.tostring(root), strip_text=True) if len(root) else ""
    except (OSError, ElementTree.ParseError, RecursionError):
        return sha256(file)
    return hashlib.sha256(said.encode()).hexdigest() if said else None


def _strip(element: ElementTree.Element) -> None:
    """Take out of an auxiliary file's XML what tells nothing of pixels and their place."""
    for child in list(element):
        _strip(child)
        note = child.tag in NOTES or (child.tag == "MDI" and child.get("key") not in ITEMS)
        if note or (child.tag in ("Metadata", "PAMRasterBand") and not len(child)):
            element.remove(child)
