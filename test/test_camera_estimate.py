"""A camera is found from fixes with errors as they are known to be, and what flights do not show is told."""

from dataclasses import replace

import numpy as np
import pytest
from sights import Sky, observed

from promptmid_core.calibration.camera.advice import advice
from promptmid_core.calibration.camera.estimate import Estimate, estimate
from promptmid_core.calibration.camera.model import UNKNOWNS, Observations
from promptmid_core.errors import InputError
from promptmid_core.localization.camera_calibration import CameraCalibration

pytestmark = pytest.mark.slow

LOW, HIGH = Sky(), Sky(height=6500.0)
DRAWS, FRAMES = 32, 36
TRUTH = CameraCalibration(1.0, -1.0, 0.5, 0.1, 1.01)


def truth_of(camera: CameraCalibration) -> np.ndarray:
    return np.array([getattr(camera, name) for name in UNKNOWNS])


def off(found: Estimate, truth: CameraCalibration) -> np.ndarray:
    return np.asarray((found.values - truth_of(truth)) / found.sigmas)


@pytest.fixture(scope="module")
def drawn() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Errors by their stated sigmas, errors, and whether observed (DRAWS, 5), of cameras and flights that are drawn."""
    by_sigma, errors, seen = [], [], []
    for seed in range(DRAWS):
        rng = np.random.default_rng(seed)
        truth = CameraCalibration(*rng.uniform(-3, 3, 3), rng.uniform(-0.3, 0.3), rng.uniform(0.96, 1.04))
        found = estimate([observed(rng, truth, sky, FRAMES) for sky in (LOW, HIGH)])
        by_sigma.append(off(found, truth))
        errors.append(found.values - truth_of(truth))
        seen.append(found.observed)
    return np.array(by_sigma), np.array(errors), np.array(seen)


def test_each_is_within_three_of_its_standard_deviations(drawn: tuple[np.ndarray, ...]) -> None:
    assert (np.abs(drawn[0]) < 3).mean() > 0.985
    assert np.abs(drawn[0]).max() < 4


def test_standard_deviations_are_honest(drawn: tuple[np.ndarray, ...]) -> None:
    root = np.sqrt((drawn[0] ** 2).mean(axis=0))
    # the heading's and the shutter's own constants are in what is stated and not in what is drawn
    assert (root > [0.55, 0.55, 0.3, 0.3, 0.5]).all()
    assert (root < 1.25).all()


def test_flights_that_excite_all_show_all(drawn: tuple[np.ndarray, ...]) -> None:
    assert drawn[2].mean(axis=0) == pytest.approx(np.ones(5), abs=0.04)
    assert (np.median(np.abs(drawn[1]), axis=0) < [0.1, 0.1, 0.5, 0.01, 0.003]).all()


@pytest.mark.parametrize(("skies", "hidden", "shown"), [
    ([replace(LOW, turn_deg_s=0.0)], {"roll", "pitch"}, {"delay_s", "focal_scale"}),
    ([replace(LOW, turn_deg_s=0.0, sway_deg=0.0, height_percent=3.0)], {"roll", "pitch", "focal_scale"}, set()),
    ([replace(LOW, heading_deg=5.0), replace(HIGH, heading_deg=5.0)], {"yaw"}, {"roll", "pitch", "delay_s", "focal_scale"}),
    ([replace(LOW, sway_deg=0.0, height_percent=3.0)], {"focal_scale"}, {"roll", "pitch"}),
], ids=["straight", "straight_and_level", "heading_unsure", "height_unsure"])
def test_what_flights_do_not_show_is_told_with_what_would(skies: list[Sky], hidden: set[str], shown: set[str]) -> None:
    rng = np.random.default_rng(3)
    found = estimate([observed(rng, TRUTH, sky, 50) for sky in skies])
    told = advice(found)
    assert hidden <= set(told)
    assert not shown & set(told)
    for sentence in told.values():
        assert sentence.startswith("fly ")


def test_a_delay_and_a_pitch_that_look_alike_are_told_as_such() -> None:
    # what a flight at one speed and height says: their sum alone
    information = np.zeros((5, 5))
    information[1:4:2, 1:4:2] = 400.0
    found = Estimate(np.zeros(5), np.array([3.0, 2.1, 3.0, 0.21, 0.03]), np.zeros(5, bool), information, None, 0, 30)
    assert "at one speed and height a delay looks like a pitch" in advice(found)["pitch"]
    assert "at one speed and height a delay looks like a pitch" in advice(found)["delay_s"]


def test_fixes_of_a_wrong_place_do_not_move_what_is_found() -> None:
    rng = np.random.default_rng(5)
    flights = [observed(rng, TRUTH, sky, 50) for sky in (LOW, HIGH)]
    clean = estimate(flights)
    ground = flights[0].ground.copy()
    ground[[7, 20, 33], :2] += [[400.0, -300.0], [-500.0, 200.0], [900.0, 700.0]]
    found = estimate([replace(flights[0], ground=ground), flights[1]])
    assert found.rejected >= clean.rejected + 3
    assert np.abs(off(found, TRUTH)).max() < 3.5
    assert (np.abs(found.values - clean.values) < 1.5 * clean.sigmas).all()


def test_few_fixes_are_refused() -> None:
    few: Observations = observed(np.random.default_rng(1), TRUTH, LOW, 12)
    with pytest.raises(InputError, match="12 fixes are too few"):
        estimate([few])
