"""A replay takes the node's parameter file, and the static transforms that were recorded: as the node does."""

import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from flights import FRAME, KnownLocalizer, PlainMap, messages, stamps, true_pose
from simulated import Scene

from promptmid_core.bags import telemetry
from promptmid_core.bags.bag import open_bag
from promptmid_core.bags.writer import BagWriter
from promptmid_core.cli import main
from promptmid_core.errors import InputError, Refusal
from promptmid_core.geometry import NADIR, Pose
from promptmid_core.localization.localizer import Localizer
from promptmid_core.localization.mounts import Mounts
from promptmid_core.localization.rig import Rig
from promptmid_core.localization.settings import DEFAULTS, PARAMETERS, RETIRED, Settings, names_node, read_parameter_file
from promptmid_core.reasons import Reason
from promptmid_core.replay.run import replay

pytestmark = pytest.mark.slow

CONFIG = Path(__file__).resolve().parent.parent / "config" / "localizer.yaml"
TILTED = Pose.from_rpy(np.array([0.4, -0.2, 0.1]), np.deg2rad(6.0), np.deg2rad(-8.0), np.deg2rad(90.0)) @ NADIR


def written(folder: Path, text: str) -> Path:
    file = folder / "params.yaml"
    file.write_text(text)
    return file


def transforms(*links: tuple[str, str, Pose]) -> Any:
    """A tf2_msgs/TFMessage of (parent, child, pose)."""
    def stamped(parent: str, child: str, pose: Pose) -> Any:
        x, y, z = (float(value) for value in pose.position)
        moved = telemetry.message("geometry_msgs/msg/Vector3", x, y, z)
        turned = telemetry.message("geometry_msgs/msg/Quaternion", *(float(value) for value in pose.quaternion()))
        return telemetry.message("geometry_msgs/msg/TransformStamped", telemetry.header(1, parent), child,
                                 telemetry.message("geometry_msgs/msg/Transform", moved, turned))

    return telemetry.message("tf2_msgs/msg/TFMessage", [stamped(*link) for link in links])


def test_the_file_of_all_defaults_is_taken() -> None:
    assert DEFAULTS | read_parameter_file(CONFIG) == DEFAULTS
    assert Settings.read(DEFAULTS).rig.mount.rotation == pytest.approx(NADIR.rotation)


@pytest.mark.parametrize(("pattern", "node", "fits"), [
    ("/**/localizer", "/localizer", True), ("/**/localizer", "/drone/left/localizer", True), ("localizer", "/localizer", True),
    ("/localizer", "/localizer", True), ("/**", "/localizer", True), ("/*/localizer", "/drone/localizer", True),
    ("/*/localizer", "/localizer", False), ("localiser", "/localizer", False), ("/drone/localizer", "/localizer", False),
])
def test_sections_are_those_of_the_nodes_that_their_names_mean(pattern: str, node: str, fits: bool) -> None:
    assert names_node(pattern, node) is fits


@pytest.mark.parametrize(("text", "words"), [
    ("localizer:\n  ros__parameters:\n    patch: 128\n", "sets patch, which is no parameter of the localizer; is patch_px"),
    ("localiser:\n  ros__parameters:\n    patch_px: 128\n", "sets parameters of localiser, not of /localizer"),
    ("localizer:\n  ros__parameters:\n    patch_px: 12\n", "patch_px is 12; it has to be a whole number from 64 to 1024"),
    ("localizer:\n  ros__parameters:\n    most_radius_px: 128\n", "most_radius_px is 128; it has to be a number with a decimal"),
    ("localizer:\n  ros__parameters:\n    camera_rpy_deg: [0.0, .nan, 0.0]\n", "it has to be a list of 3 finite numbers"),
    ("localizer:\n  patch_px: 128\n", "needs the name of a node, below it 'ros__parameters:'"),
    ("localizer: [\n", "is no YAML that can be read"),
    ("", "is no parameter file"),
    ("a: &a\n  b: *a\n", "without end"),
    ("localizer:\n  ros__parameters:\n    patch_px: 1_00\n", "patch_px is '1_00'; it has to be a whole number"),
    ("localizer:\n  ros__parameters:\n    patch_px: '128'\n", "patch_px is '128'; it has to be a whole number"),
])
def test_a_file_that_cannot_be_used_is_told(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(InputError) as caught:
        read_parameter_file(written(tmp_path, text))
    assert words in str(caught.value)


def test_values_are_those_that_ros_reads(tmp_path: Path) -> None:
    """No dates, no null, decimal exponents without a point; sections of one node add up; what is of other nodes is nobody's."""
    file = written(tmp_path, "other:\n  ros__parameters:\n    day: 2024-13-45\n    count: !!int abc\n"
                             "localizer:\n  ros__parameters:\n    odometry_drift: 1e-1\n    region: ~\n    publish_tf: yes\n"
                             "localizer:\n  ros__parameters:\n    prior_wait_ms: 50\n    camera_rpy_deg: [0.0, -1.0, 2.5]\n")
    assert read_parameter_file(file) == {"odometry_drift": 0.1, "region": "~", "publish_tf": True, "prior_wait_ms": 50,
                                         "camera_rpy_deg": [0.0, -1.0, 2.5]}
    for odd in ("/dev/zero", str(tmp_path)):
        with pytest.raises(InputError, match=r"is a (device|folder) where a file is wanted"):
            read_parameter_file(Path(odd))


@pytest.mark.parametrize("name", RETIRED)
def test_a_parameter_that_gates_had_is_told_with_what_does_their_work(tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError) as caught:
        read_parameter_file(written(tmp_path, f"localizer:\n  ros__parameters:\n    patch_px: 256\n    {name}: 3\n"))
    sentence = str(caught.value)
    assert f"params.yaml sets {name}, which the localizer does not have any more; remove it: " in sentence
    assert "\n" not in sentence and sentence.endswith(RETIRED[name]) and name not in PARAMETERS
    # what is named in its place is there
    named = re.match(r"set (\w+)", RETIRED[name])
    assert named is None or named[1] in PARAMETERS


def test_contradictions_are_told_as_the_node_tells_them() -> None:
    for changes, words in (({"risk": 0.2}, "risk is 0.2; it has to be a number with a decimal point from 1e-09 to 0.1"),
                           ({"risk": 1e-10}, "risk is 1e-10; it has to be"),
                           ({"least_radius_px": 300.0}, "least_radius_px is 300, more than the 256 of most_radius_px"),
                           ({"camera_mount": "guess"}, "camera_mount is 'guess', not one of auto, parameters")):
        with pytest.raises(InputError, match=words):
            Settings.read(DEFAULTS | changes)


def recorded(path: Path, scene: Scene, *more: tuple[str, int, Any], frames: int = 5) -> Path:
    """The first frames of the scene's flight as of a camera that is mounted as TILTED: the aircraft flew turned the other way."""
    flight = open_bag(scene.bag)
    entries = list(flight.messages("/image/compressed", "/camera_info", "/odometry"))
    last = [log for topic, log, _ in entries if topic == "/image/compressed"][frames - 1]
    back = NADIR @ TILTED.inverse()
    with BagWriter(path, flight.custom) as bag:
        for topic, log_ns, message in [*more, *entries]:
            if log_ns > last + 1_000_000_000 or (topic == "/image/compressed" and log_ns > last):
                continue
            if topic == "/odometry":
                inner = message.pose.pose
                pose = Pose.from_quaternion(
                    np.array([inner.position.x, inner.position.y, inner.position.z]),
                    np.array([inner.orientation.x, inner.orientation.y, inner.orientation.z, inner.orientation.w]))
                message = telemetry.odometry(message.header.stamp.sec * 1_000_000_000 + message.header.stamp.nanosec, pose @ back,
                                             np.array(message.pose.covariance).reshape(6, 6), np.zeros(3), np.zeros(3), np.eye(6))
            bag.write(topic, message, log_ns)
    return path


def test_a_camera_that_looks_ahead_or_to_the_left_has_the_signs_that_are_told() -> None:
    """As the meaning of camera_rpy_deg says."""
    for rpy, ahead, left in (([0.0, -10.0, 0.0], 1, 0), ([10.0, 0.0, 0.0], 0, 1)):
        axis = Settings.read(DEFAULTS | {"camera_rpy_deg": rpy}).rig.mount.rotation[:, 2]
        assert axis == pytest.approx([np.sin(np.deg2rad(10)) * ahead, np.sin(np.deg2rad(10)) * left, -np.cos(np.deg2rad(10))])


def fixes(scene: Scene, bag: Path, **values: Any) -> int:
    from promptmid_core.descriptors import load

    settings, reference = Settings.read(DEFAULTS | values), scene.reference()
    flight = replay(bag, Localizer(reference, load("structural"), settings.options), reference, rig=settings.rig)
    return sum(frame.fix.accepted for frame in flight.frames)


def test_the_mount_comes_from_parameters_or_from_static_transforms(scene: Scene, tmp_path: Path) -> None:
    """A camera that is tilted and turned has fixes only where its mount is known, whichever way it is told."""
    first = next(log for _, log, _ in open_bag(scene.bag).messages("/odometry"))
    parts = (("base_link", "gimbal", Pose(TILTED.position, np.eye(3))), ("gimbal", "camera_optical", Pose(np.zeros(3),
                                                                                                         TILTED.rotation)))
    plain, told = (recorded(tmp_path / name, scene, *more, frames=2) for name, more in (
        ("plain", ()), ("told", (("/tf_static", first, transforms(*parts)),))))
    by_parameters = {"camera_position_m": TILTED.position.tolist(), "camera_rpy_deg": [6.0, -8.0, 90.0]}
    assert fixes(scene, plain) == 0
    assert fixes(scene, plain, **by_parameters) == 2
    assert fixes(scene, told) == 2
    assert fixes(scene, told, camera_mount="parameters") == 0
    assert fixes(scene, plain, camera_mount="static_transforms") == 0


def test_the_command_takes_the_file_of_the_node(scene: Scene, tmp_path: Path,
                                                capsys: pytest.CaptureFixture[str]) -> None:
    bag = recorded(tmp_path / "bag", scene)
    file = written(tmp_path, "/**/localizer:\n  ros__parameters:\n    map: elsewhere\n    autostart: true\n"
                             "    camera_position_m: [0.4, -0.2, 0.1]\n    camera_rpy_deg: [6.0, -8.0, 90.0]\n    risk: 0.01\n")
    assert main(["replay", str(bag), "--map", str(scene.map_path), "--params", str(file)]) == 0
    assert "fixes                 5   100.0 % of frames" in capsys.readouterr().out
    file.write_text("localizer:\n  ros__parameters:\n    rsik: 0.01\n")
    assert main(["replay", str(bag), "--map", str(scene.map_path), "--params", str(file)]) == 1
    assert "sets rsik, which is no parameter of the localizer; is risk meant?" in capsys.readouterr().err


def test_transforms_that_do_not_join_or_are_none_are_told() -> None:
    mounts = Mounts(Rig(mounted_by="static_transforms"))
    mounts.add(transforms(("elsewhere", "camera_optical", TILTED)))
    with pytest.raises(Refusal, match="no static transforms join 'base_link' and 'camera_optical'") as caught:
        mounts.mount("camera_optical")
    assert caught.value.reason is Reason.CAMERA_MOUNT_UNKNOWN
    guessed = Mounts(Rig(mounted_by="auto"))
    guessed.mount("camera_optical")
    assert guessed.source == "straight down: neither parameters nor static transforms tell"
    guessed.add(transforms(("elsewhere", "camera_optical", TILTED)))
    guessed.mount("camera_optical")
    assert guessed.source == "straight down, though static transforms do not join 'base_link' and 'camera_optical'"
    # the aircraft's own frame may stand below the camera's, and a ring of frames ends
    mounts.add(transforms(("camera_optical", "base_link", TILTED.inverse()), ("ring", "elsewhere", TILTED),
                          ("elsewhere", "ring", TILTED)))
    assert mounts.mount("camera_optical").rotation == pytest.approx(TILTED.rotation)
    bad = transforms(("base_link", "gps", TILTED), ("/base_link", "camera_optical", NADIR))
    bad.transforms[0].transform.rotation.w = float("nan")
    with pytest.raises(Refusal, match="from 'base_link' to 'gps' cannot be used"):
        mounts.add(SimpleNamespace(transforms=bad.transforms))
    # the good ones beside it are taken, with or without the slash of older publishers
    mounts = Mounts(Rig(mounted_by="static_transforms"))
    with pytest.raises(Refusal):
        mounts.add(SimpleNamespace(transforms=bad.transforms))
    assert mounts.mount("camera_optical").rotation == pytest.approx(NADIR.rotation)


def test_odometry_in_odom_is_replayed_with_the_pose_that_was_given_by_hand(tmp_path: Path) -> None:
    """As live: nothing before the pose by hand, and from then on fixes move odom in map."""
    odom_from_map = Pose.from_rpy(np.array([500.0, -200.0, 0.0]), 0, 0, 1.2)
    wanted = stamps(5)
    with BagWriter(tmp_path / "bag", {"map_crs": FRAME.crs, "map_origin_east": str(FRAME.origin[0]),
                                      "map_origin_north": str(FRAME.origin[1])}) as bag:
        for topic, log_ns, message in messages(5):
            if topic == "/odometry":
                made = telemetry.odometry(log_ns, odom_from_map @ true_pose(log_ns), np.diag([1.0, 1, 1, 1e-4, 1e-4, 1e-4]),
                                          np.zeros(3), np.zeros(3), np.eye(6))
                object.__setattr__(made.header, "frame_id", "odom")
                message = made
            if topic == "/image/compressed" and message.header.stamp.nanosec == wanted[2] % 1_000_000_000 and (
                    message.header.stamp.sec == wanted[2] // 1_000_000_000):
                off = true_pose(wanted[2]).corrected(np.array([30.0, -40.0, 0, 0, 0, 0.01]))
                given = np.diag([900.0] * 3 + [1e-3] * 3)
                by_hand = telemetry.pose_with_covariance(wanted[2] - wanted[2] % 50_000_000, off, given)
                bag.write("/initialpose", by_hand, log_ns - 1)
            bag.write(topic, message, log_ns)
    flight = replay(tmp_path / "bag", KnownLocalizer(), PlainMap())
    assert [str(frame.fix.reason) for frame in flight.frames] == ["prior_missing"] * 2 + ["fix"] * 3
    errors = [frame.prior_error_px for frame in flight.frames[2:]]
    assert errors[0] == pytest.approx(5.0, abs=0.5) and errors[1] < 0.2 and errors[2] < 0.2
