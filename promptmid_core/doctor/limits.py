"""What each stage of a frame has to compute and to move at least, and how long this machine would take for that."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import scipy.fft

from promptmid_core.descriptors import Descriptor
from promptmid_core.doctor.rates import Rates, Work, transforms
from promptmid_core.geometry import ChannelGroup, Measure
from promptmid_core.localization.belief import HALF
from promptmid_core.localization.fix import Candidate
from promptmid_core.localization.localizer import Localizer
from promptmid_core.localization.reach import margin_px
from promptmid_core.localization.solve import ITERATIONS
from promptmid_core.matching.blocks import RADIUS, STEPS
from promptmid_core.matching.search import BLOCK, BROAD_BLOCK, Extent, swing
from promptmid_core.matching.sought import COARSE_FACTOR
from promptmid_core.matching.window import Layout
from promptmid_core.prompts.prompt import Modality

FLOAT, COMPLEX = 4, 8  # bytes
COLOUR = 6  # operations a pixel from brightness and two differences to three colours
CHECKED = 8  # px between two that are looked at for black and white
PROJECTED, RESAMPLED = 60, 24  # operations a pixel of the patch: a ray, its lens and a height; three colours between four pixels
# operations of the structural channels: a pixel (root, blur, slopes, harmonics of both sets), and a cell (blurs, lengths, shares)
EDGES, CELLS = 130, 460
SOLVED = 400  # operations a tie point and step: residual, Jacobian, weight, and what they add to the equations
BELIEF = 150  # operations a cell: moved, blurred, told of the surface with a logarithm and an exponential, summed twice
# why a stage is further than FAR times from its limit
FAR = 4.0
REASONS = {
    "decode": "the code of a JPEG is read bit after bit",
    "check": "calls, not arithmetic",
    "orthorectify": "rays, lens and heights in double precision; clouds and contrast are looked at",
    "map": "chunks are cut and joined",
    "describe": "some forty passes over small images",
    "search": "headings and scales are summed block by block; many small calls",
    "solve": "the solver: some hundred calls on small arrays",
    "verify": "the window is turned; a regression is solved at each place",
    "judge": "calls on arrays of fifty tie points",
    "track": "two hundred calls on small arrays, in double precision",
    "messages": "calls, not arithmetic",
}


@dataclass(frozen=True)
class Looked:
    """What one frame was compared with: cells of the patch and of the window to a side, and coarse cells that its blocks were
    looked for around."""

    patch: int
    window: int
    reach: int

    @staticmethod
    def of(candidate: Candidate, localizer: Localizer) -> Looked | None:
        """Return what a candidate was compared with, None where it did not get that far."""
        patch, expected = candidate.patch, candidate.expected
        if patch is None or expected is None or "search_px" not in candidate.scores:
            return None
        reference, place = localizer.reference, expected.pose.position
        height = max(float(place[2] - localizer.terrain.height(*place[:2, None])[0]), 1.0)
        extent = Extent(candidate.scores["search_px"] * reference.gsd, expected.yaw, expected.height / height)
        margin, coarse = margin_px(patch.grid, extent, reference.stride), patch.grid.every(reference.stride * COARSE_FACTOR)
        reach = min(int(np.ceil(extent.radius / coarse.gsd)) + swing(extent, coarse.shape),
                    margin // (reference.stride * COARSE_FACTOR))
        return Looked(patch.grid.width // reference.stride, (patch.grid.width + 2 * margin) // reference.stride, reach)


def limits(stages: Mapping[str, float], wanted: Mapping[str, Work], rates: Rates) -> dict[str, dict[str, float]]:
    """Return for each of `stages`, milliseconds of processor time as measured, what the work `wanted` of it takes at least: `ms`,
    `limit_ms`."""
    return {stage: {"ms": ms, "limit_ms": round(rates.ms(wanted.get(stage, Work())), 4)} for stage, ms in stages.items()}


def work(looked: Looked, descriptor: Descriptor, image: tuple[int, int, int], network: Work) -> dict[str, Work]:
    """Return what each stage has to do at least for a frame of which one place is looked at; those whose arithmetic is nothing
    are left out.

    `image`: its width and height in pixels, and the bytes that it comes in; `network`: what the descriptor's has to do.
    """
    width, height, coded = image
    pixels, side, coarse = width * height, looked.patch * descriptor.stride, looked.patch // COARSE_FACTOR
    pairs = list(zip(descriptor.groups(Modality.OPTICAL), descriptor.groups(Modality.SAR), strict=True))
    seen, known = (sum(pair[i].channels for pair in pairs) for i in range(2))
    step = next(step for least, step in STEPS if looked.patch >= least)
    sought, whole = Work(), Work(moved=2 * FLOAT * known * looked.window ** 2)
    for one, other in pairs:
        foretold = one.measure is Measure.DEPENDENCE
        layout = Layout.of((coarse, coarse), BROAD_BLOCK if foretold else BLOCK, looked.reach)
        compared = _foretold if foretold else _correlated
        sought += layout.count[0] * layout.count[1] * compared(one, other, layout.size + 2 * looked.reach)
        whole += compared(one, other, looked.window // COARSE_FACTOR if foretold else looked.window)
    tied = SOLVED * (looked.patch // step - 1) ** 2
    blocks = sum((_correlated(*pair, step + 2 * RADIUS) for pair in pairs if pair[0].measure is Measure.CORRELATION), Work())
    return {
        # of the three samples of a pixel two have half the sides
        "decode": Work(transforms(1.5 * pixels / 64, 8), computed=COLOUR * pixels, moved=coded + 3 * pixels),
        "check": Work(computed=2 * 3 * pixels / CHECKED ** 2),
        "orthorectify": Work(computed=(PROJECTED + RESAMPLED) * side ** 2, moved=side ** 2 * (2 * 3 + 5 * FLOAT)),
        "map": Work(moved=known * looked.window ** 2 * (1 + FLOAT)),
        "describe": network + Work(computed=EDGES * side ** 2 + CELLS * looked.patch ** 2,
                                   moved=3 * side ** 2 + FLOAT * seen * looked.patch ** 2),
        "search": sought, "solve": (looked.patch // step) ** 2 * blocks + Work(computed=ITERATIONS * tied), "verify": whole,
        "judge": Work(computed=2 * tied),
        "track": Work(computed=BELIEF * (2 * HALF + 1) ** 2),
    }


def table(found: Mapping[str, Mapping[str, float]]) -> str:
    """Return limits for people: milliseconds, the least there could be, how many times that is, and why where that is far."""
    lines = [f"{'':16}{'ms':>8}{'limit':>8}{'times':>8}"]
    for stage, each in found.items():
        times = each["ms"] / each["limit_ms"] if each["limit_ms"] else np.inf
        told = f"{times:8.1f}" if np.isfinite(times) else f"{'':8}"
        reason = f"  {REASONS.get(stage, '')}" if times > FAR else ""
        lines.append(f"{stage:16}{each['ms']:8.1f}{each['limit_ms']:8.2f}{told}{reason}".rstrip())
    return "\n".join(lines)


def _correlated(one: ChannelGroup, _: ChannelGroup, window: int) -> Work:
    """Of the channels of a block and of its window; of energy and masks; and back, of one sum and of two of masks."""
    size = _fast(window)
    return Work(transforms(2 * one.channels + 6, size), moved=3 * COMPLEX * one.channels * size ** 2 / 2)


def _foretold(one: ChannelGroup, other: ChannelGroup, window: int) -> Work:
    """Of the channels of a block, of those of its window and of their products; and back, of each with each, and of the means."""
    size, own = _fast(window), 1 + other.channels + other.channels * (other.channels + 1) / 2
    across = one.channels * other.channels
    return Work(transforms(1 + one.channels + 2 * own + across, size), moved=3 * COMPLEX * across * size ** 2 / 2)


def _fast(size: int) -> int:
    return int(scipy.fft.next_fast_len(size, real=True))
