"""The methods of the bench; one file per family."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from promptmid_core.bench.matchers.matcher import Answer, Matcher, Patch, Reach, Window
from promptmid_core.descriptors.name import FAMILIES, DescriptorName
from promptmid_core.errors import InputError

__all__ = ["METHODS", "Answer", "Matcher", "Patch", "Reach", "Window", "load_methods"]

# where the class of each method stands, in this package
_CLASSES = {
    "cfog": "cfog:Cfog",
    "ncc": "ncc:Ncc",
    "gradient_ncc": "ncc:GradientNcc",
    "mutual_information": "mutual_information:MutualInformation",
    "sift": "sift:Sift",
    "arosics": "arosics:Arosics",
    "gefolki": "gefolki:Gefolki",
    "xfeat": "learned_keypoints:XFeat",
    "aliked": "learned_keypoints:Aliked",
    "disk": "learned_keypoints:Disk",
}
METHODS = (*FAMILIES, *_CLASSES)


def load_methods(names: Sequence[str], tellings: Sequence[str] = ("right",), backend: str = "auto",
                 model: Path | None = None) -> list[Matcher]:
    """Return the methods of those names: descriptors, also parts of one as `DescriptorName` knows them, the classes of this
    package, and as `package.module:Class` any class that is a Matcher, made without arguments.

    Each descriptor comes once for each of `tellings`: what its prompt says of the land use, right, neutral or wrong; `backend`
    runs its network, if it has one; `model` describes `promptmid:full`. Raises InputError where a method is unknown, lacks a
    library, is no Matcher, or has the name of another.
    """
    matchers = [matcher for name in names for matcher in _load(name, tellings, backend, model)]
    for matcher in matchers:
        if sum(other.name == matcher.name for other in matchers) > 1:
            raise InputError(f"two methods are named '{matcher.name}'; name each method once")
    return matchers


def _load(name: str, tellings: Sequence[str], backend: str, model: Path | None) -> list[Matcher]:
    if DescriptorName.is_meant(name):
        from promptmid_core.bench.matchers.descriptor import DescriptorMatcher, Telling

        descriptor = DescriptorName.parse(name)
        return [DescriptorMatcher(descriptor, Telling(telling), backend, model) for telling in tellings]
    if name in _CLASSES:
        return [_made(f"{__name__}.{_CLASSES[name]}")]
    if ":" in name:
        if "" not in sys.path:  # as under `python -m`: a module of the current folder is found
            sys.path.append("")
        return [_made(name)]
    raise InputError(f"there is no method '{name}'; known are {', '.join(METHODS)}, and package.module:Class")


def _made(target: str) -> Matcher:
    module, _, name = target.partition(":")
    try:
        make: Callable[[], Matcher] = getattr(importlib.import_module(module), name)
        matcher = make()
        named = isinstance(matcher.name, str) and isinstance(matcher.gate, str) and callable(matcher.locate)
    except InputError:
        raise
    except Exception as error:
        raise InputError(f"method '{target}' cannot be loaded ({type(error).__name__}: {error}); it must be an importable class "
                         "with name, gate and locate, see docs/bench.md") from error
    if not named:
        raise InputError(f"method '{target}' must have name and gate as text, and locate; see docs/bench.md")
    return matcher
