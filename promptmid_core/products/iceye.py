"""The metadata of ICEYE, *.xml."""

from __future__ import annotations

from xml.etree import ElementTree

from promptmid_core.products.acquisition import Acquisition, MetadataFields, product

NEEDED = ("acquisition_start_utc", "look_side")


def said_of(file: str, root: ElementTree.Element) -> MetadataFields | None:
    """Return the plain fields of an XML file of this kind; None where it is of another."""
    fields = {child.tag.rpartition("}")[2]: (child.text or "").strip() for child in root}
    return MetadataFields(file, {name: text for name, text in fields.items() if text}) if all(map(fields.get, NEEDED)) else None


def acquisition(said: MetadataFields) -> Acquisition:
    """Return what ICEYE says. Only products of the level ORTHO are terrain corrected."""
    heading, side = said.number("heading", -360, 360), said.text("look_side").lower()
    turn = {"right": 90.0, "left": -90.0}.get(side)
    return Acquisition(
        said.file, said.time("acquisition_start_utc"), said.number("incidence_center", 5, 85),
        None if heading is None or turn is None else (heading + turn) % 360,
        product(said.number("range_looks", 1, 1e4), said.number("azimuth_looks", 1, 1e4)),
        said.words("polarization"), "yes" if "ORTHO" in said.text("product_type").upper() else "no")
