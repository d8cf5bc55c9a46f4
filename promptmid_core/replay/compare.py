"""Several replays beside each other: what differs of what was replayed, and how their figures stand."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from promptmid_core.documents import read_json
from promptmid_core.errors import InputError
from promptmid_core.pages.page import count, number, percent, rendered
from promptmid_core.replay.results.folder import SUMMARY

Told = dict[str, Any]
# what a replay was of: where two differ in it their figures may differ for that
OF = ("bag", "map", "crs", "gsd_m", "descriptor", "fingerprint", "patch_px")
CURE = "name the --json file or the --out folder of a replay"


@dataclass(frozen=True)
class Figure:
    """A row: where it stands in the JSON, how it is written, and whether more of it is better (None: neither)."""

    name: str
    keys: tuple[str, ...]
    written: Callable[[Any], str]
    more_is_better: bool | None = None

    def of(self, told: Told) -> Any:
        value: Any = told
        for key in self.keys:
            value = value.get(key) if isinstance(value, dict) else None
        return value


def _word(passed: bool | None) -> str:
    return {True: "PASS", False: "FAIL", None: "not judged"}[passed]


FIGURES = (
    Figure("verdict", ("verdict", "passed"), _word, True),
    Figure("frames", ("frames",), count), Figure("fixes", ("fixes",), count), Figure("fix rate", ("fix_rate",), percent, True),
    Figure("first fix", ("first_fix_frame",), count, False), Figure("false fixes", ("false_fixes",), count, False),
    Figure("misleading", ("misleading",), count, False), Figure("bound failures", ("bound_failures",), count, False),
    *(Figure(f"{name}, {unit}: {column}", (f"{key}_{unit}", column), number, False)
      for name, key in (("ground error", "ground_error"), ("position error", "error"))
      for unit in ("px", "m") for column in ("median", "p95", "max")),
    Figure("in 95 % ellipse", ("coverage95",), percent), Figure("in 50 % ellipse", ("coverage50",), percent),
    Figure("independent samples", ("independent_samples",), number),
    Figure("median sigma, px", ("median_sigma_px",), number),
    Figure("protection level, px", ("protection", "level_px_median"), number),
    Figure("time of a frame, ms: p50", ("latency_ms", "p50"), number, False),
    Figure("time of a frame, ms: p95", ("latency_ms", "p95"), number, False),
)


@dataclass(frozen=True)
class Row:
    """A figure of each replay as text; `best` are the indices of those that are better than others."""

    name: str
    values: tuple[str, ...]
    best: frozenset[int]
    differs: bool


@dataclass(frozen=True)
class Lineup:
    """Replays by their `names`: `differences` in what was replayed, and their figures."""

    names: tuple[str, ...]
    differences: tuple[Row, ...]
    rows: tuple[Row, ...]

    @property
    def sentence(self) -> str:
        """What differs, in words."""
        if not self.differences:
            return "All were replayed over the same map, with the same descriptor and patch, from the same bag."
        return f"They differ in {', '.join(row.name for row in self.differences)}."


def read_replay(path: Path) -> Told:
    """Read the figures of a replay. Raises InputError where `path` has none."""
    file = path / SUMMARY if path.is_dir() else path
    told = read_json(file, cure=CURE)
    if not isinstance(told, dict) or not isinstance(told.get("frames"), int) or "fix_rate" not in told:
        raise InputError(f"{file} has no figures of a replay; {CURE}")
    return told


def beside(paths: Sequence[Path], replays: Sequence[Told]) -> Lineup:
    """Hold replays beside each other, named by their paths as far as these differ."""
    reasons = list(dict.fromkeys(code for told in replays for code in told.get("reasons", {})))
    figures = (*FIGURES, *(Figure(f"refused: {code}", ("reasons", code), lambda value: count(value or 0), False)
                           for code in reasons))
    differences = [_row(Figure(key, (key,), str), replays) for key in OF]
    return Lineup(_names(paths), tuple(row for row in differences if row.differs),
                  tuple(_row(figure, replays) for figure in figures))


def table(compared: Lineup) -> str:
    """Return the comparison as aligned plain text; the best of a row has a star."""
    rows = [("", *compared.names), *((row.name, *_starred(row)) for row in (*compared.differences, *compared.rows))]
    wide = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = ["  ".join([row[0].ljust(wide[0]), *map(str.rjust, row[1:], wide[1:])]).rstrip() for row in rows]
    lines.insert(1 + len(compared.differences), "")
    return "\n".join([*lines, "", f"{compared.sentence} * the best of a row"])


def page(compared: Lineup, command: str | None = None) -> str:
    """Return the comparison as a page of HTML."""
    return rendered("replay/compare.html.j2", compared=compared, command=command or "")


def _row(figure: Figure, replays: Sequence[Told]) -> Row:
    values = [figure.of(told) for told in replays]
    known = [value for value in values if value is not None]
    best: frozenset[int] = frozenset()
    if figure.more_is_better is not None and len(set(known)) > 1:
        top = max(known) if figure.more_is_better else min(known)
        best = frozenset(index for index, value in enumerate(values) if value == top)
    return Row(figure.name, tuple(figure.written(value) for value in values), best, len(set(map(str, values))) > 1)


def _starred(row: Row) -> list[str]:
    return [f"{value}{'*' if index in row.best else ' '}" for index, value in enumerate(row.values)]


def _names(paths: Sequence[Path]) -> tuple[str, ...]:
    """As short as they still differ, from the end."""
    parts = [path.absolute().parts for path in paths]
    for length in range(1, max(map(len, parts)) + 1):
        names = ["/".join(each[-length:]) for each in parts]
        if len(set(names)) == len(names):
            return tuple(names)
    return tuple(f"{path} ({number})" for number, path in enumerate(paths, 1))
