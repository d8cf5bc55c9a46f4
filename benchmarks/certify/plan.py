"""What is flown: classes of scenes, the scenarios of each, and the ways in which these are flown at many places."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import cycle, islice
from pathlib import Path

from promptmid_core.scenario.cells import Division
from promptmid_core.scenario.ground import NoData
from promptmid_core.scenario.scenario import Scenario
from promptmid_core.scenario.stage import Leg, Stage
from promptmid_core.simulation.world.options import WorldOptions

SCENARIOS = Path(__file__).resolve().parent.parent.parent / "config/scenarios"
CELL_PX = 512
SEEDS = 1000  # between the first seeds of two scenarios, so that none flies over another's world


@dataclass(frozen=True)
class Way:
    """How a place is flown over: by which descriptor, with what footprint and image, for how long."""

    descriptor: str
    footprint_px: int
    image_size: tuple[int, int]
    frames: int = 40
    frame_rate_hz: float = 0.5

    @property
    def name(self) -> str:
        """The descriptor and the footprint."""
        return f"{self.descriptor} {self.footprint_px} px"


DECOYS = (Way("structural", 256, (480, 360)), Way("structural", 512, (512, 512)), Way("structural", 160, (320, 240)),
          Way("promptmid", 256, (480, 360)))
LOST = tuple(Way(descriptor, footprint, (320, 240), frames=10) for descriptor, footprint in
             (("structural", 256), ("structural", 160), ("promptmid", 256)))
# short flights: a belief is in doubt for a few frames
TRUE = tuple(Way(descriptor, footprint, (320, 240), frames=12) for descriptor, footprint in
             (("structural", 128), ("structural", 192), ("structural", 96), ("promptmid", 128)))


@dataclass(frozen=True)
class Class:
    """Scenes of one kind. `nowhere`: the ground flown over is not on the map, so that any fix is false; `places` of each
    scenario whose worlds are simulated, in worlds of their own or, where `shared`, in the cells of one after the other; real
    ground has as many cells as it has. `decoy`: flown to be fooled."""

    name: str
    scenarios: tuple[str, ...]
    places: int
    nowhere: bool = False
    decoy: bool = True
    shared: bool = False
    ways: tuple[Way, ...] = DECOYS


CLASSES = (
    Class("another region", ("decoy-other-world", "decoy-other-region-la", "decoy-other-region-oc"), 8, nowhere=True),
    Class("mirrored", ("decoy-mirrored", "decoy-mirrored-la", "decoy-mirrored-oc"), 8, nowhere=True),
    Class("turned", ("decoy-turned", "decoy-turned-la"), 8, nowhere=True),
    Class("shuffled tiles", ("decoy-shuffled", "decoy-shuffled-la"), 8, nowhere=True),
    Class("chequer", tuple(f"chequer-{side}px" for side in (16, 20, 24, 28, 32, 37, 42, 48, 54, 60)), 3),
    Class("equal blocks", ("blocks",), 8),
    Class("sections", ("sections",), 8),
    Class("desert", ("desert",), 8),
    Class("forest", ("forest",), 8),
    Class("water", ("water",), 8),
    Class("30 % replaced", ("replaced-30", "replaced-30-la", "replaced-30-oc"), 8),
    Class("lost on a mirrored map", ("lost-decoy-simulated", "lost-decoy-la", "lost-decoy-oc"), 24, nowhere=True, shared=True,
          ways=LOST),
    Class("prior jumps", ("filter-jumps-simulated", "odometry-jumps-simulated"), 8),
    Class("true flights", ("hypotheses-honest", "hypotheses-honest-la", "hypotheses-honest-oc"), 160, decoy=False,
          shared=True, ways=TRUE),
)


@dataclass(frozen=True)
class Task:
    """One flight to be flown: `scenario` as it is flown, and its `leg`."""

    of: Class
    scenario: Scenario
    way: Way
    leg: Leg

    @property
    def name(self) -> str:
        """What tells the flight from all others."""
        return f"{self.scenario.name}, {self.leg.label}, {self.way.name}"


class Plan:
    """The flights of classes, over simulated worlds and, where there are any, real rasters.

    `only`: the names of the classes that are flown, where not all are; a flight is the same one then. `share`: of the places that
    the classes have so many, at least one of each scenario. `skipped`: the scenarios that were, and why.
    """

    def __init__(self, classes: Sequence[Class] = CLASSES, folder: Path = SCENARIOS, *, only: Collection[str] = (),
                 share: float = 1.0) -> None:
        self.classes = [each for each in classes if not only or each.name in only]
        self.skipped = dict[str, str]()
        self._share = share
        self._scenarios = {name: Scenario.read(folder / f"{name}.yaml") for each in classes for name in each.scenarios}

    def tasks(self, stage: Stage) -> Iterator[Task]:
        """Yield the flights, making the ground of each. Raises InputError where that cannot be had."""
        for each in self.classes:
            ways = cycle(each.ways)
            for name in each.scenarios:
                try:
                    yield from self._of(each, self._scenarios[name], ways, stage)
                except NoData as absent:
                    self.skipped[name] = str(absent)

    def _of(self, each: Class, scenario: Scenario, ways: Iterator[Way], stage: Stage) -> Iterator[Task]:
        seed = SEEDS * (1 + list(self._scenarios).index(scenario.name))
        for leg in self._legs(each, varied(scenario, each.ways[0], seed), stage):
            # a cell has room for what sees half of it
            way = next(way for way in ways if leg.cell is None or 2 * way.footprint_px <= CELL_PX)
            flown = varied(scenario, way, leg.seed)
            yield Task(each, replace(flown, cells=Division(CELL_PX)) if leg.cell else flown, way, leg)

    def _legs(self, each: Class, scenario: Scenario, stage: Stage) -> Iterator[Leg]:
        """One flight a place, over ground that no other scenario is flown over."""
        divided = replace(scenario, cells=Division(CELL_PX))
        if isinstance(scenario.ground, WorldOptions):
            count, seed = self._count(each.places), scenario.flight.plan.seed
            seeds = tuple(range(seed, seed + count))
            return islice(stage.legs(replace(divided if each.shared else scenario, seeds=seeds)), count)
        optical = stage.ground(scenario.ground).optical
        sharing = [other.name for other in self._scenarios.values() if not isinstance(other.ground, WorldOptions)
                   and stage.ground(other.ground).optical == optical]
        legs = list(stage.legs(divided))[sharing.index(scenario.name)::len(sharing)]
        return iter(legs[:self._count(len(legs))])

    def _count(self, places: int) -> int:
        return max(1, round(places * self._share))


def varied(scenario: Scenario, way: Way, seed: int) -> Scenario:
    """Return a scenario flown once, in some way: all that is random in its world, map and flight comes from the seed."""
    plan = replace(scenario.flight.plan, frames=way.frames, footprint_px=way.footprint_px, image_size=way.image_size,
                   frame_rate_hz=way.frame_rate_hz, seed=seed)
    alterations = tuple(replace(each, options=replace(each.options, seed=seed),
                                other=replace(each.other, seed=seed + SEEDS // 2) if isinstance(each.other, WorldOptions)
                                else each.other) for each in scenario.map.alterations)
    return replace(scenario, seeds=(seed,), flight=replace(scenario.flight, plan=plan),
                   map=replace(scenario.map, descriptor=way.descriptor, alterations=alterations))
