"""The belief over all places of a map and all headings: how frames, the way between them, and close looks change it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from promptmid_core.arrays import Float64
from promptmid_core.geometry import Grid
from promptmid_core.localization.ground import SeenGround
from promptmid_core.localization.lost import ELSEWHERE, FineLook, Step, Whereabout, Whereabouts
from promptmid_core.localization.nats import NATS
from promptmid_core.matching.survey import Layer

CELL = 20.0
GRID = Grid(1000.0, 5000.0, CELL, 60, 50)
TURNS = np.deg2rad([-90.0, 0.0, 90.0])
STILL = Step(np.zeros(2), 0.0, 0.0, 1.0, 0.0)


def begun(turns: Float64 = TURNS) -> Whereabouts:
    return Whereabouts.begin(GRID, turns, False, np.ones(GRID.shape, np.float32))


def layer(place: tuple[float, float] | None, z: float = 9.0) -> Layer:
    """Scores of a frame that shows one place."""
    scores = np.random.default_rng(1).normal(0, 1, GRID.shape).astype(np.float32).clip(-2, 2)
    if place is not None:
        col, row = (round(float(i)) for i in GRID.to_pixel(*place))
        scores[row, col] = z
    return Layer(0.0, scores, np.ones(GRID.shape, bool))


def looked(belief: Whereabouts, place: tuple[float, float], heading: int, z: float = 9.0) -> Whereabouts:
    layers = [(k, layer(place if k == heading else None, z)) for k in range(len(belief.turns))]
    return belief.looked(layers, 1.0, False)


def mass(belief: Whereabouts) -> float:
    """Of everything together, before what is in view is counted."""
    return float(belief.past.sum()) + belief.beyond


def test_a_place_that_is_seen_is_the_likeliest_with_its_heading() -> None:
    place = (1500.0, 4500.0)
    best, = looked(begun(), place, 2).places(1)
    assert (best.x, best.y) == pytest.approx(place, abs=CELL / 2)
    assert np.rad2deg(best.turn) == pytest.approx(90)
    assert best.probability > 0.5
    assert begun().beyond == ELSEWHERE and mass(begun()) == pytest.approx(1)


def test_ground_that_is_seen_again_counts_once() -> None:
    once = looked(begun(), (1500.0, 4500.0), 1, 4.5)
    again = once
    for _ in range(10):
        again = looked(again.moved(replace(STILL, new=0.0), SeenGround()), (1500.0, 4500.0), 1, 4.5)
    fresh = looked(once.moved(STILL, SeenGround()), (1500.0, 4500.0), 1, 4.5)
    at = once.places(1)[0]
    assert 0.01 < once.probability(at) < 0.9
    assert again.probability(at) == pytest.approx(once.probability(at), rel=0.02)
    assert fresh.probability(at) > 0.99


@pytest.mark.parametrize(("heading", "way"), [(0, (0.0, -1.0)), (1, (1.0, 0.0)), (2, (0.0, 1.0))])
def test_places_move_along_their_own_headings(heading: int, way: tuple[float, float]) -> None:
    """Many steps of a third of a cell, which add up without blur."""
    belief = looked(begun(), (1500.0, 4500.0), heading)
    for _ in range(20):
        belief = belief.moved(Step(np.array([CELL / 3, 0.0]), 0.0, 0.0, 0.05, 0.0), SeenGround())
    best, = belief.places(1)
    moved = np.array([best.x - 1500.0, best.y - 4500.0])
    assert moved == pytest.approx(np.array(way) * 20 * CELL / 3, abs=CELL * 0.6)
    assert mass(belief) == pytest.approx(1)


def test_who_comes_onto_the_map_may_be_found_there() -> None:
    belief = begun().moved(Step(np.array([10 * CELL, 0.0]), 0.0, 0.0, 1.0, 0.0), SeenGround())
    came = belief.past[1, :, :10]
    assert (came > 0).all() and came.max() < belief.past[1, :, 10:].min()
    place = (1060.0, 4500.0)
    assert looked(belief, place, 1, 14.0).places(1)[0].probability > 0.9


def test_the_way_that_may_be_wrong_spreads_the_belief() -> None:
    sure = looked(begun(), (1500.0, 4500.0), 1, 20.0).moved(STILL, SeenGround())
    spread = sure
    for _ in range(5):
        spread = spread.moved(replace(STILL, spread=CELL), SeenGround())
    at = sure.places(1)[0]
    assert sure.probability(at) > 0.99
    assert spread.probability(at) < 0.8
    assert mass(spread) == pytest.approx(1, abs=0.01)


def test_nothing_is_ever_sure_for_good() -> None:
    belief = begun()
    for _ in range(20):
        belief = looked(belief, (1500.0, 4500.0), 1).moved(replace(STILL, floor=1e-5), SeenGround())
    other = (1800.0, 4300.0)
    for _ in range(3):
        belief = looked(belief, other, 0).moved(replace(STILL, floor=1e-5), SeenGround())
    best, = belief.places(1)
    assert (best.x, best.y) == pytest.approx(other, abs=CELL)


def close(at: Whereabout, nats: float) -> FineLook:
    """A look around a place, of which the place itself has these nats and all else near by is refuted."""
    north, east = np.mgrid[-4:5, -4:5] * CELL / 2
    return FineLook(at, at.x + east.ravel(), at.y + north.ravel(), np.where(np.hypot(east, north).ravel() < CELL, nats, -2.5), at)


def odds(belief: Whereabouts, at: Whereabout) -> float:
    held = belief.probability(at)
    return float(np.log(held / (1 - held)))


def test_what_a_close_look_tells_adds_to_the_coarse_one() -> None:
    belief = looked(begun(), (1500.0, 4500.0), 1, 4.0)
    at = belief.places(1)[0]
    confirmed, refuted = (belief.seen_finely(at, close(at, nats), 0.1) for nats in (6.0, -2.5))
    assert odds(confirmed, at) - odds(belief, at) == pytest.approx(6.0, abs=0.7)
    assert odds(refuted, at) - odds(belief, at) == pytest.approx(-2.5, abs=0.3)
    # what is kept of the sum is that of all cells
    before = confirmed.probability(at)
    del confirmed.__dict__["_total"], confirmed.__dict__["_marginal"]
    assert confirmed.probability(at) == pytest.approx(before)


def test_at_other_headings_a_close_look_only_refutes() -> None:
    belief = looked(begun(), (1500.0, 4500.0), 1, 5.0)
    at = belief.places(1)[0]
    told = NATS[belief.seen_finely(at, close(at, 6.0), np.pi).closely]
    row, col = (round(float(i)) for i in GRID.to_pixel(at.x, at.y)[::-1])
    assert told[:, row, col].tolist() == pytest.approx([0.0, 6.0, 0.0])
    assert told[:, row, col + 2].tolist() == pytest.approx([-2.5] * 3, abs=0.15)
    assert not told[:, row, col + 8].any()


@pytest.mark.parametrize("nats", [6.0, -2.5])
def test_a_close_look_is_remembered_as_long_as_its_ground_is_in_view(nats: float) -> None:
    """Coarse looks at the same ground come in place of each other, not of it; it settles with the ground that leaves, a little at
    a time, and counts once."""
    def flown_on(belief: Whereabouts, frames: int, new: float) -> Whereabouts:
        for _ in range(frames):
            belief = looked(belief.moved(replace(STILL, new=new), SeenGround()), (1500.0, 4500.0), 1, 3.0)
        return belief

    plain = looked(begun(), (1500.0, 4500.0), 1, 3.0)
    at = replace(plain.places(1)[0], x=1500.0, y=4500.0, turn=0.0)
    seen = plain.seen_finely(at, close(at, nats), 0.1)
    for frames, new in ((1, 0.0), (20, 0.0), (40, 0.02)):
        told = odds(flown_on(seen, frames, new), at) - odds(flown_on(plain, frames, new), at)
        assert told == pytest.approx(nats, abs=0.5)
    assert (flown_on(seen, 400, 0.02).closely == flown_on(plain, 1, 0.02).closely).all()


def test_two_looks_tell_the_spot() -> None:
    """A close look alone leaves two spots of one place open."""
    belief = looked(begun(), (1500.0, 4500.0), 1, 9.0)
    at = replace(belief.places(1)[0], x=1500.0, y=4500.0)
    spots = replace(close(at, 5.0), nats=np.where(np.isin(np.arange(81), [40, 42]), 5.0, -2.5))
    alone = begun().share(spots, CELL / 3, 1.5 * CELL)
    assert 0.4 < alone < 0.5
    assert belief.share(spots, CELL / 3, 1.5 * CELL) > 0.99


def test_a_scale_that_may_be_wrong_is_believed_less() -> None:
    told = [begun().looked([(1, layer((1500.0, 4500.0)))], share, False).places(1)[0].probability for share in (1.0, 0.2)]
    assert told[0] > told[1] > 0.05
