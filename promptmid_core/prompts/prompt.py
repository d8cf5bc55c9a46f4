"""Prompts: what a descriptor is told about the image it describes."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

from promptmid_core.arrays import Float32

if TYPE_CHECKING:
    pass

# the land uses that prompts tell apart, in the order of their ids, which begin at 1
LAND_USES = (
    "cropland", "grassland", "shrubland", "forest", "built-up area", "bare land", "water", "wetland", "snow and ice",
)
NEUTRAL = 0


class Modality(StrEnum):
    OPTICAL = "optical"
    SAR = "SAR"


@dataclass(frozen=True)
class Prompt:
    """The sensor and, where it is known, the land use of an image.

    The wording is that of PromptMID (Nie et al. 2025): "a SAR image of farmland". Without a land use the prompt is neutral.
    `embedding` is what a text encoder made of the text, float32, where a map brings it along.
    """

    modality: Modality
    landuse: str | None = None
    embedding: Float32 | None = field(default=None, compare=False, repr=False)

    @property
    def text(self) -> str:
        article = "an" if self.modality is Modality.OPTICAL else "a"
        place = f" of {self.landuse}" if self.landuse else ""
        return f"{article} {self.modality.value} image{place}"
