"""The map, its descriptor and what runs it, opened as the settings say."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from promptmid_core.descriptors import load
from promptmid_core.localization.localizer import Localizer
from promptmid_core.refmap import ReferenceMap
from promptmid_ros.parameters import Settings, check_patch_fits


def open_localizer(settings: Settings, progress: Callable[[int, int], None] | None = None) -> Localizer:
    """Ready to match; InputError where map, descriptor or backend cannot be used. `progress` is told of an engine being built."""
    reference = ReferenceMap.open(settings.map, prefetch=True)
    descriptor = load(settings.descriptor or reference.descriptor_name, wanted=replace(settings.wanted, progress=progress))
    check_patch_fits(settings.options, reference.stride)
    return Localizer(reference, descriptor, settings.options)


def backend_values(localizer: Localizer) -> dict[str, str]:
    """What runs the network of the descriptor and why, for log and diagnostics."""
    choice = localizer.descriptor.choice
    if choice is None:
        return {"backend": "none", "backend_why": f"the descriptor {localizer.descriptor.name} has no network"}
    return {"backend": choice.runs_on, "backend_why": choice.why}
