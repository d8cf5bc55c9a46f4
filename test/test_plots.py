"""The kit that reports, benches and previews draw with."""

import base64

import numpy as np
import pytest

from promptmid_core.plots import COLOURS, cumulative, encoded, figure, legend_above, styled, uri

MAGIC = {"png": b"\x89PNG", "svg": b"<?xml", "pdf": b"%PDF"}


def drawn(kind: str) -> bytes:
    with styled():
        plot = figure(3, 2)
        cumulative(plot.add_subplot(), np.array([1.0, 2.0]), 3.0, color=COLOURS[0])
        return encoded(plot, kind)


@pytest.mark.parametrize("kind", MAGIC)
def test_equal_plots_are_equal_files(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    files = []
    for moment in ("1000000000", "2000000000"):
        monkeypatch.setenv("SOURCE_DATE_EPOCH", moment)
        files.append(drawn(kind))
    assert files[0] == files[1] and files[0].startswith(MAGIC[kind])


def test_values_beyond_the_end_count_though_they_are_not_drawn() -> None:
    axes = figure(3, 2).add_subplot()
    cumulative(axes, np.array([4.0, 1.0, np.inf, 2.0]), 3.0)
    assert axes.lines[0].get_xydata().tolist() == [[0, 0], [1, 25], [2, 50], [3, 50]]


def test_a_legend_stands_where_something_has_a_name() -> None:
    axes = figure(3, 2).add_subplot()
    legend_above(axes)
    assert axes.get_legend() is None
    axes.plot([0, 1], label="line")
    legend_above(axes)
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["line"]


def test_a_picture_stands_in_a_page() -> None:
    head, data = uri(b"abc", "svg").split(",")
    assert head == "data:image/svg+xml;base64" and base64.b64decode(data) == b"abc"


def test_nothing_global_is_left_behind() -> None:
    import matplotlib

    before = dict(matplotlib.rcParams)
    drawn("png")
    assert dict(matplotlib.rcParams) == before
