"""How far the clock of a truth is from that of the odometry: by when the aircraft changed its speed and its course."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from promptmid_core.arrays import Float64, Int64

STEP_S = 0.1
WINDOW_S = 2.0  # over which a velocity is taken: receivers of satellites tell a place once a second
FURTHEST_S = 60.0  # that two clocks are searched for, beside what their first stamps differ by where they share no time at all
LEAST_S = 20.0  # of flight that both have to tell
ALIKE = 0.4  # of the usual difference: what is left at the best offset has to be below it for there to be one
SURE = 6.6  # of a chi-square with one degree of freedom, which chance exceeds once in a hundred
LEAST_M_S = 0.1  # changes of velocity below it are noise


@dataclass(frozen=True)
class TimeOffset:
    """What has to be added to the stamps of the truth so that it changes its speed and course when the odometry does, s, and how
    fast the aircraft was, m/s."""

    seconds: float
    speed: float

    def __str__(self) -> str:
        along = abs(self.seconds) * self.speed
        return (f"by speeds and turns the truth is stamped {abs(self.seconds):.2f} s {'late' if self.seconds < 0 else 'early'}, "
                f"which is {along:.1f} m along the track")


def time_offset(truth: tuple[Int64, Float64], odometry: tuple[Int64, Float64]) -> TimeOffset | None:
    """Return the offset of a truth, of stamps (n,) in ns and positions (n, 3) in m, from an odometry of the same.

    Their frames may differ. None where the aircraft flew so straight, or so briefly, that nothing tells, and where no offset
    explains their motion as well, but for the noise of the odometry.
    """
    if min(len(truth[0]), len(odometry[0])) < 3:
        return None
    first = min(int(truth[0][0]), int(odometry[0][0]))
    told, flown = (((stamps - first) / 1e9, places[:, :2]) for stamps, places in (truth, odometry))
    apart = _apart(told[0], flown[0])
    start, true = _motion(told[0] + apart, told[1])
    begin, own = _motion(*flown)
    if min(len(true), len(own)) < LEAST_S / STEP_S:
        return None
    reach = round(FURTHEST_S / STEP_S)
    shift = round((start - begin) / STEP_S)
    costs = np.array([_difference(true, own, shift + lag) for lag in range(-reach, reach + 1)])
    if not np.isfinite(costs).any():
        return None
    best, usual = int(np.nanargmin(costs)), float(np.nanmedian(costs))
    if usual < LEAST_M_S**2 or costs[best] > ALIKE * usual:
        return None
    if not apart and best != reach and not _surely(costs[best], costs[reach], min(len(true), len(own))):
        return None
    exact = best - reach + _vertex(costs, best)
    rounding = (start - begin) / STEP_S - shift
    speed = float(np.median(np.hypot(*np.gradient(flown[1], flown[0], axis=0).T)))
    return TimeOffset(round(apart + (exact - rounding) * STEP_S, 3), speed)


def _apart(one: Float64, other: Float64) -> float:
    """What takes the first time of one clock to that of another, where they share none."""
    return 0.0 if one[0] < other[-1] and other[0] < one[-1] else float(other[0] - one[0])


def _motion(times: Float64, places: Float64) -> tuple[float, Float64]:
    """The first time, and every STEP_S from there the speed and the change of velocity across it (n, 2), m/s."""
    keep = np.concatenate([[True], np.diff(times) > 0])
    times, places = times[keep], places[keep]
    grid = np.arange(times[0], times[-1], STEP_S)
    path = np.column_stack([np.interp(grid, times, axis) for axis in places.T])
    half = round(WINDOW_S / STEP_S / 2)
    velocity = (path[2 * half:] - path[:-2 * half]) / WINDOW_S
    before, after, middle = velocity[:-2 * half], velocity[2 * half:], velocity[half:-half]
    speed = np.hypot(*middle.T)
    across = (middle[:, 0] * (after - before)[:, 1] - middle[:, 1] * (after - before)[:, 0]) / np.maximum(speed, LEAST_M_S)
    return float(times[0]), np.column_stack([speed, across])


def _difference(true: Float64, own: Float64, lag: int) -> float:
    """The mean square difference where `true`, moved by `lag` steps, lies over `own`; not a number where they hardly meet."""
    first, last = max(lag, 0), min(lag + len(true), len(own))
    if last - first < LEAST_S / STEP_S:
        return float("nan")
    off = true[first - lag:last - lag] - own[first:last]
    return float(np.mean(np.sum((off - off.mean(axis=0))**2, axis=1)))


def _surely(least: float, unmoved: float, steps: int) -> bool:
    """Whether a mean square difference over so many steps is less than that without an offset by more than chance."""
    independent = 2 * steps * STEP_S / WINDOW_S
    return bool(unmoved > least * np.exp(SURE / independent))


def _vertex(costs: Float64, best: int) -> float:
    """Where the parabola through the least cost and its neighbours is lowest, in steps from it."""
    if not 0 < best < len(costs) - 1 or not np.isfinite(costs[best - 1:best + 2]).all():
        return 0.0
    before, least, after = costs[best - 1:best + 2]
    bend = before - 2 * least + after
    return float((before - after) / (2 * bend)) if bend > 0 else 0.0
