"""`promptmid bench runtime`: what it measures, what it writes, and how it is told from `promptmid bench DIR`."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from promptmid_core.cli import main, parser
from promptmid_core.doctor import latency
from promptmid_core.doctor.machine import device, versions
from promptmid_core.localization.localizer import Localizer
from promptmid_core.localization.options import Options


def test_a_flight_is_timed_stage_by_stage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
                                          capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(latency, "WORLD_PX", 640)
    monkeypatch.setattr(latency, "FOOTPRINT_PX", 200)
    # the processor's own clock, which stands still while others have it
    monkeypatch.setattr(time, "perf_counter", time.process_time)
    out = tmp_path / "runtime.json"
    command = ["bench", "runtime", "--descriptor", "structural", "--frames", "6", "--size", "640x360", "--patch", "128"]
    assert main([*command, "--radius", "32", "--limits", "--json", str(out)]) == 0
    result = json.loads(out.read_text())
    assert result["frames"] == 6
    assert 1 <= result["frames_fixed"] <= 6
    assert (result["image_px"], result["patch_px"], result["radius_px"]) == ([640, 360], 128, 32)
    assert {"decode", "orthorectify", "map", "describe", "search", "solve", "verify", "judge", "track",
            "messages"} <= set(result["stages"])
    for times in (result["frame_ms"], result["cpu_ms"], *result["stages"].values()):
        assert 0 < times["p50"] <= times["p95"] <= times["p99"]
    # nothing of note happens between the stages
    assert sum(stage["p50"] for stage in result["stages"].values()) > 0.7 * result["frame_ms"]["p50"]
    assert set(result["limits"]) == set(result["stages"])
    # whatever the machine: no stage is done before its operations are
    assert all(each["ms"] > each["limit_ms"] for each in result["limits"].values())
    assert result["limits"]["verify"]["limit_ms"] > 0.1
    assert result["fixes_per_second"] > 0 and result["rss_mb"] > 50
    assert result["device"]["cores"] >= 1
    assert result["versions"]["numpy"]
    shown = capsys.readouterr().out
    assert f"{result['frames_fixed']} of 6 frames ended in a fix" in shown
    assert f"{result['frame_ms']['p95']:.1f}" in shown


def test_no_fix_is_no_time(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    monkeypatch.setattr(latency, "WORLD_PX", 640)
    monkeypatch.setattr(latency, "FOOTPRINT_PX", 200)
    monkeypatch.setattr(latency, "WARM_UP", 0)
    out = tmp_path / "none.json"
    command = ["bench", "runtime", "--descriptor", "structural", "--frames", "2", "--size", "320x200", "--patch", "64"]
    unseen = Options.of(patch_px=64, least_contrast=255.0)
    monkeypatch.setattr(latency, "Localizer", lambda reference, descriptor, _: Localizer(reference, descriptor, unseen))
    assert main([*command, "--json", str(out)]) == 1
    assert "none of 2 frames ended in a fix" in capsys.readouterr().err
    assert not out.exists()


@pytest.mark.parametrize(
    ("words", "command", "folder"),
    [
        (["bench", "pairs", "--patch", "96"], "_bench", "pairs"),
        (["bench", "./runtime"], "_bench", "runtime"),
        (["bench", "--patch", "96", "runtime"], "_bench", "runtime"),
        (["bench", "runtime", "--frames", "7"], "_runtime", None),
    ],
)
def test_the_word_runtime_and_a_folder_of_that_name(words: list[str], command: str, folder: str | None) -> None:
    args = parser().parse_args(words)
    assert args.run.__name__ == command
    assert (str(args.pairs) if folder else getattr(args, "pairs", None)) == folder


def test_both_benches_are_explained(capsys: pytest.CaptureFixture[str]) -> None:
    for words, expected in ((["bench", "--help"], ("promptmid bench runtime", "./runtime", "--methods")),
                            (["bench", "runtime", "--help"], ("usage: promptmid bench runtime", "--frames", "example:"))):
        with pytest.raises(SystemExit) as end:
            parser().parse_args(words)
        shown = capsys.readouterr().out
        assert end.value.code == 0
        assert all(text in shown for text in expected)
    with pytest.raises(SystemExit) as end:
        parser().parse_args(["bench", "runtime", "--frames", "0"])
    assert end.value.code == 2
    assert "promptmid bench runtime" in capsys.readouterr().err


def test_the_machine_is_told() -> None:
    told = device()
    assert told["cpu"]
    assert 1 <= told["cores"] <= told["cores_of_machine"]
    assert versions()["onnxruntime"]
    json.dumps(told)


@pytest.mark.parametrize(("set_by_user", "threads"), [({}, 1), ({"OPENBLAS_NUM_THREADS": "2"}, 2)])
def test_linear_algebra_has_one_thread_unless_the_user_says_otherwise(set_by_user: dict[str, str], threads: int) -> None:
    program = ("import promptmid_ros.program, sys; assert 'numpy' not in sys.modules; promptmid_ros.program.bound(); "
               "import numpy, threadpoolctl; print(*{each['num_threads'] for each in threadpoolctl.threadpool_info()})")
    environment = {key: value for key, value in os.environ.items() if not key.endswith("_NUM_THREADS")}
    done = subprocess.run([sys.executable, "-c", program], env=environment | set_by_user, capture_output=True, text=True,
                          check=True)
    assert done.stdout.split() == [str(min(threads, os.cpu_count() or 1))]
