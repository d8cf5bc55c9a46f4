"""Choosing what to take: what catalogues offer, held against the files themselves before any of it is believed."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import replace

from promptmid_core.errors import InputError
from promptmid_core.fetch.account import Account, AccountNeeded
from promptmid_core.fetch.catalogue import offers
from promptmid_core.fetch.lockfile import LockedWindow, Selection
from promptmid_core.fetch.offer import COVER, HEIGHTS, SAR, Offer
from promptmid_core.fetch.orbit import fewest, of_one_orbit, share
from promptmid_core.fetch.reading import is_remote
from promptmid_core.fetch.request import NO_GROUND, PLANETARY_COMPUTER, Request
from promptmid_core.fetch.window import Asset, Place

log = logging.getLogger(__name__)

MOST_PASSED_OVER = 8  # files one after another that cannot be read: then it is not the files
WHOLE = 0.99  # share of the box


def select(request: Request, account: Account) -> Selection:
    """Return what is to be taken for a request: SAR of one orbit, of the fewest scenes, and heights and land cover.

    Raises InputError where no scene is there, or none of those can be read, and where a catalogue cannot be reached.
    """
    kinds = (SAR,) if request.ground else (SAR, HEIGHTS, COVER)
    found = {request.catalogue: offers(request.catalogue, request, kinds)}
    scenes = [offer for offer in found[request.catalogue] if offer.kind == SAR]
    if not scenes:
        dates = f" of {request.date}" if request.date else ""
        raise InputError(f"{request.catalogue} has no SAR image on the ground over {request.box}{dates}; give other dates, or "
                         "another catalogue")
    windows = _settled(request, request.catalogue, scenes, of_one_orbit, account)
    if request.ground == NO_GROUND:
        return Selection(request, tuple(windows))
    for kind in (HEIGHTS, COVER):
        for address in [request.ground] if request.ground else dict.fromkeys([request.catalogue, PLANETARY_COMPUTER]):
            if address not in found:
                found[address] = _ground(address, request)
            if any(offer.kind == kind for offer in found[address]):
                windows += _settled(request, address, [offer for offer in found[address] if offer.kind == kind], fewest, account)
                break
        else:
            log.warning("no catalogue has %s over %s; the map is made without", kind, request.box)
    return Selection(request, tuple(windows))


def _ground(address: str, request: Request) -> list[Offer]:
    try:
        return offers(address, request, (HEIGHTS, COVER))
    except InputError as error:
        raise InputError(f"{error}; heights and land cover are looked for there: name a catalogue that has them with --ground, "
                         "or do without by --ground none") from error


def _settled(request: Request, catalogue: str, offered: Sequence[Offer], choose: Callable[[Sequence[Offer]], list[Offer]],
             account: Account) -> list[LockedWindow]:
    """The windows of what is chosen, once every file that is in the choice was opened and says itself where it lies."""
    left, places, failed = list(offered), dict[Offer, Place](), list[InputError]()
    while new := [offer for offer in choose(left) if offer not in places]:
        offer = new[0]
        try:
            place, covers = Asset(offer.address, account, is_remote(catalogue)).place(request.box)
        except AccountNeeded:
            raise
        except InputError as error:
            log.warning("%s is passed over: %s", offer.name, error)
            failed.append(error)
            left.remove(offer)
            if not left or len(failed) - len(places) >= MOST_PASSED_OVER:
                raise InputError(f"of the {len(offered)} items of {offer.collection or catalogue} over {request.box} the "
                                 f"{len(failed)} that were opened cannot be used; the first: {failed[0]}") from failed[0]
        else:
            places[offer] = place
            left[left.index(offer)] = replace(offer, covers=covers)
    chosen = choose(left)
    if share(chosen) < WHOLE:
        what = "scenes of one orbit end" if offered[0].kind == SAR else f"{offered[0].kind} ends"
        log.warning("%s inside the box: no choice covers more than %.0f %% of %s", what, 100 * share(chosen), request.box)
    return [LockedWindow.of(offer, catalogue, places[offer], number) for number, offer in enumerate(chosen, 1)]
