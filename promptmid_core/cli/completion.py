"""`promptmid completion`: what a shell needs to complete commands, options and their choices."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from typing import Any

from promptmid_core.cli.parsing import command

SHELLS = ("bash", "zsh")
# a word of a leaf that is no option is a file, which the shell completes by itself
BASH = """\
_promptmid() {{
  local current="${{COMP_WORDS[COMP_CWORD]}}" last="${{COMP_WORDS[COMP_CWORD-1]}}" at="promptmid" word words=""
  for word in "${{COMP_WORDS[@]:1:COMP_CWORD-1}}"; do
    case "$at $word" in
      {commands}) at="$at $word" ;;
    esac
  done
  case "$at $last" in
{choices}
  esac
  if [ -z "$words" ]; then
    case "$at" in
{words}
    esac
    case "$at" in
      {leaves}) case "$current" in -*) ;; *) words="" ;; esac ;;
    esac
  fi
  COMPREPLY=($(compgen -W "$words" -- "$current"))
}}
complete -o default -F _promptmid promptmid
"""
ZSH = "autoload -U +X bashcompinit && bashcompinit\n"


def add(commands: Any) -> None:
    """Declare the commands of this family."""
    show = command(commands, "completion", _completion, "a script by which a shell completes commands and options",
                   'source <(promptmid completion bash)\n  source <(promptmid completion zsh)')
    show.add_argument("shell", choices=SHELLS, help="the shell that will read the script")


def _completion(args: argparse.Namespace) -> None:
    from promptmid_core.cli import parser

    print(script(parser(), args.shell), end="")


def script(whole: argparse.ArgumentParser, shell: str) -> str:
    """Return the script for a shell, one of SHELLS."""
    below = dict(_below(whole, "promptmid"))
    choices = [f'    "{path} {option}") words="{" ".join(map(str, action.choices))}" ;;' for path, each in below.items()
               for action in each._actions if action.choices and not isinstance(action, argparse._SubParsersAction)
               for option in action.option_strings]
    words = [f'      "{path}") words="{" ".join(_words(each))}" ;;' for path, each in below.items()]
    leaves = [f'"{path}"' for path, each in below.items() if each._subparsers is None]
    text = BASH.format(commands="|".join(f'"{path}"' for path in list(below)[1:]), choices="\n".join(choices),
                       words="\n".join(words), leaves="|".join(leaves))
    return (ZSH if shell == "zsh" else "") + text


def _below(parser: argparse.ArgumentParser, path: str) -> Iterator[tuple[str, argparse.ArgumentParser]]:
    """Every command with the words that name it."""
    yield path, parser
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for name, each in action.choices.items():
                yield from _below(each, f"{path} {name}")
    for name, each in getattr(parser, "words", {}).items():
        yield from _below(each, f"{path} {name}")


def _words(parser: argparse.ArgumentParser) -> list[str]:
    """What may follow a command: its commands, the choices of its arguments, and its options."""
    named: list[str] = list(getattr(parser, "words", {}))
    for action in parser._actions:
        if not action.option_strings and action.choices:
            named += map(str, action.choices)
    return named + [option for action in parser._actions for option in action.option_strings if option.startswith("--")]
