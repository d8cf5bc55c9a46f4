"""The public names, in one place: what docs/api.md tells of, and what keeps its meaning from version to version.

    from promptmid_core.api import Localizer, ReferenceMap, load

Each name is imported when it is first asked for, so that a program loads no more than it uses.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from promptmid_core.bags.camerafile import read_camera as read_camera
    from promptmid_core.bench.matchers import load_methods as load_methods
    from promptmid_core.bench.pairs import read_pairs as read_pairs
    from promptmid_core.bench.run import run as run_trials  # noqa: F401
    from promptmid_core.bench.scores import score as score_trials  # noqa: F401
    from promptmid_core.bench.scores import table as table_of_scores  # noqa: F401
    from promptmid_core.bench.trials import Setting as Setting
    from promptmid_core.bench.trials import draw as draw_trials  # noqa: F401
    from promptmid_core.descriptors import load as load
    from promptmid_core.errors import InputError as InputError
    from promptmid_core.errors import Refusal as Refusal
    from promptmid_core.geometry import Camera as Camera
    from promptmid_core.geometry import Pose as Pose
    from promptmid_core.geometry import Prior as Prior
    from promptmid_core.georaster.geodetic import Geodetic as Geodetic
    from promptmid_core.localization.fix import Candidate as Candidate
    from promptmid_core.localization.fix import Fix as Fix
    from promptmid_core.localization.fix import Frame as Frame
    from promptmid_core.localization.localizer import Localizer as Localizer
    from promptmid_core.localization.options import Options as Options
    from promptmid_core.reasons import Reason as Reason
    from promptmid_core.refmap import ReferenceMap as ReferenceMap
    from promptmid_core.refmap import map_info as map_info
    from promptmid_core.refmap import verify_map as verify_map
    from promptmid_core.refmap.build import BuildOptions as BuildOptions
    from promptmid_core.refmap.build import Sources as Sources
    from promptmid_core.refmap.build import build_map as build_map
    from promptmid_core.refmap.sar import SarProduct as SarProduct
    from promptmid_core.replay.metrics import summarise as summarise
    from promptmid_core.replay.run import replay as replay

# where each is, as "module:name" within promptmid_core
NAMES = {
    "BuildOptions": "refmap.build:BuildOptions", "Camera": "geometry:Camera", "Candidate": "localization.fix:Candidate",
    "Fix": "localization.fix:Fix", "Frame": "localization.fix:Frame", "Geodetic": "georaster.geodetic:Geodetic",
    "InputError": "errors:InputError", "Localizer": "localization.localizer:Localizer",
    "Options": "localization.options:Options", "Pose": "geometry:Pose", "Prior": "geometry:Prior", "Reason": "reasons:Reason",
    "ReferenceMap": "refmap:ReferenceMap", "Refusal": "errors:Refusal", "SarProduct": "refmap.sar:SarProduct",
    "Setting": "bench.trials:Setting", "Sources": "refmap.build:Sources", "build_map": "refmap.build:build_map",
    "draw_trials": "bench.trials:draw", "load": "descriptors:load", "load_methods": "bench.matchers:load_methods",
    "map_info": "refmap:map_info", "read_camera": "bags.camerafile:read_camera", "read_pairs": "bench.pairs:read_pairs",
    "replay": "replay.run:replay", "run_trials": "bench.run:run", "score_trials": "bench.scores:score",
    "summarise": "replay.metrics:summarise", "table_of_scores": "bench.scores:table", "verify_map": "refmap:verify_map",
}
__all__ = list(NAMES)


def __getattr__(name: str) -> Any:
    if name not in NAMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module, _, attribute = NAMES[name].partition(":")
    found = getattr(import_module(f"promptmid_core.{module}"), attribute)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted(NAMES)
