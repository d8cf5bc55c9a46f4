"""The metadata of Capella, *_extended.json."""

from __future__ import annotations

import numpy as np

from promptmid_core.products.acquisition import Acquisition, MetadataFields, product
from promptmid_core.products.orbit import direction_deg, geodetic


def is_capella(said: MetadataFields) -> bool:
    """Return whether a JSON object is of this kind."""
    return isinstance(said.values.get("collect"), dict) and isinstance(said.values["collect"].get("image"), dict)


def acquisition(said: MetadataFields) -> Acquisition:
    """Return what Capella says. GEO are terrain corrected, other products lie on the ellipsoid."""
    collect = said.part("collect")
    radar, image, centre = collect.part("radar"), collect.part("image"), collect.part("image", "center_pixel")
    sent, heard = radar.text("transmit_polarization").upper(), radar.text("receive_polarization").upper()
    return Acquisition(
        said.file, collect.time("start_timestamp"), centre.number("incidence_angle", 5, 85), _look(collect, centre),
        product(image.number("range_looks", 1, 1e4), image.number("azimuth_looks", 1, 1e4)),
        (sent + heard,) if sent and heard else (), "yes" if said.text("product_type").upper() == "GEO" else "no")


def _look(collect: MetadataFields, centre: MetadataFields) -> float | None:
    """From the satellite in the middle of its track to the middle of the scene."""
    target, vectors = centre.values.get("target_position"), collect.part("state").values.get("state_vectors")
    if not vectors and isinstance(collect.values.get("state"), dict):
        vectors = collect.values["state"].get("state_vectors")
    try:
        spot = np.array(target, float)
        radar = np.array([vector["position"] for vector in vectors or []], float)[len(vectors or []) // 2]
    except (TypeError, ValueError, KeyError, IndexError):
        return None
    if spot.shape != (3,) or radar.shape != (3,) or not (np.isfinite(spot).all() and np.isfinite(radar).all()):
        return None
    lon, lat, _ = geodetic(spot)
    return direction_deg(radar - spot, lon, lat)
