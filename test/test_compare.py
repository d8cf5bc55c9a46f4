"""Several replays beside each other: what differs is named, and the better figure is marked."""

import json
from pathlib import Path

import numpy as np
import pytest
from judged import fix_at, flight_of, refused_at

from promptmid_core.cli import main
from promptmid_core.errors import InputError
from promptmid_core.replay.compare import beside, read_replay
from promptmid_core.replay.criteria import Course
from promptmid_core.replay.metrics import summarise
from promptmid_core.replay.verdict import judged


def told(path: Path, error_m: float, refused: int, descriptor: str) -> Path:
    frames = [fix_at(i, np.array([40.0 * i, 0.0]), np.array([error_m, 0.0])) for i in range(8)]
    frames += [refused_at(8 + i, np.zeros(2)) for i in range(refused)]
    summary = summarise(flight_of(frames)) | {"descriptor": descriptor}
    summary |= {"verdict": judged(Course(frames, summary)).to_dict()}
    path.write_text(json.dumps(summary))
    return path


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    return [told(tmp_path / "one.json", 4.0, 0, "structural"), told(tmp_path / "two.json", 9.0, 4, "<promptmid>")]


def test_figures_stand_beside_each_other_with_the_better_ones_marked(files: list[Path],
                                                                     capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["report", "compare", *map(str, files)]) == 0
    lines = {" ".join(line.split()) for line in capsys.readouterr().out.splitlines()}
    assert {"one.json two.json", "descriptor structural <promptmid>", "fix rate 100.0 %* 66.7 %", "verdict PASS* FAIL",
            "position error, m: median 4.00* 9.00", "ground error, px: median 0.40* 0.90", "refused: low_texture 0 4"} <= lines
    assert any(line.startswith("They differ in descriptor.") for line in lines)


def test_as_a_page_too(files: list[Path], tmp_path: Path) -> None:
    assert main(["report", "compare", *map(str, files), "--out", str(tmp_path / "page.html")]) == 0
    html = (tmp_path / "page.html").read_text()
    assert "&lt;promptmid&gt;" in html and "<promptmid>" not in html and "They differ in descriptor." in html
    assert html.count(' best">') >= 5


def test_a_folder_of_results_is_read_by_its_summary_and_what_is_none_is_refused(files: list[Path], tmp_path: Path) -> None:
    folder = tmp_path / "out"
    folder.mkdir()
    (folder / "summary.json").write_text(files[0].read_text())
    assert read_replay(folder) == read_replay(files[0])
    same = beside([folder, files[0]], [read_replay(folder), read_replay(files[0])])
    assert not same.differences and "same map" in same.sentence and all(not row.differs and not row.best for row in same.rows)
    (tmp_path / "none.json").write_text("[1]")
    with pytest.raises(InputError, match=r"none\.json has no figures of a replay; name the --json file or the --out folder"):
        read_replay(tmp_path / "none.json")


def test_replays_of_one_file_name_are_told_apart_by_their_folders(tmp_path: Path) -> None:
    paths = [tmp_path / folder / "out.json" for folder in ("a", "b")]
    assert beside(paths, [{"frames": 1, "fix_rate": 1.0}] * 2).names == ("a/out.json", "b/out.json")
