"""The prompts that a map knows, with their embeddings where a text encoder made some."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from promptmid_core.arrays import Float32
from promptmid_core.errors import InputError
from promptmid_core.prompts.prompt import LAND_USES, NEUTRAL, Modality, Prompt
from promptmid_core.zarrfiles import zarr_files

if TYPE_CHECKING:
    from promptmid_core.prompts.embeddings import TextEncoder

FOLDER = "embeddings"
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

    def write(self, path: Path) -> None:
        """Write the embeddings into a map. Raises OSError where that cannot be written."""
        if self.embeddings is None:
            return
        import zarr
        from zarr.codecs import Crc32cCodec, ZstdCodec

        shape = self.embeddings.shape
        with zarr_files(path / FOLDER, path) as store:
            array = zarr.create_array(store, shape=shape, dtype="float32", chunks=shape, filters=None, fill_value=0,
                                      compressors=[ZstdCodec(level=3), Crc32cCodec()], zarr_format=3,
                                      dimension_names=("modality", "prompt", *("token", "feature")[4 - len(shape):]))
            array[...] = self.embeddings

    @staticmethod
    def read(path: Path, land_uses: tuple[str, ...], text_encoder: str | None, shape: tuple[int, ...] | None) -> Vocabulary:
        """Return the vocabulary of a map, whose embeddings have this shape or are none.

        Raises InputError where the embeddings are damaged.
        """
        if shape is None:
            return Vocabulary(land_uses)
        import zarr

        try:
            array = zarr.open_array(path / FOLDER, mode="r", zarr_format=3)
            # zarr takes a chunk without a file for one that is empty
            values = np.asarray(array[...], np.float32) if all((path / file).is_file() for file in files(shape)) else None
        except (ValueError, RuntimeError, OSError, IndexError, KeyError, TypeError):
            values = None
        if values is None or values.shape != shape:
            raise InputError(f"{path / FOLDER} is damaged; 'promptmid map verify {path}' names the files")
        return Vocabulary(land_uses, text_encoder, values)


def files(shape: tuple[int, ...] | None) -> list[Path]:
    """Return what `write` writes, relative to the map, of embeddings of this shape."""
    return [Path(FOLDER, "zarr.json"), Path(FOLDER, "c", *["0"] * len(shape))] if shape else []
