"""A VRT before GDAL opens it: what it reads are plain rasters of this machine, and it tells nothing but where they lie.

GDAL opens a VRT's sources with whatever driver takes them, from URLs too, and runs code that it holds. So each element and
attribute must be one that GDAL's own gdalbuildvrt and gdal_translate write, and each source must be a raster that is read alone.
"""

from __future__ import annotations

import re
from functools import lru_cache
from pathlib import Path
from xml.etree import ElementTree

from promptmid_core.errors import InputError
from promptmid_core.files import read_regular
from promptmid_core.georaster.formats import CURE, VRT, check_beside, driver_of

MOST_BYTES = 64 * 2**20  # some hundred thousand sources
MOST_DEPTH = 8  # of VRTs within VRTs
# GDAL does not tell capitals from small letters
ELEMENTS = """
    vrtdataset srs geotransform gcplist gcp metadata mdi vrtrasterband description unittype offset scale categorynames category
    nodatavalue hidenodatavalue colorinterp colortable entry histograms histitem histmin histmax bucketcount includeoutofrange
    approximate histcounts maskband overviewlist overview simplesource complexsource averagedsource kernelfilteredsource kernel
    size coefs sourcefilename sourceband sourceproperties srcrect dstrect openoptions ooi nodata scaleoffset scaleratio lut
    usemaskband colortablecomponent exponent srcmin srcmax dstmin dstmax clamp resampling blockxsize blockysize
    """
ATTRIBUTES = """
    rasterxsize rasterysize dataaxistosrsaxismapping coordinateepoch projection id info pixel line x y z key domain format
    datatype band subclass blockxsize blockysize name c1 c2 c3 c4 relativetovrt shared resampling xoff yoff xsize ysize normalized
    """
ELEMENT_NAMES, ATTRIBUTE_NAMES = frozenset(ELEMENTS.split()), frozenset(ATTRIBUTES.split())
SUBCLASSES = ("", "vrtsourcedrasterband")
# what a name may not hold: GDAL takes such for a dataset within a file, a URL, or the text of a VRT
NO_NAME = re.compile(r'[:"<>{}|?\x00-\x1f]|^\s|\s$|^/vsi')


def check_vrt(path: Path, within: tuple[Path, ...] = ()) -> None:
    """Raise InputError where a VRT, or one `within` which others lie, reads anything but rasters of this machine, or itself."""
    status = path.stat()
    _check(path, within, (status.st_ino, status.st_mtime_ns, status.st_size))


@lru_cache(maxsize=64)
def _check(path: Path, within: tuple[Path, ...], version: tuple[int, ...]) -> None:
    """As `check_vrt`, of the file as it is in this `version`: it is opened for every window that is read."""
    real = path.resolve()
    if real in within or len(within) >= MOST_DEPTH:
        what = "itself" if real in within else f"VRTs more than {MOST_DEPTH} deep"
        raise InputError(f"{path} reads {what}; {CURE}")
    seen = set()
    for element in _elements(path):
        if element.tag.lower() == "sourcefilename":
            source = _source(path, element)
            if source not in seen:
                seen.add(source)
                _check_source(path, source, (*within, real))


def _elements(path: Path) -> list[ElementTree.Element]:
    """All elements of a VRT, each of a known kind; InputError where it is no plain XML or has others."""
    content = read_regular(path, MOST_BYTES, CURE)
    head = re.match(rb'\s*<\?xml version="1\.0"( encoding="(UTF-8|utf-8)")?\s*\?>', content)
    body = content[head.end():] if head else content
    try:
        if b"<!" in body or b"<?" in body:
            raise ValueError("it has comments, CDATA or definitions")
        body.decode("utf-8")
        elements = list(ElementTree.fromstring(body).iter())
    except (ElementTree.ParseError, ValueError, RecursionError) as error:
        raise InputError(f"{path} is no VRT that can be read ({error}); {CURE}") from error
    for element in elements:
        kind, names = element.tag.lower(), [name.lower() for name in element.attrib]
        odd = kind if kind not in ELEMENT_NAMES else next((name for name in names if name not in ATTRIBUTE_NAMES), None)
        if odd:
            raise InputError(f"{path} has '{odd}', which no VRT of plain rasters needs; {CURE}")
        unlike = element.get("subClass", "").lower() not in SUBCLASSES or (len(element) and kind == "sourcefilename")
        if unlike or len(set(names)) < len(names):
            raise InputError(f"{path} has <{element.tag}> of a kind that no VRT of plain rasters needs; {CURE}")
    return elements


def _source(path: Path, element: ElementTree.Element) -> Path:
    """The file that a source names."""
    name, flags = element.text or "", {key.lower(): value for key, value in element.attrib.items()}
    relative = flags.get("relativetovrt", "0")
    if not name or NO_NAME.search(name) or relative not in ("0", "1"):
        raise InputError(f"{path} reads {name!r}, which is no file of this machine; copy it here with gdal_translate and name "
                         "that")
    return path.parent / name if relative == "1" else Path(name)


def _check_source(path: Path, source: Path, within: tuple[Path, ...]) -> None:
    try:
        if driver_of(source) == VRT:
            check_vrt(source, within)
        check_beside(source)
    except InputError as error:
        raise InputError(f"{path} reads what cannot be read: {error}") from error
