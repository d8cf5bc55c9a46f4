"""What an item of a catalogue offers: one raster, of which kind it is, from which orbit, and which part of the box it covers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from promptmid_core.arrays import Mask
from promptmid_core.fetch.box import Box, rings_of
from promptmid_core.fetch.reading import is_remote

if TYPE_CHECKING:
    import pystac

SAR, HEIGHTS, COVER = "sar", "cop-dem-glo-30", "esa-worldcover"  # kinds; the latter two are also the names of collections
# products that are no image on the ground
UNPROJECTED = {"SLC", "CPHD", "SICD", "SIDD", "CRSD", "CSI", "PVP"}
POLARISATIONS = "vv", "hh", "vh", "hv"
ON_GROUND = "gec", "geo"
NO_DATA = {"thumbnail", "overview", "metadata", "visual", "browse"}


@dataclass(frozen=True)
class Offer:
    """A raster of an item: `address` is the asset's, as the catalogue has it, `when` the acquisition in ISO 8601.

    `orbit` is the same for what was seen from the same side; `covers` are the points of the box's lattice within the outline
    that the item tells.
    """

    kind: str
    collection: str
    item: str
    asset: str
    address: str
    when: str
    orbit: tuple[str, ...]
    covers: Mask = field(compare=False)

    @property
    def name(self) -> str:
        """By what people know it."""
        return f"{self.item} of {self.collection}" if self.collection else self.item


def offered(item: pystac.Item, box: Box, remote: bool) -> Offer | None:
    """Return what an item offers; None where that is nothing for a map. What a `remote` catalogue has on this machine is none."""
    properties = item.properties
    kind = item.collection_id if item.collection_id in (HEIGHTS, COVER) else SAR
    if kind == SAR and not any(name.startswith("sar:") for name in properties):
        return None
    if str(properties.get("sar:product_type", "")).upper() in UNPROJECTED:
        return None
    covers = box.covered(rings_of(item.geometry))
    named = _chosen(item.assets, kind)
    if named is None or not covers.any():
        return None
    address = named[1].get_absolute_href() or named[1].href
    if remote and not is_remote(address):
        return None
    when = str(properties.get("datetime") or properties.get("start_datetime") or "")
    return Offer(kind, item.collection_id or "", item.id, named[0], address, when, _orbit(properties, named[0], when), covers)


def _chosen(assets: Mapping[str, pystac.Asset], kind: str) -> tuple[str, pystac.Asset] | None:
    """The name of an item's raster, and the asset; None where it has none."""
    rasters = {name: asset for name, asset in assets.items() if _is_raster(asset)}

    def rank(name: str) -> tuple[int, str]:
        word, file = name.lower(), PurePosixPath(urlsplit(rasters[name].href).path).stem.lower()
        if kind != SAR:
            return (0 if word in ("data", "map") else 1), name
        if word in POLARISATIONS:
            return POLARISATIONS.index(word), name
        return (10 if any(part in word or part in file for part in ON_GROUND) else 11), name

    best = min(rasters, key=rank, default=None)
    return None if best is None else (best, rasters[best])


def _is_raster(asset: pystac.Asset) -> bool:
    kind, ending = (asset.media_type or "").lower(), PurePosixPath(urlsplit(asset.href).path).suffix.lower()
    return ("tiff" in kind or ending in (".tif", ".tiff")) and NO_DATA.isdisjoint(asset.roles or ())


def _orbit(properties: dict[str, Any], asset: str, when: str) -> tuple[str, ...]:
    """What scenes have in common that a map may be made of: satellites of one kind, mode, polarisation, orbit and side. Where
    the orbit has no number, the day."""
    number = properties.get("sat:relative_orbit", properties.get("sat:absolute_orbit"))
    told = [properties.get(name) for name in ("constellation", "sar:instrument_mode", "sar:frequency_band", "sat:orbit_state",
                                              "sar:observation_direction")]
    polarisation = asset.lower() if asset.lower() in POLARISATIONS else ""
    return *("" if value is None else str(value) for value in told), polarisation, when[:10] if number is None else str(number)
