"""A fix that comes too late for who takes it for the present is none, and yet what it says of the place is kept."""

import time
from pathlib import Path

import pytest
from harness import SECOND, Flight, Localizer
from simulated import Scene

pytestmark = [pytest.mark.slow, pytest.mark.waits]

MOST_MS = 20_000


def test_a_late_fix_is_refused_with_its_age_and_the_belief_has_it_all_the_same(scene: Scene, tmp_path: Path) -> None:
    flight = Flight(scene.bag)
    with Localizer(tmp_path, map=scene.map_path, most_fix_age_ms=MOST_MS) as localizer:
        localizer.up()
        verdicts = []
        for stamp in (time.time_ns() - 40 * SECOND, time.time_ns()):
            flight.send(localizer, stamp)
            verdicts.append(localizer.verdict(stamp))
        late, timely = verdicts
        assert (late["verdict"], late["reason"], late["state"]) == ("no fix", "fix_late", "TRACKING")
        age, _, told = late["sentence"].removeprefix("the image was ").partition(" ms old when its fix was found, ")
        assert int(age) >= 40_000 and told.startswith(f"more than the {MOST_MS} of most_fix_age_ms; ")
        assert timely["reason"] == "fix"
        # by the time of the health nothing else is under way
        localizer.await_health()
        assert len(localizer.outputs["pose"]) == 1


def test_no_limit_lets_every_fix_pass(scene: Scene, tmp_path: Path) -> None:
    flight = Flight(scene.bag)
    with Localizer(tmp_path, map=scene.map_path, most_fix_age_ms=0) as localizer:
        localizer.up()
        stamp = time.time_ns() - 40 * SECOND
        flight.send(localizer, stamp)
        assert localizer.verdict(stamp)["reason"] == "fix"
