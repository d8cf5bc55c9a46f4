"""Prompts: from the class codes of land cover to what a descriptor is told of an image, and the embeddings of that."""

from promptmid_core.prompts.mix import KINDS, dominant, mix
from promptmid_core.prompts.table import TABLES, ClassTable

__all__ = ["KINDS", "TABLES", "ClassTable", "dominant", "mix"]
