"""Where a surface that is known at whole cells has its maximum, between them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def vertex(surface: NDArray[np.floating], row: int, col: int) -> tuple[float, float]:
    """Return the offset (column, row) of the parabola's vertex through a maximum and its neighbours, at most half a cell."""
    offsets = []
    for line, i in ((surface[row], col), (surface[:, col], row)):
        if 0 < i < len(line) - 1:
            a, b, c = float(line[i - 1]), float(line[i]), float(line[i + 1])
            bend = a - 2 * b + c
            offsets.append(float(np.clip(0.5 * (a - c) / bend, -0.5, 0.5)) if bend < 0 else 0.0)
        else:
            offsets.append(0.0)
    return offsets[0], offsets[1]
