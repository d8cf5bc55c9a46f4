"""The keys of both diagnostics topics, each with its meaning and the rules by which it warns.

docs/diagnostics.md is made from them:

`python -m promptmid_ros.diagnostics > docs/diagnostics.md`
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from math import isnan, pi
from typing import TYPE_CHECKING, Any

import numpy as np

from promptmid_core.localization.fix import State
from promptmid_core.localization.odometry import ODOM
from promptmid_core.reasons import MEANINGS, Reason
from promptmid_ros.health import Value, memory_mb

if TYPE_CHECKING:
    from promptmid_ros.activation import Activation, Setup
    from promptmid_ros.worker import Outcome

OK, WARN, ERROR = 0, 1, 2

INTERNAL_ERROR = "internal_error"
# reasons that flying on does not cure: somebody has to mend the set-up
SETUP_REASONS = (
    Reason.STAMP_ZERO, Reason.IMAGE_ENCODING, Reason.IMAGE_SIZE, Reason.CAMERA_INFO_MISSING, Reason.CAMERA_INFO_INVALID,
    Reason.CAMERA_MOUNT_UNKNOWN,     Reason.PRIOR_MISSING, Reason.PRIOR_INVALID, Reason.PRIOR_FRAME, Reason.MAP_DAMAGED,
)


@dataclass(frozen=True)
class Rule:
    """When a value is worth a level; `words` is the same for the reader."""

    words: str
    applies: Callable[[Value], bool]


NEVER = Rule("-", lambda value: False)


class Absent:
    """The value of a key that has nothing to say: it is left out."""


ABSENT = Absent()


@dataclass(frozen=True)
class Key:
    """A key of a DiagnosticStatus: where its value comes from, what it means, and when it is worth a level.

    A value of None is published as 'unknown' and breaks no rule but `known`; ABSENT is not published.
    """

    value: Callable[[Any], Value | Absent]
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

@dataclass(frozen=True)
class Judged:
    """An image with its verdict, as `~/match_diagnostics` tells of it; without an `outcome` the program failed on it."""

    stamp_ns: int
    outcome: Outcome | None
    latency_ms: float | None = None
    dropped: int = 0
    failure: str = ""


def _of(get: Callable[[Outcome], Value | Absent], failed: Value | Absent = ABSENT) -> Callable[[Judged], Value | Absent]:
    """The value from an image's outcome, and what it is where the program failed on the image."""
    return lambda judged: failed if judged.outcome is None else get(judged.outcome)


def _correction(axis: int, unit: float = 1.0) -> Callable[[Judged], Value | Absent]:
    def get(outcome: Outcome) -> Value | Absent:
        candidate = outcome.fix.candidate
        if candidate.pose is None or candidate.prior is None:
            return ABSENT
        return float(candidate.pose.correction_from(candidate.prior.pose)[axis]) * unit

    return _of(get)


def _sigma(outcome: Outcome) -> Value | Absent:
    covariance = outcome.fix.covariance
    return ABSENT if covariance is None else float(np.sqrt(np.trace(covariance[:2, :2])))


def _scores(**meanings: str) -> dict[str, Key]:
    def score(name: str) -> Callable[[Judged], Value | Absent]:
        return _of(lambda outcome: outcome.fix.candidate.scores.get(name, ABSENT))

    return {f"score_{name}": Key(score(name), meaning) for name, meaning in meanings.items()}


def _stages(**meanings: str) -> dict[str, Key]:
    def stage(name: str) -> Callable[[Judged], Value | Absent]:
        return _of(lambda outcome: outcome.fix.candidate.stage_ms.get(name, ABSENT))

    return {f"stage_{name}_ms": Key(stage(name), f"Time spent {meaning}.") for name, meaning in meanings.items()}


def _prompt(outcome: Outcome) -> Value:
    prompt = outcome.fix.candidate.prompt
    return None if prompt is None else prompt.text


MATCH = {
    "verdict": Key(_of(lambda outcome: "fix" if outcome.fix.accepted else "no fix", "no fix"), "`fix` or `no fix`.",
                   warn=is_other_than("fix")),
    "reason": Key(lambda judged: str(judged.outcome.fix.reason) if judged.outcome else INTERNAL_ERROR,
                  "Why there is no fix, one of the codes below; `fix` where there is one.",
                  error=is_one_of([*SETUP_REASONS, INTERNAL_ERROR])),
    "sentence": Key(lambda judged: judged.outcome.fix.sentence if judged.outcome else judged.failure,
                    "The reason with its figures; empty for a fix."),
    "state": Key(_of(lambda outcome: str(outcome.fix.state)), "`SEARCHING`, `TRACKING` or `LOST`, after this image.",
                 warn=is_one_of([State.SEARCHING]), error=is_one_of([State.LOST])),
    "stamp": Key(lambda judged: seconds(judged.stamp_ns), "The image's stamp, in seconds."),
    "latency_ms": Key(lambda judged: judged.latency_ms if judged.outcome else ABSENT,
                      "From the image's stamp to the verdict, by the node's clock; unknown where the stamp is more than a minute "
                      "off that clock, as that of a bag played without it.", warn=above(500), error=above(2000)),
    "processing_ms": Key(_of(lambda outcome: outcome.processing_ms), "From the arrival of the image to the verdict.",
                         warn=above(500), error=above(2000)),
    "dropped": Key(lambda judged: judged.dropped, "Images dropped for newer ones since the one processed before."),
    "prompt": Key(_of(_prompt),
                  "What the descriptor was told about the image: the land use under it, as far as the image got."),
    "correction_east_m": Key(_correction(0), "Position of the match minus that of the prior, along the map's x."),
    "correction_north_m": Key(_correction(1), "The same along the map's y."),
    "correction_yaw_deg": Key(_correction(5, 180 / pi), "Heading of the match minus that of the prior, counter-clockwise."),
    "sigma_m": Key(_of(_sigma), "Horizontal standard deviation of a fix: the root of the summed variances of x and y.",
                   warn=above(100)),
    **_scores(
        peak="Height of the best place on the score surface, in its standard deviations.",
        score="The same at full resolution.",
        margin="How far the best place stands above the next, in standard deviations.",
        similarity="Score of image and map at the best place.",
        ties="Tie points.",
        agreeing="Tie points that agree with the solution.",
        residual_px="Robust standard deviation of the tie points about the solution, in map pixels.",
        valid="Share of the patch that the image covers.",
        search_px="Search radius, in map pixels.",
        evidence="Natural log-odds of the match being true, without the track's word."),
    **_stages(
        wait="waiting for odometry of a later stamp, and for what else belongs to the image", decode="decoding the image",
        check="checking image and prior", orthorectify="laying the image on the map's grid", map="reading the map",
        describe="describing the patch", search="correlating", solve="on tie points and pose",
        verify="comparing the best places at full resolution", judge="on the gates", track="on the verdict among its neighbours"),
}


@dataclass(frozen=True)
class Health:
    """The node at a moment, as `/diagnostics` tells of it."""

    lifecycle: str
    setup: Setup | None
    activation: Activation | None
    engine_built_percent: int | None = None


def _configured(get: Callable[[Setup], Value]) -> Callable[[Health], Value | Absent]:
    return lambda health: ABSENT if health.setup is None else get(health.setup)


def _active(get: Callable[[Activation], Value]) -> Callable[[Health], Value | Absent]:
    return lambda health: ABSENT if health.activation is None else get(health.activation)


def _verdicts(name: str) -> Callable[[Health], Value | Absent]:
    return _active(lambda activation: activation.verdicts.values()[name])


def _frame(activation: Activation) -> Value:
    odometry = activation.intake.odometry
    if odometry.frame != ODOM:
        return odometry.frame or None
    return f"{ODOM} ({'placed in map' if odometry.map_from_odom is not None else 'not placed in map'})"


def _covariance(activation: Activation) -> Value:
    odometry = activation.intake.odometry
    if not odometry.frame:
        return None
    return f"defaults for {', '.join(odometry.unstated)}" if odometry.unstated else "stated"


def _map_frame(setup: Setup) -> Value:
    frame = setup.localizer.reference.frame
    return f"{frame.crs} {frame.origin[0]:.0f} {frame.origin[1]:.0f}"


HEALTH = {
    "lifecycle": Key(lambda health: health.lifecycle, "State of the node.", warn=is_other_than("active")),
    "state": Key(_active(lambda active: str(active.last.fix.state if active.last else State.SEARCHING)),
                 "`SEARCHING`, `TRACKING` or `LOST`.", warn=is_one_of([State.SEARCHING]), error=is_one_of([State.LOST])),
    "image_rate_hz": Key(_active(lambda active: active.images.hz()), "Images received a second, over the last ten seconds.",
                         error=below(0.01)),
    "camera_rate_hz": Key(_active(lambda active: active.gaps.camera_hz()),
                          "Images taken a second, from the gaps between their stamps."),
    "images_lost_percent": Key(_active(lambda active: active.gaps.lost_percent()),
                               "Images that the stamps show to be missing among the last hundred: lost on their way to the node.",
                               warn=above(5), error=above(50)),
    "images_received": Key(_active(lambda active: active.inbox.received), "Images received since activation."),
    "images_processed": Key(_active(lambda active: active.verdicts.processed), "Images that were given a verdict since "
                            "activation."),
    "images_dropped": Key(_active(lambda active: active.inbox.dropped),
                          "Images dropped for newer ones since activation, as the node is slower than the camera."),
    "fix_percent": Key(_verdicts("fix_percent"), "Fixes among the images processed in the last minute.", warn=below(50),
                       error=below(5)),
    "last_fix_age_s": Key(_verdicts("last_fix_age_s"), "Seconds since the last fix.", warn=above(10), error=above(60)),
    "last_reason": Key(_verdicts("last_reason"), "Reason code of the last image.",
                       error=is_one_of([*SETUP_REASONS, INTERNAL_ERROR])),
    "reasons": Key(_verdicts("reasons"), "How often each reason was given in the last minute."),
    "processing_ms_p50": Key(_verdicts("processing_ms_p50"), "Median of `processing_ms` in the last minute."),
    "processing_ms_p95": Key(_verdicts("processing_ms_p95"), "Its 95th percentile.", warn=above(500), error=above(2000)),
    "latency_ms_p95": Key(_verdicts("latency_ms_p95"), "95th percentile of `latency_ms` in the last minute.", warn=above(500),
                          error=above(2000)),
    "camera_info": Key(_active(lambda active: "received" if active.intake.cameras.received else "missing"),
                       "`received` or `missing`.", error=is_one_of(["missing"])),
    "camera_mount": Key(_active(lambda active: active.intake.mounts.source), "What tells how the camera is mounted."),
    "odometry_rate_hz": Key(_active(lambda active: active.odometry_rate.hz()),
                            "Odometry messages received a second, over the last ten seconds.", warn=below(10), error=below(2)),
    "odometry_age_s": Key(_active(lambda active: active.odometry_rate.age_s()), "Seconds since the last odometry message came.",
                          warn=above(0.5), error=above(2)),
    "odometry_frame": Key(_active(_frame),
                          "`map`, or `odom` with where it lies in map; unknown before the first usable message."),
    "odometry_covariance": Key(_active(_covariance),
                               "`stated`, or of which axes the odometry states none, so that the parameters `default_sigma_*` "
                               "are taken.",
                               warn=Rule("not `stated`", lambda value: value not in (None, "stated"))),
    "odometry_problem": Key(_active(lambda active: str(active.intake.odometry.refusal or "")),
                            "Why the last odometry message cannot be used; empty where it can.",
                            error=Rule("not empty", lambda value: bool(value))),
    "map": Key(_configured(lambda setup: str(setup.localizer.reference.path)), "Folder of the map.", error=UNKNOWN),
    "map_frame": Key(_configured(_map_frame), "CRS of the map, and the easting and northing of the origin of the frame `map`."),
    "gsd_m": Key(_configured(lambda setup: setup.localizer.reference.gsd), "Metres per map pixel."),
    "descriptor": Key(_configured(lambda setup: setup.localizer.reference.descriptor_name), "Descriptor of map and node."),
    "fingerprint": Key(_configured(lambda setup: setup.localizer.reference.fingerprint),
                       "What exactly the map was described with."),
    "backend": Key(_configured(lambda setup: setup.backend[0]),
                   "What runs the network of the descriptor: backend, version, device; `none` where it has no network."),
    "backend_why": Key(_configured(lambda setup: setup.backend[1]),
                       "Why it is this backend: named, or the best that is there and what the better ones lack."),
    "engine_built_percent": Key(lambda health: ABSENT if health.engine_built_percent is None else health.engine_built_percent,
                                "How far the engine is that the node builds while it is configured (`allow_build`)."),
    "memory_mb": Key(lambda health: memory_mb(), "Resident memory of the process.", warn=above(4000)),
}


def values_of(keys: Mapping[str, Key], source: Judged | Health) -> dict[str, Value]:
    """Return the value of each key that has one."""
    values = {name: key.value(source) for name, key in keys.items()}
    return {name: value for name, value in values.items() if not isinstance(value, Absent)}


def seconds(stamp_ns: int) -> str:
    """Return a stamp in seconds with all its digits, which a float would lose."""
    return f"{stamp_ns // 1_000_000_000}.{stamp_ns % 1_000_000_000:09d}"


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
