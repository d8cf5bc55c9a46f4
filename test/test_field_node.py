"""How the node is started in the field: what has no effect is told, what is published before anybody listens is heard."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from harness import ACTIVATE, CLEANUP, CONFIGURE, DEACTIVATE, Flight, Localizer
from rcl_interfaces.msg import Parameter, ParameterType, ParameterValue
from rcl_interfaces.srv import SetParameters
from rclpy.qos import DurabilityPolicy, QoSProfile
from sensor_msgs.msg import CameraInfo
from simulated import Scene


def run(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "promptmid_ros.program", *words], capture_output=True, text=True, timeout=60,
                          env=os.environ, check=False)


def test_help_is_given_and_what_is_no_argument_is_told() -> None:
    done = run("--help")
    assert done.returncode == 0 and done.stdout.startswith("usage: localizer --ros-args -p map:=MAP")
    done = run("--map", "folder")
    assert done.returncode == 2 and "'--map' is no argument" in done.stderr and "-p map:=MAP" in done.stderr


@pytest.mark.parametrize("content", [None, "localizer: [1\n", "localizer:\n  patch_px: 128\n"])
def test_a_parameter_file_that_cannot_be_read_is_told_before_ros_starts(tmp_path: Path, content: str | None) -> None:
    file = tmp_path / "params.yaml"
    if content is not None:
        file.write_text(content)
    done = run("--ros-args", "--params-file", str(file))
    assert done.returncode == 1 and done.stderr.startswith(f"localizer: {file} ") and "Traceback" not in done.stderr


@pytest.mark.parametrize(("name", "meant"), [("most_radius", "is most_radius_px meant?"),
                                             ("something_else", "config/localizer.yaml has all parameters")])
def test_a_misspelt_parameter_is_told(scene: Scene, tmp_path: Path, name: str, meant: str) -> None:
    with Localizer(tmp_path, **{"map": scene.map_path, name: 100.0, "use_sim_time": False}) as localizer:
        assert not localizer.change(CONFIGURE)
        assert f"sets {name}, which is no parameter of the localizer; {meant}" in localizer.log()


def test_parameters_under_the_name_of_another_node_are_told(scene: Scene, tmp_path: Path) -> None:
    file = tmp_path / "params.yaml"
    file.write_text(f"localiser:\n  ros__parameters:\n    map: {scene.map_path}\n    autostart: true\n")
    done = run("--ros-args", "--params-file", str(file), "-p", "autostart:=true")
    assert done.returncode == 1
    assert "parameter map is empty; name the folder of a map" in done.stderr
    told = f"{file} sets parameters of localiser, not of /localizer"
    assert told in done.stderr
    with Localizer(tmp_path, map=scene.map_path, file=file) as localizer:
        assert localizer.change(CONFIGURE)
        assert told.replace("/localizer", localizer.name) in localizer.log()


def test_a_camera_info_published_once_before_activation_is_heard(scene: Scene, tmp_path: Path) -> None:
    flight = Flight(scene.bag)
    with Localizer(tmp_path, map=scene.map_path) as localizer:
        latched = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
        topic = f"{localizer.name.rpartition('/')[0]}/camera_info"
        localizer.node.destroy_publisher(localizer._publishers["camera_info"])
        camera = localizer._publishers["camera_info"] = localizer.node.create_publisher(CameraInfo, topic, latched)
        camera.publish(flight.info)
        assert localizer.change(CONFIGURE), localizer.log()
        until = time.monotonic() + 20
        while not camera.get_subscription_count() and time.monotonic() < until:
            time.sleep(0.02)
        localizer.change(ACTIVATE)
        localizer.connect()
        reasons = [flight.show(localizer, info=[])["reason"] for _ in range(3)]
        assert reasons == ["fix"] * 3, localizer.log()


def test_setting_a_parameter_is_applied_or_refused(scene: Scene, tmp_path: Path) -> None:
    def set_it(name: str, value: ParameterValue) -> object:
        request = SetParameters.Request(parameters=[Parameter(name=name, value=value)])
        return localizer.ask("set_parameters", request).results[0]

    whole = ParameterValue(type=ParameterType.PARAMETER_INTEGER, integer_value=128)
    true = ParameterValue(type=ParameterType.PARAMETER_BOOL, bool_value=True)
    with Localizer(tmp_path, map=scene.map_path) as localizer:
        assert set_it("patch_px", whole).successful
        refused = set_it("autostart", true)
        assert not refused.successful and "read when the process starts" in refused.reason
        assert localizer.change(CONFIGURE), localizer.log()
        for state in (lambda: True, lambda: localizer.change(ACTIVATE), lambda: localizer.change(DEACTIVATE)):
            assert state()
            refused = set_it("patch_px", whole)
            assert not refused.successful and "is read when the node is configured" in refused.reason
        assert localizer.change(CLEANUP)
        assert set_it("patch_px", whole).successful
