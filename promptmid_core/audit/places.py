"""What flights say of places, each place once: frames that share ground err alike, another flight over it is another look."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from promptmid_core.arrays import Float64, Mask

PASS_S = 30.0  # out of view for so long, a place that is seen again is another look
LEAST_TIES = 2  # of a look


@dataclass(frozen=True)
class Sightings:
    """The tie points of a flight: true `places` (N, 2) of the ground that they show, `errors` (N, 2) of where the map has it,
    both east and north in metres, at `times` (N,) in s, in which `frame` (N,) of how many `frames`; `middle` (N,): whether a fix
    of that frame would come from them."""

    bag: str
    places: Float64
    errors: Float64
    times: Float64
    frame: NDArray[np.int64]
    middle: Mask
    frames: int


@dataclass(frozen=True)
class Places:
    """Cells that were seen: the middle `at` (M, 2) of the ground seen in each, its `error` (M, 2), both in metres, and the
    independent `looks` (M,) behind it; `cells` (M, 2): column and row of each from the `map` origin, rows running north."""

    at: Float64
    error: Float64
    looks: Float64
    cells: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.at)

    def pick(self, which: NDArray[np.bool_] | NDArray[np.intp]) -> Places:
        """Return some of the places."""
        return Places(self.at[which], self.error[which], self.looks[which], self.cells[which])


def places_of(flights: Sequence[Sightings], cell_m: float) -> Places:
    """Return the cells of `cell_m` metres that flights saw.

    The tie points that a flight has in a cell while it is in view are one look, with their median; looks are averaged, of three
    and more the median counts.
    """
    seen: dict[tuple[int, int], list[tuple[Float64, Float64]]] = {}
    for flight in flights:
        cells = np.floor(flight.places / cell_m).astype(np.int64)
        order = np.lexsort((flight.times, cells[:, 1], cells[:, 0]))
        cells, times = cells[order], flight.times[order]
        anew = (cells[1:] != cells[:-1]).any(axis=1) | (np.diff(times) > PASS_S)
        for some in np.split(order, np.flatnonzero(anew) + 1):
            if len(some) >= LEAST_TIES:
                east, north = np.floor(flight.places[some[0]] / cell_m).astype(int).tolist()
                look = flight.places[some].mean(axis=0), np.median(flight.errors[some], axis=0)
                seen.setdefault((east, north), []).append(look)
    keys = sorted(seen)
    at = [np.mean([place for place, _ in seen[key]], axis=0) for key in keys]
    error = [np.median([each for _, each in seen[key]], axis=0) for key in keys]
    return Places(np.array(at).reshape(-1, 2), np.array(error).reshape(-1, 2), np.array([len(seen[key]) for key in keys], float),
                  np.array(keys, np.int64).reshape(-1, 2))
