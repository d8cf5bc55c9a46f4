"""`make faults`: its table, and some of its faults done to the node in flight, as the command does them."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from simulated import Scene

pytest.importorskip("rclpy", reason="needs ROS 2's rclpy")

from benchmarks.faults import rounds
from benchmarks.faults.__main__ import all_faults
from benchmarks.faults.cameras import CAMERAS
from benchmarks.faults.clocks import CLOCKS
from benchmarks.faults.images import IMAGES
from benchmarks.faults.maps import MAPS
from benchmarks.faults.priors import PRIORS
from benchmarks.faults.system import SYSTEM
from promptmid_core.reasons import Reason

pytestmark = [pytest.mark.slow, pytest.mark.waits]

TABLES = (IMAGES, CAMERAS, CLOCKS, PRIORS, MAPS, SYSTEM, rounds.of(1))
# one of each table; at length, one of hundred images instead of eight
DONE = ("duplicate", "two_infos", "clock_back", "jump_denied", "shards_cut", "lifecycle_rounds")
LONG = ("freeze_straight",)


def test_each_fault_has_a_name_of_its_own_and_shows_reasons_that_there_are() -> None:
    assert len(all_faults()) == sum(len(table) for table in TABLES)
    shown = {reason for fault in all_faults().values() for reason in fault.shows}
    assert shown <= {str(reason) for reason in Reason}


@pytest.mark.parametrize("names", [pytest.param(DONE, id="some"), pytest.param(LONG, id="long", marks=pytest.mark.long)])
def test_the_node_withstands_them(scene: Scene, tmp_path: Path, names: tuple[str, ...]) -> None:
    # what the command would make
    (tmp_path / "world").symlink_to(scene.folder / "world")
    shutil.copytree(scene.map_path, tmp_path / "map_structural")
    words = [word for name in names for word in ("--only", name)]
    done = subprocess.run([sys.executable, "-m", "benchmarks.faults", "--rounds", "2", "--out", str(tmp_path), *words],
                          cwd=Path(__file__).resolve().parent.parent, capture_output=True, text=True, timeout=600, check=False)
    logs = [log.read_text(errors="replace")[-5000:] for log in tmp_path.glob("nodes/*/localizer.log")]
    assert done.returncode == 0, "\n".join([done.stdout, done.stderr, *logs])
    told = json.loads((tmp_path / "faults.json").read_text())
    assert (told["faults"], told["failed"], told["false_fixes"]) == (len(names), 0, 0)
    assert {result["name"] for result in told["results"]} == {*names}
    assert all(result["recovery"] and result["fixes"] for result in told["results"])
