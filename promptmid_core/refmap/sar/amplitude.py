"""SAR product values to the amplitude that descriptors work on."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import log10
from pathlib import Path

import numpy as np

from promptmid_core.arrays import Float32
from promptmid_core.errors import InputError
from promptmid_core.georaster import Plausible, RasterFacts, band_label

SCALES = ("amplitude", "intensity", "db")
# what a SAR image can hold: decibels from the noise of the best to uncalibrated digital numbers, linear values as far as their
# squares can be reckoned with; and no reflector stands further above the median of a raster
DECIBELS = -90.0, 120.0
LARGEST = {"amplitude": 1e9, "intensity": 1e18}
BRIGHTEST_DB = 120.0
# how many medians below zero the noise that was subtracted may bring a pixel
NOISE = {"amplitude": 1.0, "intensity": 100.0}
LABELS = {"db": ("db", "decibel", "decibels"), "intensity": ("intensity", "power"), "amplitude": ("amplitude",)}


@dataclass(frozen=True)
class AmplitudeScale:
    """How the values of a product become amplitude with a median of 1 over the whole raster.

    `scale`: what the values are, one of SCALES; those in decibels are 20 log10 of the amplitude, which is 10 log10 of the
    intensity. `median` is that of the values; `reason` says how the scale is known.
    """

    scale: str
    median: float
    reason: str

    @staticmethod
    def of(path: Path, facts: RasterFacts, scale: str = "auto") -> AmplitudeScale:
        """Return the scale of a checked SAR raster. Raises InputError where more than half of its valid pixels are zero.

        `auto` goes by the name and unit of the raster's bands, else by its values; what it took and why stands in `reason`.
        """
        if facts.median == 0:
            declare = "if that means nodata, declare it: gdal_edit.py -a_nodata 0"
            cure = declare if path.is_file() else "get a whole copy of the product"
            raise InputError(f"most valid pixels of {path} are zero; {cure}")
        taken, reason = (scale, "given") if scale != "auto" else _guessed(facts, band_label(path, facts.bands))
        if taken != "db" and DECIBELS[0] <= facts.median < 0:
            raise InputError(f"most pixels of {path} are negative, which no {taken} is; is it --sar-scale db?")
        return AmplitudeScale(taken, facts.median, reason).around(facts)

    def around(self, facts: RasterFacts) -> AmplitudeScale:
        """This scale by which a raster has the median 1; where it is in decibels, a field of zeros has no part in that."""
        return replace(self, median=facts.lit_median if self.decibel and facts.lit_median else facts.median)

    @property
    def decibel(self) -> bool:
        return self.scale == "db"

    @property
    def plausible(self) -> Plausible:
        """What values a product of this scale and median can hold."""
        other = "where such values mean something, give another --sar-scale"
        if self.decibel:
            least, most = DECIBELS
            return Plausible("backscatter in dB", least, min(most, max(self.median, least) + BRIGHTEST_DB), other)
        median, power = min(max(self.median, 0.0), LARGEST[self.scale]), 2 if self.scale == "intensity" else 1
        brightest = median * 10 ** (power * BRIGHTEST_DB / 20)
        return Plausible(f"{self.scale} of an echo", -median * NOISE[self.scale], min(LARGEST[self.scale], brightest), other)

    def amplitude(self, values: Float32) -> Float32:
        """Return the product values of any shape -> amplitude, not negative."""
        if self.decibel:
            return np.asarray(10 ** ((values - np.float32(self.median)) / np.float32(20)), np.float32)
        linear = np.maximum(values / np.float32(self.median), 0)
        return np.asarray(np.sqrt(linear) if self.scale == "intensity" else linear, np.float32)

    def moved(self, values: Float32, gain_db: float) -> Float32:
        """Return the product values of any shape with so many decibels more amplitude."""
        if not gain_db:
            return values
        if self.decibel:
            return np.asarray(values + np.float32(gain_db), np.float32)
        return np.asarray(values * np.float32(10 ** (gain_db / (10 if self.scale == "intensity" else 20))), np.float32)

    def levelled(self, level_db: float) -> AmplitudeScale:
        """Return the scale by which amplitudes have a median of so many decibels, where the median was 1."""
        if self.decibel:
            return replace(self, median=self.median - level_db)
        return replace(self, median=self.median / 10 ** (level_db / (10 if self.scale == "intensity" else 20)))

    def gain_db(self, other: AmplitudeScale) -> float:
        """Return the decibels that this scale's values have to be given, so that the `other` makes the same amplitudes of
        them."""
        if self.decibel:
            return other.median - self.median
        return (10 if self.scale == "intensity" else 20) * log10(other.median / self.median)

    def span(self, values: Float32) -> Float32:
        """Return the total power of the polarisations (B, ...), in the scale of the product (...)."""
        if self.decibel:
            return np.asarray(10 * np.log10((10 ** (values / np.float32(10))).sum(axis=0)), np.float32)
        powers = values if self.scale == "intensity" else values * values
        return np.asarray(powers.sum(axis=0) if self.scale == "intensity" else np.sqrt(powers.sum(axis=0)), np.float32)


def _guessed(facts: RasterFacts, label: str) -> tuple[str, str]:
    """What the values are, and why it is thought so."""
    words = label.lower().replace("_", " ").split()
    for scale, names in LABELS.items():
        if any(word in names for word in words):
            return scale, f"assumed from the band's label '{label}'"
    # linear values go below zero only in the noise, never in the median
    if facts.median < 0:
        return "db", "assumed, as most values are negative"
    if facts.dtype == "float32" and facts.median < 1:
        return "intensity", "assumed, as fractions below 1 are calibrated backscatter, which is distributed as power"
    return "amplitude", "assumed, as detected products are distributed as digital numbers of the amplitude"
