"""What `/diagnostics` tells of the node: its keys, each with its value, its meaning and the rules by which it warns."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import date

from promptmid_core.localization.attitude import metres_per_tenth_at
from promptmid_core.localization.fix import State
from promptmid_core.localization.intake import Intake
from promptmid_core.localization.localizer import Localizer
from promptmid_core.localization.mounts import NOT_JOINED
from promptmid_core.localization.odometry import ODOM
from promptmid_core.outputs.keys import ABSENT, UNKNOWN, Absent, Key, Rule, Value, above, below, is_one_of, is_other_than
from promptmid_core.outputs.match_keys import FASTER, FIND, INTERNAL_ERROR, MATCH, SETUP_REASONS, STATES, Judged
from promptmid_core.outputs.rates import Rate, StampGaps, memory_mb
from promptmid_core.reasons import Reason
from promptmid_core.refmap.age import FAR_DAYS, Age, age_of

NOT_EMPTY = Rule("not empty", lambda value: bool(value))
CALIBRATED, NOT_CALIBRATED = "calibrated", "not calibrated"


@dataclass(frozen=True)
class Configured:
    """What flies once a node is configured; `backend`: what runs the network of the descriptor, and why; the day `today`."""

    localizer: Localizer
    backend: tuple[str, str]
    today: date

    @staticmethod
    def of(localizer: Localizer, today: date) -> Configured:
        """Return what flies with a localizer."""
        descriptor = localizer.descriptor
        if descriptor.choice is None:
            return Configured(localizer, ("none", f"the descriptor {descriptor.name} has no network"), today)
        return Configured(localizer, (descriptor.choice.runs_on, descriptor.choice.why), today)

    @property
    def age(self) -> Age | None:
        """That of the map, where it is known."""
        return age_of(self.localizer.reference.header.acquired, self.today)


@dataclass(frozen=True)
class Active:
    """What was heard and found since a node was activated. `verdicts`: the values of Verdicts; `last`: the image of the last
    one; `received` and `dropped`: images; `replaced`: threads that hung, the last of them in `hung`."""

    intake: Intake
    images: Rate
    gaps: StampGaps
    odometry_rate: Rate
    verdicts: Mapping[str, Value]
    last: Judged | None
    received: int
    dropped: int
    replaced: int = 0
    hung: str = ""


@dataclass(frozen=True)
class Health:
    """The node at a moment, as `/diagnostics` tells of it. `faults`: how often the program itself failed, the last time in
    `fault`."""

    lifecycle: str
    configured: Configured | None = None
    active: Active | None = None
    faults: int = 0
    fault: str = ""
    engine_built_percent: int | None = None


def _configured(get: Callable[[Configured], Value]) -> Callable[[Health], Value | Absent]:
    return lambda health: ABSENT if health.configured is None else get(health.configured)


def _active(get: Callable[[Active], Value | Absent]) -> Callable[[Health], Value | Absent]:
    return lambda health: ABSENT if health.active is None else get(health.active)


def _verdicts(name: str) -> Callable[[Health], Value | Absent]:
    return _active(lambda active: active.verdicts.get(name, ABSENT))


def _frame(active: Active) -> Value:
    odometry = active.intake.odometry
    if odometry.frame != ODOM:
        return odometry.frame or None
    return f"{ODOM} ({'placed in map' if odometry.map_from_odom is not None else 'not placed in map'})"


def _covariance(active: Active) -> Value:
    odometry = active.intake.odometry
    if not odometry.frame:
        return None
    return f"defaults for {', '.join(odometry.unstated)}" if odometry.unstated else "stated"


def _attitude(active: Active) -> Value:
    candidate = active.last.fix.candidate if active.last and active.last.fix else None
    if candidate is None or candidate.pose is None or candidate.ground is None:
        return None
    return metres_per_tenth_at(candidate.pose, candidate.ground)


def _state(active: Active) -> Value:
    return str(active.last.fix.state if active.last and active.last.fix else State.SEARCHING)


def _origin(axis: int) -> Callable[[Health], Value | Absent]:
    return _configured(lambda setup: float(setup.localizer.reference.frame.origin[axis]))


def _last(name: str) -> Key:
    """A key of ~/match_diagnostics as the last image has it."""
    key = MATCH[name]
    return replace(key, meaning=f"As `{name}` of `~/match_diagnostics`, of the last image.", value=_active(
        lambda active: ABSENT if active.last is None else key.value(active.last)))


HEALTH = {
    "lifecycle": Key(lambda health: health.lifecycle, "State of the node.", warn=is_other_than("active"),
                     cure="configure and activate the node: ros2 lifecycle set, or autostart"),
    "state": Key(_active(_state), f"{STATES}.", warn=is_one_of([State.SEARCHING]), error=is_one_of([State.LOST]), cure=FIND),
    **{name: _last(name) for name in ("probability", "hypotheses", "elsewhere", "prior_overruled", "map_disagrees_m",
                                      "map_disagrees_x_m", "map_disagrees_y_m")},
    "image_rate_hz": Key(_active(lambda active: active.images.hz()), "Images received a second, over the last ten seconds.",
                         error=below(0.01),
                         cure="look whether the camera runs, and at the names and QoS of its topics"),
    "camera_rate_hz": Key(_active(lambda active: active.gaps.camera_hz()),
                          "Images taken a second, from the gaps between their stamps."),
    "images_lost_percent": Key(_active(lambda active: active.gaps.lost_percent()),
                               "Images that the stamps show to be missing among the last hundred: lost on their way to the node.",
                               warn=above(5), error=above(50),
                               cure="give the camera driver the Fast DDS profile, or send compressed images"),
    "images_received": Key(_active(lambda active: active.received), "Images received since activation."),
    "images_processed": Key(_verdicts("images_processed"), "Images that were given a verdict since "
                            "activation."),
    "images_dropped": Key(_active(lambda active: active.dropped),
                          "Images dropped for newer ones since activation, as the node is slower than the camera."),
    "fix_percent": Key(_verdicts("fix_percent"), "Fixes among the images processed in the last minute.", warn=below(50),
                       error=below(5),
                       cure="the keys reason_* say what images came to; docs/diagnostics.md what helps"),
    "last_fix_age_s": Key(_verdicts("last_fix_age_s"), "Seconds since the last fix.", warn=above(10), error=above(60),
                          cure="the keys reason_* say what images came to; docs/diagnostics.md what helps"),
    "last_reason": Key(_verdicts("last_reason"), "Reason code of the last image.",
                       error=is_one_of([*SETUP_REASONS, INTERNAL_ERROR]),
                       cure="what this reason names has to be mended; sentence of ~/match_diagnostics says how"),
    **{f"reason_{code}": Key(_verdicts(f"reason_{code}"), f"Images of the last minute that came to `{code}`; left out until the "
                             "first of them since activation.") for code in (*map(str, Reason), INTERNAL_ERROR)},
    "processing_ms_p50": Key(_verdicts("processing_ms_p50"), "Median of `processing_ms` in the last minute."),
    "processing_ms_p95": Key(_verdicts("processing_ms_p95"), "Its 95th percentile.", warn=above(500), error=above(2000),
                             cure=FASTER),
    "latency_ms_p95": Key(_verdicts("latency_ms_p95"), "95th percentile of `latency_ms` in the last minute.", warn=above(500),
                          error=above(2000),
                          cure=FASTER),
    "workers_replaced": Key(_active(lambda active: active.replaced),
                            "Threads that matched and hung (`verdict_timeout_s`), since activation.", error=above(0),
                            cure="worker_problem says where it hung; look at the disk of the map, and report it"),
    "worker_problem": Key(_active(lambda active: active.hung), "What the last of them hung in."),
    "program_errors": Key(lambda health: health.faults,
                          "Messages and requests on which the program itself failed since it was started.", error=above(0),
                          cure="program_error says where; report it with the trace in the log"),
    "program_error": Key(lambda health: health.fault, "Where it failed on the last of them; the log has the trace."),
    "camera_info": Key(_active(lambda active: "received" if active.intake.cameras.received else "missing"),
                       "`received` or `missing`.", error=is_one_of(["missing"]),
                       cure="let the camera publish camera_info, or remap its topic"),
    "camera_mount": Key(_active(lambda active: active.intake.mounts.source), "What tells how the camera is mounted.",
                        warn=Rule("static transforms that do not join the aircraft and its camera",
                                  lambda value: isinstance(value, str) and NOT_JOINED in value),
                                  cure="publish the transform that is missing, or set camera_position_m and camera_rpy_deg"),
    "odometry_rate_hz": Key(_active(lambda active: active.odometry_rate.hz()),
                            "Odometry messages received a second, over the last ten seconds.", warn=below(10), error=below(2),
                            cure="look whether the odometry runs, and at its topic; the node wants 10 Hz or more"),
    "odometry_age_s": Key(_active(lambda active: active.odometry_rate.age_s()), "Seconds since the last odometry message came.",
                          warn=above(0.5), error=above(2),
                          cure="look whether the odometry runs, and at its topic"),
    "odometry_frame": Key(_active(_frame),
                          "`map`, or `odom` with where it lies in map; unknown before the first usable message."),
    "odometry_covariance": Key(_active(_covariance),
                               "`stated`, or of which axes the odometry states none, so that the parameters `default_sigma_*` "
                               "are taken.",
                               warn=Rule("not `stated`", lambda value: value not in (None, "stated")),
                               cure="state covariances in the odometry, or set default_sigma_* to what it is worth"),
    "attitude_m_per_tenth_deg": Key(_active(_attitude), "Metres that 0.1 degrees of roll or pitch move a position by, at the "
                                    "height above the ground of the last image that was matched; unknown before."),
    "attitude_understated": Key(_active(lambda active: str(active.intake.odometry.tilts.understated or "")),
                                "What roll and pitch of the odometry jump by beside the rates of turn that it states, where that "
                                "is more than twice what their covariance allows; else empty ([ros](ros.md#odometry)).",
                                warn=NOT_EMPTY,
                                cure="state the roll and pitch of the odometry with the covariance that they are worth"),
    "height_fault": Key(_active(lambda active: active.intake.height.fault),
                        "Why the last range on `height` did not tell the height above the ground, with value and limit; empty "
                        "where it did, and with `height_along` off ([ros](ros.md#height-above-the-ground)).", warn=NOT_EMPTY,
                        cure="look at the range finder, its limits and stamps, and at height_along; off does without"),
    "boresight_suspect": Key(_active(lambda active: str(active.intake.boresight.suspicion or "")),
                             "How the camera seems to be mounted, or its images timed, otherwise than told, by the fixes since "
                             "activation; else empty ([calibration](calibration.md#the-live-hint)).", warn=NOT_EMPTY,
                             cure="measure it from recorded flights with promptmid calibrate camera"),
    "odometry_problem": Key(_active(lambda active: str(active.intake.odometry.refusal or "")),
                            "Why the last odometry message cannot be used; empty where it can.",
                            error=NOT_EMPTY,
                            cure="send odometry that the sentence asks for"),
    "map": Key(_configured(lambda setup: str(setup.localizer.reference.path)), "Folder of the map.", error=UNKNOWN,
               cure="set the parameter map, and configure the node"),
    "map_crs": Key(_configured(lambda setup: setup.localizer.reference.frame.crs), "CRS of the map."),
    "map_origin_east_m": Key(_origin(0), "Easting of the origin of the frame `map` in it."),
    "map_origin_north_m": Key(_origin(1), "Its northing."),
    "map_age_days": Key(_configured(lambda setup: setup.age.days if setup.age else None),
                        "Days between the SAR image of the map and today, by the clock of the machine; unknown where nothing "
                        "tells when it was taken ([age](map.md#age-and-season))."),
    "map_season_days": Key(_configured(lambda setup: setup.age.season_days if setup.age else None),
                           "How many days the two are apart within the year.", warn=above(FAR_DAYS),
                           cure="fewer images match in another season, and worse: fly with a map of the season, or set "
                           "registration_sigma_px as the log says"),
    "gsd_m": Key(_configured(lambda setup: setup.localizer.reference.gsd), "Metres per map pixel."),
    "descriptor": Key(_configured(lambda setup: setup.localizer.reference.descriptor_name), "Descriptor of map and node."),
    "fingerprint": Key(_configured(lambda setup: setup.localizer.reference.fingerprint),
                       "What exactly the map was described with."),
    "likelihood": Key(_configured(lambda setup: NOT_CALIBRATED if setup.localizer.descriptor.calibration is None else CALIBRATED),
                      f"`{CALIBRATED}`, or `{NOT_CALIBRATED}`: what the descriptor's scores say was never fitted, and it flies "
                      "with a cautious likelihood ([belief](belief.md#calibration)).", warn=is_one_of([NOT_CALIBRATED]),
                      cure="fit it with promptmid calibrate descriptor"),
    "backend": Key(_configured(lambda setup: setup.backend[0]),
                   "What runs the network of the descriptor: backend, version, device; `none` where it has no network."),
    "backend_why": Key(_configured(lambda setup: setup.backend[1]),
                       "Why it is this backend: named, or the best that is there and what the better ones lack."),
    "engine_built_percent": Key(lambda health: ABSENT if health.engine_built_percent is None else health.engine_built_percent,
                                "How far the engine is that the node builds while it is configured (`allow_build`)."),
    "memory_mb": Key(lambda health: memory_mb(), "Resident memory of the process.", warn=above(4000),
                     cure="look at what else the process holds; restart it on the ground"),
}
