"""Plots: one style, figures, legends and shares drawn alike, and pictures as bytes or as data URIs that stand in a page."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from io import BytesIO
from typing import TYPE_CHECKING, Any

import numpy as np

from promptmid_core.arrays import Float64

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Colour = tuple[int, int, int]

INK, MUTED, EDGE, RULE = "#1c2430", "#5b6675", "#aab3bf", "#dfe4ea"
COLOURS = ("#1d5fd1", "#d3302f", "#2e7d32", "#d97706", "#7b3fb5", "#0f8b8d", "#8a5a2b", "#5b6675", "#c2185b", "#111827")
DASHED = (0, (4, 2))
STYLE = {
    "font.family": "DejaVu Sans", "font.size": 10, "text.color": INK, "axes.labelcolor": MUTED,
    "axes.edgecolor": EDGE, "xtick.color": MUTED, "ytick.color": MUTED, "axes.spines.top": False, "axes.spines.right": False,
    "axes.grid": True, "axes.axisbelow": True, "grid.color": RULE, "grid.linewidth": 0.8, "legend.frameon": False,
    "svg.hashsalt": "promptmid",
}
# what would make equal plots unequal files
TIMELESS: dict[str, dict[str, Any]] = {
    "png": {"Software": None}, "svg": {"Date": None, "Creator": None},
    "pdf": {"CreationDate": None, "Creator": None, "Producer": None},
}
MIME = {"png": "image/png", "svg": "image/svg+xml", "jpeg": "image/jpeg"}


@contextmanager
def styled(grid: bool = True) -> Iterator[None]:
    """Draw what the block draws in STYLE, with or without lines of a grid."""
    from matplotlib import style

    with style.context([STYLE | {"axes.grid": grid}]):
        yield


def figure(width: float, height: float) -> Figure:
    """Make an empty figure of so many inches. It is none of pyplot's: nothing is global, nothing to close, no display needed."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained")


def cumulative(axes: Axes, values: Float64, end: float, **line: Any) -> None:
    """Draw the share in percent of all values (N,) that are at most x, as steps from 0 to `end`."""
    near = np.sort(values[values <= end])
    share = np.append(np.arange(len(near) + 1), len(near)) / len(values) * 100
    axes.plot(np.concatenate([[0], near, [end]]), share, drawstyle="steps-post", **line)


def legend_above(axes: Axes) -> None:
    """Name what is drawn in a row above the axes, if anything there has a name."""
    if axes.get_legend_handles_labels()[0]:
        axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=4)


def legend_of_areas(axes: Axes, colours: Mapping[str, Colour]) -> None:
    """Name the colours (red, green, blue, 0 to 255 each) of areas, over the upper left corner of the axes."""
    from matplotlib.patches import Patch

    handles = [Patch(facecolor=(red / 255, green / 255, blue / 255), edgecolor=EDGE, label=name)
               for name, (red, green, blue) in colours.items()]
    axes.legend(handles=handles, loc="upper left", fontsize=7, frameon=True, framealpha=0.85)


def encoded(figure: Figure, kind: str, dpi: int = 150) -> bytes:
    """Return a figure as a file of the kind png, svg or pdf; equal figures give equal bytes."""
    stream = BytesIO()
    figure.savefig(stream, format=kind, dpi=dpi, metadata=TIMELESS[kind])
    return stream.getvalue()


def uri(picture: bytes, kind: str = "png") -> str:
    """Return a picture of the kind png, jpeg or svg as a data URI."""
    return f"data:{MIME[kind]};base64,{base64.b64encode(picture).decode()}"
