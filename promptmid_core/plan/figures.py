"""The pictures of a plan: matchability over the SAR map, and the flight's profile."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from promptmid_core.georaster.geodetic import Geodetic
from promptmid_core.plan.plan import FAIR, GOOD, MissionPlan
from promptmid_core.plots import INK, MUTED, encoded, figure, styled, uri
from promptmid_core.preview.compass import draw_bar, draw_degrees, draw_north
from promptmid_core.preview.overview import overview

if TYPE_CHECKING:
    from matplotlib.axes import Axes

COLOURS = "RdYlBu"  # red to blue, which who sees no red and green tells apart
SHOWN = 0.62  # opacity over the SAR image
MOST_LEVEL_PX = 1400
DPI = 130


def map_picture(plan: MissionPlan) -> str:
    """Return the map as a data URI: SAR in grey, matchability in colour, the route over it."""
    reference = plan.reference
    fitting = [level for level in range(reference.levels) if max(reference.header.pixels(level).shape) >= MOST_LEVEL_PX]
    image, bounds = overview(reference.at(max(fitting, default=0)), _whole(reference.at(max(fitting, default=0))))
    west, south, east, north = (value / 1000 for value in bounds)
    aspect = float(np.clip((north - south) / (east - west), 0.35, 2.2))
    with styled(grid=False):
        drawn = figure(8.6, 7.4 * aspect + 1.0)
        axes: Axes = drawn.subplots()
        axes.imshow(image, cmap="gray", vmin=0, vmax=255, extent=(west, east, south, north))
        area = plan.survey.grid.bounds
        shown = axes.imshow(plan.survey.probability, cmap=COLOURS, vmin=0, vmax=1, alpha=SHOWN, interpolation="nearest",
                            extent=(area[0] / 1000, area[2] / 1000, area[1] / 1000, area[3] / 1000))
        if plan.way is not None:
            _draw_way(axes, plan)
        frame = reference.grid.bounds
        axes.set(xlim=(frame[0] / 1000, frame[2] / 1000), ylim=(frame[1] / 1000, frame[3] / 1000), xlabel="x, km", ylabel="y, km")
        axes.set_aspect("equal")
        geodetic = Geodetic(reference.frame, reference.vertical_datum)
        draw_degrees(axes, reference, geodetic, "top")
        draw_degrees(axes, reference, geodetic, "right")
        draw_bar(axes, reference)
        draw_north(axes, reference, geodetic)
        bar = drawn.colorbar(shown, ax=axes, location="bottom", shrink=0.6, aspect=40, pad=0.02)
        bar.set_label("probability that a frame's match alone is right", color=MUTED)
        return uri(encoded(drawn, "png", DPI))


def profile_picture(plan: MissionPlan) -> str:
    """Return the profile of a route as a data URI: ground, aircraft and the band of usable heights; matchability below."""
    assert plan.way is not None
    way, along = plan.way, plan.way.along / 1000
    with styled():
        drawn = figure(8.6, 4.6)
        high, low = drawn.subplots(2, 1, sharex=True, height_ratios=(3, 2))
        high.fill_between(along, way.ground + plan.band.least, way.ground + plan.band.most, color="#1d5fd1", alpha=0.12,
                          linewidth=0, label="usable heights")
        high.fill_between(along, min(float(way.ground.min()), 0.0), way.ground, color="#8a7a63", alpha=0.55, linewidth=0,
                          label="ground")
        high.plot(along, way.altitude, color=INK, linewidth=1.8, label="aircraft")
        top = max(float(way.altitude.max()) * 1.25, float(way.ground.max()) + 1.3 * plan.band.least)
        high.set(ylabel="altitude, m", ylim=(min(float(way.ground.min()), 0.0), top))
        high.legend(loc="upper right", ncols=3, frameon=True, framealpha=0.85, fontsize=8)
        starts = np.array([piece.from_m for piece in plan.pieces]) / 1000
        widths = np.array([piece.to_m - piece.from_m for piece in plan.pieces]) / 1000
        values = np.array([piece.probability for piece in plan.pieces])
        low.bar(starts, np.maximum(values, 0.02), widths, align="edge", color=_colours(values), edgecolor="white", linewidth=0.4)
        for level in (FAIR, GOOD):
            low.axhline(level, color=MUTED, linewidth=0.8, linestyle=(0, (4, 3)))
        low.set(ylabel="probability", xlabel="along the route, km", ylim=(0, 1), xlim=(0, float(along[-1])))
        return uri(encoded(drawn, "png", DPI))


def _draw_way(axes: Axes, plan: MissionPlan) -> None:
    from matplotlib.collections import LineCollection

    assert plan.way is not None
    way, points = plan.way, plan.way.points / 1000
    middles = (way.along[1:] + way.along[:-1]) / 2
    ends = np.array([piece.to_m for piece in plan.pieces])
    values = np.array([piece.probability for piece in plan.pieces])[np.minimum(np.searchsorted(ends, middles), len(ends) - 1)]
    segments = np.stack([points[:-1], points[1:]], axis=1)
    for width, colours in ((7.0, INK), (4.0, _colours(values))):
        axes.add_collection(LineCollection(list(segments), colors=colours, linewidths=width, capstyle="round", zorder=4))
    for name, point in (("start", points[0]), ("end", points[-1])):
        axes.annotate(name, (point[0], point[1]), xytext=(7, 7), textcoords="offset points", fontsize=9, weight="bold", color=INK,
                      zorder=7, bbox={"facecolor": "white", "alpha": 0.85, "edgecolor": "none", "pad": 1.5})


def _colours(values: Any) -> Any:
    from matplotlib import colormaps

    return colormaps[COLOURS](values)


def _whole(reference: Any) -> tuple[float, float, float, float]:
    return 0, 0, reference.grid.width, reference.grid.height
