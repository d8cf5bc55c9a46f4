"""What is known of a camera beside its messages is read from a file, applied to each frame in one place, and told where it cannot
be."""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import yaml
from flights import CAMERA, DRIFT, HEIGHT, KnownLocalizer, PlainMap, messages, stamps, true_pose, write_bag
from judged import parts_of

from promptmid_core.calibration.camera.document import as_json, as_text, as_yaml
from promptmid_core.calibration.camera.estimate import Estimate
from promptmid_core.calibration.camera.noise import Noise
from promptmid_core.calibration.camera.observe import Sighting, joined, observe
from promptmid_core.cli import main
from promptmid_core.errors import InputError
from promptmid_core.geometry import NADIR, Camera
from promptmid_core.localization.camera_calibration import CameraCalibration
from promptmid_core.localization.fix import GroundPoint
from promptmid_core.localization.intake import Intake
from promptmid_core.localization.rig import Rig
from promptmid_core.localization.settings import DEFAULTS, Settings
from promptmid_core.reasons import Reason
from promptmid_core.replay.run import replay
from promptmid_core.simulation.flight.options import CameraOptions
from promptmid_core.simulation.flight.sight import mounted, nadir_sight

FOUND = {"roll": 1.0, "pitch": -2.0, "yaw": 0.5, "delay_s": 0.2, "focal_scale": 1.02}


def written(path: Path, changes: dict[str, Any] | None = None, drop: str = "") -> Path:
    values: dict[str, Any] = {name: {"value": value, "sigma": 0.01, "observed": True} for name, value in FOUND.items()}
    values |= changes or {}
    values.pop(drop, None)
    path.write_text(yaml.safe_dump(values))
    return path


def found(observed: list[bool]) -> Estimate:
    return Estimate(np.array(list(FOUND.values())), np.full(5, 0.05), np.array(observed), np.eye(5), Noise(), 2, 90)


def test_a_file_is_what_was_found_and_what_was_not_observed_stays_as_told(tmp_path: Path) -> None:
    values = as_json(found([True, True, False, True, True]), [(tmp_path / "a", 40), (tmp_path / "b", 50)])
    assert values["yaw"]["observed"] is False
    assert "heading" in values["yaw"]["advice"]
    assert "not observed: fly longer" in as_text(values)
    file = tmp_path / "camera.yaml"
    file.write_text(as_yaml(values))
    assert CameraCalibration.read(file) == CameraCalibration(1.0, -2.0, 0.0, 0.2, 1.02, 0.05, 0.05)


def test_what_the_calibration_leaves_open_goes_into_the_covariance(tmp_path: Path) -> None:
    values = DEFAULTS | {"camera_calibration": str(written(tmp_path / "camera.yaml"))}
    errors = Settings.read(values).options.errors
    assert (errors.mount_sigma_deg, errors.camera_delay_sigma_s) == (0.01, 0.01)
    # a parameter that says more is believed
    errors = Settings.read(values | {"mount_sigma_deg": 0.4, "camera_delay_sigma_s": 0.2}).options.errors
    assert (errors.mount_sigma_deg, errors.camera_delay_sigma_s) == (0.4, 0.2)


def test_the_camera_is_that_of_a_flight_simulated_with_such_errors() -> None:
    sight = mounted(nadir_sight(320, 240, 3000.0), CameraOptions(
        camera_pitch_deg=20.0, boresight_error_deg=(1.0, -2.0, 0.5), focal_error_percent=2.0))
    camera = CameraCalibration(**FOUND).camera(sight.told)
    assert camera.mount.rotation == pytest.approx(sight.camera.mount.rotation, abs=1e-12)
    assert camera.k == pytest.approx(sight.camera.k, rel=1e-12)


def test_it_adds_to_the_mount_as_camera_rpy_deg_does() -> None:
    by_parameter = Settings.read(DEFAULTS | {"camera_rpy_deg": [1.0, -2.0, 0.5]}).rig.mount
    by_file = CameraCalibration(1.0, -2.0, 0.5).camera(Camera(64, 48, CAMERA.k, mount=NADIR)).mount
    assert by_file.rotation == pytest.approx(by_parameter.rotation, abs=1e-12)


def test_a_frame_is_matched_as_it_is_with_the_prior_of_when_it_was_taken(tmp_path: Path) -> None:
    rig = Settings.read(DEFAULTS | {"camera_calibration": str(written(tmp_path / "c.yaml"))}).rig
    flight = replay(write_bag(tmp_path / "bag", messages(4)), KnownLocalizer(), PlainMap(), rig=rig)
    assert any("turned by 1, -2, 0.5 degrees, images taken 0.2 s before" in note for note in flight.notes)
    taken = [stamp - 200_000_000 for stamp in stamps(4)]
    assert [frame.fix.stamp_ns for frame in flight.frames] == taken
    for frame, then in zip(flight.frames, taken, strict=True):
        assert frame.camera is not None and frame.fix.candidate.prior is not None
        assert frame.camera.k[0, 0] == pytest.approx(1.02 * CAMERA.k[0, 0])
        assert frame.fix.candidate.prior.pose.position[:2] == pytest.approx(true_pose(then).position[:2] + DRIFT[:2], abs=0.01)


def test_an_image_with_stamp_zero_is_still_told_as_such() -> None:
    intake = Intake(Rig(calibration=CameraCalibration(delay_s=0.5)))
    message = SimpleNamespace(header=SimpleNamespace(stamp=SimpleNamespace(sec=0, nanosec=0), frame_id="camera"))
    assert intake.localize(message, KnownLocalizer()).fix.reason == "stamp_zero"


@pytest.mark.parametrize(("changes", "drop", "words"), [
    ({}, "delay_s", "it has to state roll, pitch, yaw, delay_s, focal_scale"),
    ({"roll": 1.0}, "", "roll is 1.0, not a table of value, sigma and observed"),
    ({"pitch": {"value": "a", "sigma": 0.1, "observed": True}}, "", "pitch.value is 'a', not a finite number"),
    ({"pitch": {"value": 1.0, "sigma": float("nan"), "observed": True}}, "", "pitch.sigma is nan, not a finite number"),
    ({"yaw": {"value": 1.0, "sigma": 0.1, "observed": 1}}, "", "yaw.observed is 1, not true or false"),
    ({"delay_s": {"value": 3.0, "sigma": 0.1, "observed": True}}, "", "delay_s.value is 3; it has to be from -2 to 2"),
    ({"focal_scale": {"value": 0.02, "sigma": 0.1, "observed": True}}, "", "focal_scale.value is 0.02; it has to be from 0.7"),
])
def test_a_file_that_is_no_calibration_is_refused_in_one_sentence(tmp_path: Path, changes: dict[str, Any], drop: str,
                                                                  words: str) -> None:
    file = written(tmp_path / "camera.yaml", changes, drop)
    with pytest.raises(InputError) as caught:
        Settings.read(DEFAULTS | {"camera_calibration": str(file)})
    assert words in str(caught.value)
    assert str(file) in str(caught.value)
    assert "promptmid calibrate camera" in str(caught.value)


@pytest.mark.parametrize("text", ["", "[1, 2]", "a: [", "roll: &a 1\n"])
def test_what_is_no_such_document_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "camera.yaml").write_text(text)
    with pytest.raises(InputError, match=r"camera\.yaml"):
        CameraCalibration.read(tmp_path / "camera.yaml")


def test_replay_refuses_a_file_that_is_not_there_before_any_work(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["replay", str(tmp_path), "--map", str(tmp_path), "--camera-calibration", str(tmp_path / "none.yaml")]
    assert main(words) == 1
    told = capsys.readouterr().err
    assert "none.yaml" in told
    assert told.count("\n") == 1


class Grounded(KnownLocalizer):
    """A known localizer whose fixes have their ground points."""

    def __init__(self) -> None:
        super().__init__()
        self.reference = SimpleNamespace(**vars(PlainMap()), has_dem=True)
        self.terrain = PlainMap().terrain()

    def track(self, candidate: Any) -> Any:
        fix = super().track(candidate)
        if fix.pose is None:
            return fix
        ground = GroundPoint(np.append(fix.pose.position[:2], 0.0), parts_of(), np.array([0.0, 0.0, -1.0]))
        return replace(fix, ground=ground, observed=("x", "y"))


def test_fixes_of_a_bag_become_observations_with_odometry_all_around(tmp_path: Path) -> None:
    bag = write_bag(tmp_path / "bag", messages(8, truth=False))
    seen = observe(bag, Grounded(), Rig())
    # the first and the last images have no odometry a second before them, or half a second after
    assert 4 <= len(seen) <= 6
    assert seen.height == pytest.approx(HEIGHT, abs=1.0)
    assert np.isinf(seen.heading_variance).all()
    speed = np.hypot(*(seen.positions[:, -1] - seen.positions[:, 0])[:, :2].T) / 1.5
    assert speed == pytest.approx(np.full(len(seen), 21.0 * np.sqrt(2)), rel=1e-3)


def test_a_flight_without_a_fix_is_told(tmp_path: Path) -> None:
    localizer = Grounded()
    localizer.refused = dict.fromkeys(stamps(4), Reason.LOW_TEXTURE)
    with pytest.raises(InputError, match=r"bag gives no fix on plain_map.* 'promptmid replay' tells why"):
        observe(write_bag(tmp_path / "bag", messages(4, truth=False)), localizer, Rig())


def test_odometry_in_odom_is_refused(tmp_path: Path) -> None:
    entries = messages(4, truth=False)
    for topic, _, message in entries:
        if topic == "/odometry":
            message.header.frame_id = "odom"
    with pytest.raises(InputError, match="odometry in the frame 'odom'"):
        observe(write_bag(tmp_path / "bag", entries), Grounded(), Rig())


def test_of_a_long_flight_a_part_of_the_fixes_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("promptmid_core.calibration.camera.observe.MOST_FIXES", 4)
    seen = observe(write_bag(tmp_path / "bag", messages(12, truth=False)), Grounded(), Rig())
    assert 2 <= len(seen) <= 4
    assert np.diff(seen.times) == pytest.approx(1.5)


def test_fixes_without_odometry_around_are_told() -> None:
    sighting = Sighting(5_000_000_000, CAMERA, GroundPoint(np.zeros(3), parts_of(), np.zeros(3)), np.eye(3), 1.0, 0.0, 1.0)
    with pytest.raises(InputError, match="none of 1 fixes has odometry"):
        joined([sighting], Intake(Rig()).odometry, 0.0)


def test_an_image_that_is_stamped_early_has_the_odometry_of_when_it_was_taken(tmp_path: Path) -> None:
    """By half a second, and the last one is taken after all that was recorded."""
    rig = Rig(calibration=CameraCalibration(delay_s=-0.5))
    flight = replay(write_bag(tmp_path / "bag", messages(5)), KnownLocalizer(), PlainMap(), rig=rig)
    for frame, stamp in zip(flight.frames[:-1], stamps(5), strict=False):
        then = stamp + 500_000_000
        assert frame.fix.stamp_ns == then and frame.fix.candidate.prior is not None, frame.fix.sentence
        assert frame.fix.candidate.prior.pose.position[:2] == pytest.approx(true_pose(then).position[:2] + DRIFT[:2], abs=0.01)
