"""The ways in which input is turned down: a command that cannot run, and a frame that gets no fix."""

from promptmid_core.reasons import Reason


class InputError(Exception):
    """Input that a command cannot use. The text is one sentence: what is wrong, where, and what to do."""


class Unavailable(InputError):
    """What is not there and need not be: a library, a GPU, a file that can be made. Who asked for the best goes on without it."""


class Refusal(Exception):
    """A frame that gets no fix.

    `reason` is the code that users count and filter by; the text is one sentence with the figures behind it.
    """

    def __init__(self, reason: Reason, sentence: str) -> None:
        super().__init__(sentence)
        self.reason = reason
