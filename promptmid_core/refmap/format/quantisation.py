"""How descriptors are stored: as half floats, or as bytes with one scale for each channel."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from promptmid_core.arrays import Float32
from promptmid_core.geometry import ChannelGroup

STORES = ("float16", "int8")
STEPS = 127


def scales(groups: tuple[ChannelGroup, ...]) -> Float32:
    """Return what one step of a byte stands for, by channel (C,): from the bound of its group, so that no tile knows another."""
    return np.repeat([group.bound / STEPS for group in groups], [group.channels for group in groups]).astype(np.float32)


def encoded(array: Float32, store: str, groups: tuple[ChannelGroup, ...]) -> NDArray[np.generic]:
    """Return descriptors (C, H, W) as they are stored; as bytes, what lies beyond its group's bound is moved to it."""
    if store == "float16":
        return array.astype(np.float16)
    steps = np.rint(array / scales(groups)[:, None, None])
    return np.asarray(np.clip(steps, -STEPS, STEPS), np.int8)


def decoded(array: NDArray[np.generic], groups: tuple[ChannelGroup, ...]) -> Float32:
    """Stored descriptors (C, H, W) as float32."""
    if array.dtype == np.int8:
        values = array.astype(np.float32)
        values *= scales(groups)[:, None, None]
        return values
    return np.asarray(array, np.float32)
