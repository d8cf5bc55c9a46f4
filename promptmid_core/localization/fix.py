"""What goes into a localization and what comes out of it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import StrEnum

import numpy as np

from promptmid_core.arrays import Float64, UInt8
from promptmid_core.geometry import Camera, Patch, Pose, Prior
from promptmid_core.localization.apart import Apart
from promptmid_core.localization.belief import Surface
from promptmid_core.localization.dispute import Dispute
from promptmid_core.localization.expectation import Expectation
from promptmid_core.localization.independent import Repetition
from promptmid_core.localization.parts import Parts
from promptmid_core.localization.protection import Protection
from promptmid_core.localization.quest import Sought
from promptmid_core.localization.separation import Separation
from promptmid_core.prompts.prompt import Prompt
from promptmid_core.reasons import Reason

UNOBSERVED_VARIANCE = 1e6
X_Y_YAW = [0, 1, 5]


class State(StrEnum):
    SEARCHING = "SEARCHING"
    TRACKING = "TRACKING"
    LOST = "LOST"


@dataclass(frozen=True)
class Frame:
    """A camera image: `stamp_ns` of its header, `image` (H, W) grey or (H, W, 3) RGB uint8, the `camera` that took it."""

    stamp_ns: int
    image: UInt8
    camera: Camera


@dataclass(frozen=True)
class TiePoints:
    """Ground points seen in the frame and where the map has them.

    `seen` (N, 3): metres in `map` as projected with the prior pose; `found` (N, 3): the same points on the map; `covariance`
    (N, 2, 2): of `found` east/north, from the score surface, up to a common factor; `weight` (N,): robust weight, 0 to 1.
    """

    seen: Float64
    found: Float64
    covariance: Float64
    weight: Float64


@dataclass(frozen=True)
class Beside:
    """A `patch` beside the one in the middle of a frame, and what its `surface` says."""

    patch: Patch
    surface: Surface


@dataclass(frozen=True)
class GroundPoint:
    """Where the boresight meets the ground: `point` (3,) in `map`, and the `parts` of its error east and north; `sight` (3,):
    along which it is seen, of length 1 in the axes of `base_link`; `inflation`: as that of a fix; `separation`: where parts of
    the frame by themselves have it.

    An error of the attitude moves the aircraft that sees this ground, and hardly the ground.
    """

    point: Float64
    parts: Parts
    sight: Float64
    inflation: float = 1.0
    separation: tuple[Separation, ...] = ()

    @property
    def covariance(self) -> Float64:
        """Of east and north (2, 2), in m2."""
        return self.parts.total

    @property
    def published(self) -> Float64:
        """The covariance (2, 2) for a filter that takes each point for independent of all others."""
        return self.covariance * self.inflation


@dataclass(frozen=True)
class Candidate:
    """One frame matched on its own: `reason` is `Reason.FIX` where it passes every gate that a single frame can be judged by.

    `ground`: where its boresight meets the ground; `expected`: where it was looked for; `surface`: what it says of all places
    there, in corrections of the expected position;
    `aside`: what the rest of its ground says, where the patch in the middle was not enough;
    `apart`: that parts of it lie at two places of the map; `laid`: the pose that `patch` and the seen tie points were laid on the
    ground from; `sought`: what a search of the whole map came to, where it was one.
    `parts`: of what its position may be wrong by; `lever` (2, 2): metres that the position moves by, for each radian that the
    prior's attitude turns about the map's x and y.
    These, `pose`, `covariance` (6, 6, ROS order), `height` (metres that the map corrects the expected one by, and the variance of
    that), `ties`, `patch` and `prompt` are None where the frame was refused before they were known.
    """

    stamp_ns: int
    prior: Prior | None
    reason: Reason
    sentence: str
    pose: Pose | None = None
    covariance: Float64 | None = None
    parts: Parts | None = None
    lever: Float64 | None = None
    observed: tuple[str, ...] = ()
    height: tuple[float, float] | None = None
    ground: GroundPoint | None = None
    expected: Expectation | None = None
    sought: Sought | None = None
    surface: Surface | None = None
    aside: tuple[Beside, ...] = ()
    apart: Apart | None = None
    laid: Pose | None = None
    ties: TiePoints | None = None
    patch: Patch | None = None
    prompt: Prompt | None = None
    scores: dict[str, float] = field(default_factory=dict)
    stage_ms: dict[str, float] = field(default_factory=dict)

    @property
    def light(self) -> Candidate:
        """The candidate without its images, surfaces and beliefs, of which a flight has thousands."""
        return replace(self, patch=None, ties=None, surface=None, aside=(), expected=None, sought=None)


@dataclass(frozen=True)
class Fix:
    """The verdict on a frame: a pose (`accepted`), or the reason why there is none; never both.

    `pose` and `covariance` (6, 6, ROS order x y z roll pitch yaw; components not in `observed` have variance 1e6) are None
    unless accepted. `probability`: of the place that the candidate found, by all frames so far; `places`: the most probable ones,
    as poses of `base_link` in `map`; `elsewhere`: the probability that it is at none of those that can be told; `overruled`:
    standard deviations of the prior, as it states them, that a fix lies from it, where these are too many to be chance, else 0;
    `dispute`: what parts of the map disagree on; `ground`: where the boresight of a fix meets the ground, else None; `parts`: of
    what the position may be wrong by, None unless accepted; `inflation`: what the covariance is multiplied by for a filter that
    takes each fix for independent of all others; `repetition`: how the errors of fixes repeat, and `protection`: how far a fix
    may be off but for the integrity risk, both None unless accepted.
    """

    stamp_ns: int
    state: State
    reason: Reason
    sentence: str
    pose: Pose | None
    covariance: Float64 | None
    observed: tuple[str, ...]
    candidate: Candidate
    probability: float = 0.0
    places: tuple[tuple[Pose, float], ...] = ()
    elsewhere: float = 1.0
    overruled: float = 0.0
    dispute: Dispute | None = None
    ground: GroundPoint | None = None
    parts: Parts | None = None
    inflation: float = 1.0
    repetition: Repetition | None = None
    protection: Protection | None = None

    @property
    def published(self) -> Float64 | None:
        """The covariance (6, 6) for a filter that takes each fix for independent of all others; what is not observed keeps its
        variance."""
        if self.covariance is None:
            return None
        published = self.covariance.copy()
        published[np.ix_(X_Y_YAW, X_Y_YAW)] *= self.inflation
        return published

    @property
    def accepted(self) -> bool:
        return self.pose is not None
