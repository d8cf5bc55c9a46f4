"""How well the channels of one image foretell those of the other, at every displacement, by FFT and under masks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from promptmid_core.arrays import Float32, Mask
from promptmid_core.matching.correlation import LEAST_COVER, spectrum, surface

RIDGE = 0.01  # of the mean variance: keeps channels that hardly vary from speaking up


@dataclass(frozen=True)
class Moments:
    """What `dependence` needs of a window (M, w, w), whatever is looked for in it: the transforms of its channels, scaled to unit
    variance, of their products two by two, and of where it is valid."""

    size: int
    channels: NDArray[np.complex64]
    products: NDArray[np.complex64]
    valid: NDArray[np.complex64]

    @staticmethod
    def of(window: Float32, valid: Mask, rim: int = 0) -> Moments:
        """Return the moments of a window that is centred, and zero where not valid (w, w); `rim` cells on every side only count
        for its variance."""
        scale = np.sqrt((window ** 2).sum(axis=(1, 2)) / max(int(valid.sum()), 1)) + 1e-6
        inner = np.s_[..., rim:window.shape[-2] - rim, rim:window.shape[-1] - rim]
        window, valid = window[inner] / scale[:, None, None].astype(np.float32), valid[inner]
        size = window.shape[-1]
        products = np.stack([window[i] * window[j] for i, j in _pairs(len(window))])
        return Moments(size, spectrum(window, size), spectrum(products, size), spectrum(valid, size))


def dependence(blocks: Float32, block_valid: Mask, windows: Sequence[Moments]) -> Float32:
    """Gaussian mutual information (B, 2r+1, 2r+1) in nats per cell of blocks (B, K, b, b) and windows (M, b+2r, b+2r) of each.

    At each displacement the M channels of the window are regressed on the K channels of the block; with S the window's
    covariance under the block and R that of the residuals it is (log det S - log det R) / 2 (Kay 1992, for canonical
    correlations; the correlation ratio of Roche et al. 1998 is the case M = 1 with classes as channels). So nothing is assumed of
    which colour is bright to the radar: each block learns it anew, and the true place is where most can be learnt. Blocks are
    zero where not valid; 0 where too few cells meet.
    """
    return np.stack([_block(*each) for each in zip(blocks, block_valid, windows, strict=True)])


def _block(block: Float32, block_valid: Mask, window: Moments) -> Float32:
    size, side, count = window.size, window.size - block.shape[-1] + 1, max(int(block_valid.sum()), 1)
    white = _whitened(block, block_valid)
    seen, mask = spectrum(white, size).conj(), spectrum(block_valid, size).conj()
    met: Float32 = np.maximum(surface(window.valid * mask, size, side), np.float32(1))
    mean = surface(window.channels * mask, size, side) / met
    moments = surface(window.products * mask, size, side) / met
    across = np.stack([surface(channel * seen, size, side) / met for channel in window.channels])  # (M, K, side, side)
    enough = met >= LEAST_COVER * count
    if met.min() < count - 0.5:
        across = _under(across, mean, white, count, met, window, enough)
    m = len(across)
    whole, rest = np.empty((m, m, side, side), np.float32), np.empty((m, m, side, side), np.float32)
    for moment, (i, j) in zip(moments, _pairs(m), strict=True):
        covariance = moment - mean[i] * mean[j] + (RIDGE if i == j else 0)
        whole[i, j] = whole[j, i] = covariance
        rest[i, j] = rest[j, i] = covariance - np.einsum("krc,krc->rc", across[i], across[j])
    nats = np.maximum(_log_determinant(whole) - _log_determinant(rest), 0) / 2
    return np.where(enough, nats, np.float32(0))


def _under(across: Float32, mean: Float32, white: Float32, count: int, met: Float32, window: Moments, enough: Mask) -> Float32:
    """`across` (M, K, side, side) as if the block's channels, white over all of the block (K, b, b), were white over the cells
    that meet at each displacement; without this they would explain more than there is. Zero where not `enough` cells meet."""
    k, size, side = len(white), window.size, met.shape[-1]
    own = surface(window.valid * spectrum(white, size).conj(), size, side) / met
    products = np.stack([white[i] * white[j] for i, j in _pairs(k)])
    moments = surface(window.valid * spectrum(products, size).conj(), size, side) / met
    flat = white.reshape(k, -1)
    # that of the whole block, and a little of its own: transforms in float32 must leave it positive definite
    ridge = (1 + RIDGE / 10) * np.eye(k) - flat @ flat.T / count
    covariance = np.empty((int(enough.sum()), k, k))
    for moment, (i, j) in zip(moments, _pairs(k), strict=True):
        covariance[:, i, j] = covariance[:, j, i] = (moment - own[i] * own[j])[enough] + ridge[i, j]
    less = (across - mean[:, None] * own)[..., enough]  # (M, K, places)
    found = np.zeros_like(across)
    found[..., enough] = np.linalg.solve(np.linalg.cholesky(covariance), less.transpose(2, 1, 0)).transpose(2, 1, 0)
    return found


def _pairs(count: int) -> list[tuple[int, int]]:
    return [(i, j) for i in range(count) for j in range(i, count)]


def _whitened(block: Float32, valid: Mask) -> Float32:
    """The block's channels (K, b, b) turned and scaled to unit covariance over valid cells."""
    count = max(int(valid.sum()), 1)
    centred = (block - block.sum(axis=(1, 2), keepdims=True) / count) * valid
    flat = centred.reshape(len(block), -1).astype(np.float64)
    covariance = flat @ flat.T / count
    ridge = RIDGE * np.trace(covariance) / len(block) + 1e-12
    lower = np.linalg.cholesky(covariance + ridge * np.eye(len(block)))
    return np.asarray(np.linalg.solve(lower, flat).reshape(block.shape), np.float32)


def _log_determinant(matrices: Float32) -> Float32:
    """Of symmetric matrices (M, M, ...), by elimination; pivots are held above a thousandth of the ridge."""
    left = matrices.copy()
    total: Float32 = np.zeros(left.shape[2:], np.float32)
    for i in range(len(left)):
        pivot = np.maximum(left[i, i], np.float32(RIDGE / 1000))
        total += np.log(pivot)
        for j in range(i + 1, len(left)):
            left[j, i + 1:] -= left[j, i] / pivot * left[i, i + 1:]
    return total
