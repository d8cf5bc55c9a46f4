"""The box on the Earth that a map is wanted of, and which part of it an outline covers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from promptmid_core.arrays import Float64, Mask
from promptmid_core.errors import InputError

LATTICE = 96  # points along a side by which coverage is told
FURTHEST_NORTH = 84.0  # of UTM
SIDE = 33


@dataclass(frozen=True)
class Box:
    """Degrees of longitude and latitude."""

    west: float
    south: float
    east: float
    north: float

    def __post_init__(self) -> None:
        """Raise InputError where that is no box, or one over the date line or a pole."""
        if not (-180 <= self.west < self.east <= 180 and -FURTHEST_NORTH <= self.south < self.north <= FURTHEST_NORTH):
            raise InputError(f"{self} is no box; give west, south, east and north in degrees, west below east and south below "
                             "north (over the date line: each side by itself, then 'promptmid map append')")

    def __str__(self) -> str:
        return f"--bbox {self.west:g} {self.south:g} {self.east:g} {self.north:g}"

    @property
    def sides(self) -> tuple[float, float, float, float]:
        return self.west, self.south, self.east, self.north

    def meets(self, bbox: Sequence[float] | None) -> bool:
        """Return whether a bounding box of STAC, of four numbers or of six, has a part of this one; also where there is none."""
        if not bbox or len(bbox) not in (4, 6):
            return True
        west, south, *_ = bbox
        east, north = bbox[len(bbox) // 2], bbox[len(bbox) // 2 + 1]
        across = west <= self.east and self.west <= east if west <= east else west <= self.east or self.west <= east
        return across and south <= self.north and self.south <= north

    def outline(self) -> tuple[Float64, Float64]:
        """Return longitudes and latitudes (N,) along the four sides."""
        there, one = np.linspace(0, 1, SIDE), np.ones(SIDE)
        x = np.concatenate([there, one, there, 0 * one])
        y = np.concatenate([0 * one, there, one, there])
        return self.west + x * (self.east - self.west), self.south + y * (self.north - self.south)

    def lattice(self) -> tuple[Float64, Float64]:
        """Return longitudes and latitudes (LATTICE**2,) of points spread evenly over the box."""
        there = (np.arange(LATTICE) + 0.5) / LATTICE
        x, y = np.meshgrid(self.west + there * (self.east - self.west), self.south + there * (self.north - self.south))
        return x.ravel(), y.ravel()

    def covered(self, rings: Sequence[Sequence[Sequence[float]]]) -> Mask:
        """Return which points of the lattice (LATTICE**2,) lie within closed rings of longitudes and latitudes: within an odd
        number of them, so that a ring within another is a hole."""
        x, y = self.lattice()
        middle = (self.west + self.east) / 2
        inside = np.zeros(x.shape, bool)
        for ring in rings:
            lon, lat = np.array([point[:2] for point in ring], np.float64).T
            # as near to the box as they come, so that an outline over the date line is one
            lon = middle + (lon - middle + 180) % 360 - 180
            begin, end = np.arange(len(lon)), np.roll(np.arange(len(lon)), -1)
            crosses = (lat[begin] > y[:, None]) != (lat[end] > y[:, None])
            with np.errstate(divide="ignore", invalid="ignore"):
                at = lon[begin] + (y[:, None] - lat[begin]) / (lat[end] - lat[begin]) * (lon[end] - lon[begin])
                inside ^= (crosses & (x[:, None] < at)).sum(axis=1) % 2 == 1
        return inside


def rings_of(geometry: Any) -> list[list[list[float]]]:
    """Return the rings of a GeoJSON polygon, or of several; none where it is neither."""
    kinds = {"Polygon": lambda parts: list(parts), "MultiPolygon": lambda parts: [ring for part in parts for ring in part]}
    try:
        return kinds[geometry["type"]](geometry["coordinates"])
    except (KeyError, TypeError):
        return []
