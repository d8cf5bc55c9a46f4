"""What all commands have in common: help, what was likely meant, JSON on stdout, completion, progress in a log."""

from __future__ import annotations

import argparse
import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from promptmid_core.cli import main, parser
from promptmid_core.cli.completion import script
from promptmid_core.cli.output import EVERY_S, Bar
from promptmid_core.cli.parsing import STDOUT, positive_number

UNITS = re.compile(r"[-_](m|px|deg|percent|s|ms|mps|gsd|hz)\b|\b(px|pixels?|metres|degrees?|deg|seconds?|s|ms|m/s|%|times|Hz|GB|"
                   r"share|sigma|number)\b", re.IGNORECASE)


def commands(of: argparse.ArgumentParser, path: str = "promptmid") -> Iterator[tuple[str, argparse.ArgumentParser]]:
    yield path, of
    for name, below in getattr(of, "words", {}).items():
        yield from commands(below, f"{path} {name}")
    for action in of._actions:
        if isinstance(action, argparse._SubParsersAction):
            for name, below in action.choices.items():
                yield from commands(below, f"{path} {name}")


def options() -> Iterator[tuple[str, argparse.Action]]:
    for path, each in commands(parser()):
        for action in each._actions:
            if not isinstance(action, argparse._SubParsersAction | argparse._HelpAction | argparse._VersionAction):
                yield f"{path} {'/'.join(action.option_strings) or action.dest}", action


def test_every_option_has_help_with_its_default_and_unit() -> None:
    seen = 0
    for name, action in options():
        seen += 1
        assert action.help, f"{name} has no help"
        if action.default not in (None, False, [], argparse.SUPPRESS):
            assert "default" in action.help, f"{name} does not tell its default"
        if action.type in (float, positive_number):
            assert UNITS.search(f"{name} {action.help}"), f"{name} does not tell its unit"
        assert action.help % {"default": 1, "prog": "x"} if "%" in action.help else True
    assert seen > 150


@pytest.mark.parametrize(("words", "meant"), [
    (["repaly", "bag"], "did you mean replay?"), (["map", "bild"], "did you mean build?"),
    (["replay", "bag", "--mpa", "map"], "did you mean --map?"), (["replay", "bag", "--map", "m", "--odometri=/x"], "--odometry?"),
    (["bench", "runtime", "--frame-count", "3"], "unrecognized argument: --frame-count"),
    (["doctor", "--backend", "onnxruntim"], "did you mean onnxruntime?"), (["completion", "bahs"], "did you mean bash?")])
def test_what_was_likely_meant_is_told(words: list[str], meant: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(words)
    assert stopped.value.code == 2
    told = capsys.readouterr().err
    assert meant in told and len(told.splitlines()) == 1 and "--help" in told


def test_options_may_be_shortened_as_before() -> None:
    words = ["replay", "bag", "--map", "m", "--image-t", "cam", "--heading", "3", "--ground-truth-topic", "gps"]
    args = parser().parse_args(words)
    assert (args.image, args.heading_known_deg, args.ground_truth) == ("/cam", 3.0, "/gps")


def test_json_may_name_a_file_or_go_to_stdout() -> None:
    def of(*words: str) -> Any:
        return parser().parse_args(words)

    assert of("map", "info", "--json", "la_map").json == of("map", "info", "la_map", "--json").json == STDOUT
    assert of("map", "info", "--json", "la_map").map == Path("la_map")
    args = of("map", "info", "la_map", "--json", "out.json")
    assert (args.map, args.json) == (Path("la_map"), Path("out.json"))
    assert of("replay", "bag", "--json", "figures", "--map", "m").json == Path("figures")
    assert of("replay", "bag", "--map", "m", "--json").json == STDOUT
    assert of("replay", "bag", "--map", "m").json is None


def test_json_alone_is_on_stdout_and_in_a_file(built_map: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    assert main(["map", "verify", str(built_map), "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"whole": True, "damaged": [], "unfinished_regions": []}
    assert main(["map", "info", str(built_map), "--json", str(tmp_path / "info.json")]) == 0
    assert capsys.readouterr().out == ""
    assert main(["map", "info", "--json", str(built_map)]) == 0
    assert json.loads(capsys.readouterr().out) == json.loads((tmp_path / "info.json").read_text())
    assert main(["map", "info", str(built_map), "--json", str(tmp_path / "none" / "info.json")]) == 1
    assert "does not exist" in capsys.readouterr().err


def completed(*words: str) -> list[str]:
    """What bash offers for the last of the words."""
    lines = f"{script(parser(), 'bash')}\nCOMP_WORDS=({' '.join(map(repr, words))}); COMP_CWORD={len(words) - 1}; _promptmid\n"
    lines += 'printf "%s\\n" "${COMPREPLY[@]}"'
    done = subprocess.run(["bash", "-c", lines], capture_output=True, text=True, check=True)
    return done.stdout.split()


def test_bash_completes_commands_options_and_choices() -> None:
    assert completed("promptmid", "repl") == ["replay"]
    assert {"build", "info", "verify"} <= set(completed("promptmid", "map", ""))
    assert completed("promptmid", "replay", "bag", "--odo") == ["--odometry", "--odometry-topic"]
    assert completed("promptmid", "doctor", "--backend", "onnx") == ["onnxruntime"]
    assert "--frames" in completed("promptmid", "bench", "runtime", "--fr")
    assert completed("promptmid", "replay", "fl") == [], "files are the shell's"
    assert script(parser(), "zsh").startswith("autoload -U +X bashcompinit")


def test_progress_in_a_log_is_a_line_now_and_then(capsys: pytest.CaptureFixture[str]) -> None:
    now = 0.0
    with Bar("replay", "frame", clock=lambda: now) as progress:
        for done in range(1, 101):
            now += EVERY_S / 40
            progress(done, 100)
    assert capsys.readouterr().err.splitlines() == ["replay: frame 40 of 100", "replay: frame 80 of 100"]
