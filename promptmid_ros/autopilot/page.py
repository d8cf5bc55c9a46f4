"""The tables of docs/ros.md, "Autopilots", from the code: parameters, keys of `/diagnostics`, reasons of silence.

`python -m promptmid_ros.autopilot.page`
"""

from __future__ import annotations

from collections.abc import Mapping
from math import isnan
from typing import Any

from promptmid_core.autopilot.options import AuxOptions, CarryOptions, MavlinkOptions, RelayOptions
from promptmid_core.autopilot.silence import MEANINGS
from promptmid_core.localization.parameter import Parameter, parameters_of
from promptmid_ros.autopilot.output_keys import OUTPUT

PROGRAMS: Mapping[str, tuple[type[Any], ...]] = {
    "mavlink": (MavlinkOptions, RelayOptions, CarryOptions), "px4_agp": (AuxOptions, RelayOptions)}


def tables() -> str:
    """Return the tables."""
    rows = ["| parameter | of | default | meaning |", "|---|---|---|---|"]
    for name, parameter in {name: each for groups in PROGRAMS.values() for group in groups
                            for name, each in parameters_of(group).items()}.items():
        of = ", ".join(f"`{program}`" for program, groups in PROGRAMS.items() if any(name in parameters_of(g) for g in groups))
        rows.append(f"| `{name}` | {of} | {_default(parameter)} | {parameter.meaning}{_bounds(parameter)} |")
    keys = ["| key | meaning | warn | error | what helps |", "|---|---|---|---|---|", *(
        f"| `{name}` | {key.meaning} | {key.warn.words} | {key.error.words} | {key.cure} |" for name, key in OUTPUT.items())]
    silences = ["| `silent` | meaning |", "|---|---|", *(f"| `{silence}` | {meaning} |" for silence, meaning in MEANINGS.items())]
    return "\n\n".join("\n".join(table) for table in (rows, keys, silences)) + "\n"


def _default(parameter: Parameter) -> str:
    if isinstance(parameter.default, float) and isnan(parameter.default):
        return "none"
    text = str(parameter.default).lower() if isinstance(parameter.default, bool) else str(parameter.default)
    return f"`{text}`" if text else "none"


def _bounds(parameter: Parameter) -> str:
    return "" if parameter.least is None else f" {parameter.least:g} to {parameter.most:g}."


if __name__ == "__main__":
    print(tables(), end="")
