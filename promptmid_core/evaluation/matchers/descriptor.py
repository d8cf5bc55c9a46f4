"""The product's own descriptors as methods of the bench."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from promptmid_core.descriptors import load
from promptmid_core.errors import InputError
from promptmid_core.evaluation.matchers.matcher import Patch, Window
from promptmid_core.evaluation.matchers.surface import SurfaceMatcher
from promptmid_core.geometry import DescriptorMap, Grid
from promptmid_core.geometry import Patch as GroundPatch
from promptmid_core.matching.surface import score_surface
from promptmid_core.prompts import Modality, Prompt
from promptmid_core.refmap.quantisation import STORES, decoded, encoded


class DescriptorMatcher(SurfaceMatcher):
    """A descriptor of `promptmid_core.descriptors`, matched as the localizer matches it; the land use stands in the prompt.

    With `group` only that channel group is matched; with `store`, one of STORES, the SAR side as a map keeps it, else in full
    precision. InputError where the descriptor has no such group, and where there is no such store.
    """

    def __init__(self, name: str, group: str = "", store: str = "") -> None:
        self._descriptor, self._group, self._store = load(name), group, store
        self.stride = self._descriptor.stride
        known = [known.name for known in self._descriptor.groups(Modality.SAR)]
        if group and group not in known:
            raise InputError(f"descriptor {name} has no channel group '{group}'; it has {', '.join(known)}")
        if store and store not in STORES:
            raise InputError(f"maps do not store descriptors as {store}; known are {', '.join(STORES)}")

    @property
    def name(self) -> str:
        return "".join([self._descriptor.name, f"/{self._group}" * bool(self._group), f"@{self._store}" * bool(self._store)])

    def surface(self, patch: Patch, window: Window) -> NDArray[np.floating]:
        amplitude = np.asarray(window.image / np.float32(window.median), np.float32)
        seen = self._described(patch.image, patch.valid, Prompt(Modality.OPTICAL, patch.landuse))
        return score_surface(seen, self._stored(self._described(amplitude, window.valid, Prompt(Modality.SAR, patch.landuse))))

    def _described(self, image: NDArray[np.generic], valid: NDArray[np.bool_], prompt: Prompt) -> DescriptorMap:
        size = len(image)
        # one px is the unit of length, and both grids are centred on 0
        grid = Grid(-(size - 1) / 2, (size - 1) / 2, 1.0, size, size)
        described = self._descriptor.describe(GroundPatch(image, valid, grid), prompt)
        return described.only(self._group) if self._group else described

    def _stored(self, described: DescriptorMap) -> DescriptorMap:
        if not self._store:
            return described
        array = np.where(described.valid, described.array, 0).astype(np.float32)
        return replace(described, array=decoded(encoded(array, self._store, described.groups), described.groups))
