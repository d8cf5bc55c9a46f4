"""docs/scenarios.md: what a scenario file may say, the criteria, and what comes of a run.

`python -m promptmid_core.scenario.page > docs/scenarios.md`
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from promptmid_core.replay.criteria import CRITERIA, FLIGHTS_PASSED
from promptmid_core.scenario.cells import CELL_FIELDS
from promptmid_core.scenario.ground import CHIP_FIELDS, RASTER_FIELDS
from promptmid_core.scenario.results import KEYS
from promptmid_core.scenario.scenario import FIELDS, MAP_FIELDS, OTHER, START_FIELDS
from promptmid_core.simulation.flight.options import SETTINGS as FLIGHT
from promptmid_core.simulation.kinds import quoted
from promptmid_core.simulation.settings import Control
from promptmid_core.simulation.world.alterations import SETTINGS as ALTERATIONS
from promptmid_core.simulation.world.options import SETTINGS as WORLD

INTRODUCTION = """# Scenarios

A scenario is a YAML file: a world, its map, a flight over it, and what the flight has to come to.
[config/scenarios](../config/scenarios) has one for every situation that the product is held against.

```bash
promptmid scenario run config/scenarios/tracking.yaml --json out.json --report out.html
promptmid scenario run config/scenarios/*.yaml --json out.json --work scenarios_out --descriptor structural
```

It exits 0 where all pass, 3 where one failed, and 1 where one could not be run: then its object has `error`, and the others are
there all the same. A scenario on real rasters is skipped, with a line on the terminal and `skipped` in its object, where
`PROMPTMID_DATA` names no folder ([the images](results.md#the-images)). `--work DIR` keeps worlds, maps and flights, each by what
it was made from and by the code that made it, so that a run with other parameters makes nothing anew; the replay always runs.
`--params FILE` gives parameters of the node and `--descriptor NAME` a descriptor for all of them.

```yaml
shows: A prior 40 px off that says 5 px.
world:
  simulated: {size_px: 1024}
flight: {frames: 30, footprint_px: 384, drift_px: 5, offset_px: 40, sigma_stated_px: 5}
parameters: {patch_px: 256}
seeds: [1, 2, 3]
criteria: {first_fix_frame_most: 5, fix_rate_from_first_least: 0.95, false_fixes_most: 0}
```

A file that is wrong is refused in one sentence with file, line and field, before anything is made. This page is made from the
tables in code: `python -m promptmid_core.scenario.page > docs/scenarios.md`.
"""
RASTERS = """A path that begins with `$PROMPTMID_DATA/` lies below that folder, any other beside the scenario's file.
"""
CHIPS = """The chips are joined to two rasters by the data folder's own `tools/make_geotiffs.py`, as in
[results.md](results.md#the-images): on the grid of the SAR, the optical image warped by the refined registration.
"""
SEVERAL = """With `seeds` or `cells` a scenario is several flights. Every flight has to pass every criterion, or the share
`flights_passed_least` of them; nothing is pooled but what describes hypotheses and counts. `places` counts grounds that have
nothing in common: worlds of other seeds, and cells but for their margins.
"""


def document() -> str:
    """docs/scenarios.md."""
    return "\n".join([
        INTRODUCTION,
        "## The file\n", _table("field", FIELDS),
        "### `world: simulated`\n", _settings(WORLD),
        "### `world: rasters`\n", RASTERS, _table("field", RASTER_FIELDS),
        "### `world: chips`\n", CHIPS, _table("field", CHIP_FIELDS),
        "### `map`\n", _table("field", MAP_FIELDS),
        "Each of the `alterations`:\n", _settings(ALTERATIONS, {"other": OTHER}),
        "### `flight`\n", _settings(FLIGHT),
        "### `start`\n", _table("field", START_FIELDS),
        "### `cells`\n", _table("field", CELL_FIELDS),
        "## Criteria\n", SEVERAL,
        _rows(("criterion", "unit", ""), [(f"`{each.name}`", each.unit, each.meaning) for each in CRITERIA.values()] + [
            (f"`{FLIGHTS_PASSED}`", "share", "Of several flights, the share that has to pass; default: 1.")]),
        "A value that cannot be known, as the error of a flight without a fix, is null and does not pass.\n",
        "## The result\n",
        "One object a scenario, in the order of the files.\n",
        _table("key", KEYS),
    ])


def _table(title: str, meanings: Mapping[str, str]) -> str:
    return _rows((title, ""), [(f"`{name}`", meaning) for name, meaning in meanings.items()])


def _settings(table: Mapping[str, Control], more: Mapping[str, str] = {}) -> str:
    def default(setting: Control) -> str:
        return "" if setting.default in (None, ()) or setting.default is False else quoted(setting.default)

    return _rows(("field", "", "has to be", "default"),
                 [(f"`{name}`", each.meaning, each.kind.wanted, default(each)) for name, each in table.items()]
                 + [(f"`{name}`", meaning, "a table", "") for name, meaning in more.items()])


def _rows(titles: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    return "\n".join(f"| {' | '.join(row)} |" for row in (titles, ("---",) * len(titles), *rows)) + "\n"


if __name__ == "__main__":
    print(document(), end="")
