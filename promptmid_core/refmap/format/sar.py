"""How the SAR rasters of a map were read, as its header tells it."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from promptmid_core.refmap.format import facts
from promptmid_core.refmap.format.fields import Fields
from promptmid_core.refmap.sar.amplitude import SCALES, AmplitudeScale
from promptmid_core.refmap.sar.product import INCIDENCE_DEG, MOST_MULTILOOK, NO, UNKNOWN, YES, SarProduct

MOST_BANDS = 65535
MOST_MEDIAN, MOST_DB = 1e30, 1e3


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
            None if fields.empty("band") else fields.whole("band", 1, MOST_BANDS),
            None if fields.empty("combine") else fields.word("combine", ("span",)),
            fields.whole("multilook", 1, MOST_MULTILOOK),
            fields.word("speckle", ("none", "lee")),
            None if fields.empty("looks") else fields.positive("looks"),
            fields.word("terrain_corrected", (YES, NO, UNKNOWN)),
            None if fields.empty("incidence_deg") else fields.number("incidence_deg", *INCIDENCE_DEG),
            None if fields.empty("look_deg") else fields.number("look_deg", -360, 360),
            facts.moment(fields, "acquired") if fields.holds("acquired") else None,
        )
        reading = SarReading(product, fields.wholes("bands", MOST_BANDS))
        fields.done()
        return reading

    def to_dict(self) -> dict[str, Any]:
        """Return what the header tells as JSON values."""
        values = asdict(self.product) | {"bands": list(self.bands)}
        # left out where nobody said it, so that maps from before it could be said keep their bytes
        time = values.pop("acquired")
        return values | ({"acquired": time} if time else {})


def scale_from_dict(fields: Fields) -> AmplitudeScale:
    """Return the scale that a header's JSON values tell. Raises InputError where they tell none."""
    kind = fields.word("scale", SCALES)
    median = fields.number("median", -MOST_DB, MOST_DB) if kind == "db" else fields.positive("median", MOST_MEDIAN)
    scale = AmplitudeScale(kind, median, fields.text("reason"))
    if fields.flag("decibel") != scale.decibel:
        fields.refuse("decibel", "what the scale is")
    fields.done()
    return scale


def scale_to_dict(scale: AmplitudeScale) -> dict[str, Any]:
    """Return a scale as the JSON values of a header."""
    return asdict(scale) | {"decibel": scale.decibel}
