"""Many scenes: work grows with their number, not with its square, and a build that is killed and loses a worker ends right."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from benchmarks.territory.simulation import simulate
from benchmarks.territory.stubs import GSD, Layout, Stub
from promptmid_core.refmap.build import BuildOptions, Sources
from promptmid_core.refmap.build.plan import plan_build
from promptmid_core.refmap.sar.view import SarView


def test_a_scene_is_read_for_its_neighbours_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    reads: Counter[str] = Counter()
    read = SarView.read

    def counted(view: SarView, *window: int) -> Any:
        reads[view.view.path.name] += 1
        return read(view, *window)

    monkeypatch.setattr(SarView, "read", counted)
    counts = []
    for count in (4, 9):
        files = Layout(9, 80).make(tmp_path / "scenes")
        # of three columns; the first scene has the same neighbours among four rows of them
        taken = [*files[:2], *files[3:5]] if count == 4 else [*files[:2], *files[3:5], files[2], *files[5:]]
        task = plan_build(tmp_path / "map", Sources(taken), BuildOptions(Stub(), gsd=GSD, levels=1))
        assert len(task.scenes) == count
        counts.append(reads[files[0].name])
        reads.clear()
    assert counts[0] == counts[1] > 0


@pytest.mark.long
def test_a_build_that_is_killed_and_loses_a_worker_ends_right(tmp_path: Path) -> None:
    found = simulate(Layout(12, 600), tmp_path, workers=2)
    assert 0 < found["killed_at_tile"] <= found["kept"] < found["tiles"]
    assert found["damaged"] == [] and found["px_of_another_scene"] == 0
    assert len(found["tiles_by_worker"]) >= 2
