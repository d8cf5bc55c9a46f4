"""How fast this machine transforms, multiplies and copies on one core: what limits a frame, whatever its program."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import astuple, dataclass

import numpy as np

from promptmid_core.matching.correlation import spectrum

REPEATS = 15
CHANNELS, SIDE = 10, 192  # of windows as a frame has them
MATRIX = 512
COPIED = 2**18  # of float32: 1 MiB, about what an array of a frame has


@dataclass(frozen=True)
class Work:
    """What has to be done: floating-point operations that are `transformed` (Fourier transforms), `multiplied` (products of
    matrices) and `computed` (element by element); `moved`: bytes that are read and written beside these."""

    transformed: float = 0.0
    multiplied: float = 0.0
    computed: float = 0.0
    moved: float = 0.0

    def __add__(self, other: Work) -> Work:
        return Work(*(one + two for one, two in zip(astuple(self), astuple(other), strict=True)))

    def __rmul__(self, times: float) -> Work:
        return Work(*(times * one for one in astuple(self)))


@dataclass(frozen=True)
class Rates:
    """Operations and bytes a second, as Work has them, on one core."""

    transforms: float
    products: float
    elements: float
    copies: float

    @staticmethod
    def measured() -> Rates:
        """Measure for about a tenth of a second, by processor time; the best of REPEATS counts."""
        rng = np.random.default_rng(0)
        windows = rng.standard_normal((CHANNELS, SIDE, SIDE)).astype(np.float32)
        matrix = rng.standard_normal((MATRIX, MATRIX)).astype(np.float32)
        source = rng.standard_normal(COPIED).astype(np.float32)
        product, target = np.empty_like(matrix), np.empty_like(source)
        return Rates(transforms(CHANNELS, SIDE) / _seconds(lambda: spectrum(windows, SIDE)),
                     2 * MATRIX ** 3 / _seconds(lambda: np.matmul(matrix, matrix, out=product)),
                     COPIED / _seconds(lambda: np.multiply(source, source, out=target)),
                     2 * source.nbytes / _seconds(lambda: np.copyto(target, source)))

    def ms(self, work: Work) -> float:
        """Return the milliseconds that some work takes at these rates."""
        return 1e3 * (work.transformed / self.transforms + work.multiplied / self.products + work.computed / self.elements
                      + work.moved / self.copies)


def transforms(count: float, side: int) -> float:
    """Return the operations of so many real transforms of squares, as they are reckoned by custom: 2.5 n log2 n for n values."""
    return float(2.5 * count * side ** 2 * np.log2(side ** 2))


def timed(run: Callable[[], object], repeats: int) -> list[float]:
    """Return the seconds of processor time that each of so many runs takes, after one more that warms up."""
    run()
    found = []
    for _ in range(repeats):
        started = time.thread_time()
        run()
        found.append(time.thread_time() - started)
    return found


def _seconds(run: Callable[[], object]) -> float:
    return max(min(timed(run, REPEATS)), 1e-9)
