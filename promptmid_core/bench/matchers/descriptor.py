"""The product's own descriptors as methods of the bench."""

from __future__ import annotations

from dataclasses import replace
from enum import StrEnum
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from promptmid_core.arrays import Mask
from promptmid_core.bench.matchers.matcher import Patch, Window
from promptmid_core.bench.matchers.surface import SurfaceMatcher
from promptmid_core.bench.pairs import landuse_of
from promptmid_core.descriptors import Descriptor, fault_of, load, with_model
from promptmid_core.descriptors.name import STRUCTURAL, DescriptorName
from promptmid_core.errors import InputError
from promptmid_core.geometry import DescriptorMap, Grid
from promptmid_core.geometry import Patch as GroundPatch
from promptmid_core.matching.surface import score_surface
from promptmid_core.prompts.prompt import LAND_USES, Modality, Prompt
from promptmid_core.refmap.format.quantisation import STORES, decoded, encoded


class Telling(StrEnum):
    """What the prompt says of the land use of a pair: the truth, nothing, or something else."""

    RIGHT = "right"
    NEUTRAL = "neutral"
    WRONG = "wrong"

    def told(self, label: str | None) -> str | None:
        """Return a word of LAND_USES, None for the neutral prompt: always where the pair's own label means none of them."""
        landuse = landuse_of(label)
        if self is Telling.NEUTRAL or landuse is None:
            return None
        away = len(LAND_USES) // 2 if self is Telling.WRONG else 0
        return LAND_USES[(LAND_USES.index(landuse) + away) % len(LAND_USES)]


class DescriptorMatcher(SurfaceMatcher):
    """A descriptor of `promptmid_core.descriptors`, matched as the localizer matches it; the land use stands in the prompt.

    Where the name has groups, only those are matched; where it has a store, one of STORES, the SAR side is as a map keeps it,
    else in full precision. Raises InputError where the descriptor has no such group or maps no such store.
    """

    def __init__(self, name: DescriptorName, telling: Telling = Telling.RIGHT, backend: str = "auto",
                 model: Path | None = None) -> None:
        self._descriptor, self._store, self._telling, self._asked = _opened(name, backend, model), name.store, telling, name
        self.stride = self._descriptor.stride
        known = [known.name for known in self._descriptor.groups(Modality.SAR)]
        self._only = name.group.split("+") if name.group else known
        for one in self._only:
            if one not in known:
                raise InputError(f"descriptor {name.without_parts} has no channel group '{one}'; it has {', '.join(known)}")
        if name.store and name.store not in STORES:
            raise InputError(f"maps do not store descriptors as {name.store}; known are {', '.join(STORES)}")

    @property
    def name(self) -> str:
        return f"{self._asked}" + f" {self._telling} prompt" * (self._telling is not Telling.RIGHT)

    def surface(self, patch: Patch, window: Window) -> NDArray[np.floating]:
        amplitude = np.asarray(window.image / np.float32(window.median), np.float32)
        landuse = self._telling.told(patch.landuse)
        seen = self._described(patch.image, patch.valid, Prompt(Modality.OPTICAL, landuse))
        return score_surface(seen, self._stored(self._described(amplitude, window.valid, Prompt(Modality.SAR, landuse))))

    def _described(self, image: NDArray[np.generic], valid: Mask, prompt: Prompt) -> DescriptorMap:
        size = len(image)
        # one px is the unit of length, and both grids are centred on 0
        grid = Grid(-(size - 1) / 2, (size - 1) / 2, 1.0, size, size)
        described = self._descriptor.describe(GroundPatch(image, valid, grid), prompt)
        fault = fault_of(described, self._descriptor.name)
        if fault:
            raise InputError(fault)
        kept = [(group, array) for group, array in described.parts() if group.name in self._only]
        return replace(described, array=np.concatenate([array for _, array in kept]), groups=tuple(group for group, _ in kept))

    def _stored(self, described: DescriptorMap) -> DescriptorMap:
        if not self._store:
            return described
        array = np.where(described.valid, described.array, 0).astype(np.float32)
        return replace(described, array=decoded(encoded(array, self._store, described.groups), described.groups))


def _opened(name: DescriptorName, backend: str, model: Path | None) -> Descriptor:
    """With that backend, but for a descriptor that has no network; `model` is that of promptmid:full."""
    whole = str(name.without_parts)
    if name.family == STRUCTURAL:
        return load(whole)
    return load(with_model(whole, model) if name.of_user else whole, backend=backend)
