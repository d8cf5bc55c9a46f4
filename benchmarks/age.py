"""What the age of a map and another season cost: patches of images of one date, matched by `structural` to SAR of another.

    python -m benchmarks.age "$PROMPTMID_DATA" --json age.json

Two sources, both pixel-aligned by who made them. `ombria`: 182 places before a flood and weeks later (train/ombria-floods and
train/ombria-after), four images each; the days are not known. `eifel`: one place on 38 days in six years (eval/eifel-seasons),
each optical image under each SAR image. The same patches and priors, wrong by up to 32 px, are matched under all of them. Told
are the share that is right within 5 px, and by how much the variance of those that are grows, in px2 an axis: in the first from
images of one date to those of two, in the second with years and with the season, whose 1 is half a year. Ranges hold 95 %, by
places or dates drawn anew.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from itertools import product
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from promptmid_core.arrays import Float64, Mask
from promptmid_core.bench.dates import dated
from promptmid_core.bench.matchers.descriptor import DescriptorMatcher
from promptmid_core.bench.pairs import IDENTITY, Pair
from promptmid_core.bench.trials import Setting, cut, draw
from promptmid_core.descriptors.name import DescriptorName
from promptmid_core.files import write_json
from promptmid_core.refmap.age import season

RIGHT_PX = 5.0
RADIUS_PX = 32
OMBRIA = {64: 4, 128: 3, 192: 3}  # so many patches a place, of so many pixels
EIFEL = {64: 4, 128: 5}
DAWN, DUSK = "before", "after"
AGAIN = 1000
YEAR = 365.25


@dataclass(frozen=True)
class Errors:
    """`off` (N, 2) px of N patches under images of the same dates, the `place` (N,) of each."""

    off: Float64
    place: Float64

    @property
    def right(self) -> Mask:
        return np.asarray(np.hypot(*self.off.T) <= RIGHT_PX)


class Matching:
    """Matches patches of a size, the same of each place under all of its images."""

    def __init__(self, patch: int, count: int) -> None:
        self._matcher = DescriptorMatcher(DescriptorName.parse("structural"))
        self._setting = Setting(patch, RADIUS_PX, trials=count)

    def errors(self, place: str, first: tuple[Path, Path], pairs: list[tuple[Path, Path]]) -> Iterator[Float64]:
        """Yield the errors (K, 2) in px of K patches of a place under each pair of images; they are drawn for the `first`."""
        trials, _ = draw([_pair(place, *first)], self._setting)
        for images in pairs:
            found = []
            for trial in trials:
                answer = self._matcher.locate(*cut(_pair(place, *images), trial, self._setting), self._setting.reach)
                found.append([np.inf] * 2 if answer is None else [answer.x + trial.shift[0], answer.y + trial.shift[1]])
            yield np.array(found)


def _pair(place: str, optical: Path, sar: Path) -> Pair:
    return Pair("age", place, optical, sar, None, None, np.array(IDENTITY), dated("age", place))


def ombria(data: Path, patch: int, count: int) -> dict[tuple[str, str], Errors]:
    """Return the errors over all places by the dates of the optical image and of the SAR image."""
    matching, found, places = Matching(patch, count), dict[tuple[str, str], list[Float64]](), []
    dates = list(product((DAWN, DUSK), repeat=2))
    for number in sorted(path.stem[-4:] for path in (data / "train/ombria-after/sar").glob("*.png")):
        images = {(when, kind): data / f"train/ombria-{folder}/{kind}/{name}_{when}_{number}.png"
                  for when, folder in ((DAWN, "floods"), (DUSK, "after")) for kind, name in (("optical", "S2"), ("sar", "S1"))}
        pairs = [(images[optical, "optical"], images[sar, "sar"]) for optical, sar in dates]
        for which, errors in zip(dates, matching.errors(number, pairs[0], pairs), strict=True):
            found.setdefault(which, []).append(errors)
        places += [float(number)] * len(errors)
    return {which: Errors(np.concatenate(errors), np.array(places)) for which, errors in found.items()}


def across(found: dict[tuple[str, str], Errors], rng: np.random.Generator) -> dict[str, Any]:
    """Return what images of two dates cost beside those of one: of the share that is right, and of the variance of patches that
    are so under all four, about the mean of each pair of dates, which is how these lie on one another."""
    same, other = (([found[which] for which in found if (which[0] == which[1]) is one]) for one in (True, False))
    right = [np.mean([errors.right for errors in kind], axis=0) for kind in (same, other)]
    all_right = np.all([errors.right for errors in found.values()], axis=0)
    squares = [np.mean([_squares(errors.off[all_right]) for errors in kind], axis=0) for kind in (same, other)]
    place = same[0].place
    return {"patches": len(place), "places": len(set(place)), "right_one_date": float(right[0].mean()),
            "right_two_dates": float(right[1].mean()), "right_less": _drawn(right[1] - right[0], place, rng),
            "variance_one_date_px2": float(squares[0].mean()),
            "variance_more_px2": _drawn(squares[1] - squares[0], place[all_right], rng)}


def _squares(off: Float64) -> Float64:
    """The mean over both axes of the squares (N,) about the mean."""
    return np.asarray(((off - off.mean(axis=0)) ** 2).mean(axis=1))


def _drawn(values: Float64, place: Float64, rng: np.random.Generator) -> list[float]:
    """The mean, and its range by places drawn anew."""
    group = np.unique(place, return_inverse=True)[1]
    total, count = np.bincount(group, values), np.bincount(group)
    drawn = rng.integers(0, len(count), (AGAIN, len(count)))
    means = total[drawn].sum(axis=1) / count[drawn].sum(axis=1)
    return [float(values.mean()), *(float(value) for value in np.percentile(means, (2.5, 97.5)))]


def eifel(data: Path, patch: int, count: int) -> tuple[list[date], list[date], Float64]:
    """Return the days of the optical and of the SAR images, and the errors (optical, SAR, K, 2) px."""
    folder = data / "eval/eifel-seasons"
    names = sorted(path.name for path in (folder / "optical").glob("*.png"))
    pairs = [(folder / "optical" / optical, folder / "sar" / sar) for optical, sar in product(names, repeat=2)]
    errors = np.array(list(Matching(patch, count).errors("eifel", pairs[0], pairs)))
    days = [[date.fromisoformat(word) for word in name.removesuffix(".png").split("_")] for name in names]
    optical, sar = map(list, zip(*days, strict=True))
    return optical, sar, errors.reshape(len(names), len(names), count, 2)


def grown(optical: list[date], sar: list[date], errors: Float64, rng: np.random.Generator) -> dict[str, Any]:
    """Return how the share that is right and the variance of those go with the years and the seasons between two images, by
    least squares."""
    right = np.hypot(errors[..., 0], errors[..., 1]) <= RIGHT_PX
    middle = np.array([np.median(errors[:, :, k][right[:, :, k]], axis=0) for k in range(errors.shape[2])])
    squares = ((np.where(right[..., None], errors, 0) - middle) ** 2).mean(axis=-1)
    apart = np.array([[(seen - mapped).days for mapped in sar] for seen in optical])
    causes = np.stack([np.ones(apart.shape), abs(apart) / YEAR, np.vectorize(season)(apart)], axis=-1)
    out = {"days": len(sar), "most_days_apart": int(abs(apart).max())}
    for name, values, counted in (("right", right.astype(float), np.ones(right.shape)), ("variance_px2", squares, right)):
        known, amount = (values * counted).sum(axis=2), counted.sum(axis=2).astype(float)
        found = [_slopes(causes, known, amount)]
        for _ in range(AGAIN):
            drawn = [np.bincount(rng.integers(0, len(days), len(days)), minlength=len(days)) for days in (optical, sar)]
            weight = np.outer(*drawn)
            found.append(_slopes(causes, known * weight, amount * weight))
        low, high = np.percentile(found[1:], (2.5, 97.5), axis=0)
        for i, cause in enumerate(("at_once", "a_year", "half_a_year_of_season")):
            out[f"{name}_{cause}"] = [float(found[0][i]), float(low[i]), float(high[i])]
    return out


def _slopes(causes: Float64, total: Float64, count: Float64) -> Float64:
    """Least squares of values, of which each cell of a table has the total and the count, on their causes (..., C)."""
    return np.asarray(np.linalg.solve(np.einsum("ij,ijc,ijd->cd", count, causes, causes), np.einsum("ij,ijc->c", total, causes)))


def main() -> None:
    """Measure both, and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, metavar="DATA", help="the folder that has data/ in it")
    parser.add_argument("--json", type=Path, metavar="FILE")
    args = parser.parse_args()
    cv2.setNumThreads(1)
    rng, told = np.random.default_rng(1), dict[str, Any]()
    for patch, count in OMBRIA.items():
        told[f"ombria {patch} px"] = across(ombria(args.data / "data", patch, count), rng)
    for patch, count in EIFEL.items():
        told[f"eifel {patch} px"] = grown(*eifel(args.data / "data", patch, count), rng)
    for name, values in told.items():
        print(name, json.dumps(_rounded(values), indent=1), flush=True)
    if args.json:
        write_json(args.json, told)


def _rounded(values: dict[str, Any]) -> dict[str, Any]:
    return {name: [round(each, 3) for each in value] if isinstance(value, list) else round(value, 3)
            for name, value in values.items()}


if __name__ == "__main__":
    main()
