"""What a node is set up with: what cannot work is refused and can be mended, and what is read holds."""

from pathlib import Path

import numpy as np
import pytest
import yaml
from harness import CONFIGURE, Flight, Localizer
from rcl_interfaces.srv import SetParameters
from simulated import Scene

from promptmid_core.bags.messages import stamp_ns
from promptmid_core.descriptors import load
from promptmid_core.refmap.build import BuildOptions, Sources, build_map
from promptmid_core.simulation.world.options import WorldOptions
from promptmid_core.simulation.world.simulate import simulate_world

pytestmark = [pytest.mark.slow, pytest.mark.waits]


class Foreign:
    """The structural descriptor under a fingerprint of its own."""

    fingerprint = "of-another-make"

    def __getattr__(self, name: str) -> object:
        return getattr(load("structural"), name)


@pytest.fixture(scope="module")
def flight(scene: Scene) -> Flight:
    return Flight(scene.bag)


def test_a_set_up_that_cannot_work_is_refused_in_one_sentence_and_can_be_mended(
        scene: Scene, tmp_path: Path) -> None:
    from rcl_interfaces.msg import Parameter, ParameterType, ParameterValue

    unfinished = tmp_path / "unfinished"
    unfinished.mkdir()
    for entry in scene.map_path.iterdir():
        if entry.name != "manifest.json":
            (unfinished / entry.name).symlink_to(entry)
    build_map(Sources(scene.sar), tmp_path / "foreign", BuildOptions(Foreign(), gsd=40.0))

    def value(given: object) -> ParameterValue:
        if isinstance(given, bool):
            return ParameterValue(type=ParameterType.PARAMETER_BOOL, bool_value=given)
        if isinstance(given, int):
            return ParameterValue(type=ParameterType.PARAMETER_INTEGER, integer_value=given)
        if isinstance(given, float):
            return ParameterValue(type=ParameterType.PARAMETER_DOUBLE, double_value=given)
        if isinstance(given, list):
            return ParameterValue(type=ParameterType.PARAMETER_DOUBLE_ARRAY, double_array_value=given)
        return ParameterValue(type=ParameterType.PARAMETER_STRING, string_value=str(given))

    good: dict[str, object] = {
        "map": scene.map_path, "descriptor": "", "risk": 1e-3, "patch_px": 256, "image_transport": "compressed",
        "publish_tf": False, "camera_rpy_deg": [0.0, 0.0, 0.0], "base_frame": "base_link"}
    cases = [
        ({}, "parameter patch_px has to be a whole number from 64 to 1024"),
        ({"patch_px": 256, "map": ""}, "parameter map is empty"),
        ({"map": tmp_path / "nowhere"}, "nowhere"),
        ({"map": unfinished}, "unfinished"),
        ({"map": tmp_path / "foreign"}, "of-another-make"),
        ({"map": scene.map_path, "descriptor": "magic"}, "there is no descriptor 'magic'"),
        ({"descriptor": "", "least_radius_px": 300.0}, "least_radius_px is 300, more than the 256 of most_radius_px"),
        ({"least_radius_px": 24.0, "patch_px": 250}, "patch_px is 250, not a multiple of 8"),
        ({"patch_px": 256, "image_transport": "theora"}, "image_transport is 'theora'"),
        ({"image_transport": "compressed", "camera_rpy_deg": [0.0, float("nan"), 0.0]}, "camera_rpy_deg"),
        ({"camera_rpy_deg": [0.0, 0.0]}, "camera_rpy_deg is [0.0, 0.0]; it has to be a list of 3 finite numbers"),
        ({"camera_rpy_deg": [0.0] * 3, "base_frame": ""}, "base_frame is empty"),
    ]
    try:
        import tf2_msgs  # noqa: F401
    except ImportError:
        cases.append(({"base_frame": "base_link", "publish_tf": True}, "tf2_msgs is not installed"))
    with Localizer(tmp_path, patch_px=5, map=scene.map_path) as localizer:
        for changes, sentence in [*cases, (good, "")]:
            parameters = [Parameter(name=name, value=value(given)) for name, given in changes.items()]
            done = localizer.ask("set_parameters", SetParameters.Request(parameters=parameters))
            assert all(result.successful for result in done.results), done
            told = len(localizer.log())
            assert localizer.change(CONFIGURE) == (not sentence)
            errors = [line for line in localizer.log()[told:].splitlines() if "ERROR" in line]
            assert len(errors) == bool(sentence), errors
            assert sentence in "".join(errors), errors
            assert localizer.state() == ("unconfigured" if sentence else "inactive")
        refused = localizer.ask("set_parameters", SetParameters.Request(
            parameters=[Parameter(name="patch_px", value=value(5000))]))
        assert not refused.results[0].successful
        assert "Traceback" not in localizer.log()


def test_a_calibration_of_the_camera_is_read_once_and_applied_to_each_image(scene: Scene, flight: Flight, tmp_path: Path) -> None:
    told = {name: {"value": value, "sigma": 0.01, "observed": True}
            for name, value in (("roll", 0.4), ("pitch", 0.0), ("yaw", 0.0), ("delay_s", 0.05), ("focal_scale", 1.0))}
    good, bad = tmp_path / "camera.yaml", tmp_path / "bad.yaml"
    good.write_text(yaml.safe_dump(told))
    bad.write_text(yaml.safe_dump(told | {"roll": {"value": 90.0, "sigma": 0.01, "observed": True}}))
    for file, sentence in ((bad, "roll.value is 90; it has to be from -30 to 30"), (tmp_path / "none.yaml", "none.yaml")):
        with Localizer(tmp_path, map=scene.map_path, camera_calibration=file) as localizer:
            assert not localizer.change(CONFIGURE) and localizer.state() == "unconfigured"
            errors = [line for line in localizer.log().splitlines() if "ERROR" in line]
            assert len(errors) == 1 and "configure failed: " in errors[0] and sentence in errors[0], errors
            assert "promptmid calibrate camera" in errors[0] and "Traceback" not in localizer.log()
    with Localizer(tmp_path, map=scene.map_path, camera_calibration=good) as localizer:
        localizer.up()
        stamp = flight.next()
        flight.send(localizer, stamp)
        verdict = localizer.verdict(stamp - 50_000_000)
        assert verdict["reason"] == "fix"
        sight = np.array([float(verdict[f"line_of_sight_{axis}"]) for axis in "xyz"])
        # a roll of 0.4 degrees takes the view to the left, y; the rest is what the lens has its middle beside
        _, left, down = sight
        aside = np.arctan((flight.info.k[2] - (flight.info.width - 1) / 2) / flight.info.k[0])
        assert np.rad2deg(np.arctan2(left, -down) - aside) == pytest.approx(0.4, abs=0.02)
        assert [stamp_ns(message.header) for message in localizer.outputs["pose"]] == [stamp - 50_000_000]
        values = localizer.await_state("active").values
        assert float(values["attitude_m_per_tenth_deg"]) > 1
        assert values["attitude_understated"] == values["boresight_suspect"] == ""
    assert "0.1 degrees of attitude move a position by 1.75 m for each 1000 m above the ground" in localizer.log()


def test_the_backend_is_told_and_one_that_is_named_runs_or_nothing_does(tmp_path: Path) -> None:
    world = simulate_world(tmp_path / "world", WorldOptions.of(seed=3, size_px=384))
    build_map(Sources(world.sar), tmp_path / "map", BuildOptions(load("promptmid", threads=1), levels=1))
    with Localizer(tmp_path, map=tmp_path / "map", backend="tensorrt") as localizer:
        assert not localizer.change(CONFIGURE)
        assert "configure failed: " in localizer.log()
        assert "TensorRT is not installed" in localizer.log() or "there is no CUDA GPU" in localizer.log()
    with Localizer(tmp_path, map=tmp_path / "map") as localizer:
        assert localizer.change(CONFIGURE)
        values = localizer.await_state("inactive").values
        assert values["backend"].startswith("onnxruntime ")
        assert values["backend_why"].startswith("the best that is there (tensorrt: ")
        assert f"the network runs on {values['backend']}: the best that is there" in localizer.log()
