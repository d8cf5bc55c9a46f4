"""Which region of a map a recorded flight was flown in."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from promptmid_core.bags.bag import FlightBag
from promptmid_core.errors import InputError, Refusal
from promptmid_core.localization.odometry import Odometry
from promptmid_core.localization.priorform import ON_GRID
from promptmid_core.localization.rig import Rig
from promptmid_core.localization.sources import PriorSource
from promptmid_core.refmap import read_regions
from promptmid_core.refmap.format.header import Header
from promptmid_core.replay.recording import same_crs


def region_of_flight(path: Path, bag: FlightBag, rig: Rig | None = None) -> Path:
    """Return the map folder of the region that a bag's frame `map` belongs to: its CRS, and where several have it, its first
    position.

    A map without regions is returned as it is. Raises InputError where no region has the CRS, and where the first position does
    not lie in just one of those that do.
    """
    regions = read_regions(path)
    if len(regions) == 1:
        return path
    own = bag.map_frame
    fitting = [region for region in regions if own is None or same_crs(own.crs, region.crs)]
    if own is not None and not fitting:
        there = ", ".join(f"{region.name} in {region.crs}" for region in regions)
        raise InputError(f"{bag.path} was flown in {own.crs}, and {path} has {there}; append a region with --crs {own.crs}")
    if len(fitting) > 1:
        rig = rig or Rig()
        if rig.prior.source not in ON_GRID:
            raise InputError(f"{path} has several regions in one CRS, and prior_source '{rig.prior.source}' does not tell the "
                             "one; name it with --region")
        x, y = _first_position(bag, rig)
        fitting = [region for region in fitting if _lies_in(path / region.path, x, y, own.origin if own else region.origin)]
    if len(fitting) != 1:
        names = ", ".join(region.name for region in fitting or regions)
        what = f"may lie in each of the regions {names}" if fitting else f"begins in none of the regions {names}"
        raise InputError(f"{bag.path} {what} of {path}; name its region with --region")
    return path / fitting[0].path


def _first_position(bag: FlightBag, rig: Rig) -> tuple[float, float]:
    """x and y in the bag's frame `map`, of the first odometry that can be used, or of a pose given by hand for it."""
    odometry = Odometry(rig)
    source = PriorSource(rig, odometry)
    roles = {bag.topic(role): role for role in source.topics}
    by_hand = bag.optional("initial_pose")
    for topic, _, message in bag.messages(*roles, *([by_hand] if by_hand else [])):
        try:
            odometry.give(message) if topic == by_hand else source.add(roles[topic], message)
            x, y = odometry.at(odometry.heard_ns)[0].pose.position[:2]
        except Refusal:
            continue
        return float(x), float(y)
    raise InputError(f"{bag.path} has no usable odometry, so that nothing tells its region; name it with --region")


def _lies_in(path: Path, x: float, y: float, origin: Sequence[float]) -> bool:
    """Whether a place, in metres from an origin of the map's CRS, lies within the map's bounds."""
    header = Header.read(path)
    x_min, y_min, x_max, y_max = header.grid.bounds
    east, north = origin[0] - header.frame.origin[0], origin[1] - header.frame.origin[1]
    return bool(x_min <= x + east <= x_max and y_min <= y + north <= y_max)
