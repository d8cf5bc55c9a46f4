"""The belief of an aircraft that is lost: how likely each place of the map is, at each heading, by all frames so far."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cached_property

import cv2
import numpy as np
from numpy.typing import NDArray

from promptmid_core.arrays import Float32, Float64, UInt8
from promptmid_core.descriptors.likelihood import Likelihood
from promptmid_core.geometry import Grid
from promptmid_core.localization.drift import blurred, mixed, shifted
from promptmid_core.localization.ground import SeenGround
from promptmid_core.localization.nats import NATS, NOTHING, both, either, in_bytes
from promptmid_core.matching.parallel import together
from promptmid_core.matching.survey import Layer

# what a z of a survey says of a place, with the frames that tell nothing: `benchmarks.looks` fits it
SURVEYED = Likelihood((0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.5, 12.0, 28.0),
                      (-2.1, -1.5, 0.3, 2.7, 5.5, 8.9, 12.4, 14.7, 16.9, 20.9, 39.9))
KEPT = 0.6  # of what the looks before told of the ground in view: a mean of about four
ELSEWHERE = 0.1  # share of a new belief for the place not being on the map at all
PLACE = 2.3  # cells around a point that are one place
ALIKE = 2.0  # steps of heading around one that are one place
Z_STEP, LEAST_Z = 0.125, -4.0
AROUND = 5  # cells around a fine look that it may change
MOST_TURN = float(np.deg2rad(6.0))  # between headings of one place, at least
DUE = 0.02  # cells2 of spread that are worth a filter

TELLS = in_bytes(SURVEYED.log_ratio(np.asarray(np.arange(256) * Z_STEP + LEAST_Z, np.float64)))


@dataclass(frozen=True)
class Whereabout:
    """A place `x`, `y` in `map` of the boresight's ground, the `turn` in radians of the pose as it was believed, and the
    probability of both."""

    x: float
    y: float
    turn: float
    probability: float


@dataclass(frozen=True)
class FineLook:
    """What a close look around a place `at` told: log-likelihood ratios `nats` (n,) of places `x`, `y` (n,) of the boresight in
    `map`, at the heading of the place that it `found`."""

    at: Whereabout
    x: Float64
    y: Float64
    nats: Float64
    found: Whereabout


@dataclass(frozen=True)
class Step:
    """What happens between two frames: `move` (2,) metres of the boresight along the axes of the believed heading; `spread`
    metres and `turned` radians that these may be wrong by, one standard deviation; `new`: share of the ground that was not in
    view before; `floor`: what any frame leaves for the place being any other."""

    move: Float64
    spread: float
    turned: float
    new: float
    floor: float


@dataclass(frozen=True)
class Whereabouts:
    """Probabilities of places and headings.

    `turns` (K,): headings in radians beside the believed one, `whole` where they are the circle; `past` (K, rows, cols): by the
    prior and by ground that has left the view; `beyond`: that it is none of them; `told` and `closely` (K, rows, cols):
    log-likelihood ratios by the ground in view, as bytes of `nats`, of the newest look everywhere, and what close looks told
    beside that; `rest` (K, 2): metres east and north from the middle of each cell of `grid` to the place that it stands for;
    `pending`: cells2 and radians2 of spread still to come; `ground`: what was seen, in so many `frames` before this one.
    """

    grid: Grid
    turns: Float64
    whole: bool
    past: Float32
    beyond: float
    told: UInt8
    closely: UInt8
    rest: Float64
    pending: tuple[float, float]
    ground: SeenGround
    frames: int = 0

    @staticmethod
    def begin(grid: Grid, turns: Float64, whole: bool, weights: Float32) -> Whereabouts:
        """Return a belief where the places have these `weights` (rows, cols) or (K, rows, cols), whatever their sum."""
        past = np.array(np.broadcast_to(weights, (len(turns), *grid.shape)), np.float32)
        past *= np.float32((1 - ELSEWHERE) / float(past.sum(dtype=np.float64)))
        nothing = np.full(past.shape, NOTHING, np.uint8)
        return Whereabouts(grid, turns, whole, past, ELSEWHERE, nothing, nothing, np.zeros((len(turns), 2)), (0.0, 0.0),
                           SeenGround())

    @property
    def step(self) -> float:
        """Radians between two headings."""
        return float(self.turns[1] - self.turns[0]) if len(self.turns) > 1 else np.pi

    def moved(self, step: Step, ground: SeenGround) -> Whereabouts:
        """Return the belief at the next frame, before that is looked at: what has left the view has become past."""
        cell = self.grid.gsd
        c, s = np.cos(self.turns), np.sin(self.turns)
        east, north = step.move
        rest = self.rest + np.column_stack([c * east - s * north, s * east + c * north])
        whole = np.round(rest / cell).astype(int)
        spread = self.pending[0] + (step.spread / cell) ** 2, self.pending[1] + step.turned ** 2
        due = spread[0] >= DUE
        settled = np.exp(step.new * NATS).astype(np.float32)
        past, told, closely = np.empty_like(self.past), np.empty_like(self.told), np.empty_like(self.closely)
        faded = in_bytes((1 - step.new) * NATS, self.frames)
        enters = self.beyond / self.past.size

        def settle(layers: range) -> None:
            for k in layers:
                cols, rows = whole[k].tolist()
                past[k] = shifted(self.past[k] * cv2.LUT(both(self.told[k], self.closely[k]), settled), cols, -rows, enters)
                told[k], closely[k] = (shifted(cv2.LUT(each[k], faded), cols, -rows, NOTHING)
                                       for each in (self.told, self.closely))
                if due:
                    past[k] = blurred(past[k], float(np.sqrt(spread[0])))

        together(lambda: settle(range(0, len(past), 2)), lambda: settle(range(1, len(past), 2)))
        if due and len(self.turns) > 1:
            past = mixed(past, min(spread[1] / (2 * self.step ** 2), 0.25), self.whole)
        total = float(past.sum(dtype=np.float64)) + self.beyond
        past *= np.float32((1 - step.floor) / total)
        past += np.float32(step.floor * (1 - ELSEWHERE) / past.size)
        beyond = (1 - step.floor) * self.beyond / total + step.floor * ELSEWHERE
        return replace(self, past=past, beyond=beyond, told=told, closely=closely, rest=rest - whole * cell,
                       pending=(0.0, 0.0) if due else spread, ground=ground, frames=self.frames + 1)

    def looked(self, layers: Iterable[tuple[int, Layer]], share: float, again: bool) -> Whereabouts:
        """Return the belief after layers of a survey, each with the index of its heading, whose `rest` it was for; `share`: the
        probability that the scale was the one that was tried; `again`: whether it is that of the look before, with which this one
        then makes a mean: what is wrong with one frame alone is not that of the next."""
        told = self.told.copy()
        for k, layer in layers:
            z = np.clip((layer.z - np.float32(LEAST_Z)) * np.float32(1 / Z_STEP), 0, 255)
            new = np.where(layer.known, cv2.LUT(np.round(z).astype(np.uint8), TELLS), np.uint8(NOTHING))
            first = not again or not (told[k] != NOTHING).any()
            if share < 1:
                new = either(told[k] if not again else np.full_like(new, NOTHING), new, share)
            told[k] = new if first else cv2.addWeighted(told[k], KEPT, new, 1 - KEPT, 0.0)
        return replace(self, told=told)

    def seen_finely(self, at: Whereabout, look: FineLook, reach: float) -> Whereabouts:
        """Return the belief after a fine look around `at`, at headings within `reach` radians of its own: what it told of the
        cells around at the heading that it found; at the others no more than that."""
        closely = self.closely.copy()
        for k in self._alike(at, reach + self.step):
            rows, cols, nats = self._cells(k, look)
            found = abs(float(_wrapped(self.turns[k:k + 1] - look.found.turn)[0])) <= 0.75 * self.step
            closely[k, rows, cols] = in_bytes(nats if found else np.minimum(nats, 0.0))
        after = replace(self, closely=closely)
        # all else weighs what it did
        rows, cols = (np.arange(max(round(float(i)) - AROUND - 1, 0), max(min(round(float(i)) + AROUND + 2, n), 0))
                      for i, n in zip(self.grid.to_pixel(at.x, at.y)[::-1], self.grid.shape, strict=True))
        weights = self._marginal.copy()
        weights[np.ix_(rows, cols)] = sum(after._layer(k, (rows, cols)) for k in range(len(self.turns)))
        after.__dict__["_marginal"] = weights
        return after

    def share(self, look: FineLook, near: float, far: float) -> float:
        """Return how much of what is believed within `far` metres of the place that a look found is within `near`, by the coarse
        look and this one."""
        k, = self._alike(look.found, 0.0)[:1]
        apart = np.hypot(look.x - look.found.x, look.y - look.found.y)
        cols, rows = (np.clip(np.round(axis).astype(int), 0, most - 1) for axis, most in zip(
            self.grid.to_pixel(look.x - self.rest[k, 0], look.y - self.rest[k, 1]), self.grid.shape[::-1], strict=True))
        weights = self.past[k][rows, cols] * np.exp(NATS[self.told[k][rows, cols]] + look.nats)
        return float(weights[apart <= near].sum() / max(float(weights[apart <= max(near, far)].sum()), 1e-300))

    def same(self, one: Whereabout, other: Whereabout) -> bool:
        """Return whether two places, with their headings, are one."""
        turn = abs(float(_wrapped(np.asarray(one.turn - other.turn))))
        return bool(np.hypot(one.x - other.x, one.y - other.y) <= 3 * self.grid.gsd and turn <= max(3 * self.step, MOST_TURN))

    def probability(self, at: Whereabout) -> float:
        """Return how probable a place and heading are."""
        return self._held(at) / self._total

    def places(self, most: int, least: float = 0.0) -> list[Whereabout]:
        """Return the most probable places that hold at least so much, best first, none next to another of about the same
        heading."""
        near = cv2.sepFilter2D(self._marginal, cv2.CV_64F, np.ones(3), np.ones(3), borderType=cv2.BORDER_CONSTANT)
        found: list[Whereabout] = []
        for _ in range(most):
            top, left = (int(i) for i in np.unravel_index(int(np.argmax(near)), near.shape))
            if near[top, left] <= 0:
                break
            rows, cols = (np.arange(max(i - 1, 0), min(i + 2, n)) for i, n in zip((top, left), near.shape, strict=True))
            k = int(np.argmax([self._layer(k, (rows, cols)).max() for k in range(len(self.turns))]))
            held = self._layer(k, (rows, cols))
            total = max(float(held.sum()), 1e-300)
            col, row = (float((held.sum(axis=axis) * along).sum() / total) for axis, along in ((0, cols), (1, rows)))
            x, y = self.grid.to_map(col, row)
            place = Whereabout(float(x) + self.rest[k, 0], float(y) + self.rest[k, 1], float(self.turns[k]), 0.0)
            place = replace(place, probability=self.probability(place))
            if found and place.probability < least:
                break
            found.append(place)
            reach = int(np.ceil(PLACE)) + 1
            near[max(top - reach, 0):top + reach + 1, max(left - reach, 0):left + reach + 1] = 0
        return sorted(found, key=lambda place: -place.probability)

    @cached_property
    def _marginal(self) -> Float64:
        """The weight (rows, cols) of each cell over all headings."""
        ratios = np.exp(NATS).astype(np.float32)

        def summed(layers: range) -> Float64:
            weights = np.zeros(self.grid.shape)
            for k in layers:
                weights += self.past[k] * cv2.LUT(both(self.told[k], self.closely[k]), ratios)
            return weights

        return np.add(*together(lambda: summed(range(0, len(self.past), 2)), lambda: summed(range(1, len(self.past), 2))))

    @cached_property
    def _total(self) -> float:
        return float(self._marginal.sum()) + self.beyond

    def _layer(self, k: int, cells: tuple[NDArray[np.int64], NDArray[np.int64]]) -> Float64:
        return self._weight(k, np.ix_(*cells))

    def _weight(self, k: int, at: tuple[NDArray[np.int64], ...]) -> Float64:
        return np.asarray(self.past[k][at] * np.exp(NATS)[both(self.told[k][at], self.closely[k][at])], np.float64)

    def _held(self, at: Whereabout) -> float:
        held = 0.0
        for k in self._alike(at, ALIKE * self.step):
            held += float(self._weight(k, self._near(k, at)).sum())
        return held

    def _alike(self, at: Whereabout, reach: float) -> list[int]:
        """The headings within `reach` radians of one; the nearest at least."""
        apart = np.abs(_wrapped(self.turns - at.turn))
        found: list[int] = np.flatnonzero(apart <= max(reach, float(apart.min()))).tolist()
        return found

    def _cell(self, k: int, at: Whereabout) -> tuple[int, int]:
        col, row = self.grid.to_pixel(at.x - self.rest[k, 0], at.y - self.rest[k, 1])
        return round(float(row)), round(float(col))

    def _cells(self, k: int, look: FineLook) -> tuple[NDArray[np.int64], NDArray[np.int64], Float64]:
        """Rows and columns of the cells that a fine look tells of, and the most that it tells of a place in each."""
        east, north = self.rest[k]
        cols, rows = (np.round(axis).astype(int) for axis in self.grid.to_pixel(look.x - east, look.y - north))
        row, col = self._cell(k, look.at)
        inside = (rows >= 0) & (rows < self.grid.height) & (cols >= 0) & (cols < self.grid.width)
        inside &= np.maximum(np.abs(rows - row), np.abs(cols - col)) <= AROUND
        highest = np.full((2 * AROUND + 1,) * 2, -np.inf)
        np.maximum.at(highest, (rows[inside] - row + AROUND, cols[inside] - col + AROUND), look.nats[inside])
        at_rows, at_cols = np.nonzero(np.isfinite(highest))
        return at_rows + row - AROUND, at_cols + col - AROUND, highest[at_rows, at_cols]

    def _near(self, k: int, at: Whereabout) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Rows and columns of the cells near a place."""
        row, col = self._cell(k, at)
        reach = int(PLACE)
        rows, cols = np.mgrid[row - reach:row + reach + 1, col - reach:col + reach + 1]
        inside = (rows >= 0) & (rows < self.grid.height) & (cols >= 0) & (cols < self.grid.width)
        inside &= np.hypot(rows - row, cols - col) <= PLACE
        return rows[inside], cols[inside]


def _wrapped(angle: Float64) -> Float64:
    return np.asarray((angle + np.pi) % (2 * np.pi) - np.pi, np.float64)
