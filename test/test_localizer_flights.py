"""Whole simulated flights are localized: as they are, from high above, with small footprints, twice the same."""

from pathlib import Path

import pytest
from simulated import Scene

from promptmid_core.descriptors import load
from promptmid_core.localization.localizer import Localizer
from promptmid_core.replay.metrics import summarise
from promptmid_core.replay.run import replay
from promptmid_core.simulation.flight.options import FlightOptions
from promptmid_core.simulation.flight.simulate import simulate_flight

pytestmark = pytest.mark.slow


def test_a_flight_is_localized(scene: Scene) -> None:
    reference = scene.reference()
    summary = summarise(replay(scene.bag, Localizer(reference, load("structural")), reference))
    assert summary["fixes"] == 16
    assert summary["false_fixes"] == 0
    assert summary["ground_error_px"]["median"] < 1.0
    assert summary["prior_error_px"]["median"] > 5 * summary["error_px"]["median"]


def test_a_flight_at_four_times_the_height_is_localized_on_a_coarser_level(scene: Scene, tmp_path: Path) -> None:
    """Frames of which a pixel shows 2.6 map pixels: too coarse for level 0."""
    simulate_flight(scene.optical, tmp_path / "high", FlightOptions.of(frames=12, seed=5, footprint_px=560, drift_px=30,
                    yaw_error_deg=3, altitude_error_percent=2, image_size=(288, 216)), dem=scene.dem)
    reference = scene.reference()
    assert reference.levels == 2
    summary = summarise(replay(tmp_path / "high", Localizer(reference, load("structural")), reference))
    assert summary["fixes"] >= 11
    assert summary["false_fixes"] == 0
    assert summary["ground_error_px"]["median"] < 1.0  # of level 0


@pytest.mark.parametrize("footprint_px", [160, 128])
def test_a_small_footprint_is_matched_as_what_it_is(scene: Scene, tmp_path: Path, footprint_px: int) -> None:
    """Of a patch of 256 px it fills a third, or a fifth."""
    simulate_flight(scene.optical, tmp_path / "low", FlightOptions.of(frames=12, seed=5, footprint_px=footprint_px,
                    drift_px=10, yaw_error_deg=2, altitude_error_percent=1, image_size=(400, 300)), dem=scene.dem)
    reference = scene.reference()
    summary = summarise(replay(tmp_path / "low", Localizer(reference, load("structural")), reference))
    assert summary["false_fixes"] == 0 and summary["fixes"] >= 9
    assert summary["ground_error_px"]["median"] < 1.2


def test_two_replays_give_the_same(scene: Scene) -> None:
    reference = scene.reference()
    once, twice = (replay(scene.bag, Localizer(reference, load("structural")), reference).frames for _ in range(2))
    for one, other in zip(once, twice, strict=True):
        assert (one.fix.reason, one.fix.state, one.fix.probability) == (other.fix.reason, other.fix.state, other.fix.probability)
        assert one.fix.candidate.scores == other.fix.candidate.scores
        assert (one.fix.covariance is None) == (other.fix.covariance is None)
        if one.fix.pose is not None:
            assert (one.fix.pose.position == other.fix.pose.position).all() and (one.fix.covariance == other.fix.covariance).all()
