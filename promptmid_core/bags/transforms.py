"""Poses of one frame in another, from the trees of transforms that a bag has recorded."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable
from types import SimpleNamespace
from typing import Any

import numpy as np

from promptmid_core.bags.messages import pose_from, stamp_ns
from promptmid_core.errors import InputError, Refusal
from promptmid_core.geometry import Pose, Prior, interpolate

NONE = np.zeros((6, 6))
Samples = list[Prior]


def poses_in(transforms: Iterable[Any], frame: str, within: str) -> list[tuple[int, Pose]]:
    """Return (stamp in ns, pose of `frame` in `within`), one for each transform that moves next above `frame`.

    Each transform above it is taken at that stamp, between two of its own, and a static one at all times. Transforms that are no
    rotation are passed over. Raises InputError where the tree does not join the two frames.
    """
    parents: dict[str, str] = {}
    samples: dict[str, Samples] = {}
    for each in transforms:
        child, parent = each.child_frame_id.lstrip("/"), each.header.frame_id.lstrip("/")
        try:
            pose = pose_from(SimpleNamespace(position=each.transform.translation, orientation=each.transform.rotation))
        except Refusal:
            continue
        parents[child] = parent
        samples.setdefault(child, []).append(Prior(stamp_ns(each.header), pose, NONE))
    chain = _chain(parents, frame, within)
    for child in chain:
        samples[child].sort(key=lambda sample: sample.stamp_ns)
    moving = max(chain, key=lambda child: (len(samples[child]) > 1, -chain.index(child)))
    found = []
    for sample in samples[moving]:
        steps = [_at(samples[child], sample.stamp_ns) for child in chain]
        if all(step is not None for step in steps):
            pose = Pose(np.zeros(3), np.eye(3))
            for step in steps:
                pose = step @ pose if step is not None else pose
            found.append((sample.stamp_ns, pose))
    return found


def _chain(parents: dict[str, str], frame: str, within: str) -> list[str]:
    """The frames from `frame` up to the one below `within`."""
    chain: list[str] = []
    at = frame
    while at != within:
        if at not in parents or at in chain:
            known = ", ".join(sorted({*parents, *parents.values()})[:20]) or "none"
            raise InputError(f"the transforms do not tell where {frame} is in {within}; they join the frames {known}")
        chain.append(at)
        at = parents[at]
    return chain


def _at(samples: Samples, stamp: int) -> Pose | None:
    """The transform at a stamp; None before the first and after the last of one that moves."""
    if len(samples) == 1:
        return samples[0].pose
    after = bisect_left(samples, stamp, key=lambda sample: sample.stamp_ns)
    if after < len(samples) and samples[after].stamp_ns == stamp:
        return samples[after].pose
    return interpolate(samples[after - 1], samples[after], stamp).pose if 0 < after < len(samples) else None
