"""docs/diagnostics.md: the keys of both diagnostics topics and the reason codes.

`python -m promptmid_ros.diagnostics > docs/diagnostics.md`
"""

from __future__ import annotations

from collections.abc import Mapping

from promptmid_core.outputs.health_keys import HEALTH
from promptmid_core.outputs.keys import Key, level
from promptmid_core.outputs.match_keys import INTERNAL_ERROR, MATCH
from promptmid_core.reasons import MEANINGS, RETIRED, Reason


def document() -> str:
    """docs/diagnostics.md."""
    parts = [
        "# Diagnostics\n",
        "Made from the tables in `promptmid_core/outputs/match_keys.py` and `promptmid_core/outputs/health_keys.py`: `python -m "
        "promptmid_ros.diagnostics > docs/diagnostics.md`.\n",
        "The level of a status is the highest that any of its keys is worth. A value that is not known is published as `unknown` "
        "or left out, and breaks no rule unless the rule says so. Each key has one number or one text, so that PlotJuggler and "
        "Foxglove plot them. The message of a status says what is wrong: the value, the limit that it breaks, and what helps.\n",
        "## `~/match_diagnostics`\n",
        "One message with one status for every image that was processed; the header has the image's stamp. Images that were "
        "dropped for newer ones are counted in `dropped` of the next. `score_*` and `stage_*` are there as far as the image "
        "got.\n",
        _table(MATCH),
        "## `/diagnostics`\n",
        "Once a second, in every lifecycle state. What is only known while the node is active is left out otherwise; the rules "
        "for rates and ages begin to hold ten seconds after activation.\n",
        _table(HEALTH),
        "## Reason codes\n",
        "\n".join(["| code | meaning | level of the image |", "|---|---|---|", *(
            f"| `{reason}` | {meaning} | {_level_of(reason)} |" for reason, meaning in MEANINGS.items()),
            f"| `{INTERNAL_ERROR}` | The program failed on the image; the log has the traceback. | error |"]) + "\n",
        f"Never given again, nor given another meaning: {', '.join(f'`{code}`' for code in RETIRED)}.\n",
    ]
    return "\n".join(parts)


def _table(keys: Mapping[str, Key]) -> str:
    rows = [f"| `{name}` | {key.meaning} | {key.warn.words} | {key.error.words} | {key.cure} |" for name, key in keys.items()]
    return "\n".join(["| key | meaning | warn | error | what helps |", "|---|---|---|---|---|", *rows]) + "\n"


def _level_of(reason: Reason) -> str:
    verdict = "fix" if reason is Reason.FIX else "no fix"
    return ("ok", "warn", "error")[level(MATCH, {"verdict": verdict, "reason": str(reason)})[0]]


if __name__ == "__main__":
    print(document(), end="")
