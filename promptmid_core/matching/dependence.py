"""How well the channels of one image foretell those of the other, at every displacement, by FFT and under masks."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from promptmid_core.arrays import Float32, Float64, Mask
from promptmid_core.matching.correlation import LEAST_COVER, spectrum, surface

RIDGE = 0.01  # of the mean variance: keeps channels that hardly vary from speaking up
WHITE = 1 + RIDGE / 10  # variance of a white channel, with a little that lets transforms in float32 leave it positive definite


@dataclass(frozen=True)
class Moments:
    """What `dependence` needs of B windows (B, M, w, w), whatever is looked for in them.

    `spectra` (B, 1 + M + M (M + 1) / 2, ...): the transforms of where a window is valid, of its M `channels`, scaled to unit
    variance, and of their products two by two.
    """

    size: int
    channels: int
    spectra: NDArray[np.complex64]

    @staticmethod
    def of(windows: Float32, valid: Mask, rim: int = 0) -> Moments:
        """Return the moments of windows that are centred, and zero where not valid (B, w, w); `rim` cells on every side count for
        their variance alone."""
        energy = np.einsum("bmij,bmij->bm", windows, windows) / np.maximum(valid.sum(axis=(1, 2)), 1)[:, None]
        inner = np.s_[..., rim:windows.shape[-2] - rim, rim:windows.shape[-1] - rim]
        count = windows.shape[1]
        pairs = _pairs(count)
        kept = valid[inner]
        parts = np.empty((len(windows), 1 + count + len(pairs), *kept.shape[1:]), np.float32)
        parts[:, 0] = kept
        scale = (np.sqrt(energy) + 1e-6).astype(np.float32)
        np.divide(windows[inner], scale[..., None, None], out=parts[:, 1:1 + count])
        for at, (i, j) in enumerate(pairs, 1 + count):
            np.multiply(parts[:, 1 + i], parts[:, 1 + j], out=parts[:, at])
        return Moments(kept.shape[-1], count, spectrum(parts, kept.shape[-1]))

    def only(self, used: Mask) -> Moments:
        """Return the windows that `used` (B,) says."""
        return self if used.all() else Moments(self.size, self.channels, self.spectra[used])


@dataclass(frozen=True)
class Regressors:
    """What `dependence` needs of blocks (B, K, b, b), whatever windows of `size` they are looked for in.

    `white` (B, 1 + K, b, b): where a block is valid, and its channels turned and scaled to unit covariance there; `spectra`:
    their conjugate transforms; `counts` (B,): valid cells.
    """

    size: int
    white: Float32
    spectra: NDArray[np.complex64]
    counts: NDArray[np.int64]

    @staticmethod
    def of(blocks: Float32, valid: Mask, size: int) -> Regressors:
        """Return the regressors of blocks that are zero where not valid (B, b, b)."""
        counts = np.maximum(valid.sum(axis=(1, 2)), 1)
        white = np.empty((len(blocks), 1 + blocks.shape[1], *blocks.shape[2:]), np.float32)
        white[:, 0] = valid
        for into, block, known, count in zip(white[:, 1:], blocks, valid, counts.tolist(), strict=True):
            into[...] = _whitened(block, known, count)
        return Regressors(size, white, _conjugate(white, size), counts)

    @cached_property
    def products(self) -> NDArray[np.complex64]:
        """The conjugate transforms (B, K + K (K + 1) / 2, ...) of the white channels, and of their products two by two."""
        k = self.white.shape[1] - 1
        products = np.stack([self.white[:, 1 + i] * self.white[:, 1 + j] for i, j in _pairs(k)], axis=1)
        return np.concatenate([self.spectra[:, 1:], _conjugate(products, self.size)], axis=1)


def dependence(blocks: Regressors, windows: Moments) -> Float32:
    """Gaussian mutual information (B, 2r+1, 2r+1) in nats per cell of blocks (B, K, b, b) and windows (M, b+2r, b+2r) of each.

    At each displacement the M channels of the window are regressed on the K channels of the block; with S the window's
    covariance under the block and R that of the residuals it is (log det S - log det R) / 2 (Kay 1992, for canonical
    correlations; the correlation ratio of Roche et al. 1998 is the case M = 1 with classes as channels). So nothing is assumed of
    which colour is bright to the radar: each block learns it anew, and the true place is where most can be learnt. Blocks are
    zero where not valid; 0 where too few cells meet.
    """
    size, m, seen, counts = windows.size, windows.channels, blocks.spectra, blocks.counts
    side = size - blocks.white.shape[-1] + 1
    # all transforms of all blocks at once: each call has its price
    first = surface(windows.spectra * seen[:, :1], size, side)
    met = np.maximum(first[:, 0], np.float32(1))
    mean, moments = first[:, 1:1 + m] / met[:, None], first[:, 1 + m:] / met[:, None]
    across = surface(windows.spectra[:, 1:1 + m, None] * seen[:, None, 1:], size, side)  # (B, M, K, side, side)
    across /= met[:, None, None]
    enough = met >= LEAST_COVER * counts[:, None, None]
    for at, count in enumerate(counts.tolist()):
        part = met[at] < count - 0.5
        if part.any():
            sums = surface(windows.spectra[at, 0] * blocks.products[at], size, side)
            _under(across[at], part & enough[at], blocks.white[at, 1:], sums, mean[at], met[at], count)
            across[at][..., ~enough[at]] = 0
    both = np.empty((m, m, 2, *met.shape), np.float32)
    for moment, (i, j) in zip(moments.swapaxes(0, 1), _pairs(m), strict=True):
        covariance = moment - mean[:, i] * mean[:, j] + np.float32(RIDGE if i == j else 0)
        both[j, i, 0], both[j, i, 1] = covariance, covariance - np.einsum("bkrc,bkrc->brc", across[:, i], across[:, j])
    whole, rest = _log_determinant(both)
    return np.where(enough, np.maximum(whole - rest, 0) / 2, np.float32(0))


def _under(across: Float32, places: Mask, white: Float32, sums: Float32, mean: Float32, met: Float32, count: int) -> None:
    """Make of `across` (M, K, side, side) what it would be if the block's channels, `white` (K, b, b) over all of it, were white
    over the cells that meet at each displacement; without this they would explain more than there is.

    `sums` (K + K (K + 1) / 2, side, side): of the channels and of their products over the cells that meet. Only at `places`
    where some cells of the block do not meet; elsewhere they are white.
    """
    k, own = len(white), sums[:, places] / met[places]
    flat = white.reshape(k, -1)
    # that of the whole block, and a little of its own
    ridge = WHITE * np.eye(k) - flat @ flat.T / count
    covariance = np.empty((own.shape[1], k, k))
    for moment, (i, j) in zip(own[k:], _pairs(k), strict=True):
        covariance[:, i, j] = covariance[:, j, i] = moment - own[i] * own[j] + ridge[i, j]
    less = across[..., places] - mean[:, None, places] * own[:k]  # (M, K, places)
    across *= np.float32(1 / np.sqrt(WHITE))
    across[..., places] = np.linalg.solve(np.linalg.cholesky(covariance), less.transpose(2, 1, 0)).transpose(2, 1, 0)


def _conjugate(arrays: Float32, size: int) -> NDArray[np.complex64]:
    transformed = spectrum(arrays, size)
    return np.conjugate(transformed, out=transformed)


def _pairs(count: int) -> list[tuple[int, int]]:
    return [(i, j) for i in range(count) for j in range(i, count)]


def _whitened(block: Float32, valid: Mask, count: int) -> Float64:
    """The block's channels (K, b, b) turned and scaled to unit covariance over valid cells, of which there are `count`."""
    flat = block.reshape(len(block), -1).astype(np.float64)
    flat -= flat.sum(axis=1, keepdims=True) / count
    if count < valid.size:
        flat *= valid.ravel()
    covariance = flat @ flat.T / count
    ridge = RIDGE * np.trace(covariance) / len(block) + 1e-12
    lower = np.linalg.cholesky(covariance + ridge * np.eye(len(block)))
    return np.asarray((np.linalg.inv(lower) @ flat).reshape(block.shape), np.float64)


def _log_determinant(matrices: Float32) -> Float32:
    """Of symmetric matrices (M, M, ...) by their lower halves, which are used up; pivots are held above RIDGE / 1000."""
    total: Float32 = np.zeros(matrices.shape[2:], np.float32)
    for i in range(len(matrices)):
        pivot = np.maximum(matrices[i, i], np.float32(RIDGE / 1000))
        total += np.log(pivot)
        for j in range(i + 1, len(matrices)):
            share = matrices[j, i] / pivot
            for k in range(i + 1, j + 1):
                matrices[j, k] -= share * matrices[k, i]
    return total
