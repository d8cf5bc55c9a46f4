"""Trials of the pair benchmark: a patch of the optical image, and a prior that is wrong by a known shift, turn and scale."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from promptmid_core.arrays import Float64, Mask, UInt8
from promptmid_core.bench.matchers.matcher import Patch, Reach, Window, rotation
from promptmid_core.bench.pairs import Pair, by_source, content_of, read_images
from promptmid_core.errors import InputError

MOST_NODATA = 0.01  # share of black pixels that a patch may have
TRIES = 200  # draws of a trial before its pair counts as one without a place for it
COARSER = 1.5  # optical pixels per patch pixel from which on they are averaged, since a bare look-up would alias


class NoPlace(InputError):
    """No pair of a source has room for a trial."""


@dataclass(frozen=True)
class Setting:
    """What the trials of a run have in common: `patch` and `radius` in SAR px, largest turn and scale error, how many per
    source, and the seed."""

    patch: int = 64
    radius: int = 32
    yaw_deg: float = 0.0
    scale_percent: float = 0.0
    trials: int = 300
    seed: int = 1

    @property
    def reach(self) -> Reach:
        return Reach(self.radius, float(np.radians(self.yaw_deg)), self.scale_percent / 100)

    @property
    def upright_px(self) -> int:
        """Side of the square around the prior that must lie in the SAR image."""
        return self._whole((self.patch + 2 * self.radius) * (1 + self.scale_percent / 100))

    @property
    def window_px(self) -> int:
        """Side of the window: room for the patch at every shift, turn and scale."""
        angle = np.radians(min(self.yaw_deg, 45.0))
        turned = self.patch * (1 + self.scale_percent / 100) * float(np.cos(angle) + np.sin(angle))
        return max(self.upright_px, self._whole(turned + 2 * self.radius))

    def _whole(self, side: float) -> int:
        """Rounded up so that a patch in the middle meets whole pixels."""
        least = int(np.ceil(side - 1e-9))
        return least + (least - self.patch) % 2


@dataclass(frozen=True)
class Trial:
    """One match to make.

    `centre` (x, y) of the patch in optical px; the prior is wrong by `shift` (dx, dy) SAR px; a patch pixel at `u` from the
    patch's centre shows the SAR place truth + scale * R(yaw) u (yaw in radians, from x towards y).
    """

    source: str
    pair: str
    centre: tuple[float, float]
    shift: tuple[int, int]
    yaw: float = 0.0
    scale: float = 1.0


def truth(pair: Pair, trial: Trial) -> Float64:
    """Return where the centre of the patch lies in the SAR image: (x, y)."""
    place: Float64 = pair.affine[:, :2] @ np.array(trial.centre) + pair.affine[:, 2]
    return place


def draw(pairs: Sequence[Pair], setting: Setting) -> tuple[list[Trial], dict[str, int]]:
    """`setting.trials` trials in total, evenly over all pairs; and per source how many pairs have no place for a trial.

    What is drawn of a pair depends on nothing but the seed and the content of its files, not on what it or its folder is called;
    where a source has the same images twice, other trials are drawn of the second. Raises InputError where a source is left
    without a trial.
    """
    streams: dict[int, np.random.Generator] = {}
    met: Counter[tuple[str, tuple[int, int]]] = Counter()
    order = [int(i) for i in np.random.default_rng(setting.seed).permutation(len(pairs))]
    drawn: dict[int, list[Trial]] = {i: [] for i in order}
    # again with the pairs that are left, until none turns out to have no place for a trial
    while order and sum(map(len, drawn.values())) < setting.trials:
        for k, i in enumerate(order):
            wanted = setting.trials // len(order) + (k < setting.trials % len(order))
            if wanted and i not in streams:
                content = content_of(pairs[i])
                streams[i] = np.random.default_rng([setting.seed, *content, met[pairs[i].source, content]])
                met[pairs[i].source, content] += 1
            while len(drawn[i]) < wanted:
                trial = _draw_trial(pairs[i], setting, streams[i])
                if trial is None:
                    del drawn[i]
                    break
                drawn[i].append(trial)
        order = list(drawn)
    left_out = {}
    for source, group in by_source(pairs):
        kept = [i for i in drawn if pairs[i].source == source]
        if not kept:
            raise NoPlace(f"no pair of source {source} has room for a patch of {setting.patch} px in a window of "
                             f"{setting.upright_px} px with at most {MOST_NODATA:.0%} nodata; take a smaller --patch or --radius")
        if not any(drawn[i] for i in kept):
            raise InputError(f"{setting.trials} trials on {len(drawn)} pairs leave source {source} without one; "
                             "take more --trials, or name the --sources")
        left_out[source] = len(group) - len(kept)
    # pair by pair, so that each image is read once
    return [trial for i in sorted(drawn) for trial in drawn[i]], left_out


def cut(pair: Pair, trial: Trial, setting: Setting) -> tuple[Patch, Window]:
    """Return what a method is given: the patch, and the SAR window around the prior, whose centre is the truth plus the shift."""
    images = read_images(pair)
    image, valid = _patch(images.optical, pair, trial, setting.patch)
    side = setting.window_px
    left, top = (int(v) for v in np.rint(truth(pair, trial) + trial.shift - (side - 1) / 2))
    rows, cols = np.arange(top, top + side), np.arange(left, left + side)
    height, width = images.sar.shape
    window = images.sar[np.ix_(_mirrored(rows, height), _mirrored(cols, width))]
    inside = np.logical_and.outer((rows >= 0) & (rows < height), (cols >= 0) & (cols < width))
    return Patch(image, valid, pair.landuse), Window(window, inside, images.sar_median)


def _draw_trial(pair: Pair, setting: Setting, rng: np.random.Generator) -> Trial | None:
    images = read_images(pair)
    side, reach = setting.upright_px, setting.reach
    room = np.array(images.sar.shape[::-1]) - side
    if room.min() < 0:
        return None
    inverse = np.linalg.inv(pair.affine[:, :2])
    for _ in range(TRIES):
        prior = rng.integers(0, room + 1) + (side - 1) / 2
        shift = rng.integers(-setting.radius, setting.radius + 1, 2)
        yaw, scale = (float(v) for v in (0, 1) + rng.uniform(-1, 1, 2) * (min(reach.yaw, np.pi), reach.scale))
        centre = inverse @ (prior - shift - pair.affine[:, 2])
        trial = Trial(pair.source, pair.id, (float(centre[0]), float(centre[1])), (int(shift[0]), int(shift[1])), yaw, scale)
        at = _places(pair, trial, setting.patch)
        height, width = images.optical.shape[:2]
        if at.min() >= 0 and (at <= (width - 1, height - 1)).all() \
                and _patch(images.optical, pair, trial, setting.patch)[1].mean() >= 1 - MOST_NODATA:
            return trial
    return None


def _places(pair: Pair, trial: Trial, size: int) -> Float64:
    """Optical pixel (P, P, 2) of every patch pixel."""
    offset = np.arange(size) - (size - 1) / 2
    grid = np.stack(np.meshgrid(offset, offset), axis=-1)
    turn = np.linalg.inv(pair.affine[:, :2]) @ (trial.scale * rotation(trial.yaw))
    places: Float64 = grid @ turn.T + trial.centre
    return places


def _patch(optical: UInt8, pair: Pair, trial: Trial, size: int) -> tuple[UInt8, Mask]:
    """The patch (P, P, 3) and where it is not black; as it is where its pixels meet pixels of the image, else cubic."""
    at = _places(pair, trial, size)
    whole = np.rint(at).astype(int)
    nearest = optical[whole[..., 1], whole[..., 0]]
    valid = np.asarray(nearest.any(axis=-1), bool)
    if np.abs(at - whole).max() < 1e-6:
        return nearest, valid
    step = float(np.sqrt(abs(np.linalg.det(np.linalg.inv(pair.affine[:, :2]))))) * trial.scale
    margin = int(np.ceil(2 * step)) + 2
    left, top = np.maximum(whole.min(axis=(0, 1)) - margin, 0)
    right, bottom = whole.max(axis=(0, 1)) + margin + 1
    around = np.ascontiguousarray(optical[top:bottom, left:right])
    if step >= COARSER:
        around = np.asarray(cv2.GaussianBlur(around, (0, 0), step / 2), np.uint8)
    x, y = (np.ascontiguousarray(a, np.float32) for a in (at[..., 0] - left, at[..., 1] - top))
    image = cv2.remap(around, x, y, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT_101)
    return np.asarray(image * valid[..., None], np.uint8), valid


def _mirrored(index: NDArray[np.int_], size: int) -> NDArray[np.int_]:
    """Indices beyond an image of `size` pixels, reflected at its first and last one as often as it takes."""
    period = max(2 * (size - 1), 1)
    folded = index % period
    return np.asarray(np.minimum(folded, period - folded), int)
