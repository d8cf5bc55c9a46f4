"""What `/diagnostics` tells of the node: its keys, each with its value, its meaning and the rules by which it warns."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from promptmid_core.localization.attitude import metres_per_tenth_at
from promptmid_core.localization.fix import State
from promptmid_core.localization.mounts import NOT_JOINED
from promptmid_core.localization.odometry import ODOM
from promptmid_ros.activation import Activation, Setup
from promptmid_ros.guard import Guard
from promptmid_ros.health import Value, memory_mb
from promptmid_ros.keys import ABSENT, UNKNOWN, Absent, Key, Rule, above, below, is_one_of, is_other_than
from promptmid_ros.match_keys import INTERNAL_ERROR, MATCH, SETUP_REASONS, STATES, Judged

NOT_EMPTY = Rule("not empty", lambda value: bool(value))
CALIBRATED, NOT_CALIBRATED = "calibrated", "not calibrated"


@dataclass(frozen=True)
class Health:
    """The node at a moment, as `/diagnostics` tells of it."""

    lifecycle: str
    setup: Setup | None
    activation: Activation | None
    guard: Guard
    engine_built_percent: int | None = None


def _configured(get: Callable[[Setup], Value]) -> Callable[[Health], Value | Absent]:
    return lambda health: ABSENT if health.setup is None else get(health.setup)


def _active(get: Callable[[Activation], Value | Absent]) -> Callable[[Health], Value | Absent]:
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


def _attitude(activation: Activation) -> Value:
    candidate = activation.last.fix.candidate if activation.last else None
    if candidate is None or candidate.pose is None or candidate.ground is None:
        return None
    return metres_per_tenth_at(candidate.pose, candidate.ground)


def _map_frame(setup: Setup) -> Value:
    frame = setup.localizer.reference.frame
    return f"{frame.crs} {frame.origin[0]:.0f} {frame.origin[1]:.0f}"


def _last(name: str) -> Key:
    """A key of ~/match_diagnostics as the last image has it."""
    key = MATCH[name]
    return replace(key, meaning=f"As `{name}` of `~/match_diagnostics`, of the last image.", value=_active(
        lambda active: ABSENT if active.last is None else key.value(Judged(active.last.fix.stamp_ns, active.last))))


HEALTH = {
    "lifecycle": Key(lambda health: health.lifecycle, "State of the node.", warn=is_other_than("active")),
    "state": Key(_active(lambda active: str(active.last.fix.state if active.last else State.SEARCHING)),
                 f"{STATES}.", warn=is_one_of([State.SEARCHING]), error=is_one_of([State.LOST])),
    **{name: _last(name) for name in ("probability", "hypotheses", "elsewhere", "prior_overruled", "map_disagrees_m",
                                      "map_disagrees_at")},
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
    "workers_replaced": Key(_active(lambda active: active.watchdog.replaced),
                            "Threads that matched and hung (`verdict_timeout_s`), since activation.", error=above(0)),
    "worker_problem": Key(_active(lambda active: active.watchdog.problem), "What the last of them hung in."),
    "program_errors": Key(lambda health: health.guard.faults,
                          "Messages and requests on which the program itself failed since it was started.", error=above(0)),
    "program_error": Key(lambda health: health.guard.last, "Where it failed on the last of them; the log has the trace."),
    "camera_info": Key(_active(lambda active: "received" if active.intake.cameras.received else "missing"),
                       "`received` or `missing`.", error=is_one_of(["missing"])),
    "camera_mount": Key(_active(lambda active: active.intake.mounts.source), "What tells how the camera is mounted.",
                        warn=Rule("static transforms that do not join the aircraft and its camera",
                                  lambda value: isinstance(value, str) and NOT_JOINED in value)),
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
    "attitude_m_per_tenth_deg": Key(_active(_attitude), "Metres that 0.1 degrees of roll or pitch move a position by, at the "
                                    "height above the ground of the last image that was matched; unknown before."),
    "attitude_understated": Key(_active(lambda active: str(active.intake.odometry.tilts.understated or "")),
                                "What roll and pitch of the odometry jump by beside the rates of turn that it states, where that "
                                "is more than twice what their covariance allows; else empty ([ros](ros.md#odometry)).",
                                warn=NOT_EMPTY),
    "boresight_suspect": Key(_active(lambda active: str(active.intake.boresight.suspicion or "")),
                             "How the camera seems to be mounted, or its images timed, otherwise than told, by the fixes since "
                             "activation; else empty ([calibration](calibration.md#the-live-hint)).", warn=NOT_EMPTY),
    "odometry_problem": Key(_active(lambda active: str(active.intake.odometry.refusal or "")),
                            "Why the last odometry message cannot be used; empty where it can.",
                            error=NOT_EMPTY),
    "map": Key(_configured(lambda setup: str(setup.localizer.reference.path)), "Folder of the map.", error=UNKNOWN),
    "map_frame": Key(_configured(_map_frame), "CRS of the map, and the easting and northing of the origin of the frame `map`."),
    "gsd_m": Key(_configured(lambda setup: setup.localizer.reference.gsd), "Metres per map pixel."),
    "descriptor": Key(_configured(lambda setup: setup.localizer.reference.descriptor_name), "Descriptor of map and node."),
    "fingerprint": Key(_configured(lambda setup: setup.localizer.reference.fingerprint),
                       "What exactly the map was described with."),
    "likelihood": Key(_configured(lambda setup: NOT_CALIBRATED if setup.localizer.descriptor.calibration is None else CALIBRATED),
                      f"`{CALIBRATED}`, or `{NOT_CALIBRATED}`: what the descriptor's scores say was never fitted, and it flies "
                      "with a cautious likelihood ([belief](belief.md#calibration)).", warn=is_one_of([NOT_CALIBRATED])),
    "backend": Key(_configured(lambda setup: setup.backend[0]),
                   "What runs the network of the descriptor: backend, version, device; `none` where it has no network."),
    "backend_why": Key(_configured(lambda setup: setup.backend[1]),
                       "Why it is this backend: named, or the best that is there and what the better ones lack."),
    "engine_built_percent": Key(lambda health: ABSENT if health.engine_built_percent is None else health.engine_built_percent,
                                "How far the engine is that the node builds while it is configured (`allow_build`)."),
    "memory_mb": Key(lambda health: memory_mb(), "Resident memory of the process.", warn=above(4000)),
}
