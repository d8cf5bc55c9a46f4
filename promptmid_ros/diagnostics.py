"""The keys of both diagnostics topics, each with its meaning and the rules by which it warns.

docs/diagnostics.md is made from them:

`python -m promptmid_ros.diagnostics > docs/diagnostics.md`
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from math import isnan

from promptmid_core.localization.fix import State
from promptmid_core.reasons import MEANINGS, Reason

OK, WARN, ERROR = 0, 1, 2
Value = str | float | int | None

INTERNAL_ERROR = "internal_error"
# reasons that flying on does not cure: somebody has to mend the set-up
SETUP_REASONS = (
    Reason.STAMP_ZERO, Reason.IMAGE_ENCODING, Reason.IMAGE_SIZE, Reason.CAMERA_INFO_MISSING, Reason.CAMERA_INFO_INVALID,
    Reason.PRIOR_MISSING, Reason.PRIOR_INVALID, Reason.PRIOR_FRAME, Reason.MAP_DAMAGED,
)


@dataclass(frozen=True)
class Rule:
    """When a value is worth a level; `words` is the same for the reader."""

    words: str
    applies: Callable[[Value], bool]


NEVER = Rule("-", lambda value: False)


@dataclass(frozen=True)
class Key:
    """A key of a DiagnosticStatus. A value of None is published as 'unknown' and breaks no rule but `known`."""

    meaning: str
    warn: Rule = NEVER
    error: Rule = NEVER

    def level(self, value: Value) -> int:
        if self.error.applies(value):
            return ERROR
        return WARN if self.warn.applies(value) else OK


def above(limit: float, unit: str = "") -> Rule:
    return Rule(f"above {limit:g}{unit}", lambda value: isinstance(value, int | float) and value > limit)


def below(limit: float, unit: str = "") -> Rule:
    return Rule(f"below {limit:g}{unit}", lambda value: isinstance(value, int | float) and value < limit)


def is_one_of(values: Collection[str]) -> Rule:
    return Rule("one of " + ", ".join(f"`{value}`" for value in values), lambda value: value in values)


def is_other_than(expected: str) -> Rule:
    return Rule(f"anything but `{expected}`", lambda value: value != expected)


UNKNOWN = Rule("unknown", lambda value: value is None)

MATCH = {
    "verdict": Key("`fix` or `no fix`.", warn=is_other_than("fix")),
    "reason": Key("Why there is no fix, one of the codes below; `fix` where there is one.",
                  error=is_one_of([*SETUP_REASONS, INTERNAL_ERROR])),
    "sentence": Key("The reason with its figures; empty for a fix."),
    "state": Key("`SEARCHING`, `TRACKING` or `LOST`, after this image.", warn=is_one_of([State.SEARCHING]),
                 error=is_one_of([State.LOST])),
    "stamp": Key("The image's stamp, in seconds."),
    "latency_ms": Key("From the image's stamp to the verdict, by the node's clock; unknown where the stamp is more than a minute "
                      "off that clock, as that of a bag played without it.", warn=above(500), error=above(2000)),
    "processing_ms": Key("From the arrival of the image to the verdict.", warn=above(500), error=above(2000)),
    "dropped": Key("Images dropped for newer ones since the one processed before."),
    "prompt": Key("What the descriptor was told about the image: the land use under it, as far as the image got."),
    "correction_east_m": Key("Position of the match minus that of the prior, along the map's x."),
    "correction_north_m": Key("The same along the map's y."),
    "correction_yaw_deg": Key("Heading of the match minus that of the prior, counter-clockwise."),
    "sigma_m": Key("Horizontal standard deviation of a fix: the root of the summed variances of x and y.", warn=above(100)),
    "score_peak": Key("Height of the best place on the score surface, in its standard deviations."),
    "score_score": Key("The same at full resolution."),
    "score_margin": Key("How far the best place stands above the next, in standard deviations."),
    "score_similarity": Key("Score of image and map at the best place."),
    "score_ties": Key("Tie points."),
    "score_agreeing": Key("Tie points that agree with the solution."),
    "score_residual_px": Key("Robust standard deviation of the tie points about the solution, in map pixels."),
    "score_valid": Key("Share of the patch that the image covers."),
    "score_search_px": Key("Search radius, in map pixels."),
    "score_evidence": Key("Natural log-odds of the match being true, without the track's word."),
    "stage_wait_ms": Key("Time spent waiting for odometry of a later stamp, and for the first camera_info."),
    "stage_decode_ms": Key("Time spent decoding the image."),
    "stage_check_ms": Key("Time spent checking image and prior."),
    "stage_orthorectify_ms": Key("Time spent laying the image on the map's grid."),
    "stage_map_ms": Key("Time spent reading the map."),
    "stage_describe_ms": Key("Time spent describing the patch."),
    "stage_search_ms": Key("Time spent correlating."),
    "stage_solve_ms": Key("Time spent on tie points and pose."),
    "stage_verify_ms": Key("Time spent comparing the best places at full resolution."),
    "stage_judge_ms": Key("Time spent on the gates."),
}

HEALTH = {
    "lifecycle": Key("State of the node.", warn=is_other_than("active")),
    "state": Key("`SEARCHING`, `TRACKING` or `LOST`.", warn=is_one_of([State.SEARCHING]), error=is_one_of([State.LOST])),
    "image_rate_hz": Key("Images received a second, over the last ten seconds.", error=below(0.01)),
    "camera_rate_hz": Key("Images taken a second, from the gaps between their stamps."),
    "images_lost_percent": Key("Images that the stamps show to be missing among the last hundred: lost on their way to the node.",
                               warn=above(5), error=above(50)),
    "images_received": Key("Images received since activation."),
    "images_processed": Key("Images that were given a verdict since activation."),
    "images_dropped": Key("Images dropped for newer ones since activation, as the node is slower than the camera."),
    "fix_percent": Key("Fixes among the images processed in the last minute.", warn=below(50), error=below(5)),
    "last_fix_age_s": Key("Seconds since the last fix.", warn=above(10), error=above(60)),
    "last_reason": Key("Reason code of the last image.", error=is_one_of([*SETUP_REASONS, INTERNAL_ERROR])),
    "reasons": Key("How often each reason was given in the last minute."),
    "processing_ms_p50": Key("Median of `processing_ms` in the last minute."),
    "processing_ms_p95": Key("Its 95th percentile.", warn=above(500), error=above(2000)),
    "latency_ms_p95": Key("95th percentile of `latency_ms` in the last minute.", warn=above(500), error=above(2000)),
    "camera_info": Key("`received` or `missing`.", error=is_one_of(["missing"])),
    "odometry_rate_hz": Key("Odometry messages received a second, over the last ten seconds.", warn=below(10), error=below(2)),
    "odometry_age_s": Key("Seconds since the last odometry message came.", warn=above(0.5), error=above(2)),
    "odometry_frame": Key("`map`, or `odom` with where it lies in map; unknown before the first usable message."),
    "odometry_problem": Key("Why the last odometry message cannot be used; empty where it can.",
                            error=Rule("not empty", lambda value: bool(value))),
    "map": Key("Folder of the map.", error=UNKNOWN),
    "map_frame": Key("CRS of the map, and the easting and northing of the origin of the frame `map`."),
    "gsd_m": Key("Metres per map pixel."),
    "descriptor": Key("Descriptor of map and node."),
    "fingerprint": Key("What exactly the map was described with."),
    "backend": Key("What runs the network of the descriptor: backend, version, device; `none` where it has no network."),
    "backend_why": Key("Why it is this backend: named, or the best that is there and what the better ones lack."),
    "engine_built_percent": Key("How far the engine is that the node builds while it is configured (`allow_build`)."),
    "memory_mb": Key("Resident memory of the process.", warn=above(4000)),
}


def level(keys: Mapping[str, Key], values: Mapping[str, Value]) -> tuple[int, list[str]]:
    """The highest level that any value is worth, and the keys that are worth it; KeyError for a key that is not documented."""
    levels = {name: keys[name].level(value) for name, value in values.items()}
    highest = max(levels.values(), default=OK)
    return highest, [name for name, its_level in levels.items() if its_level == highest and highest > OK]


def text(value: Value) -> str:
    """A value as diagnostics carry it."""
    if value is None or (isinstance(value, float) and isnan(value)):
        return "unknown"
    return f"{value:.10g}" if isinstance(value, float) else str(value)


def document() -> str:
    """docs/diagnostics.md."""
    parts = [
        "# Diagnostics\n",
        "Made from the tables in `promptmid_ros/diagnostics.py`: `python -m promptmid_ros.diagnostics > docs/diagnostics.md`.\n",
        "The level of a status is the highest that any of its keys is worth. A value that is not known is published as `unknown` "
        "or left out, and breaks no rule unless the rule says so.\n",
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
    ]
    return "\n".join(parts)


def _table(keys: Mapping[str, Key]) -> str:
    rows = [f"| `{name}` | {key.meaning} | {key.warn.words} | {key.error.words} |" for name, key in keys.items()]
    return "\n".join(["| key | meaning | warn | error |", "|---|---|---|---|", *rows]) + "\n"


def _level_of(reason: Reason) -> str:
    verdict = "fix" if reason is Reason.FIX else "no fix"
    return ("ok", "warn", "error")[level(MATCH, {"verdict": verdict, "reason": str(reason)})[0]]


if __name__ == "__main__":
    print(document(), end="")
