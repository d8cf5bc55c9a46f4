"""What `/diagnostics` tells of a process that tells an autopilot of fixes: its keys, each with its value, meaning and rules."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from promptmid_core.autopilot.silence import MEANINGS, Silence
from promptmid_core.outputs.keys import ABSENT, Absent, Key, Rule, Value, above

NOT_EMPTY = Rule("not empty", lambda value: bool(value))
SOURCE = "camera matched to the map"
MOST_APART_S = 1.0


@dataclass(frozen=True)
class Spoken:
    """A process at a moment: `to` where `message` goes; times in seconds, None where they are not known."""

    message: str
    to: str
    silence: Silence
    fix_age_s: float | None
    sigma_m: float | None
    sent: int
    rate_hz: float | None
    resets: int
    apart_s: float | None
    problem: str
    program_errors: int
    autopilot: Answered | None = None


@dataclass(frozen=True)
class Answered:
    """What an autopilot says of itself over MAVLink."""

    heard_s: float | None
    apart_s: float | None
    refused: str


def _answered(get: Callable[[Answered], Value]) -> Callable[[Spoken], Value | Absent]:
    return lambda spoken: ABSENT if spoken.autopilot is None else get(spoken.autopilot)


APART = Rule(f"above {MOST_APART_S:g} either way", lambda value: isinstance(value, float) and abs(value) > MOST_APART_S,
             f", above {MOST_APART_S:g} either way")

OUTPUT = {
    "message": Key(lambda spoken: spoken.message, "What is sent."),
    "to": Key(lambda spoken: spoken.to, "Where it is sent: `mavlink_url`, or the topic."),
    "source": Key(lambda spoken: SOURCE, "Label of the source, the same always."),
    "silent": Key(lambda spoken: str(spoken.silence), "Why nothing is sent, one of the codes below; empty where it is.",
                  warn=NOT_EMPTY, cure="sentence says why; without fixes look at ~/match_diagnostics of the localizer"),
    "sentence": Key(lambda spoken: MEANINGS.get(spoken.silence, ""), "The same in words."),
    "fix_age_s": Key(lambda spoken: spoken.fix_age_s, "Seconds since the image of the last fix; unknown before one."),
    "fix_sigma_m": Key(lambda spoken: spoken.sigma_m, "Accuracy of that fix as an autopilot is told it, one standard deviation "
                       "of an axis, before odometry has carried it on."),
    "sent": Key(lambda spoken: spoken.sent, "Messages sent since the start, without heartbeats and texts."),
    "sent_rate_hz": Key(lambda spoken: spoken.rate_hz, "The same a second, over the last ten seconds."),
    "reset_counter": Key(lambda spoken: spoken.resets, "How often the aircraft was found anew after it was lost."),
    "stamps_behind_s": Key(lambda spoken: spoken.apart_s, "Seconds that the stamp of the newest odometry lies behind this "
                           "process's clock; where nothing is carried that of the last fix, as `fix_age_s`.", warn=APART,
                           cure="synchronise the clocks of camera, odometry and computer; with a bag set use_sim_time"),
    "problem": Key(lambda spoken: spoken.problem, "Why the last message could not be used, or sent.", warn=NOT_EMPTY,
                   cure="mend what the sentence names: the message, its parameters or the link"),
    "autopilot_heard_s": Key(_answered(lambda answered: answered.heard_s), "Seconds since the autopilot's last heartbeat; "
                             "unknown before one. `mavlink` alone.", warn=above(5),
                             cure="look at mavlink_url, the cable and baud rate, and the autopilot's serial port"),
    "autopilot_clock_behind_s": Key(_answered(lambda answered: answered.apart_s), "Seconds that the autopilot's clock lies "
                                    "behind this process's, where it tells its time of day. `mavlink` alone.", warn=APART,
                                    cure="set the clock of the computer or of the autopilot, by NTP, GPS or TIMESYNC"),
    "refused": Key(_answered(lambda answered: answered.refused), "How the autopilot refused the last "
                   "`EXTERNAL_POSITION_ESTIMATE`; empty where it did not. `mavlink` alone.", warn=NOT_EMPTY,
                   cure="look whether its version and its settings take that command, or choose another mavlink_message"),
    "program_errors": Key(lambda spoken: spoken.program_errors, "Messages on which the program itself failed.", error=above(0),
                          cure="report it with the trace in the log"),
}
