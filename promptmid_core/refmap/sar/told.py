"""What is known of a SAR product, and where from: options, metadata of who made it, or measured."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from promptmid_core.products import Acquisition
from promptmid_core.products.acquisition import TIME
from promptmid_core.refmap.sar.product import NO, UNKNOWN, SarProduct

OPTION, METADATA, MEASURED, NOT_KNOWN = "option", "metadata", "measured", "unknown"
SOURCES = (OPTION, METADATA, MEASURED, NOT_KNOWN)
# by how much an option may differ from metadata, and scenes from one another, without a word
ALIKE = {"incidence_deg": 3.0, "look_deg": 15.0, "looks": 1.0, "terrain_corrected": 0.0}
OPTIONS = {"incidence_deg": "--incidence-deg", "look_deg": "--look-deg", "looks": "--looks", "terrain_corrected":
           "--terrain-corrected"}

Value = float | str | None

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Fact:
    """A thing that is known, or not: its `value`, None where it is unknown; `source`, one of SOURCES; in words `by` what."""

    name: str
    value: Value
    source: str
    by: str = ""


def told(product: SarProduct, acquisitions: Sequence[Acquisition | None]) -> tuple[Fact, ...]:
    """Return the facts of the SAR rasters of a map, in their order: options count, then metadata on which all scenes agree.

    An option that contradicts the metadata is logged as a warning.
    """
    known = [one for one in acquisitions if one]
    facts = [_fact(name, getattr(product, name), [getattr(one, name) for one in known], known, len(acquisitions))
             for name in ALIKE]
    words = sorted({word for one in known for word in one.polarisations})
    files = ", ".join(dict.fromkeys(one.file for one in known))
    facts.append(Fact("polarisation", " ".join(words), METADATA, files) if words else Fact("polarisation", None, NOT_KNOWN))
    return tuple(facts)


def acquired(product: SarProduct, acquisitions: Sequence[Acquisition | None]) -> tuple[str, ...]:
    """Return the times at which scenes were taken, as far as they are known, in order: the option counts, then metadata.

    An option that contradicts the metadata by more than a day is logged as a warning.
    """
    known = sorted({one.acquired for one in acquisitions if one and one.acquired})
    if product.acquired is None:
        return tuple(known)
    off = [time for time in known if abs((_day(time) - _day(product.acquired)).days) > 1]
    if off:
        log.warning("--acquired %s contradicts the metadata, where it is %s; the option counts", product.acquired,
                    " and ".join(off))
    return (product.acquired,)


def completed(product: SarProduct, facts: Sequence[Fact], has_dem: bool, flat: bool) -> SarProduct:
    """Return what is said of a product with what its metadata say in addition, as far as there is a DEM to use it with.

    What is placed `flat`, by anything but a geotransform, is not terrain corrected.
    """
    said = {fact.name: fact.value for fact in facts if fact.source == METADATA}
    numbers = {name: value for name, value in said.items() if isinstance(value, float)}
    product = replace(product, looks=numbers.get("looks", product.looks))
    incidence = numbers.get("incidence_deg", product.incidence_deg)
    if not has_dem or incidence is None:
        return product
    displaced = said.get("terrain_corrected") == NO or (flat and product.terrain_corrected == UNKNOWN)
    return replace(product, incidence_deg=incidence, look_deg=numbers.get("look_deg", product.look_deg),
                   terrain_corrected=NO if displaced else product.terrain_corrected)


def _fact(name: str, option: Value, said: Sequence[Value], acquisitions: Sequence[Acquisition], scenes: int) -> Fact:
    given = None if option == UNKNOWN else option
    files = ", ".join(dict.fromkeys(one.file for one, value in zip(acquisitions, said, strict=True) if value is not None))
    values = [value for value in said if value is not None]
    if given is not None:
        if any(not _alike(name, given, value) for value in values):
            log.warning("%s %s contradicts %s, where it is %s; the option counts", OPTIONS[name], given, files,
                        " and ".join(dict.fromkeys(_shown(value) for value in values)))
        return Fact(name, given, OPTION, OPTIONS[name])
    if not values:
        return Fact(name, None, NOT_KNOWN)
    if len(values) < scenes or any(not _alike(name, values[0], value) for value in values):
        return Fact(name, None, NOT_KNOWN, f"not alike in all scenes: {', '.join(map(_shown, values))}"[:200])
    return Fact(name, values[0], METADATA, files)


def _alike(name: str, a: Value, b: Value) -> bool:
    if isinstance(a, str) or isinstance(b, str):
        return a == b
    assert a is not None and b is not None
    off = abs((a - b + 180) % 360 - 180) if name == "look_deg" else abs(a - b)
    return off <= ALIKE[name]


def _day(time: str) -> datetime:
    return datetime.strptime(time, TIME)


def _shown(value: Value) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
