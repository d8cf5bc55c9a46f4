"""The prompts that a map knows, with their embeddings where a text encoder made some."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from promptmid_core.arrays import Float32
from promptmid_core.prompts.prompt import LAND_USES, NEUTRAL, Modality, Prompt

if TYPE_CHECKING:
    from promptmid_core.prompts.embeddings import TextEncoder

MODALITIES = tuple(Modality)


@dataclass(frozen=True)
class Vocabulary:
    """`land_uses` in the order of their ids, which begin at 1; `embeddings` (2, ids, ...) float32 by modality and id, or None."""

    land_uses: tuple[str, ...] = LAND_USES
    text_encoder: str | None = None
    embeddings: Float32 | None = None

    @staticmethod
    def encoded(encoder: TextEncoder | None) -> Vocabulary:
        """LAND_USES with the embeddings of their prompts; without where there is no encoder."""
        plain = Vocabulary()
        if encoder is None:
            return plain
        texts = plain.texts()
        embeddings = np.stack([encoder.encode(texts[modality]) for modality in MODALITIES])
        return Vocabulary(plain.land_uses, encoder.name, embeddings)

    def prompt(self, modality: Modality, prompt_id: int) -> Prompt:
        landuse = self.land_uses[prompt_id - 1] if prompt_id != NEUTRAL else None
        embedding = None if self.embeddings is None else self.embeddings[MODALITIES.index(modality), prompt_id]
        return Prompt(modality, landuse, embedding)

    def texts(self) -> dict[Modality, list[str]]:
        """Return the prompts' texts by id."""
        return {modality: [Prompt(modality, word).text for word in (None, *self.land_uses)] for modality in MODALITIES}
