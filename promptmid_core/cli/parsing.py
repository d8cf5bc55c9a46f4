"""How commands are declared: the parser, groups, and the types of options."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from difflib import get_close_matches
from pathlib import Path
from typing import Any, NoReturn

from promptmid_core.errors import shortened

MODEL = "of promptmid:full: the profile.yaml that 'promptmid train aggregate' made of your checkpoints"
BACKENDS = ("auto", "tensorrt", "onnxruntime", "torch")  # as runtime/backend.py knows them
JSON, STDOUT = "--json", Path("-")
MOST_S = 2e9  # since 1970, for the whole century
NOT_PASSED = 3  # exit status of what was held against criteria and did not meet them
CAMERA = "a camera, by the YAML that camera_calibration wrote or by a bag with its camera_info"
FLOWN = "the day of the flight, UTC; default: today"
FLAT_GROUND = "ground heights; without it the ground is flat at z = 0"


class Parser(argparse.ArgumentParser):
    """Tells what is wrong in one line, and where help is.

    Where its first argument is one of `words`, that word's own parser takes the rest: a command with arguments of its own and
    further commands beside them.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.words: dict[str, Parser] = {}

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        if args and args[0] in self.words:
            return self.words[args[0]].parse_known_args(args[1:], namespace)
        if self._subparsers is None:
            args = self._checked(list(args or ()))
        return super().parse_known_args(args, namespace)

    def _checked(self, args: list[str]) -> list[str]:
        """The words of a command, all of whose options are known; a bare --json takes but a .json."""
        known = self._option_string_actions
        for count, word in enumerate(args[:args.index("--")] if "--" in args else args):
            name = word.partition("=")[0]
            if word.startswith("--") and not any(option.startswith(name) for option in known):
                self.error(f"unrecognized argument: {word}{_meant(name, known)}")
            if word == JSON and (action := known.get(JSON)) is not None and action.nargs == "?":
                following = args[count + 1] if count + 1 < len(args) else ""
                if getattr(action, "bare", False) and not following.endswith(".json"):
                    args[count] = f"{JSON}={STDOUT}"
        return args

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        if action.choices is not None and value not in action.choices:
            choices = [str(choice) for choice in action.choices]
            raise argparse.ArgumentError(action, f"invalid choice: {value!r} (choose from {', '.join(choices)})"
                                                 f"{_meant(str(value), choices)}")

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {shortened(message)}; see '{self.prog} --help'\n")


def _meant(text: str, known: Iterable[str]) -> str:
    """The end of a sentence that names what was likely meant; empty where nothing is alike."""
    near = get_close_matches(text, list(known), 1)
    return f"; did you mean {near[0]}?" if near else ""


def group(commands: Any, name: str, text: str) -> Any:
    """Return a command that has commands of its own, which `command` adds to what this returns."""
    return commands.add_parser(name, help=text, description=text).add_subparsers(required=True, metavar="COMMAND")


def command(group: Any, name: str, run: Callable[[argparse.Namespace], int | None], text: str,
            example: str) -> argparse.ArgumentParser:
    """Return a command that calls `run`, which returns its exit status, None for 0; `text` and `example` are its help."""
    parser: argparse.ArgumentParser = group.add_parser(
        name, help=text, description=text, epilog=f"example:\n  {example}", formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.set_defaults(run=run)
    return parser


def word(parent: argparse.ArgumentParser, name: str, run: Callable[[argparse.Namespace], int | None], text: str,
         example: str) -> argparse.ArgumentParser:
    """Return a command whose name follows that of `parent`, in the place of the parent's own arguments."""
    assert isinstance(parent, Parser)
    parser = Parser(prog=f"{parent.prog} {name}", description=text, epilog=f"example:\n  {example}",
                    formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.set_defaults(run=run)
    parent.words[name] = parser
    return parser


@dataclass(frozen=True)
class Output:
    """What a command writes to the file that an option names: `beside` are the endings of further files with its name, and one
    that `is_kept` stays as it is where it is there."""

    beside: tuple[str, ...] = ()
    is_kept: bool = False


def output(parser: argparse.ArgumentParser, name: str, written: Output = Output(), **options: Any) -> None:
    """Add an option that names a file which the command writes, so that it is checked before the command runs."""
    action = parser.add_argument(name, type=Path, **options)
    parser.set_defaults(outputs=(parser.get_default("outputs") or {}) | {action.dest: written})


def json_output(parser: argparse.ArgumentParser, what: str, written: Output = Output(), *, bare: bool = False) -> None:
    """Add `--json [FILE]`: `what` as JSON into a file, or alone on stdout; `bare`: a word after it that is no file of JSON is an
    argument of the command."""
    output(parser, JSON, written, nargs="?", const=STDOUT, metavar="FILE",
           help=f"{what} as JSON, into FILE; without FILE on stdout, where nothing else is printed then")
    if bare:
        action = parser._option_string_actions[JSON]
        action.bare = True  # type: ignore[attr-defined]


def positive_number(text: str) -> float:
    """For options that are lengths, rates or speeds."""
    value = float(text)
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"{text} is not a positive number")
    return value


def positive_count(text: str) -> int:
    """For options that count something."""
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text} is not a whole number above zero")
    return int(text)


def share_of(most: float) -> Callable[[str], float]:
    """For options from zero to `most`."""
    def limited(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            value = -1.0
        if not 0 <= value <= most:
            raise argparse.ArgumentTypeError(f"{text} is not a number from 0 to {most:g}")
        return value
    return limited


def names(text: str) -> list[str]:
    """For options that are lists, as a,b."""
    given = [name.strip() for name in text.split(",")]
    if "" in given:
        raise argparse.ArgumentTypeError(f"'{text}' is not a list of names such as a,b")
    return given


def topic(text: str) -> str:
    """For options that name a topic, with its slash or without."""
    if not text.strip("/"):
        raise argparse.ArgumentTypeError(f"'{text}' is not a topic such as /camera/image_raw")
    return f"/{text.strip('/')}"


def topic_or_file(endings: Sequence[str]) -> Callable[[str], str | Path]:
    """For options that name a topic, or a file with one of these endings."""
    def told(text: str) -> str | Path:
        return Path(text) if text.lower().endswith(tuple(endings)) else topic(text)
    return told


def seconds(text: str) -> float:
    """For options that are a time from a beginning on."""
    value = float(text)
    if not 0 <= value < MOST_S:
        raise argparse.ArgumentTypeError(f"{text} is not a number of seconds from 0")
    return value


def offset(text: str) -> float:
    """For options that move times, seconds."""
    value = float(text)
    if not abs(value) < MOST_S:
        raise argparse.ArgumentTypeError(f"{text} is not a number of seconds")
    return value


def time_of_acquisition(text: str) -> str:
    """For options that say when an image was taken."""
    from promptmid_core.products.acquisition import TIME, in_utc

    try:
        time = in_utc(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text} is no day or time, such as 2023-05-01 or 2023-05-01T12:00:00Z") from error
    # a day of leeway, for one that has begun further east
    if time > (datetime.now(UTC) + timedelta(days=1)).strftime(TIME):
        raise argparse.ArgumentTypeError(f"{text} lies in the future by this machine's clock; correct the year, or the clock")
    return time


def day(text: str) -> date:
    """For options that name a day."""
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text} is no day such as 2023-05-01") from error


def size(text: str) -> tuple[int, int]:
    """For options that are a width and a height, as 1280x960."""
    width, _, height = text.partition("x")
    if not (width.isdigit() and height.isdigit()):
        raise argparse.ArgumentTypeError(f"{text} is not a size such as 1280x960")
    return int(width), int(height)


def tellings(text: str) -> list[str]:
    """For what a prompt says of the land use."""
    given = names(text)
    for name in given:
        if name not in ("right", "neutral", "wrong"):
            raise argparse.ArgumentTypeError(f"'{name}' is not right, neutral or wrong")
    return given
