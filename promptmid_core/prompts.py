"""Prompts: what a descriptor is told about the image it describes."""

from dataclasses import dataclass
from enum import StrEnum


class Modality(StrEnum):
    OPTICAL = "optical"
    SAR = "SAR"


@dataclass(frozen=True)
class Prompt:
    """The sensor and, where it is known, the land use of an image.

    The wording is that of PromptMID (Nie et al. 2025): "a SAR image of farmland". Without a land use the prompt is neutral.
    """

    modality: Modality
    landuse: str | None = None

    @property
    def text(self) -> str:
        article = "an" if self.modality is Modality.OPTICAL else "a"
        place = f" of {self.landuse}" if self.landuse else ""
        return f"{article} {self.modality.value} image{place}"
