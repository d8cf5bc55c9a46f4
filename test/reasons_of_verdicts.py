"""Pairs of frames for the reason that the node alone gives, which has a clock."""

from overflight import Overflight
from reason_pairs import Verdict, above, pair

from promptmid_core.localization.lateness import in_time
from promptmid_core.reasons import Reason


@pair(Reason.FIX_LATE)
def an_image_that_is_too_old(over: Overflight) -> tuple[Verdict, Verdict]:
    localizer = over.localizer()
    fix = localizer.track(localizer.match(over.frame(), over.prior()))
    assert fix.accepted
    return in_time(fix, above(1500.0), 1500), in_time(fix, 1500.0, 1500)
