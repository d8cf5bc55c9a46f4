"""The patch that is looked for, with what looks make of it, so that the next one need not again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeVar

from promptmid_core.geometry import DescriptorMap
from promptmid_core.matching.pool import pooled

COARSE_FACTOR = 2  # descriptor cells per coarse cell
Kept = TypeVar("Kept")


@dataclass(frozen=True)
class SoughtPatch(DescriptorMap):
    """A descriptor map whose transforms are made once, whatever places it is compared with."""

    @staticmethod
    def of(patch: DescriptorMap) -> SoughtPatch:
        """Return the patch with nothing made of it yet; one that is sought already as it is."""
        return patch if isinstance(patch, SoughtPatch) else SoughtPatch(patch.array, patch.valid, patch.grid, patch.stride,
                                                                        patch.groups)

    @cached_property
    def coarse(self) -> SoughtPatch:
        """The same in coarse cells."""
        return SoughtPatch.of(pooled(self, COARSE_FACTOR))

    def once(self, make: Callable[..., Kept], *which: Any) -> Kept:
        """Return what `make(self, *which)` made when it was first asked for."""
        key = make.__qualname__, *which
        if key not in self._made:
            self._made[key] = make(self, *which)
        found: Kept = self._made[key]
        return found

    @cached_property
    def _made(self) -> dict[tuple[Any, ...], Any]:
        return {}
