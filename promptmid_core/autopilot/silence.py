"""Why an autopilot is told nothing."""

from __future__ import annotations

from enum import StrEnum

from promptmid_core.autopilot.verdicts import ImageVerdict
from promptmid_core.localization.fix import State
from promptmid_core.reasons import Reason


class Silence(StrEnum):
    """Reasons to tell an autopilot nothing; SPEAKING where there is none."""

    SPEAKING = ""
    NO_FIX = "no_fix"
    LOST = "lost"
    SEARCHING = "searching"
    AMBIGUOUS = "ambiguous"
    MAP_DISAGREES = "map_disagrees"
    NO_PROTECTION = "no_protection"
    NORTH_UNKNOWN = "north_unknown"
    FIX_OLD = "fix_old"
    ODOMETRY_MISSING = "odometry_missing"
    CLOCKS_APART = "clocks_apart"


MEANINGS: dict[Silence, str] = {
    Silence.NO_FIX: "No fix has come yet.",
    Silence.LOST: "The localizer has lost its track: what it said last may be wrong.",
    Silence.SEARCHING: "The localizer has begun to search anew.",
    Silence.AMBIGUOUS: "The last image fits several places.",
    Silence.MAP_DISAGREES: "Parts of the map contradict each other under the last image.",
    Silence.NO_PROTECTION: "The last fix has no protection level, so that nothing says how far it may be off.",
    Silence.NORTH_UNKNOWN: "The last fix does not tell where true north is: the localizer is of an earlier version.",
    Silence.FIX_OLD: "The last fix is older than `most_fix_age_s`.",
    Silence.ODOMETRY_MISSING: "No odometry leads from the last fix to the present.",
    Silence.CLOCKS_APART: "Stamps are ahead of this process's clock: camera, odometry and computer are not synchronised.",
}


def silence_of(verdict: ImageVerdict) -> Silence:
    """Return why nothing is to be told after an image with this verdict; SPEAKING where it takes nothing back."""
    if verdict.state == State.LOST:
        return Silence.LOST
    if verdict.state == State.SEARCHING:
        return Silence.SEARCHING
    return {Reason.AMBIGUOUS: Silence.AMBIGUOUS, Reason.MAP_DISAGREES: Silence.MAP_DISAGREES}.get(
        Reason(verdict.reason) if verdict.reason in set(Reason) else Reason.FIX, Silence.SPEAKING)
