"""Correlation of descriptor blocks with windows of the map, by FFT and under masks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from promptmid_core.arrays import Float32, Mask

Scalar = TypeVar("Scalar", bound=np.generic)
Size = int | tuple[int, int]  # of a square, or rows and columns

LEAST_COVER = 0.6  # share of a block's cells that must meet valid map cells for a score to count
LEAST_SCALE = 1e-6  # root of a block's energy times its window's; what has less has no content


@dataclass(frozen=True)
class Surfaces:
    """Correlations of B blocks at every displacement of -r..r cells in row and column.

    `products` (B, 2r+1, 2r+1): sum over channels and cells of block times window; `energy` (B, 2r+1, 2r+1): of the window
    under the block's mask; `own` (B,): the block's own energy. A block and displacement that meet too few valid cells have
    energy 0. Kept apart, so that blocks can be summed before they are normalised.
    """

    products: Float32
    energy: Float32
    own: Float32

    @property
    def radius(self) -> int:
        return int(self.products.shape[-1]) // 2

    def scores(self) -> Float32:
        """Return the normalised correlation (B, 2r+1, 2r+1), -1 to 1; 0 where too few cells meet."""
        scale = np.sqrt(self.energy * self.own[:, None, None])
        scores: Float32 = np.divide(self.products, scale, out=np.zeros_like(self.products), where=scale > LEAST_SCALE)
        return scores


def centred(array: NDArray[np.floating], valid: Mask, margin: int = 0) -> Float32:
    """Return descriptors (C, H, W) less their mean over valid cells, zero elsewhere; a mean says nothing about a place.

    The mean is taken without `margin` cells on every side.
    """
    inner = np.s_[margin:valid.shape[0] - margin, margin:valid.shape[1] - margin]
    whole = bool(valid.all())
    known = array[:, *inner] if whole else array[:, *inner] * valid[inner]
    mean = known.sum(axis=(1, 2), dtype=np.float32) / max(float(valid[inner].sum()), 1.0)
    less = np.asarray(array - mean[:, None, None].astype(np.float32), np.float32)
    if not whole:
        less *= valid
    return less


@dataclass(frozen=True)
class Spectra:
    """What `correlate` needs of windows (B, C, w, w), whatever is looked for in them.

    The transforms of their values, of their energy over all channels, and of where they are valid.
    """

    size: Size
    values: NDArray[np.complex64]
    energy: NDArray[np.complex64]
    valid: NDArray[np.complex64]

    @staticmethod
    def of(windows: Float32, valid: Mask) -> Spectra:
        """Return the spectra of windows that are centred, and zero where not valid (B, w, w)."""
        size = windows.shape[-1]
        return Spectra(size, spectrum(windows, size), spectrum(np.einsum("bcij,bcij->bij", windows, windows), size),
                       spectrum(valid, size))

    def only(self, used: Mask) -> Spectra:
        """Return the windows that `used` (B,) says."""
        return self if used.all() else Spectra(self.size, self.values[used], self.energy[used], self.valid[used])


@dataclass(frozen=True)
class BlockSpectra:
    """What `correlate` needs of blocks (B, C, b, b), whatever windows of `size` they are looked for in: the conjugate transforms
    of their values and of where they are valid; `own` (B,): their energy; `cells` (B,): how many are valid; `side`: b."""

    size: int
    side: int
    values: NDArray[np.complex64]
    valid: NDArray[np.complex64]
    own: Float32
    cells: NDArray[np.int64]

    @staticmethod
    def of(blocks: Float32, valid: Mask, size: int) -> BlockSpectra:
        """Return the spectra of blocks that are centred, and zero where not valid (B, b, b)."""
        values, mask = spectrum(blocks, size), spectrum(valid, size)
        for transformed in (values, mask):
            np.conjugate(transformed, out=transformed)
        return BlockSpectra(size, blocks.shape[-1], values, mask, np.einsum("bcij,bcij->b", blocks, blocks),
                            valid.sum(axis=(1, 2)))


def correlate(blocks: Float32, block_valid: Mask, windows: Spectra) -> Surfaces:
    """Correlate blocks (B, C, b, b), centred and zero where not valid (B, b, b), with their own windows (B, C, b+2r, b+2r)."""
    assert isinstance(windows.size, int)
    return Sums.of(BlockSpectra.of(blocks, block_valid, windows.size), windows).surfaces()


@dataclass(frozen=True)
class Sums:
    """What Surfaces are made of, before it is asked how many cells meet.

    `met` (B, 2r+1, 2r+1): valid cells of the window under the block's mask; `cells` (B,): the block's own. The sums of blocks
    side by side are those of the block that they form.
    """

    products: Float32
    energy: Float32
    met: Float32
    own: Float32
    cells: NDArray[np.int64]

    @staticmethod
    def of(blocks: BlockSpectra, windows: Spectra) -> Sums:
        size, side = blocks.size, blocks.size - blocks.side + 1
        products = surface((blocks.values * windows.values).sum(axis=1), size, side)
        energy, met = (surface(of_window * blocks.valid, size, side) for of_window in (windows.energy, windows.valid))
        return Sums(products, energy, met, blocks.own, blocks.cells)

    def quartets(self, rows: int, cols: int) -> Sums:
        """Of blocks in `rows` by `cols`: the squares of two by two, (rows - 1) * (cols - 1) of them."""
        def joined(values: NDArray[Any]) -> NDArray[Any]:
            grid = values.reshape(rows, cols, *values.shape[1:])
            four: NDArray[Any] = grid[:-1, :-1] + grid[1:, :-1] + grid[:-1, 1:] + grid[1:, 1:]
            return four.reshape((rows - 1) * (cols - 1), *values.shape[1:])

        return Sums(joined(self.products), joined(self.energy), joined(self.met), joined(self.own), joined(self.cells))

    def surfaces(self) -> Surfaces:
        enough = self.met >= LEAST_COVER * np.maximum(self.cells, 1)[:, None, None]
        return Surfaces(np.where(enough, self.products, 0), np.where(enough, np.maximum(self.energy, 0), 0), self.own)


def spectrum(array: NDArray[np.generic], size: Size) -> NDArray[np.complex64]:
    """Return the transform over the last two axes, for windows of `size` cells; rows that are only zeros behind a block cost
    nothing."""
    high, wide = _lengths(size)
    rows = scipy.fft.rfft(np.asarray(array, np.float32), wide, axis=-1)
    return np.asarray(scipy.fft.fft(rows, high, axis=-2, overwrite_x=True))


def surface(product: NDArray[np.complex64], size: Size, side: Size) -> Float32:
    """Back from a product of transforms: the first `side` displacements each way, and only the rows of these."""
    (high, wide), (down, across) = _lengths(size), _both(side)
    rows = scipy.fft.ifft(product, high, axis=-2)[..., :down, :]
    return np.asarray(scipy.fft.irfft(rows, wide, axis=-1)[..., :across], np.float32)


def _lengths(size: Size) -> tuple[int, int]:
    high, wide = _both(size)
    return scipy.fft.next_fast_len(high, real=True), scipy.fft.next_fast_len(wide, real=True)


def _both(size: Size) -> tuple[int, int]:
    return (size, size) if isinstance(size, int) else size


def tiles(array: NDArray[Scalar], size: int, step: int, count: tuple[int, int]) -> NDArray[Scalar]:
    """Square tiles of the last two axes, `step` apart, `count` (rows, cols) of them: (rows * cols, ..., size, size)."""
    view = np.lib.stride_tricks.sliding_window_view(array, (size, size), axis=(-2, -1))
    view = view[..., :step * count[0]:step, :step * count[1]:step, :, :]
    rows, cols = view.shape[-4:-2]
    return np.moveaxis(view, (-4, -3), (0, 1)).reshape(rows * cols, *array.shape[:-2], size, size)
