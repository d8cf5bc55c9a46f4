"""The frames of a replay that are kept as examples: good, median and worst, or those refused."""

from pathlib import Path

import numpy as np
import pytest
from flights import KnownLocalizer, PlainMap, messages, run, stamps

from promptmid_core.localization.fix import Candidate
from promptmid_core.reasons import Reason
from promptmid_core.replay.examples import KEPT, Album


def test_rows_are_light_and_examples_keep_their_patches(tmp_path: Path) -> None:
    sizes = {stamp: np.array([float((7 * i) % 21), 0, 0, 0, 0, 0]) for i, stamp in enumerate(stamps(21))}
    flight = run(tmp_path, messages(21), KnownLocalizer(sizes.__getitem__))
    assert all(frame.fix.candidate.patch is None and frame.fix.candidate.ties is None for frame in flight.frames)
    assert [example.title for example in flight.examples] == ["good", "median", "worst"]
    errors = [flight.frames[example.index].error_m for example in flight.examples]
    ordered = sorted(float(size[0]) for size in sizes.values())
    assert errors == pytest.approx([ordered[2], ordered[10], ordered[20]], abs=1e-6)
    assert all(example.candidate.patch is not None and example.candidate.ties is not None for example in flight.examples)


@pytest.mark.parametrize("order", [1, -1], ids=["rising", "falling"])
def test_album_of_a_long_flight_is_bounded_even_and_its_worst_exact(order: int) -> None:
    ranks = np.arange(5000.0)[::order]
    album, patch = Album(), PlainMap().image(0, 0, 4, 4)
    for i, rank in enumerate(ranks):
        album.add(i, Candidate(i, None, Reason.FIX, "", patch=patch), "fix", float(rank))
        assert len(album._sample) <= KEPT
    good, median, worst = album.chosen()
    assert worst.index == int(ranks.argmax())
    assert good.rank == pytest.approx(500, abs=150)
    assert median.rank == pytest.approx(2500, abs=150)


def test_where_nothing_was_accepted_the_most_frequent_reasons_are_shown(tmp_path: Path) -> None:
    wanted = [Reason.LOW_TEXTURE, Reason.AMBIGUOUS, Reason.AMBIGUOUS, Reason.FEW_TIE_POINTS, Reason.FEW_TIE_POINTS,
              Reason.FEW_TIE_POINTS, Reason.HALVES_DISAGREE]
    flight = run(tmp_path, messages(7), KnownLocalizer(refused=dict(zip(stamps(7), wanted, strict=True))))
    assert [(e.title, e.index) for e in flight.examples] == [("few_tie_points", 3), ("ambiguous", 1), ("low_texture", 0)]
