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


def chance(share: float | None, expected: float, samples: float | None) -> float | None:
    """Return how probable a share is that lies as far from the expected one, on its side, or further, doubled for the two sides:
    the exact test of a binomial share. None without any sample; samples may be a fraction.

    A small chance says that the expected share is not the true one; with few samples none is small.
    """
    from scipy.stats import beta

    if share is None or not samples:
        return None
    inside, outside = share * samples, (1 - share) * samples
    # of so many inside at most, and at least, as the beta distribution has both for whole numbers
    most = 1.0 if outside <= 0 else float(beta.sf(expected, inside + 1, outside))
    least = 1.0 if inside <= 0 else float(beta.cdf(expected, inside, outside + 1))
    return round(min(1.0, 2 * min(most, least)), 6)
