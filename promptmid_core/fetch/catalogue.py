"""A STAC catalogue: searched where it can search, walked where it is static."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from promptmid_core.errors import InputError, Unavailable
from promptmid_core.fetch.offer import COVER, HEIGHTS, SAR, Offer, offered
from promptmid_core.fetch.reading import is_remote, local, read_values, reader, unreachable
from promptmid_core.fetch.request import Request

if TYPE_CHECKING:
    import pystac

log = logging.getLogger(__name__)

SAR_COLLECTION = "sentinel-1-rtc"  # of a catalogue that can search, where no other is named
MOST_ITEMS = 2000  # of one search
TIMEOUT_S = 60
SHOWN = 12  # names of collections in a sentence


def offers(address: str, request: Request, kinds: tuple[str, ...]) -> list[Offer]:
    """Return what a catalogue offers of these kinds for the box and the dates of a request; heights and land cover have none.

    Raises InputError where it cannot be reached or is none, and where a collection that is named is not there.
    """
    try:
        import pystac
        import pystac_client  # noqa: F401
    except ImportError as error:
        raise Unavailable(f"catalogues are read by {error.name}, which is not installed; pip install 'promptmid_ros[fetch]' "
                          "brings it") from error
    values = read_values(address)
    links = values.get("links")
    searches = isinstance(links, list) and any(isinstance(link, dict) and link.get("rel") == "search" for link in links)
    if values.get("type") not in ("Catalog", "Collection") or not isinstance(links, list):
        raise InputError(f"{address} is no STAC catalogue; name the address of one, as .../catalog.json or that of its API")
    found = []
    try:
        for item in _searched(address, request, kinds) if searches and is_remote(address) else _walked(address, request):
            offer = offered(item, request.box, is_remote(address))
            if offer and offer.kind in kinds and (offer.kind != SAR or request.holds_date(offer.when)):
                found.append(offer)
    except (pystac.STACError, KeyError, TypeError, AttributeError) as error:
        raise InputError(f"{address} is no STAC catalogue that can be read ({type(error).__name__}: {error}); name "
                         "another") from error
    return sorted(found, key=lambda offer: (offer.collection, offer.item))


def _searched(address: str, request: Request, kinds: tuple[str, ...]) -> Iterator[pystac.Item]:
    """The items that a catalogue finds for the box."""
    from pystac_client import Client
    from pystac_client.exceptions import APIError

    try:
        client = Client.open(address, timeout=TIMEOUT_S)
        there = {collection.id for collection in client.get_collections()}
        wanted = [kind for kind in kinds if kind != SAR and kind in there]
        if SAR in kinds:
            wanted.append(request.collection or SAR_COLLECTION)
            if wanted[-1] not in there:
                names = ", ".join(sorted(there)[:SHOWN])
                raise InputError(f"{address} has no collection {wanted[-1]}; name one of its own with --collection ({names}"
                                 f"{', ...' if len(there) > SHOWN else ''})")
        for name in wanted:
            dates = None if name in (HEIGHTS, COVER) else request.date or None
            search = client.search(collections=[name], bbox=list(request.box.sides), datetime=dates, max_items=MOST_ITEMS + 1)
            for count, item in enumerate(search.items()):
                if count == MOST_ITEMS:
                    raise InputError(f"{address} has more than {MOST_ITEMS} scenes of {name} there; narrow it with --date A/B")
                yield item
    except (APIError, OSError) as error:
        raise unreachable(address, error) from error


def _walked(address: str, request: Request) -> Iterator[pystac.Item]:
    """The items of a static catalogue, of those parts of it that do not say that they lie elsewhere."""
    import pystac

    remote = is_remote(address)
    io = reader(remote)
    root = pystac.Catalog.from_file(address if remote else str(local(address).absolute()), stac_io=io)
    seen, waiting = set[str](), [root]
    while waiting:
        part = waiting.pop()
        if part.self_href in seen:
            continue
        seen.add(part.self_href)
        if isinstance(part, pystac.Collection) and not any(map(request.box.meets, part.extent.spatial.bboxes)):
            continue
        for link in part.links:
            if link.rel not in (pystac.RelType.ITEM, pystac.RelType.CHILD):
                continue
            thing = _resolved(link, root, part)
            if isinstance(thing, pystac.Item) and request.box.meets(thing.bbox):
                if not request.collection or request.collection == thing.collection_id or _is_ground(thing):
                    yield thing
            elif isinstance(thing, pystac.Catalog):
                waiting.append(thing)


def _is_ground(item: pystac.Item) -> bool:
    return item.collection_id in (HEIGHTS, COVER)


def _resolved(link: Any, root: Any, part: Any) -> Any:
    """What a link leads to; None, with a warning, where that is damaged: one bad file is no reason to give up a catalogue."""
    import pystac

    with suppress(AttributeError):
        link.set_owner(part)
    try:
        return link.resolve_stac_object(root=root).target
    except (pystac.STACError, InputError, ValueError, KeyError, TypeError, AttributeError) as error:
        log.warning("%s is passed over: %s", link.get_absolute_href() or link.href, " ".join(str(error).split()))
        return None
