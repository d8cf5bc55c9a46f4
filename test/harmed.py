"""A descriptor whose values are none, for the tests of what is made of them."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

from promptmid_core.descriptors import load
from promptmid_core.geometry import DescriptorMap, Patch
from promptmid_core.prompts.prompt import Prompt


@dataclass(frozen=True)
class Harmed:
    """The structural descriptor with a share of its values changed, one of them at least."""

    value: float
    share: float = 1.0
    inner: Any = field(default_factory=lambda: load("structural"))

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)

    def describe(self, patch: Patch, prompt: Prompt) -> DescriptorMap:
        whole = self.inner.describe(patch, prompt)
        array = whole.array.copy()
        array.flat[:max(1, int(self.share * array.size))] = self.value
        return replace(whole, array=array)
