"""Frozen trials: a table of what was drawn, so that every method, run and machine meets the same ones."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from promptmid_core.bench.pairs import Pair, by_source
from promptmid_core.bench.trials import Setting, Trial, truth
from promptmid_core.errors import InputError
from promptmid_core.files import write_whole

SETTINGS = {"patch_px": "patch", "radius_px": "radius", "yaw_reach_deg": "yaw_deg", "scale_reach_percent": "scale_percent",
            "seed": "seed"}
COLUMNS = (*SETTINGS, "source", "pair", "centre_x", "centre_y", "shift_x", "shift_y", "yaw_deg", "scale", "truth_x", "truth_y")
SAME_PX = 0.01


def write_trials(path: Path, trials: Sequence[Trial], pairs: Sequence[Pair], setting: Setting) -> None:
    """Write one row a trial; `truth_x`, `truth_y` is the SAR pixel of the patch's centre. Raises InputError where `path` cannot
    be written."""
    known = {(pair.source, pair.id): pair for pair in pairs}
    common = [getattr(setting, name) for name in SETTINGS.values()]
    text = io.StringIO(newline="")
    out = csv.writer(text)
    out.writerow(COLUMNS)
    for trial in trials:
        x, y = truth(known[trial.source, trial.pair], trial).tolist()
        out.writerow([*common, trial.source, trial.pair, *trial.centre, *trial.shift, float(np.degrees(trial.yaw)),
                      trial.scale, x, y])
    write_whole(path, text.getvalue())


def read_trials(path: Path, pairs: Sequence[Pair], setting: Setting) -> list[Trial]:
    """Return the trials of the file that are of sources of `pairs`, in the order of the file.

    Raises InputError where the file is no table of trials, was drawn with another setting, lacks a source or names a pair that is
    not there or lies elsewhere.
    """
    try:
        with path.open(newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
        for row in rows[:1]:
            for column, name in SETTINGS.items():
                if float(row[column]) != getattr(setting, name):
                    option = f"--{name.replace('_', '-')}"
                    raise InputError(f"{path} was drawn with {option} {float(row[column]):g}, this run has {option} "
                                     f"{getattr(setting, name):g}; run with the former, or name another --trials-file")
        trials = [(_trial(row), (float(row["truth_x"]), float(row["truth_y"]))) for row in rows]
    except (OSError, KeyError, ValueError, TypeError, csv.Error) as error:
        raise InputError(f"{path} is no table of trials ({type(error).__name__}: {error}); name a file that does not exist yet, "
                         "and it will be written") from error
    known = {(pair.source, pair.id): pair for pair in pairs}
    sources = [source for source, _ in by_source(pairs)]
    chosen = []
    for number, (trial, place) in enumerate(trials, start=2):
        if trial.source not in sources:
            continue
        pair = known.get((trial.source, trial.pair))
        if pair is None or np.hypot(*(truth(pair, trial) - place)) > SAME_PX:
            what = "which is not there" if pair is None else "whose affine was another one"
            raise InputError(f"{path} row {number} has a trial on pair '{trial.pair}' of {trial.source}, {what}; use the pairs "
                             "that the file was drawn from, or name another --trials-file")
        chosen.append(trial)
    counts = Counter(trial.source for trial in chosen)
    for source in sources:
        if counts[source] != setting.trials:
            raise InputError(f"{path} holds {counts[source]} trials on source {source}, this run wants {setting.trials}; set "
                             "--trials and --sources to what the file holds, or name another --trials-file")
    return chosen


def _trial(row: dict[str, str]) -> Trial:
    return Trial(row["source"], row["pair"], (float(row["centre_x"]), float(row["centre_y"])),
                 (int(row["shift_x"]), int(row["shift_y"])), float(np.radians(float(row["yaw_deg"]))), float(row["scale"]))
