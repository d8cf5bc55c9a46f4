"""A fix that comes too late: right for when its image was taken, and wrong for whoever takes it for the present."""

from __future__ import annotations

from dataclasses import replace

from promptmid_core.localization.fix import Fix
from promptmid_core.reasons import Reason


def in_time(fix: Fix, age_ms: float | None, most_ms: float) -> Fix:
    """Return a verdict, refused as FIX_LATE where it is a fix whose image is `age_ms` old, more than `most_ms`.

    An age of None is one that no clock tells, and `most_ms` 0 no limit. All that was learnt of the frame stays.
    """
    if not fix.accepted or age_ms is None or not 0 < most_ms < age_ms:
        return fix
    sentence = (f"the image was {age_ms:.0f} ms old when its fix was found, more than the {most_ms:g} of most_fix_age_ms; send "
                "images sooner or match faster (stage_*_ms tell what takes long), or raise it for a filter that takes fixes at "
                "their stamps")
    return replace(fix, reason=Reason.FIX_LATE, sentence=sentence, pose=None, covariance=None, observed=())
