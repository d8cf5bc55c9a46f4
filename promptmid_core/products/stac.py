"""A STAC item beside a raster, with the extensions for SAR and for how a sensor looks."""

from __future__ import annotations

from promptmid_core.products.acquisition import Acquisition, MetadataFields, product


def is_item(said: MetadataFields) -> bool:
    """Return whether a JSON object is a STAC item of a SAR image."""
    properties = said.values.get("properties")
    return "stac_version" in said.values and isinstance(properties, dict) and any(key.startswith("sar:") for key in properties)


def acquisition(said: MetadataFields) -> Acquisition:
    """Return what a STAC item says."""
    told = said.part("properties")
    looks = told.number("sar:looks_equivalent_number", 0.5, 1e4) or product(
        told.number("sar:looks_range", 1, 1e4), told.number("sar:looks_azimuth", 1, 1e4))
    azimuth = told.number("view:azimuth", -360, 360)
    return Acquisition(
        said.file, told.time("start_datetime", "datetime"), told.number("view:incidence_angle", 5, 85),
        None if azimuth is None else azimuth % 360, looks, told.words("sar:polarizations"))
