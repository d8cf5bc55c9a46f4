"""The plot of a bench run: how many trials succeed with how much error allowed."""

from __future__ import annotations

from collections.abc import Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np

from promptmid_core.bench.run import Result
from promptmid_core.files import write_whole
from promptmid_core.replay.figures import DASHED, STYLE

MOST_PX = 15.0
KINDS = (".png", ".svg", ".pdf")
PANEL, COLUMNS = (4.4, 3.6), 3
COLOURS = ("#1d5fd1", "#d3302f", "#2e7d32", "#d97706", "#7b3fb5", "#0f8b8d", "#8a5a2b", "#5b6675", "#c2185b", "#111827")


def write_curves(path: Path, results: Sequence[Result], rows: Sequence[dict[str, Any]]) -> None:
    """One panel a source, one line a method; the dashed line marks the error that the source is judged at.

    InputError where `path` cannot be written.
    """
    from matplotlib import style
    from matplotlib.figure import Figure

    sources = list(dict.fromkeys(row["source"] for row in rows))
    methods = list(dict.fromkeys(row["method"] for row in rows))
    across = min(len(sources), COLUMNS)
    down = -(-len(sources) // across)
    with style.context([STYLE]):
        figure = Figure(figsize=(max(across * PANEL[0], 6.4), down * PANEL[1] + 0.8), layout="constrained")
        for number, source in enumerate(sources):
            axes = figure.add_subplot(down, across, number + 1)
            head = next(row for row in rows if row["source"] == source)
            for method, colour in zip(methods, _cycled(COLOURS, len(methods)), strict=True):
                errors = np.sort([r.error_px for r in results if r.method == method and r.trial.source == source])
                near = errors[errors <= MOST_PX]
                share = np.append(np.arange(len(near) + 1), len(near)) / len(errors) * 100
                axes.plot([0, *near, MOST_PX], share, color=colour, linewidth=1.8, drawstyle="steps-post",
                          label=method if number == 0 else None)
            axes.axvline(head["score_px"], color="#5b6675", linewidth=1, linestyle=DASHED)
            unit = f", px of {head['gsd_m']:g} m" if head["gsd_m"] else ", px"
            axes.set(xlim=(0, MOST_PX), ylim=(0, 103), xlabel=f"error allowed{unit}", ylabel="trials within it, %")
            axes.set_title(f"{source} ({head['trials']} trials on {head['pairs']} pairs)", fontsize=10)
        figure.suptitle(f"patch {head['patch_px']} px, radius {head['radius_px']} px, turn {head['yaw_deg']:g} deg, scale "
                        f"{head['scale_percent']:g} %", fontsize=10)
        figure.legend(loc="outside lower center", ncols=min(len(methods), 4))
        stream, kind = BytesIO(), path.suffix.lower()
        figure.savefig(stream, format=kind[1:], dpi=150, metadata={"Software": None} if kind == ".png" else None)
        write_whole(path, stream.getvalue())


def _cycled(colours: Sequence[str], count: int) -> list[str]:
    return [colours[i % len(colours)] for i in range(count)]
