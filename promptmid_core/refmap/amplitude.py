"""SAR product values to the amplitude that descriptors work on."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from promptmid_core.errors import InputError
from promptmid_core.georaster import RasterFacts


@dataclass(frozen=True)
class AmplitudeScale:
    """How the values of a product become amplitude with a median of 1 over the whole raster.

    `decibel` products are taken as 20 log10 of the amplitude, all others as amplitude itself; `median` is that of the values.
    """

    decibel: bool
    median: float

    @staticmethod
    def of(path: Path, facts: RasterFacts) -> AmplitudeScale:
        """The scale of a checked SAR raster; InputError where more than half of its valid pixels are zero."""
        if facts.median == 0:
            raise InputError(f"most valid pixels of {path} are zero; if that means nodata, declare it: gdal_edit.py -a_nodata 0")
        # backscatter below 1 is negative in decibels; linear values go below zero only in the noise, never in the median
        return AmplitudeScale(facts.median < 0, facts.median)

    def amplitude(self, values: NDArray[np.float32]) -> NDArray[np.float32]:
        """Product values of any shape -> amplitude, not negative."""
        if self.decibel:
            return np.asarray(10 ** ((values - np.float32(self.median)) / np.float32(20)), np.float32)
        return np.asarray(np.maximum(values / np.float32(self.median), 0), np.float32)
