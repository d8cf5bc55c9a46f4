"""A picture of an audit: the map with an arrow at each place, from the ground to where the map has it."""

from __future__ import annotations

import numpy as np

from promptmid_core import plots
from promptmid_core.audit.audit import Held
from promptmid_core.preview.overview import overview
from promptmid_core.refmap import ReferenceMap

SIDE_IN = 8.0
LONGEST = 0.04  # of the map's longer side, the arrow of the largest shift
DPI = 130


def drawn(found: Held, reference: ReferenceMap) -> bytes:
    """Return the picture as a PNG; arrows are drawn larger than they are, by the factor in its title."""
    image, (west, south, east, north) = overview(reference, (0, 0, reference.grid.width, reference.grid.height))
    (width, height), (x, y) = (east - west, north - south), reference.frame.origin
    with plots.styled(grid=False):
        figure = plots.figure(SIDE_IN * min(1.0, width / height) + 1.0, SIDE_IN * min(1.0, height / width) + 1.0)
        axes = figure.subplots()
        axes.imshow(image, cmap="gray", extent=(west + x, east + x, south + y, north + y), interpolation="antialiased")
        pieces = [(piece.middle, piece.shift) for piece in found.pieces if piece.shift is not None]
        title = f"{found.verdict.word}: {found.verdict.sentence}"
        if pieces:
            at = np.array([middle for middle, _ in pieces]) + reference.frame.origin
            shift = np.array([each for _, each in pieces])
            longest = float(np.hypot(*shift.T).max())
            factor = LONGEST * max(width, height) / max(longest, 1e-9)
            arrows = axes.quiver(*at.T, *(factor * shift.T), np.hypot(*shift.T) / reference.gsd, angles="xy", scale_units="xy",
                                 scale=1.0, cmap="plasma", width=0.003)
            figure.colorbar(arrows, ax=axes, label="how far the map lies beside the ground, px", shrink=0.8)
            title += f"\narrows {factor:.0f} times as long as the shifts"
        if found.seam is not None:
            along = np.array([np.sin(np.radians(found.seam.heading_deg)), np.cos(np.radians(found.seam.heading_deg))])
            ends = np.array([found.seam.at - along * width, found.seam.at + along * width]) + reference.frame.origin
            axes.autoscale(False)
            axes.plot(*ends.T, color=plots.COLOURS[1], linestyle=plots.DASHED, linewidth=1.5, label="seam")
        axes.set_title(title, loc="left", fontsize=9, wrap=True)
        axes.set(xlabel="easting, m", ylabel="northing, m")
        axes.ticklabel_format(style="plain", useOffset=False)
        return plots.encoded(figure, "png", DPI)
