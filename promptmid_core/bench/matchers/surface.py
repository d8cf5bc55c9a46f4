"""What methods share that score every shift: the maximum, its gate, and the search over turn and scale."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from promptmid_core.arrays import Float64
from promptmid_core.bench.matchers.matcher import Answer, Patch, Reach, Window, rotation
from promptmid_core.matching.surface import vertex

Array = NDArray[np.floating]

LEAST_MARGIN = 1.0  # standard deviations of the surface by which the maximum stands above the best other place
APART_PX = 8.0  # from here on a place is another one
EDGE_STEP_PX = 3.0  # how far the middle of a patch edge moves between two headings or scales


class SurfaceMatcher(ABC):
    """A method that is a score for every shift; the greatest wins."""

    gate = f"maximum at least {LEAST_MARGIN:g} standard deviation above the best place {APART_PX:g} px or more away"
    stride = 1  # px per cell of the surface

    @property
    @abstractmethod
    def name(self) -> str: ...

    @abstractmethod
    def surface(self, patch: Patch, window: Window) -> Array:
        """Return scores (2r+1, 2r+1) of a patch of P px in a window of P + 2 r stride px; row and column r are no shift."""

    def locate(self, patch: Patch, window: Window, reach: Reach) -> Answer | None:
        """Turn the window by each heading and scale in reach, so that the patch keeps all its pixels; the best maximum
        wins."""
        peaks = [self._peak(patch, window, reach.radius, yaw, scale) for yaw, scale in hypotheses(len(patch.image), reach)]
        best = max(range(len(peaks)), key=lambda i: peaks[i][1])
        answer, score, runner_up, deviation = peaks[best]
        elsewhere = [other[1] for other in peaks if np.hypot(other[0].x - answer.x, other[0].y - answer.y) >= APART_PX]
        margin = score - max([runner_up, *elsewhere])
        return Answer(answer.x, answer.y, bool(margin >= LEAST_MARGIN * deviation > 0), answer.yaw, answer.scale)

    def _peak(self, patch: Patch, window: Window, radius: int, yaw: float, scale: float) -> tuple[Answer, float, float, float]:
        """The maximum of one heading and scale; its score, that of the best other place, and the standard deviation of all."""
        turn = scale * rotation(yaw)
        # the square of shifts, turned, in whole cells of the turned window
        cells = int(np.ceil(radius * np.abs(np.linalg.inv(turn)).sum(axis=1).max() / self.stride - 1e-9))
        scores = self.surface(patch, window.turned(yaw, scale, len(patch.image) + 2 * cells * self.stride))
        down, across = np.mgrid[-cells:cells + 1, -cells:cells + 1] * self.stride
        x, y = turn[0, 0] * across + turn[0, 1] * down, turn[1, 0] * across + turn[1, 1] * down
        within = np.maximum(np.abs(x), np.abs(y)) <= radius + 0.5
        row, col = np.unravel_index(int(np.argmax(np.where(within, scores, -np.inf))), scores.shape)
        far = scores[within & (np.hypot(x - x[row, col], y - y[row, col]) >= APART_PX)]
        right, below = vertex(scores, int(row), int(col))
        x_px, y_px = turn @ [across[row, col] + right * self.stride, down[row, col] + below * self.stride]
        return (Answer(float(x_px), float(y_px), False, yaw, scale), float(scores[row, col]),
                float(far.max(initial=-np.inf)), float(scores[within].std()))


def hypotheses(patch_px: int, reach: Reach) -> Iterator[tuple[float, float]]:
    """Headings (radians) and scales to try, in steps that move the middle of a patch edge by EDGE_STEP_PX at most."""
    step = EDGE_STEP_PX / (patch_px / 2)
    for yaw in _steps(min(reach.yaw, np.pi), step, endless=reach.yaw >= np.pi):
        for scale in _steps(reach.scale, step):
            yield float(yaw), 1 + float(scale)


def _steps(limit: float, step: float, *, endless: bool = False) -> Float64:
    """Values from -limit to limit, zero among them; on an endless range both ends are the same."""
    n = int(np.ceil(limit / step - 1e-9))
    values = np.linspace(-limit, limit, 2 * n + 1) if n else np.zeros(1)
    return values[1:] if endless else values
