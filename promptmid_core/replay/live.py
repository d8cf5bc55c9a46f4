"""A flight flown live against the same flight replayed offline: what the node published, judged by the same figures."""

from __future__ import annotations

from collections import Counter, defaultdict, deque
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from promptmid_core.arrays import Float64
from promptmid_core.bags.bag import FlightBag, open_bag
from promptmid_core.bags.liverun import OUTPUTS, LiveRun, NotRun, read_run
from promptmid_core.bags.messages import pose_from, stamp_ns
from promptmid_core.errors import InputError
from promptmid_core.geometry import Pose, Prior
from promptmid_core.localization.fix import X_Y_YAW, Candidate, Fix, GroundPoint, State
from promptmid_core.localization.parts import Parts
from promptmid_core.reasons import Reason
from promptmid_core.refmap import ReferenceMap
from promptmid_core.replay.metrics import Summary, summarise
from promptmid_core.replay.run import Flight, ReplayedFrame, judge

NODE = "/localizer"
SHOWN_DIFFERENCES = 5
# a position in metres or an angle in radians may differ by rounding only
SAME = 1e-6
PLACED = ("pose", "ground_point")
GROUND = ("ground_point_m", "ground_covariance")
FURTHEST = ("position_m", "rotation_rad", "covariance", *GROUND)


@dataclass(frozen=True)
class Verdict:
    """What the node published about one frame, and when its ~/match_diagnostics was received, in ns of the wall clock."""

    stamp_ns: int
    reason: Reason
    state: State
    sentence: str
    received_ns: int
    values: dict[str, str]
    pose: Pose | None = None
    covariance: Float64 | None = None
    ground: GroundPoint | None = None


@dataclass(frozen=True)
class LiveFlight:
    """A live run with what the node published, in the order of arrival."""

    run: LiveRun
    verdicts: tuple[Verdict, ...]


@dataclass(frozen=True)
class Comparison:
    """Live against offline. `dropped`: images sent that have no verdict; `common`: frames with a verdict on both sides.

    `same_verdicts`: of those, how many have the same reason; `common_fixes`: fixes on both sides; `furthest`: the largest
    difference of their positions and ground points in m, rotations in rad and covariances as a share; None without common fixes.
    `matched`: common frames that were matched on both sides, whatever became of them, and `match_furthest` the largest difference
    of their published scores and corrections, in their own units. `differences` tells of the first frames whose verdicts differ.
    `latency_ms`: from the sending of an image to the receipt of its verdict.
    """

    not_run: str | None = None
    live: Summary | None = None
    offline: Summary | None = None
    rate: float | None = None
    sent: int = 0
    judged: int = 0
    dropped: int = 0
    common: int = 0
    same_verdicts: int = 0
    common_fixes: int = 0
    furthest: dict[str, float] | None = None
    matched: int = 0
    match_furthest: float | None = None
    latency_ms: dict[str, float | None] = field(default_factory=dict)
    differences: tuple[str, ...] = ()

    @property
    def agrees(self) -> bool:
        """Every common frame has the same verdict and the same match, and every common fix the same pose, to 1e-6."""
        furthest = max([*(self.furthest or {}).values(), self.match_furthest or 0.0])
        return self.same_verdicts == self.common and furthest <= SAME


def read_live(folder: Path) -> LiveFlight | NotRun:
    """Read the folder that a live run wrote. Raises InputError where it is missing, incomplete or damaged."""
    run = read_run(folder)
    return run if isinstance(run, NotRun) else LiveFlight(run, read_verdicts(open_bag(folder / OUTPUTS)))


def read_verdicts(bag: FlightBag, node: str = NODE) -> tuple[Verdict, ...]:
    """Return the verdicts among a node's recorded outputs, those of accepted frames with their pose and their ground point."""
    diagnostics_topic = f"{node}/match_diagnostics"
    placed: dict[str, dict[int, deque[Any]]] = {f"{node}/{name}": defaultdict(deque) for name in PLACED}
    verdicts: list[Verdict] = []
    for topic, received_ns, message in bag.messages(*(name for name in (*placed, diagnostics_topic) if name in bag.topics)):
        if topic in placed:
            placed[topic][stamp_ns(message.header)].append(message.pose)
            continue
        try:
            values = {pair.key: pair.value for pair in message.status[0].values}
            verdicts.append(Verdict(stamp_ns(message.header), Reason(values["reason"]), State(values["state"]),
                                    message.status[0].message, received_ns, values))
        except (KeyError, ValueError, IndexError) as error:
            raise InputError(f"{bag.path}: a message on {diagnostics_topic} has no usable reason and state ({error})") from error
    poses, grounds = placed.values()
    return tuple(_placed(verdict, poses[verdict.stamp_ns], grounds[verdict.stamp_ns]) if verdict.reason is Reason.FIX else verdict
                 for verdict in verdicts)


def live_flight(live: LiveFlight, offline: Flight, reference: ReferenceMap) -> Flight:
    """Return the frames of a replayed flight that have a verdict in `live`, judged by the same truth."""
    terrain = reference.terrain()
    verdicts: dict[int, deque[Verdict]] = defaultdict(deque)
    for verdict in live.verdicts:
        verdicts[verdict.stamp_ns].append(verdict)
    sent: dict[int, deque[int]] = defaultdict(deque)
    for stamp, wall_ns in live.run.images:
        sent[stamp].append(wall_ns)
    frames = []
    for frame in offline.frames:
        stamp = frame.fix.stamp_ns
        if not (sent[stamp] and verdicts[stamp]):
            continue
        sent_ns, verdict = sent[stamp].popleft(), verdicts[stamp].popleft()
        latency_ms = (verdict.received_ns - sent_ns) / 1e6
        told = ReplayedFrame(frame.index, frame.bag_ns, _fix(verdict, frame.fix.candidate.prior), latency_ms,
                             frame.camera, frame.truth)
        frames.append(judge(told, terrain, reference.gsd))
    return replace(offline, frames=tuple(frames), examples=())


def compare(flown: LiveFlight | NotRun, offline: Flight, reference: ReferenceMap) -> Comparison:
    """Hold a recorded live run against the replay of the same flight."""
    if isinstance(flown, NotRun):
        return Comparison(not_run=flown.why)
    live, images, judged = live_flight(flown, offline, reference), flown.run.images, flown.verdicts
    both = [(frame, offline.frames[frame.index]) for frame in live.frames]
    fixes = [(one.fix, other.fix) for one, other in both if one.fix.accepted and other.fix.accepted]
    published = {verdict.stamp_ns: verdict.values for verdict in judged}
    matches = [_match_difference(published[one.fix.stamp_ns], other.fix.candidate) for one, other in both]
    matched = [difference for difference in matches if difference is not None]
    different = [(one, other) for one, other in both if one.fix.reason is not other.fix.reason]
    live_summary = summarise(live)
    return Comparison(
        live=live_summary, offline=summarise(offline), rate=flown.run.rate, sent=len(images), judged=len(judged),
        dropped=len(images) - len(judged), common=len(both), same_verdicts=len(both) - len(different),
        common_fixes=len(fixes), furthest=_furthest(fixes), matched=len(matched), match_furthest=max(matched, default=None),
        latency_ms=live_summary["latency_ms"],
        differences=tuple(f"frame {one.index}: live {one.fix.reason}, offline {other.fix.reason}"
                          for one, other in different[:SHOWN_DIFFERENCES]),
    )


def as_json(comparison: Comparison) -> dict[str, Any]:
    """Return the comparison, ready for JSON."""
    if comparison.not_run:
        return {"not_run": comparison.not_run}
    names = ("rate", "sent", "judged", "dropped", "common", "same_verdicts", "common_fixes", "furthest", "matched",
             "match_furthest", "agrees", "latency_ms",
             "differences", "live")
    values = {name: getattr(comparison, name) for name in names}
    # JSON has no infinity: what only one side has is infinitely far
    furthest = None if comparison.furthest is None else {name: _finite(value) for name, value in comparison.furthest.items()}
    return values | {"match_furthest": _finite(comparison.match_furthest), "furthest": furthest}


def rows(comparison: Comparison) -> list[tuple[str, str, str]]:
    """Return (what, live, offline), for people."""
    live, offline = comparison.live, comparison.offline
    if live is None or offline is None:
        return []
    frames = str(offline["frames"])
    pairs = [("images", str(comparison.sent), frames), ("frames judged", str(comparison.judged), frames),
             ("frames dropped", str(comparison.dropped), "0")]
    for name, key in (("fixes", "fixes"), ("false fixes", "false_fixes"), ("misleading", "misleading")):
        pairs.append((name, _text(live[key]), _text(offline[key])))
    for name, key in (("ground error, px", "ground_error_px"), ("horizontal error, px", "error_px")):
        for column in ("median", "p95", "max"):
            pairs.append((f"{name}: {column}", _text(live[key][column]), _text(offline[key][column])))
    for column in ("p50", "p95"):
        live_ms, offline_ms = comparison.latency_ms[column], offline["latency_ms"][column]
        pairs.append((f"image to verdict, ms: {column}", _text(live_ms), _text(offline_ms)))
    return pairs


def sentence(comparison: Comparison) -> str:
    """Return how live and offline agree, in one or two sentences."""
    if comparison.not_run:
        return f"The flight was not flown live: {comparison.not_run}."
    text = f"{comparison.same_verdicts} of {comparison.common} frames judged on both sides have the same verdict"
    if comparison.furthest:
        furthest = comparison.furthest
        text += (f"; their {comparison.common_fixes} common fixes differ by at most {furthest['position_m']:.1e} m and "
                 f"{furthest['rotation_rad']:.1e} rad, their ground points by {furthest['ground_point_m']:.1e} m")
    if comparison.match_furthest == float("inf"):
        text += "; some frames were matched on one side only"
    elif comparison.match_furthest is not None:
        text += f"; all {comparison.matched} matches agree within {comparison.match_furthest:.1e} in every score and correction"
    return f"{text}. {comparison.dropped} of {comparison.sent} images were dropped at {comparison.rate:g} times real time."


def table(comparison: Comparison) -> str:
    """Return the comparison as aligned plain text."""
    lines = [f"{'live and offline':28}{'live':>12}{'offline':>12}"] if not comparison.not_run else []
    lines += [f"{name:28}{live:>12}{offline:>12}" for name, live, offline in rows(comparison)]
    return "\n".join([*lines, sentence(comparison), *comparison.differences])


def _placed(verdict: Verdict, poses: deque[Any], grounds: deque[Any]) -> Verdict:
    if not poses:
        raise InputError(f"the recorded outputs have a fix at {verdict.stamp_ns} ns but no {NODE}/pose for it")
    message = poses.popleft()
    covariance = np.array(message.covariance, np.float64).reshape(6, 6)
    # what is published is larger than that of the fix by itself
    covariance[np.ix_(X_Y_YAW, X_Y_YAW)] /= _factor(verdict, "inflation")
    verdict = replace(verdict, pose=pose_from(message.pose), covariance=covariance)
    return replace(verdict, ground=_ground(grounds.popleft(), verdict)) if grounds else verdict


def _ground(message: Any, verdict: Verdict) -> GroundPoint:
    """The ground point of a verdict; its line of sight as ~/match_diagnostics has it."""
    told = [verdict.values.get(f"line_of_sight_{axis}", "") for axis in "xyz"]
    try:
        sight = np.array(told, np.float64)
    except ValueError as error:
        raise InputError(f"the recorded outputs have a line_of_sight_x, _y and _z of '{', '.join(told):.60}' at "
                         f"{verdict.stamp_ns} ns, not three numbers") from error
    inflation, none = _factor(verdict, "inflation_ground"), np.zeros((2, 2))
    covariance = np.array(message.covariance, np.float64).reshape(6, 6)[:2, :2] / inflation
    return GroundPoint(pose_from(message.pose).position, Parts(none, covariance, none, none), sight, inflation)


def _factor(verdict: Verdict, key: str) -> float:
    """What a published covariance has been multiplied by; 1 of outputs that do not tell."""
    told = verdict.values.get(key, "1")
    try:
        factor = float(told)
    except ValueError:
        factor = 0.0
    if not 1 <= factor < float("inf"):
        raise InputError(f"the recorded outputs have an {key} '{told:.60}' at {verdict.stamp_ns} ns, not a number from 1 on")
    return factor


def _fix(verdict: Verdict, prior: Prior | None) -> Fix:
    candidate = Candidate(verdict.stamp_ns, prior, verdict.reason, verdict.sentence)
    return Fix(verdict.stamp_ns, verdict.state, verdict.reason, verdict.sentence, verdict.pose, verdict.covariance, (), candidate,
               ground=verdict.ground, inflation=_factor(verdict, "inflation"))


def _furthest(fixes: list[tuple[Fix, Fix]]) -> dict[str, float] | None:
    if not fixes:
        return None
    largest: Counter[str] = Counter()
    for one, other in fixes:
        ours, theirs = one.published, other.published
        assert one.pose and other.pose and ours is not None and theirs is not None
        turn = one.pose.rotation @ other.pose.rotation.T
        # the angle by the sine, which keeps its digits where the cosine has none
        angle = float(np.linalg.norm([turn[2, 1] - turn[1, 2], turn[0, 2] - turn[2, 0], turn[1, 0] - turn[0, 1]])) / 2
        apart = {
            "position_m": float(np.abs(one.pose.position - other.pose.position).max()), "rotation_rad": angle,
            "covariance": float((np.abs(ours - theirs) / np.abs(theirs).max()).max()),
            **_grounds_apart(one.ground, other.ground),
        }
        largest |= Counter(apart)
    return {name: float(largest[name]) for name in FURTHEST}


def _grounds_apart(one: GroundPoint | None, other: GroundPoint | None) -> dict[str, float]:
    """How far two ground points differ: not at all where neither fix has one, infinitely where only one has."""
    if one is None or other is None:
        apart = 0.0 if one is other else float("inf")
        return dict.fromkeys(GROUND, apart)
    shares = np.abs(one.published - other.published) / np.abs(other.published).max()
    return dict(zip(GROUND, (float(np.abs(one.point - other.point).max()), float(shares.max())), strict=True))


def _match_difference(values: dict[str, str], candidate: Candidate) -> float | None:
    """The largest difference of a frame's published scores and correction from its own match; None where there was no match.

    A score that only one side has is infinitely far.
    """
    own = {f"score_{name}": score for name, score in candidate.scores.items()}
    if candidate.pose is not None and candidate.prior is not None:
        moved = candidate.pose.position - candidate.prior.pose.position
        own |= {"correction_east_m": float(moved[0]), "correction_north_m": float(moved[1])}
    told = {name: float(value) for name, value in values.items() if name in own or name.startswith("score_")}
    if not own and not told:
        return None
    if own.keys() != told.keys():
        return float("inf")
    return max(abs(own[name] - told[name]) for name in own)


def _finite(value: float | None) -> float | None:
    return None if value == float("inf") else value


def _text(value: float | int | None) -> str:
    if value is None:
        return "-"
    return str(value) if isinstance(value, int) else f"{value:.2f}"
