"""The track over the ground: constant speed, bounded turn rate, wandering, and never out of the room."""

from __future__ import annotations

from dataclasses import dataclass, field
from math import atan2, cos, pi, sin

import numpy as np

from promptmid_core.arrays import Float64, Mask
from promptmid_core.simulation.flight.room import Room

STEP_S = 0.25
SMOOTH_S = 1.5  # an aircraft cannot change its turn rate at once
BLEND_S = 8.0  # flown more at either end than asked for, and cut off after smoothing
AIM_S = 2.0  # time constant with which the heading follows the bearing of the waypoint
TURN_CHOICES = 9
BEARINGS = 8
CANDIDATES = 24
LEG = 2.5, 5.0  # turn radii to the next waypoint: long enough to arrive, short enough to fly in all directions


@dataclass
class _Aircraft:
    """A position and heading from which a circle inside the room can be flown, turning to `side` (1 left, -1 right)."""

    x: float
    y: float
    heading: float
    side: int

    def centre(self, radius: float, side: int) -> tuple[float, float]:
        return self.x - side * radius * sin(self.heading), self.y + side * radius * cos(self.heading)

    def moved(self, speed: float, turn: float, seconds: float) -> _Aircraft:
        """After flying an arc at `turn` radians per second."""
        after = self.heading + turn * seconds
        if abs(turn) < 1e-9:
            return _Aircraft(self.x + speed * seconds * cos(after), self.y + speed * seconds * sin(after), after, self.side)
        radius = speed / turn
        x = self.x + radius * (sin(after) - sin(self.heading))
        y = self.y - radius * (cos(after) - cos(self.heading))
        return _Aircraft(x, y, after, self.side)


@dataclass
class _Pilot:
    """Flies from waypoint to waypoint, preferring the directions flown least, and turns away where there is no more room."""

    rng: np.random.Generator
    room: Room
    free: Mask
    speed: float
    turn_rate: float
    flown: Float64 = field(default_factory=lambda: np.zeros(BEARINGS))

    @property
    def radius(self) -> float:
        return self.speed / self.turn_rate

    def start(self) -> _Aircraft:
        row, col = self.rng.permutation(np.argwhere(self.free))[0]
        x, y = self.room.grid.to_map(col, row)
        heading = float(self.rng.uniform(-pi, pi))
        return _Aircraft(float(x) + self.radius * sin(heading), float(y) - self.radius * cos(heading), heading, 1)

    def fly(self, steps: int) -> Float64:
        """Return positions (steps, 2) every STEP_S."""
        aircraft = self.start()
        aim, patience = (aircraft.x, aircraft.y), 0
        path = np.empty((steps, 2))
        for i in range(steps):
            path[i] = aircraft.x, aircraft.y
            self.flown[_sector(aircraft.heading)] += 1
            if patience == 0 or np.hypot(aim[0] - aircraft.x, aim[1] - aircraft.y) < 1.5 * self.radius:
                aim, patience = self._waypoint(aircraft), round(3 * 2 * pi / self.turn_rate / STEP_S)
            aircraft = self._step(aircraft, aim)
            patience -= 1
        return path

    def _step(self, aircraft: _Aircraft, aim: tuple[float, float]) -> _Aircraft:
        bearing = atan2(aim[1] - aircraft.y, aim[0] - aircraft.x)
        error = (bearing - aircraft.heading + pi) % (2 * pi) - pi
        wanted = float(np.clip(error / AIM_S, -self.turn_rate, self.turn_rate))
        others: list[float] = np.linspace(-self.turn_rate, self.turn_rate, TURN_CHOICES).tolist()
        for turn in [wanted, *sorted(others, key=lambda turn: abs(turn - wanted))]:
            moved = aircraft.moved(self.speed, turn, STEP_S)
            for side in (aircraft.side, -aircraft.side):
                if self.room.at(self.free, *moved.centre(self.radius, side)):
                    moved.side = side
                    return moved
        # the circle that was left open a step ago
        return aircraft.moved(self.speed, aircraft.side * self.turn_rate, STEP_S)

    def _waypoint(self, aircraft: _Aircraft) -> tuple[float, float]:
        """A place inside the room, in the direction flown least among those that are open."""
        bearings = self.rng.uniform(-pi, pi, CANDIDATES)
        distances = self.rng.uniform(*LEG, CANDIDATES) * self.radius
        order = np.argsort(self.flown[[_sector(b) for b in bearings]], kind="stable")
        for bearing, distance in zip(bearings[order], distances[order], strict=True):
            x, y = aircraft.x + distance * cos(bearing), aircraft.y + distance * sin(bearing)
            if self.room.at(self.free, x, y):
                return x, y
        row, col = self.rng.permutation(np.argwhere(self.free))[0]
        x, y = self.room.grid.to_map(col, row)
        return float(x), float(y)


def fly_track(rng: np.random.Generator, room: Room, free: Mask, speed: float, turn_rate: float,
              times: Float64) -> Float64:
    """Return positions (N, 2) in `map` at `times` (N,), seconds from 0, at `speed` m/s and turning at most `turn_rate` rad/s.

    `free` are the centres of `room.circles(speed / turn_rate)`; at least one must be true. At every step a full circle inside the
    room stays open, so the track never runs into a corner it cannot leave.
    """
    from scipy.interpolate import CubicSpline
    from scipy.ndimage import gaussian_filter1d

    blend = round(BLEND_S / STEP_S)
    steps = int(np.ceil(1.1 * float(times[-1]) / STEP_S)) + 3 * blend
    path = gaussian_filter1d(_Pilot(rng, room, free, speed, turn_rate).fly(steps), SMOOTH_S / STEP_S, axis=0)[blend:-blend]
    # smoothing shortens the turns; along the arc length the speed is constant again
    length = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(path, axis=0).T))])
    positions: Float64 = CubicSpline(length, path)(speed * times)
    return positions


def _sector(heading: float) -> int:
    return int((heading % (2 * pi)) / (2 * pi) * BEARINGS) % BEARINGS
