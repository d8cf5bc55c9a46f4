"""Which scenes to take: of one orbit, as few as cover the box."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from promptmid_core.fetch.offer import Offer


def of_one_orbit(offers: Sequence[Offer]) -> list[Offer]:
    """Return those scenes of one orbit that cover most of the box; of such choices the one of fewest, then of the shortest time
    between them, then the latest. The first covers most by itself. Empty where there are none.
    """
    groups: dict[tuple[str, ...], list[Offer]] = {}
    for offer in offers:
        groups.setdefault(offer.orbit, []).append(offer)
        # those of one day among them, which lie still closer together
        groups.setdefault((*offer.orbit, offer.when[:10]), []).append(offer)
    choices = [fewest(group) for _, group in sorted(groups.items())]
    return min(choices, key=_rank, default=[])


def fewest(offers: Sequence[Offer]) -> list[Offer]:
    """Return few scenes that cover what all of them do: each the one that adds most, of equal ones the latest."""
    left, chosen = sorted(offers, key=lambda offer: (offer.when, offer.item), reverse=True), list[Offer]()
    if not left:
        return []
    missing = np.ones(left[0].covers.shape, bool)
    while left:
        best = max(left, key=lambda offer: int((offer.covers & missing).sum()))
        if not (best.covers & missing).any():
            break
        chosen.append(best)
        missing &= ~best.covers
        left.remove(best)
    return chosen


def share(offers: Sequence[Offer]) -> float:
    """Return the share of the box that scenes cover together."""
    return float(np.any([offer.covers for offer in offers], axis=0).mean()) if offers else 0.0


def _rank(chosen: Sequence[Offer]) -> tuple[float, int, int, int, str]:
    days = sorted(offer.when[:10] for offer in chosen)
    span = _day(days[-1]) - _day(days[0])
    return -round(share(chosen), 3), len(chosen), span, -_day(days[-1]), min(offer.item for offer in chosen)


def _day(text: str) -> int:
    from datetime import date

    try:
        return date.fromisoformat(text).toordinal()
    except ValueError:
        return 0
