"""Metadata beside a raster: found by their names, read by what is in them."""

from __future__ import annotations

import logging
import os
from pathlib import Path

from promptmid_core.documents import read_json
from promptmid_core.errors import InputError
from promptmid_core.products import capella, iceye, stac, umbra
from promptmid_core.products.acquisition import Acquisition, MetadataFields
from promptmid_core.products.safe import Safe, is_safe
from promptmid_core.products.xmlfile import read_xml

# what the name of a raster ends with where the file of metadata has something else
PRODUCTS = ("_GEC", "_CSI", "_GEO", "_SLC", "_GRD", "")
ENDINGS = ("_METADATA.json", "_extended.json", ".stac.v2.json", ".stac.json", ".json", ".xml")
CURE = "get a whole copy, or take it away and give options in its place"
MOST_JSON_BYTES = 32 * 2**20

log = logging.getLogger(__name__)


def acquisition_of(path: Path) -> Acquisition | None:
    """Return how a raster, or the product in a folder, was imaged, by its own metadata; None where there are none.

    Raises InputError where there are some that are damaged, or say what cannot be.
    """
    if is_safe(path):
        return Safe.of(path).acquisition
    file = metadata_beside(path)
    return _read(file) if file else None


def metadata_beside(path: Path) -> Path | None:
    """Return the file of metadata beside a raster that is read for it, the first of ENDINGS that is of a known kind."""
    try:
        names = {name.lower(): name for name in os.listdir(path.parent)}  # noqa: PTH208, a folder may hold very many
    except OSError:
        return None
    for stem in dict.fromkeys(path.stem.removesuffix(product) for product in PRODUCTS[::-1]):
        for ending in ENDINGS:
            name = names.get(f"{stem}{ending}".lower())
            if name and _is_metadata(path.parent / name, ending):
                return path.parent / name
    return None


def _is_metadata(file: Path, ending: str) -> bool:
    try:
        return _read(file) is not None
    except InputError as error:
        if ending not in (".json", ".xml"):
            raise
        # a name that anything may have
        log.warning("%s; what it holds is not taken for metadata of a raster", error)
        return False


def _read(file: Path) -> Acquisition | None:
    """What a file says; None where it is of no kind that is read."""
    if file.suffix.lower() == ".xml":
        fields = iceye.said_of(file.name, read_xml(file))
        return iceye.acquisition(fields) if fields else None
    said = MetadataFields(file.name, read_json(file, MOST_JSON_BYTES, CURE))
    for kind, read in ((umbra.is_umbra, umbra.acquisition), (capella.is_capella, capella.acquisition),
                       (stac.is_item, stac.acquisition)):
        if kind(said):
            return read(said)
    return None
