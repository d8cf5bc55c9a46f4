"""How large a share may be, by the samples that were seen of it."""

from __future__ import annotations

CONFIDENCE = 0.95


def bound95(failed: float, count: float) -> float | None:
    """Return the upper end of the one-sided 95 % interval (Clopper and Pearson) of a share; None without any count.

    Counts may be fractions, as those of independent samples are.
    """
    from scipy.stats import beta

    if not count:
        return None
    return 1.0 if failed >= count else round(float(beta.ppf(CONFIDENCE, failed + 1, count - failed)), 6)
