"""The plot of a bench run: how many trials succeed with how much error allowed."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import cycle
from pathlib import Path
from typing import Any

import numpy as np

from promptmid_core.bench.run import Result
from promptmid_core.files import write_whole
from promptmid_core.plots import COLOURS, DASHED, MUTED, cumulative, encoded, figure, styled

MOST_PX = 15.0
KINDS = (".png", ".svg", ".pdf")
PANEL, COLUMNS = (4.4, 3.6), 3


def write_curves(path: Path, results: Sequence[Result], rows: Sequence[dict[str, Any]]) -> None:
    """One panel a source, one line a method; the dashed line marks the error that the source is judged at.

    Raises InputError where `path` cannot be written.
    """
    sources = list(dict.fromkeys(row["source"] for row in rows))
    methods = list(dict.fromkeys(row["method"] for row in rows))
    across = min(len(sources), COLUMNS)
    down = -(-len(sources) // across)
    with styled():
        drawn = figure(max(across * PANEL[0], 6.4), down * PANEL[1] + 0.8)
        for number, source in enumerate(sources):
            axes = drawn.add_subplot(down, across, number + 1)
            head = next(row for row in rows if row["source"] == source)
            for method, colour in zip(methods, cycle(COLOURS), strict=False):
                errors = np.array([r.error_px for r in results if r.method == method and r.trial.source == source])
                cumulative(axes, errors, MOST_PX, color=colour, linewidth=1.8, label=method if number == 0 else None)
            axes.axvline(head["score_px"], color=MUTED, linewidth=1, linestyle=DASHED)
            unit = f", px of {head['gsd_m']:g} m" if head["gsd_m"] else ", px"
            axes.set(xlim=(0, MOST_PX), ylim=(0, 103), xlabel=f"error allowed{unit}", ylabel="trials within it, %")
            axes.set_title(f"{source} ({head['trials']} trials on {head['pairs']} pairs)", fontsize=10)
        drawn.suptitle(f"patch {head['patch_px']} px, radius {head['radius_px']} px, turn {head['yaw_deg']:g} deg, scale "
                       f"{head['scale_percent']:g} %", fontsize=10)
        drawn.legend(loc="outside lower center", ncols=min(len(methods), 4))
        write_whole(path, encoded(drawn, path.suffix.lower().removeprefix(".")))
