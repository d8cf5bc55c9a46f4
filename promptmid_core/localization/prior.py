"""The prior at an image's stamp, from the odometry around it, and whether it can be used."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import deque
from dataclasses import replace
from enum import StrEnum
from operator import attrgetter

import numpy as np

from promptmid_core.bags.messages import FURTHEST_M
from promptmid_core.errors import Refusal
from promptmid_core.geometry import DeadReckoning, Prior, interpolate
from promptmid_core.geometry.covariance import fault_of
from promptmid_core.localization.reckoning import Reckoner, Twist
from promptmid_core.reasons import Reason

MOST_GAP_NS = 500_000_000
MOST_APART_S = 1.0
# a stamp so far from the newest is a stray, or where the next one is near it the clock was set anew
MOST_BACK_NS, MOST_AHEAD_NS, NEAR_NS = 1_000_000_000, 30_000_000_000, 1_000_000_000


class Taken(StrEnum):
    """What became of a sample: among the others, set aside as a stray, or the first of a clock that was set anew."""

    IN_ORDER = "in order"
    SET_ASIDE = "set aside"
    ANEW = "anew"


class PriorBuffer:
    """Odometry samples in time order, each with the aircraft's motion up to it, kept for `keep_ns` before the newest."""

    def __init__(self, keep_ns: int = 30_000_000_000) -> None:
        self.keep_ns = keep_ns
        self._samples: list[Prior] = []
        self._reckoner = Reckoner()
        self._stray: tuple[Prior, Twist | None] | None = None
        self._unusable: deque[tuple[int, Refusal]] = deque(maxlen=256)
        self._first_refusal: Refusal | None = None

    def add(self, prior: Prior, twist: Twist | None = None) -> Taken:
        """Take a sample and the velocity that it states, in the order of arrival, and return what became of it.

        One of an equal stamp replaces the older. A stray stamp, which lies before the newest by more than MOST_BACK_NS or after
        it by more than MOST_AHEAD_NS, is set aside, and two in a row start anew. The prior has to be one that
        `messages.prior_from` has let pass.
        """
        newest, stray = self.newest_ns, self._stray
        self._stray = None
        taken = Taken.IN_ORDER
        if newest is not None and not -MOST_BACK_NS <= prior.stamp_ns - newest <= MOST_AHEAD_NS:
            if stray is None or abs(prior.stamp_ns - stray[0].stamp_ns) > NEAR_NS:
                self._stray = prior, twist
                return Taken.SET_ASIDE
            self._samples, taken = [], Taken.ANEW
            self._reckoner.restart()
            self._insert(*stray)
        self._insert(prior, twist)
        return taken

    def _insert(self, prior: Prior, twist: Twist | None) -> None:
        newest = self.newest_ns
        if newest is None or prior.stamp_ns > newest:
            prior = replace(prior, motion=self._reckoner.add(prior, twist))
        else:
            prior = replace(prior, motion=self._motion_at(prior.stamp_ns))
        at = bisect_left(self._samples, prior.stamp_ns, key=attrgetter("stamp_ns"))
        if at < len(self._samples) and self._samples[at].stamp_ns == prior.stamp_ns:
            self._samples[at] = prior
        else:
            insort(self._samples, prior, key=attrgetter("stamp_ns"))
        oldest = self._samples[-1].stamp_ns - self.keep_ns
        del self._samples[:bisect_left(self._samples, oldest, key=attrgetter("stamp_ns"))]

    def _motion_at(self, stamp_ns: int) -> DeadReckoning | None:
        """The motion at a time up to the newest sample's, between those around it."""
        after = bisect_left(self._samples, stamp_ns, key=attrgetter("stamp_ns"))
        if not after or self._samples[after].stamp_ns == stamp_ns:
            return self._samples[after].motion
        return interpolate(self._samples[after - 1], self._samples[after], stamp_ns).motion

    def clear(self) -> None:
        self._samples.clear()
        self._reckoner.restart()
        self._stray = None
        self._unusable.clear()
        self._first_refusal = None

    def refuse(self, stamp_ns: int, refusal: Refusal) -> None:
        """Note a sample that cannot be used: nothing is interpolated across it, and its reason is told where none is near."""
        self._unusable.append((stamp_ns, refusal))
        self._first_refusal = self._first_refusal or refusal

    @property
    def samples(self) -> tuple[Prior, ...]:
        """What is kept, by stamp."""
        return tuple(self._samples)

    @property
    def newest_ns(self) -> int | None:
        return self._samples[-1].stamp_ns if self._samples else None

    def at(self, stamp_ns: int) -> Prior:
        """Return the prior at `stamp_ns`, between the samples that bracket it; Refusal PRIOR_MISSING where none do closely
        enough.

        Where a sample that cannot be used lies between, its own Refusal.
        """
        after = bisect_left(self._samples, stamp_ns, key=attrgetter("stamp_ns"))
        if after < len(self._samples) and self._samples[after].stamp_ns == stamp_ns:
            return self._samples[after]
        before_ns = self._samples[after - 1].stamp_ns if after else stamp_ns - MOST_GAP_NS
        after_ns = self._samples[after].stamp_ns if after < len(self._samples) else stamp_ns + MOST_GAP_NS
        for unusable_ns, refusal in self._unusable:
            if before_ns < unusable_ns < after_ns and abs(unusable_ns - stamp_ns) <= MOST_GAP_NS:
                raise refusal.anew()
        if not self._samples:
            if self._first_refusal is not None:
                raise Refusal(self._first_refusal.reason, f"no odometry could be used; the first: {self._first_refusal}")
            raise Refusal(Reason.PRIOR_MISSING, "no odometry has been received")
        if after == 0 or after == len(self._samples):
            off = (self._samples[0].stamp_ns - stamp_ns) if after == 0 else (stamp_ns - self._samples[-1].stamp_ns)
            side = "after" if after == 0 else "before"
            raise Refusal(Reason.PRIOR_MISSING, f"the nearest odometry is {off / 1e6:.0f} ms {side} the image; "
                                                f"it must bracket the image{self._apart(stamp_ns)}")
        first, last = self._samples[after - 1], self._samples[after]
        if last.stamp_ns - first.stamp_ns > MOST_GAP_NS:
            gap = (last.stamp_ns - first.stamp_ns) / 1e6
            raise Refusal(Reason.PRIOR_MISSING, f"odometry has a gap of {gap:.0f} ms around the image; "
                                                f"at most {MOST_GAP_NS / 1e6:.0f} ms is bridged")
        return interpolate(first, last, stamp_ns)

    def _apart(self, stamp_ns: int) -> str:
        """By how much the clocks of odometry and image may differ, where that is more than an image waits."""
        apart = (self._samples[-1].stamp_ns - stamp_ns) / 1e9
        if abs(apart) <= MOST_APART_S:
            return ""
        ahead, behind = ("odometry", "the image") if apart > 0 else ("the image", "odometry")
        side = "after" if apart > 0 else "before"
        return (f"; the newest odometry is stamped {abs(apart):.1f} s {side} it: where that stays so, the clock "
                f"of {ahead} is ahead of that of {behind} by so much; synchronise them")


def check_prior(prior: Prior) -> None:
    """Raise Refusal PRIOR_INVALID where a pose or covariance is not one."""
    position, rotation = prior.pose.position, prior.pose.rotation
    if not (np.isfinite(position).all() and np.isfinite(rotation).all()):
        raise Refusal(Reason.PRIOR_INVALID, "the prior's pose has NaN or infinite values")
    if np.abs(position).max() > FURTHEST_M or np.abs(rotation).max() > 1.01:
        raise Refusal(Reason.PRIOR_INVALID, "the prior's pose is no place on the Earth in metres, or no rotation")
    fault = fault_of(prior.covariance)
    if fault:
        raise Refusal(Reason.PRIOR_INVALID, f"the prior's covariance {fault}")
