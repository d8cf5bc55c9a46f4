"""What README and docs say is so: links lead somewhere, commands and imports exist, every page is listed."""

import argparse
import importlib.util
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import cv2
import pytest

from promptmid_core.cli import parser
from promptmid_core.cli.parsing import Parser

ROOT = Path(__file__).resolve().parent.parent
DOCS = sorted(ROOT.glob("docs/**/*.md"))
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md", *DOCS]
# the table of the changelog tells where modules lay before
OF_TODAY = [page for page in PAGES if page.name != "CHANGELOG.md"]
# as it stands at the beginning of a line, in a loop, in a subshell, or after another; to a pipe, a semicolon, or a comment
COMMAND = re.compile(r"(?:^\s*|[;&(] *|\bdo |-m )promptmid(?:_core\.cli)? ((?:[^;|&#\"']|\"[^\"]*\"|'[^']*')+)")
LINK = re.compile(r"\]\(([^)\s]+)\)")


def prose(page: Path) -> str:
    """A page without its blocks of code."""
    return re.sub(r"^```.*?^```", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)


def shell_lines(page: Path) -> Iterator[str]:
    """The lines of a page's blocks of shell commands, continued ones joined."""
    for block in re.findall(r"^```bash\n(.*?)^```", page.read_text(), re.MULTILINE | re.DOTALL):
        yield from block.replace("\\\n", " ").splitlines()


def anchors(page: Path) -> set[str]:
    """The names that GitHub gives the headings of a page."""
    headings = re.findall(r"^#+ (.+)$", prose(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_within_the_repository_leads_somewhere(page: Path) -> None:
    for target in LINK.findall(prose(page)):
        if re.match(r"[a-z]+:", target):
            continue
        name, _, anchor = target.partition("#")
        file = (page.parent / name).resolve() if name else page
        assert file.exists(), f"{page.name} links to {target}"
        assert not anchor or anchor in anchors(file), f"{page.name} links to {target}, a heading that {file.name} does not have"


def test_the_readme_is_short_and_shows_a_match_and_a_report() -> None:
    lines = (ROOT / "README.md").read_text().splitlines()
    assert len(lines) <= 120
    assert max(map(len, lines)) <= 130
    shown = re.findall(r"^!\[.+\]\((\S+)\)$", "\n".join(lines[:40]), re.MULTILINE)
    assert shown == ["docs/images/match.png", "docs/images/report.png"]
    for name in shown:
        assert (ROOT / name).stat().st_size < 400_000
        assert cv2.imread(str(ROOT / name)).shape[1] <= 1600


def test_every_row_of_robustness_names_a_test_that_there_is() -> None:
    rows = re.findall(r"^\| .+ \| .+ \| (.+) \|$", (ROOT / "docs" / "robustness.md").read_text(), re.MULTILINE)
    named = [re.fullmatch(r"`(test_\w+\.py)` `(test_\w+)`", cell) for cell in rows if cell != "test"]
    assert len(named) >= 80
    for cell in named:
        assert cell is not None, "a row names no test"
        assert re.search(rf"def {cell[2]}\(", (ROOT / "test" / cell[1]).read_text()), cell[0]


def test_the_index_lists_every_page() -> None:
    listed = set(LINK.findall((ROOT / "docs" / "index.md").read_text()))
    assert {page.relative_to(ROOT / "docs").as_posix() for page in DOCS} - listed == {"index.md"}


def test_every_recipe_says_what_to_set_what_to_look_at_what_goes_wrong_and_how_far_it_was_tested() -> None:
    recipes = sorted(ROOT.glob("docs/recipes/*.md"))
    assert len(recipes) >= 8
    for page in recipes:
        headings = re.findall(r"^## (.+)$", prose(page), re.MULTILINE)
        assert headings == ["What to set", "What to look at", "What goes wrong", "How far tested"], page.name


def test_every_import_that_is_shown_works() -> None:
    shown = {line.strip() for page in OF_TODAY
             for line in re.findall(r"^ *((?:from|import) promptmid.*?)(?: *#.*)?$", page.read_text(), re.MULTILINE)}
    assert len(shown) > 5
    done = subprocess.run([sys.executable, "-c", "\n".join(sorted(shown))], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_every_module_and_program_that_is_run_exists() -> None:
    for page in OF_TODAY:
        text = page.read_text()
        for module in re.findall(r"python -m ((?:promptmid_|benchmarks)[\w.]*)", text):
            assert importlib.util.find_spec(module), f"{page.name} runs python -m {module}"
        for program in re.findall(r"(?:python|bash) ((?:docs|examples|test)/\S+\.(?:py|sh))", text):
            assert (ROOT / program).is_file(), f"{page.name} runs {program}"


def test_every_goal_of_make_that_is_named_exists() -> None:
    goals = set(re.findall(r"^([a-z][\w-]*):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    told = subprocess.run(["make", "help"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for page in OF_TODAY:
        for goal in re.findall(r"(?:^|`)make ([a-z][\w-]*)", page.read_text(), re.MULTILINE):
            assert goal in goals, f"{page.name} names make {goal}"
            assert goal == "help" or re.search(rf"^make {goal} ", told, re.MULTILINE) or goal in ("ruff", "mypy", "layers")


def of_command(words: list[str]) -> argparse.ArgumentParser:
    """The parser of a command line's first words, as far as they name a command."""
    found = parser()
    for word in words:
        inner = found.words if isinstance(found, Parser) else {}
        for action in found._actions:
            if isinstance(action, argparse._SubParsersAction):
                inner = inner | action.choices
        if word not in inner:
            break
        found = inner[word]
    return found


def test_every_command_that_is_shown_has_the_options_that_are_shown() -> None:
    checked = 0
    for page in OF_TODAY:
        for line in shell_lines(page):
            for said in re.findall(COMMAND, line):
                # brackets hold what may be left out
                words = shlex.split(re.sub(r"[\[\]]", " ", said))
                its = of_command(words)
                assert its.prog != "promptmid", f"{page.name} shows promptmid {said}, which is no command"
                for option in (word.partition("=")[0] for word in words if word.startswith("--")):
                    assert option in its._option_string_actions, f"{page.name} shows promptmid {said}: no {option}"
                    checked += 1
    assert checked > 50


def test_the_architecture_names_every_room_and_no_file_that_is_not_there() -> None:
    text = (ROOT / "docs" / "architecture.md").read_text()
    for package in ("promptmid_core", "promptmid_ros"):
        for room in (path.parent for path in (ROOT / package).rglob("__init__.py")):
            name = room.relative_to(ROOT / package).as_posix()
            assert name == "." or f"`{name}/`" in text, f"docs/architecture.md does not tell what is in {package}/{name}"
    for name in re.findall(r"`((?:promptmid_core|promptmid_ros|docs|config|launch|examples)/[\w./]*)`", text):
        assert (ROOT / name).exists(), f"docs/architecture.md names {name}"
