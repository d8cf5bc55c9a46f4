"""Libraries of Fourier transforms side by side, on the windows and blocks of a frame: `python benchmarks/transforms.py`.

Milliseconds of processor time, on one thread, of real transforms of (channels, side, side) into squares of a fast size; those of
scipy that the product uses leave out rows of zeros. A library that is not installed is left out: pip install pyfftw mkl_fft.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec

import cv2
import numpy as np
import scipy.fft

from promptmid_core.arrays import Float32
from promptmid_core.doctor.rates import timed
from promptmid_core.matching.correlation import spectrum

# channels, side, and what that is
SHAPES = ((10, 128, 192, "patch, verified"), (10, 184, 192, "its window"), (54, 64, 96, "products, where cells do not meet"),
          (9, 32, 54, "colours of a block"), (640, 24, 24, "windows of tie points"), (160, 16, 36, "blocks of the search"))
REPEATS = 25


def libraries(array: Float32, size: int) -> dict[str, Callable[[], object]]:
    """The same transforms by each library that is installed; what can be planned or laid out beforehand is."""
    side = array.shape[-1]
    padded = np.zeros((len(array), size, size), np.float32)
    one = np.zeros((size, size), np.float32)

    def opencv() -> None:
        for channel in array:
            one[:side, :side] = channel
            cv2.dft(one, flags=cv2.DFT_COMPLEX_OUTPUT, nonzeroRows=side)

    found: dict[str, Callable[[], object]] = {"scipy, as used": lambda: spectrum(array, size), "OpenCV": opencv}
    if find_spec("pyfftw"):
        import pyfftw

        source = pyfftw.zeros_aligned(padded.shape, "float32")
        plan = pyfftw.FFTW(source, pyfftw.empty_aligned((len(array), size, size // 2 + 1), "complex64"), axes=(-2, -1),
                           flags=("FFTW_MEASURE",))

        def fftw() -> None:
            source[:, :side, :side] = array
            plan()

        found["FFTW"] = fftw
    if find_spec("mkl_fft"):
        from mkl_fft.interfaces import numpy_fft

        def mkl() -> None:
            padded[:, :side, :side] = array
            numpy_fft.rfftn(padded, axes=(-2, -1))

        found["MKL"] = mkl
    return found


def main() -> None:
    cv2.setNumThreads(1)
    np.ones(2**21)  # once it has freed as much, the C library keeps memory, as in flight
    for channels, side, size, what in SHAPES:
        array = np.random.default_rng(0).standard_normal((channels, side, side)).astype(np.float32)
        assert size == scipy.fft.next_fast_len(size, real=True)
        times = {name: 1e3 * float(np.median(timed(run, REPEATS))) for name, run in libraries(array, size).items()}
        print(f"{channels:4} x {side:3} -> {size:3}  {what:34}" + "  ".join(f"{name} {ms:.2f}" for name, ms in times.items()))


if __name__ == "__main__":
    main()
