"""A flight in one headline and a few sentences."""

from __future__ import annotations

from typing import Any, NamedTuple

from promptmid_core.pages.page import NBSP, percent
from promptmid_core.replay.metrics import FALSE_FIX_PX, Summary
from promptmid_core.replay.verdict import LEAST_CHANCE

MOST_SIGMA_OVER_RMS = 2.0
ENOUGH_SAMPLES = 20  # fewer say nothing of a ratio


class Headline(NamedTuple):
    """`level` is good, warn or bad."""

    level: str
    headline: str
    sentences: list[str]


def headline(summary: Summary) -> Headline:
    """Return what a flight came to."""
    frames, fixes, reasons = summary["frames"], summary["fixes"], summary["reasons"]
    mostly = next(iter(reasons.items()), None)
    if not frames:
        return Headline("warn", "The bag holds no camera frame.", [])
    if not fixes:
        assert mostly is not None
        return Headline("warn", f"None of {frames} {of_frames(frames)} was localized.",
                        [f"Most frequent reason: {mostly[0]} ({mostly[1]} {of_frames(mostly[1])})."])
    share = f"{fixes} of {frames} {of_frames(frames)} localized ({percent(summary['fix_rate'])})"
    left = frames - fixes
    refused = [f"{left} {of_frames(left)} refused, most often for {mostly[0]} ({mostly[1]})."] if mostly else []
    findings = [f"{sentence[0].upper()}{sentence[1:]}." for sentence in summary["findings"]]
    if summary["false_fixes"] is None:
        unknown = "Without ground truth nothing here says how good the fixes are."
        return Headline("warn", f"{share}.", [unknown, *findings, *refused])
    doubt = doubt_of(summary)
    sentences = [errors(summary), doubt or coverage(summary), *findings, *refused]
    if summary["false_fixes"]:
        false = f"{summary['false_fixes']} false {'fix' if summary['false_fixes'] == 1 else 'fixes'} among {fixes}"
        return Headline("bad", f"{false}: ground error above {FALSE_FIX_PX:g} px.", [f"{share}.", *sentences])
    return Headline("warn" if doubt or findings else "good", f"{share}, no false fix.", sentences)


def errors(summary: Summary) -> str:
    """Return the error of the ground, which matching answers for, and of the position, which a filter gets, in a sentence."""
    ground, position = (_spread(summary[f"{name}_px"], summary[f"{name}_m"]) for name in ("ground_error", "error"))
    return f"Ground error: {ground}. Position error, which carries that of the attitude too: {position}."


def coverage(summary: Summary) -> str:
    """Return in a sentence how many errors lie in their ellipses, and on how many independent samples that rests."""
    return (f"The 95{NBSP}% ellipse holds {percent(summary['coverage95'])} of the position errors, the 50{NBSP}% ellipse "
            f"{percent(summary['coverage50'])}, by {summary['independent_samples'] or 0:.0f} independent samples: nothing speaks "
            "against the covariance.")


def doubt_of(summary: Summary) -> str | None:
    """Return what is wrong with the covariance: a share in its ellipses that chance does not explain, to either side."""
    words: list[str] = []
    told: list[str] = []
    for confidence in (95, 50):
        share, chance = summary[f"coverage{confidence}"], summary["coverage_chance"][f"coverage{confidence}"]
        if chance is not None and chance < LEAST_CHANCE:
            words.append("overconfident" if share < confidence / 100 else "too cautious")
            told.append(f"the {confidence}{NBSP}% ellipse holds {percent(share)} of the errors")
    if told:
        word = words[0] if len(set(words)) == 1 else "of another shape than the errors"
        return (f"The covariance is {word}: {'; '.join(told)}, which {summary['independent_samples']:.0f} independent samples do "
                "not give by chance.")
    ratio = summary["sigma_over_rms"]
    if ratio is not None and ratio > MOST_SIGMA_OVER_RMS and (summary["independent_samples"] or 0) >= ENOUGH_SAMPLES:
        return f"The covariance is too cautious: the median sigma is {ratio:.1f} times the RMS error."
    return None


def of_frames(count: int) -> str:
    return "frame" if count == 1 else "frames"


def _spread(px: dict[str, Any], metres: dict[str, Any]) -> str:
    median, p95, most = (f"{px[name]:.2f} px ({metres[name]:.1f} m)" for name in ("median", "p95", "max"))
    return f"median {median}, 95{NBSP}% of fixes within {p95}, largest {most}"
