"""Descriptors and matches of images of every kind, under masks of every kind: finite, and the same each time."""

from __future__ import annotations

import numpy as np
import pytest
from finite import examples, is_finite, no_warning, vectors
from hypothesis import example, given
from hypothesis import strategies as st

from promptmid_core.descriptors import Descriptor, load
from promptmid_core.geometry import ChannelGroup, DescriptorMap, Grid, Measure, Patch
from promptmid_core.matching.blocks import block_surfaces
from promptmid_core.matching.search import Extent, search
from promptmid_core.matching.similarity import Similarity
from promptmid_core.matching.surface import score_surface, vertex
from promptmid_core.matching.ties import tie_points
from promptmid_core.matching.verification import verify
from promptmid_core.matching.window import SearchWindow
from promptmid_core.prompts.prompt import Modality, Prompt

pytestmark = no_warning

KINDS = ("noise", "flat", "zero", "point", "step", "sharp", "faint", "checker", "ramp", "saw")
MASKS = ("all", "none", "one", "half", "holes", "few")
EXTENT = Extent(30.0, 0.02, 0.01)
SEEN = ChannelGroup("edges", 2), ChannelGroup("colours", 3, Measure.DEPENDENCE, 1.25, 2.0)
KNOWN = ChannelGroup("edges", 2), ChannelGroup("colours", 2, Measure.DEPENDENCE, 1.25, 2.0)


def image(kind: str, height: int, width: int, seed: int) -> np.ndarray:
    """Of values from 0 to 1."""
    rng = np.random.default_rng(seed)
    rows, cols = np.mgrid[:height, :width]
    if kind == "point":
        return np.asarray((rows == rng.integers(height)) & (cols == rng.integers(width)), float)
    made = {"noise": rng.random((height, width)), "flat": np.full((height, width), 0.5), "zero": np.zeros((height, width)),
            "step": cols >= width // 2, "checker": (rows + cols) % 2, "ramp": (rows + cols) / (height + width),
            "saw": cols % 7 / 7}
    made |= {"sharp": made["noise"] ** 60, "faint": made["noise"] * 1e-30}
    return np.asarray(made[kind], float)


def mask(kind: str, height: int, width: int, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    rows, cols = np.mgrid[:height, :width]
    return np.asarray({
        "all": rows >= 0, "none": rows < 0, "one": (rows == rng.integers(height)) & (cols == rng.integers(width)),
        "half": cols >= width // 2, "holes": rng.random((height, width)) > 0.1, "few": rng.random((height, width)) > 0.9}[kind])


def described(kind: str, valid: str, channels: int, grid: Grid, seed: int, top: float) -> DescriptorMap:
    array = np.stack([image(kind, *grid.shape, seed + i) * top for i in range(channels)]).astype(np.float32)
    groups = {5: SEEN, 4: KNOWN}.get(channels, ())
    return DescriptorMap(array, mask(valid, *grid.shape, seed), grid, 2, groups)


@pytest.fixture(scope="module")
def descriptors() -> dict[str, Descriptor]:
    return {name: load(name, threads=1) for name in ("structural", "promptmid")}


@examples(80)
@given(st.sampled_from(("structural", "promptmid")), st.sampled_from(KINDS), st.sampled_from(MASKS), st.integers(2, 70),
       st.integers(2, 70), st.integers(0, 99), st.sampled_from(("grey", "colour", "amplitude")),
       st.sampled_from((1.0, 1e3, 1e12)))
def test_any_image_has_finite_descriptors(descriptors: dict[str, Descriptor], name: str, kind: str, valid: str, height: int,
                                          width: int, seed: int, sort: str, top: float) -> None:
    """Amplitude to a million times what a map build lets pass."""
    pixels = image(kind, height, width, seed)
    if sort == "amplitude":
        pixels, prompt = (pixels * top).astype(np.float32), Prompt(Modality.SAR)
    else:
        pixels, prompt = (pixels * 255).astype(np.uint8), Prompt(Modality.OPTICAL)
        pixels = np.stack([pixels, pixels[::-1], pixels[:, ::-1]], axis=2) if sort == "colour" else pixels
    patch = Patch(pixels, mask(valid, height, width, seed), Grid(0.0, 0.0, 10.0, width, height))
    found = descriptors[name].describe(patch, prompt)
    assert is_finite(found.array) and found.array.shape[1:] == found.valid.shape == (height // 2, width // 2)


@examples(120)
@given(st.sampled_from(KINDS), st.sampled_from(KINDS), st.sampled_from(MASKS), st.sampled_from(MASKS),
       st.sampled_from((36, 64, 65, 80)), st.sampled_from((16, 20, 24)), st.integers(0, 99),
       st.sampled_from((1e-30, 1e-3, 1.0, 8.0, 1e4)), st.booleans())
@example("flat", "noise", "all", "all", 64, 16, 0, 1.0, False)
@example("flat", "flat", "all", "all", 64, 16, 0, 1.0, True)
@example("zero", "zero", "all", "all", 64, 16, 0, 1.0, True)
def test_any_two_descriptor_maps_can_be_matched(seen: str, known: str, seen_valid: str, known_valid: str, side: int, margin: int,
                                                seed: int, top: float, grouped: bool) -> None:
    whole = Grid(1000.0, 5000.0, 10.0, side + 2 * margin, side + 2 * margin)
    window = described(known, known_valid, 4 if grouped else 2, whole, seed, top)
    patch = described(seen, seen_valid, 5 if grouped else 2, whole.cut(margin, margin, side, side), seed + 3, top)
    peaks = search(patch, SearchWindow(window), EXTENT)
    assert peaks == search(patch, SearchWindow(window), EXTENT)
    for peak in peaks:
        place = peak.similarity
        assert is_finite(peak.score, place.east, place.north, place.yaw, place.scale)
    start = peaks[0].similarity if peaks else Similarity((1000.0, 5000.0))
    ties = tie_points(block_surfaces(patch, window, start))
    assert is_finite(ties.seen, ties.found, ties.spread, ties.score)
    looked = verify(patch, window, start)
    assert is_finite(looked.score, looked.margin, looked.similarity, looked.shift)
    assert is_finite(score_surface(patch, window))


@pytest.mark.parametrize("kind", ["flat", "zero"])
def test_where_all_places_are_alike_none_stands_out(kind: str) -> None:
    """Every maximum is a tie: the same is taken each time, and none is a match."""
    whole = Grid(1000.0, 5000.0, 10.0, 112, 112)
    window, patch = described(kind, "all", 4, whole, 0, 1.0), described(kind, "all", 5, whole.cut(24, 24, 64, 64), 0, 1.0)
    peaks = search(patch, SearchWindow(window), EXTENT)
    assert all(peak.score < 0 for peak in peaks)
    assert len(tie_points(block_surfaces(patch, window, peaks[0].similarity))) == 0
    found = verify(patch, window, peaks[0].similarity)
    assert found.score <= 0 and found.margin <= 0


@examples(150)
@given(vectors(9, st.floats(width=32, allow_nan=False, allow_infinity=False)), st.integers(0, 2), st.integers(0, 2))
def test_the_vertex_of_any_surface(values: np.ndarray, row: int, col: int) -> None:
    across, down = vertex(values.reshape(3, 3), row, col)
    assert abs(across) <= 0.5 and abs(down) <= 0.5


@examples(150)
@given(st.integers(1, 10), st.integers(0, 99), st.floats(-1e8, 1e8), st.floats(-7, 7),
       st.sampled_from((0.0, 1e-9, 0.5, 1.0, 2.0)), st.sampled_from((0.0, 1e-9, 1.0, 1e4)))
def test_the_similarity_between_any_points(count: int, seed: int, shift: float, yaw: float, scale: float, spread: float) -> None:
    points = shift / 3 + spread * np.random.default_rng(seed).normal(size=(count, 2))
    moved = Similarity((shift / 3, 0.0), shift, -shift, yaw, scale).apply(points)
    found = Similarity.between(points, moved)
    assert is_finite(found.apply(points), found.yaw, found.scale)
    assert found.apply(points).mean(axis=0) == pytest.approx(moved.mean(axis=0), rel=1e-9, abs=1e-6)


def test_points_at_one_place_tell_a_shift_alone() -> None:
    found = Similarity.between(np.full((4, 2), 7.0), np.full((4, 2), 9.0))
    assert (found.east, found.north, found.yaw, found.scale) == (2.0, 2.0, 0.0, 1.0)
