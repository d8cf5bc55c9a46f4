"""The ways in which input is turned down: a command that cannot run, and a frame that gets no fix."""

from __future__ import annotations

from promptmid_core.reasons import Reason

LONGEST = 2000  # characters of a sentence


def shortened(text: str) -> str:
    """Return a sentence without its middle where it is too long to be read: what it quotes from outside may have any length."""
    return text if len(text) <= LONGEST else f"{text[:LONGEST * 2 // 3]} ... {text[-LONGEST // 4:]}"


class InputError(Exception):
    """Input that a command cannot use. The text is one sentence, `shortened`: what is wrong, where, and what to do."""

    def __init__(self, sentence: str) -> None:
        super().__init__(shortened(sentence))


class Unavailable(InputError):
    """What is not there and need not be: a library, a GPU, a file that can be made. Who asked for the best goes on without it."""


class Refusal(Exception):
    """A frame that gets no fix.

    `reason` is the code that users count and filter by; the text is one sentence, `shortened`, with the figures behind it.
    """

    def __init__(self, reason: Reason, sentence: str) -> None:
        super().__init__(shortened(sentence))
        self.reason = reason

    def anew(self) -> Refusal:
        """Return the same to keep or to raise again: an exception holds all that was on the stack where it was raised."""
        return Refusal(self.reason, str(self))
