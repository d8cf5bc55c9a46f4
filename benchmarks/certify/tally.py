"""What flights came to together: counts and bounds of classes, and how honest the places told of are, by independent places."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from benchmarks.certify.ledger import Record
from benchmarks.certify.plan import Class
from promptmid_core.replay.metrics import SAID
from promptmid_core.replay.shares import bound95
from promptmid_core.scenario.results import shown

Row = dict[str, Any]


def rows(classes: Sequence[Class], records: Iterable[Record]) -> list[Row]:
    """Return a row a class that was flown, and one of all decoys, in which a place counts once whatever it was flown for."""
    flown = [record for record in records if record.get("frames")]
    decoys = {each.name for each in classes if each.decoy}
    found = [_row(each.name, [record for record in flown if record["class"] == each.name]) for each in classes]
    return [*(row for row in found if row["places"]), _row("all decoys", [each for each in flown if each["class"] in decoys])]


def _row(name: str, records: Sequence[Record]) -> Row:
    places = {record["place"] for record in records}
    fooled = {record["place"] for record in records if record["false_fixes"]}
    return {"class": name, "places": len(places), "flights": len(records), "frames": sum(each["frames"] for each in records),
            "fixes": sum(each["fixes"] for each in records), "false_fixes": sum(len(each["false_fixes"]) for each in records),
            "places_with_false_fixes": len(fooled), "false_fix_bound95": bound95(len(fooled), len(places))}


def honesty(classes: Sequence[Class], records: Iterable[Record]) -> list[Row]:
    """Return a row for each range of said probability, over true flights and over decoys whose ground is on the map all the same.

    How many places were told of so, and how many were right; and the same of the first in each flight, which are independent of
    each other.
    """
    found, flown = [], [record for record in records if record.get("frames")]
    for decoy in (False, True):
        names = {each.name for each in classes if each.decoy is decoy and not each.nowhere}
        found += _said("decoys" if decoy else "true flights", [each["told"] for each in flown if each["class"] in names])
    return found


def _said(group: str, flights: Sequence[list[list[Any]]]) -> list[Row]:
    found = []
    for low, high in SAID:
        those = [[right for _, said, right in told if low <= said and (said < high or high == 1)] for told in flights]
        told = [each for each in those if each]
        found.append({"flights": group, "said_low": low, "said_high": high, "n": sum(map(len, told)),
                      "right": sum(map(sum, told)), "places": len(told), "first_right": sum(each[0] for each in told),
                      "mean_of_places": round(sum(sum(each) / len(each) for each in told) / len(told), 4) if told else None})
    return found


def table(found: Sequence[Row], honest: Sequence[Row]) -> str:
    """Return both as aligned plain text."""
    width = max(len(row["class"]) for row in found)
    lines = [f"{'class':{width}}{'places':>8}{'frames':>8}{'fixes':>8}{'false':>7}{'fooled':>8}{'bound 95 %':>12}"]
    lines += [f"{row['class']:{width}}{row['places']:>8}{row['frames']:>8}{row['fixes']:>8}{row['false_fixes']:>7}"
              f"{row['places_with_false_fixes']:>8}{shown(row['false_fix_bound95'], '.1%'):>12}" for row in found]
    lines += ["", f"{'places said to hold':33}{'told':>8}{'right':>8}{'share':>8}{'flights':>9}"
                  f"{'first of each right':>21}{'share':>8}"]
    for row in honest:
        said = f"{row['flights']}, {100 * row['said_low']:g} to {100 * row['said_high']:g} %"
        counts = (row["right"], row["n"]), (row["first_right"], row["places"])
        share, first = (count / of if of else None for count, of in counts)
        lines.append(f"{said:33}{row['n']:>8}{row['right']:>8}{shown(share, '.1%'):>8}{row['places']:>9}{row['first_right']:>21}"
                     f"{shown(first, '.1%'):>8}")
    return "\n".join(lines)
