"""Where a picture of a map lies on the Earth: corners and ticks in degrees, true north, and a bar of a round length."""

from __future__ import annotations

from math import cos, degrees, floor, log10, sin
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from promptmid_core.georaster.geodetic import Geodetic
from promptmid_core.plots import INK
from promptmid_core.refmap import ReferenceMap

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Side = Literal["top", "right"]

BAR_SHARE = 0.3  # of the picture's width at most
STEPS = (1, 2, 5)
POINTS = 65  # along a side
PLACES = 4  # of a degree, some 10 m


def corners(reference: ReferenceMap, geodetic: Geodetic) -> dict[str, tuple[float, float]]:
    """Return latitude and longitude of a map's four corners, by NW, NE, SE and SW."""
    west, south, east, north = reference.grid.bounds
    ends = {"NW": (west, north), "NE": (east, north), "SE": (east, south), "SW": (west, south)}
    return {name: (place.latitude, place.longitude) for name, (x, y) in ends.items() for place in [geodetic.place(x, y, 0.0)]}


def in_degrees(latitude: float, longitude: float) -> str:
    """Return a place as people write it."""
    return (f"{abs(latitude):.{PLACES}f} {'N' if latitude >= 0 else 'S'}, "
            f"{abs(longitude):.{PLACES}f} {'E' if longitude >= 0 else 'W'}")


def convergence_deg(reference: ReferenceMap, geodetic: Geodetic) -> float:
    """Return by how many degrees grid north is east of true north in the middle of a map."""
    west, south, east, north = reference.grid.bounds
    return degrees(geodetic.convergence((west + east) / 2, (south + north) / 2))


def round_length(most: float) -> float:
    """Return the greatest of 1, 2 or 5 times a power of ten that is at most `most`."""
    power = 10.0 ** floor(log10(most))
    return max(step * power for step in STEPS if step * power <= most * (1 + 1e-9))


def draw_bar(axes: Axes, reference: ReferenceMap) -> None:
    """Draw a bar of a round number of metres or kilometres into the lower left corner of axes in kilometres."""
    west, south, east, north = (value / 1000 for value in reference.grid.bounds)
    length = round_length((east - west) * BAR_SHARE)
    left, low, thick = west + (east - west) * 0.04, south + (north - south) * 0.05, (north - south) * 0.016
    for start, colour in ((0.0, INK), (0.5, "white")):
        axes.fill_between([left + start * length, left + (start + 0.5) * length], low, low + thick, facecolor=colour,
                          edgecolor="white", linewidth=1.0, zorder=5)
    label = f"{length:g} km" if length >= 1 else f"{length * 1000:g} m"
    axes.text(left + length / 2, low + 1.8 * thick, label, ha="center", va="bottom", fontsize=9, color="white", zorder=6,
              path_effects=_rim())


def draw_north(axes: Axes, reference: ReferenceMap, geodetic: Geodetic) -> None:
    """Draw an arrow to true north into the upper right corner of axes in kilometres."""
    west, south, east, north = (value / 1000 for value in reference.grid.bounds)
    side = min(east - west, north - south)
    # grid north of azimuth a: true north lies a to its left
    azimuth = np.radians(convergence_deg(reference, geodetic))
    way = np.array([-sin(azimuth), cos(azimuth)]) * side
    foot = np.array([east - 0.07 * side, north - 0.19 * side])
    axes.annotate("", xy=tuple(foot + 0.1 * way), xytext=tuple(foot), zorder=6, arrowprops={
        "arrowstyle": "-|>", "color": "white", "linewidth": 2.0, "mutation_scale": 16, "path_effects": _rim()})
    top = foot + 0.115 * way
    axes.text(top[0], top[1], "N", ha="center", va="bottom", fontsize=11, weight="bold", color="white", zorder=6,
              path_effects=_rim())


def _rim() -> list[Any]:
    """A dark line around what is white, so that it shows on any ground."""
    from matplotlib.patheffects import withStroke

    return [withStroke(linewidth=3, foreground=INK)]


def draw_degrees(axes: Axes, reference: ReferenceMap, geodetic: Geodetic, side: Side) -> None:
    """Name longitudes at the `side` top of axes in kilometres, or latitudes at the right, where they meet the map's rim."""
    west, south, east, north = reference.grid.bounds
    if side == "top":
        along = np.linspace(west, east, POINTS)
        values = np.unwrap([geodetic.place(x, north, 0.0).longitude for x in along], period=360)
    else:
        along = np.linspace(south, north, POINTS)
        values = np.array([geodetic.place(east, y, 0.0).latitude for y in along])
    step = round_length(float(np.ptp(values)) / 3 + 1e-9)
    ticks = np.arange(np.ceil(values.min() / step), np.floor(values.max() / step) + 1) * step
    order, shown = np.argsort(values), max(0, -floor(log10(step)))
    at = np.interp(ticks, values[order], along[order]) / 1000
    second = axes.secondary_xaxis("top") if side == "top" else axes.secondary_yaxis("right")
    second.tick_params(labelsize=8, length=3)
    names = [f"{(tick + 180) % 360 - 180:.{shown}f}°" for tick in ticks]
    (second.set_xticks if side == "top" else second.set_yticks)(at, names)
