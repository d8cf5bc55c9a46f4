"""How the SAR rasters of a map were read, as its header tells it."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from promptmid_core.refmap.format.fields import Fields
from promptmid_core.refmap.sar.amplitude import SCALES, AmplitudeScale
from promptmid_core.refmap.sar.product import NO, UNKNOWN, YES, SarProduct


@dataclass(frozen=True)
class SarReading:
    """What was said of the SAR rasters, and which `bands` were read, from 1."""

    product: SarProduct
    bands: tuple[int, ...]

    @staticmethod
    def from_dict(fields: Fields) -> SarReading:
        """Return what a header's JSON values tell. Raises InputError where that cannot be."""
        product = SarProduct(
            fields.word("scale", ("auto", *SCALES)),
            None if fields.empty("band") else fields.whole("band", 1),
            None if fields.empty("combine") else fields.word("combine", ("span",)),
            fields.whole("multilook", 1),
            fields.word("speckle", ("none", "lee")),
            None if fields.empty("looks") else fields.positive("looks"),
            fields.word("terrain_corrected", (YES, NO, UNKNOWN)),
            None if fields.empty("incidence_deg") else fields.positive("incidence_deg"),
            None if fields.empty("look_deg") else fields.number("look_deg"),
        )
        reading = SarReading(product, fields.wholes("bands"))
        fields.done()
        return reading

    def to_dict(self) -> dict[str, Any]:
        """Return what the header tells as JSON values."""
        return asdict(self.product) | {"bands": list(self.bands)}


def scale_from_dict(fields: Fields) -> AmplitudeScale:
    """Return the scale that a header's JSON values tell. Raises InputError where they tell none."""
    kind = fields.word("scale", SCALES)
    scale = AmplitudeScale(kind, fields.number("median") if kind == "db" else fields.positive("median"), fields.text("reason"))
    if fields.flag("decibel") != scale.decibel:
        fields.refuse("decibel", "what the scale is")
    fields.done()
    return scale


def scale_to_dict(scale: AmplitudeScale) -> dict[str, Any]:
    """Return a scale as the JSON values of a header."""
    return asdict(scale) | {"decibel": scale.decibel}
