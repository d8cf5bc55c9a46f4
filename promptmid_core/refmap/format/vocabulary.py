"""What a map's header tells of its prompts."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from promptmid_core.prompts import ClassTable
from promptmid_core.prompts.prompt import LAND_USES
from promptmid_core.prompts.table import MOST_CODES, is_code
from promptmid_core.prompts.vocabulary import MODALITIES, Vocabulary
from promptmid_core.refmap.format import embeddings
from promptmid_core.refmap.format.fields import Fields

MOST_FEATURES = 8192  # of an embedding, and tokens of a prompt

@dataclass(frozen=True)
class VocabularyFacts:
    """`land_uses` in the order of their ids, which begin at 1; `prompts`: the texts by id, from 0, of each modality.

    `text_encoder` made the embeddings, whose shape is `embeddings`; both are None where there are none. `table` tells the
    classes of the land cover, None where the map was built without.
    """

    land_uses: tuple[str, ...]
    prompts: dict[str, tuple[str, ...]]
    text_encoder: str | None
    embeddings: tuple[int, ...] | None
    table: ClassTable | None

    @staticmethod
    def of(vocabulary: Vocabulary, table: ClassTable | None) -> VocabularyFacts:
        """Return what the header of a map with this vocabulary and class table tells."""
        prompts = {modality.value: tuple(texts) for modality, texts in vocabulary.texts().items()}
        shape = None if vocabulary.embeddings is None else vocabulary.embeddings.shape
        return VocabularyFacts(vocabulary.land_uses, prompts, vocabulary.text_encoder, shape, table)

    def read(self, path: Path) -> Vocabulary:
        """Return the vocabulary of a map folder. Raises InputError where its embeddings are damaged."""
        values = embeddings.read(path, self.embeddings) if self.embeddings else None
        return Vocabulary(self.land_uses, self.text_encoder, values)

    @property
    def files(self) -> list[Path]:
        """The files of the embeddings, relative to the map."""
        return embeddings.files(self.embeddings)

    @staticmethod
    def from_dict(fields: Fields) -> VocabularyFacts:
        """Return what a header's JSON values tell. Raises InputError where that cannot be."""
        land_uses = fields.texts("land_uses", len(LAND_USES))
        if land_uses != LAND_USES:
            fields.refuse("land_uses", "what this program tells apart")
        part = fields.part("prompts")
        prompts = {modality.value: part.texts(modality.value, len(land_uses) + 1) for modality in MODALITIES}
        part.done()
        encoder = None if fields.empty("text_encoder") else fields.word("text_encoder")
        shape = None if fields.empty("embeddings") else fields.wholes("embeddings", MOST_FEATURES)
        if shape and (len(shape) not in (3, 4) or shape[:2] != (len(MODALITIES), len(land_uses) + 1)):
            fields.refuse("embeddings", "a shape by modality, prompt and feature")
        if (encoder is None) != (shape is None):
            fields.refuse("text_encoder", "what made the embeddings")
        facts = VocabularyFacts(land_uses, prompts, encoder, shape, _table(fields))
        fields.done()
        return facts

    def to_dict(self) -> dict[str, Any]:
        """Return what the header tells as JSON values."""
        return {
            "land_uses": list(self.land_uses), "prompts": {modality: list(texts) for modality, texts in self.prompts.items()},
            "text_encoder": self.text_encoder, "embeddings": None if self.embeddings is None else list(self.embeddings),
            "table": self.table and self.table.name, "source": self.table and self.table.source,
            "classes": {str(code): word for code, word in self.table.landuse.items()} if self.table else {},
        }


def _table(fields: Fields) -> ClassTable | None:
    classes = fields.part("classes")
    if fields.empty("table"):
        if not fields.empty("source") or classes.names:
            fields.refuse("table", "the name of a class table")
        return None
    words: dict[int, str | None] = {}
    for code in classes.names:
        if not is_code(code):
            fields.refuse("classes", f"a table of classes from 0 to {MOST_CODES - 1}")
        words[int(code)] = None if classes.empty(code) else classes.word(code, LAND_USES)
    return ClassTable(fields.text("table"), fields.text("source"), words)
