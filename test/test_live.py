"""The node as a process of its own, over real DDS: it says what the replay says, and its outputs can be read by others."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
from flights import START_NS, messages, write_bag
from simulated import Scene

from promptmid_core.bags import telemetry
from promptmid_core.bags.bag import open_bag
from promptmid_core.descriptors import load
from promptmid_core.errors import InputError
from promptmid_core.geometry import NADIR
from promptmid_core.localization.localizer import Localizer
from promptmid_core.replay.live import Comparison, compare, read_live, table
from promptmid_core.replay.run import replay

pytestmark = [pytest.mark.slow, pytest.mark.waits]

pytest.importorskip("rclpy", reason="ROS 2 is not installed")

# frames come once a second: four seconds for each at this rate, so that test processes side by side drop no image
RATE = 0.25


@pytest.fixture(scope="module", autouse=True)
def own_domain(tmp_path_factory: pytest.TempPathFactory) -> None:
    os.environ.setdefault("ROS_DOMAIN_ID", str(1 + os.getpid() % 100))
    os.environ["ROS_AUTOMATIC_DISCOVERY_RANGE"] = "LOCALHOST"
    os.environ["ROS_LOG_DIR"] = str(tmp_path_factory.mktemp("ros_log"))


def run(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", *words], capture_output=True, text=True, timeout=120, check=False)


@pytest.fixture(scope="module")
def flown(scene: Scene, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("flown") / "live"
    done = run("promptmid_ros.rehearsal.live", f"{scene.bag}", "--map", f"{scene.map_path}", "--out", f"{out}",
               "--rate", f"{RATE:g}")
    assert done.returncode == 0, done.stderr
    assert f"16 images sent at {RATE:g} times real time, 16 judged" in done.stdout
    return out


@pytest.fixture(scope="module")
def compared(scene: Scene, flown: Path) -> Comparison:
    reference = scene.reference()
    offline = replay(scene.bag, Localizer(reference, load("structural")), reference)
    return compare(read_live(flown), offline, reference)


def test_live_says_what_the_replay_says(compared: Comparison) -> None:
    assert compared.dropped == 0, table(compared)
    assert compared.common == compared.same_verdicts == 16, table(compared)
    assert compared.common_fixes >= 10, table(compared)
    assert compared.furthest is not None and max(compared.furthest.values()) <= 1e-6
    assert compared.live is not None and compared.live["coverage95_ground"] is not None
    assert compared.matched == 16 and compared.match_furthest is not None and compared.match_furthest <= 1e-6
    assert compared.agrees
    assert compared.live is not None and compared.offline is not None
    assert compared.live["ground_error_px"] == pytest.approx(compared.offline["ground_error_px"], abs=1e-6)


def test_what_was_sent_and_recorded_is_counted(flown: Path, scene: Scene) -> None:
    result = json.loads((flown / "live.json").read_text())
    bag = open_bag(scene.bag)
    assert result["sent"] == {topic: bag.count(topic) for topic in bag.topics}
    assert result["exit_code"] == 0
    outputs = open_bag(flown / "outputs")
    fixes = outputs.count("/localizer/pose")
    assert outputs.count("/localizer/match_diagnostics") == 16
    assert fixes >= 10
    assert all(outputs.count(f"/localizer/{name}") == fixes for name in ("ground_point", "correction", "navsat_fix"))
    assert outputs.count("/diagnostics") >= 3


def test_the_recorded_outputs_open_in_a_reader_that_is_not_ours(flown: Path) -> None:
    mcap_reader = pytest.importorskip("mcap_ros2.reader", reason="mcap-ros2-support is not installed")
    (storage,) = (flown / "outputs").glob("*.mcap")
    found: dict[str, list[object]] = {}
    for item in mcap_reader.read_ros2_messages(str(storage)):
        found.setdefault(item.channel.topic, []).append(item.ros_msg)
    assert {"/localizer/pose", "/localizer/ground_point", "/localizer/correction", "/localizer/navsat_fix",
            "/localizer/hypotheses", "/localizer/match_diagnostics", "/diagnostics"} == set(found)
    stamps = {(pose.header.stamp.sec, pose.header.stamp.nanosec) for pose in found["/localizer/pose"]}
    verdicts = [{pair.key: pair.value for pair in array.status[0].values} for array in found["/localizer/match_diagnostics"]]
    assert len(stamps) == sum(values["reason"] == "fix" for values in verdicts)
    # a cloud for each verdict, of the places that it counts and of less probable ones
    clouds = found["/localizer/hypotheses"]
    assert len(clouds) == len(verdicts)
    assert all(cloud.width >= int(values["hypotheses"]) for cloud, values in zip(clouds, verdicts, strict=True))
    assert all(pose.header.frame_id == "map" and len(pose.pose.covariance) == 36 for pose in found["/localizer/pose"])
    assert all(abs(fix.latitude) <= 90 and fix.position_covariance_type == 3 for fix in found["/localizer/navsat_fix"])


def test_a_map_that_cannot_be_opened_ends_the_run_in_one_sentence(scene: Scene, tmp_path: Path) -> None:
    done = run("promptmid_ros.rehearsal.live", f"{scene.bag}", "--map", f"{tmp_path / 'nothing'}",
               "--out", f"{tmp_path / 'live'}")
    assert done.returncode == 1
    assert done.stderr.startswith("live: the localizer refused to configure") and str(tmp_path / "nothing") in done.stderr
    assert done.stderr.count("\n") == 1 and "Traceback" not in done.stderr
    assert not (tmp_path / "live" / "live.json").exists() and not (tmp_path / "live" / "outputs").exists()


def test_the_player_plays_every_message_and_counts_them(scene: Scene) -> None:
    done = run("promptmid_ros.rehearsal.player", f"{scene.bag}", "--rate", "50", "--start-delay", "0")
    assert done.returncode == 0, done.stderr
    bag = open_bag(scene.bag)
    printed = {line.split()[0]: int(line.split()[1]) for line in done.stdout.splitlines() if line.startswith("/")}
    assert printed == {topic: bag.count(topic) for topic in bag.topics}
    assert "play: done, at 50 times real time" in done.stdout


def test_static_transforms_are_played_as_those_ask_for_who_hear_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A node that asks for what was published before it, as of static transforms, hears no publisher that keeps nothing."""
    from nav_msgs.msg import Path as OfTransforms
    from rclpy.qos import QoSCompatibility, qos_check_compatible

    from promptmid_ros.qualities import LATCHED
    from promptmid_ros.rehearsal.live import ros_node
    from promptmid_ros.rehearsal.player import Player

    # its package is not in the wheels of ROS 2, and any type has a topic's quality
    monkeypatch.setitem(sys.modules, "tf2_msgs.msg", SimpleNamespace(TFMessage=OfTransforms))
    still = ("/tf_static", START_NS, telemetry.camera_transform(START_NS, NADIR))
    with ros_node("quality") as node:
        player = Player(node, open_bag(write_bag(tmp_path / "bag", [still, *messages(1)])))
        offered = player._publishers["/tf_static"].qos_profile
    assert qos_check_compatible(offered, LATCHED)[0] is not QoSCompatibility.ERROR


def test_the_player_stops_on_ctrl_c_and_says_how_far_it_came(scene: Scene) -> None:
    words = [sys.executable, "-u", "-m", "promptmid_ros.rehearsal.player", f"{scene.bag}", "--rate", "0.1", "--start-delay", "0"]
    player = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    time.sleep(3)
    player.send_signal(signal.SIGINT)
    player.send_signal(signal.SIGINT)
    out, err = player.communicate(timeout=10)
    assert player.returncode == 0, err
    assert "play: stopped" in out and "Traceback" not in err


def test_the_program_play_holds_ctrl_c_back_until_it_can_stop_in_order(scene: Scene) -> None:
    program = "import sys; from promptmid_ros.program import play; sys.exit(play())"
    words = [sys.executable, "-c", program, f"{scene.bag}"]
    player = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    status = Path(f"/proc/{player.pid}/status")
    while not int(status.read_text().split("SigBlk:")[1].split()[0], 16) & 1 << signal.SIGINT - 1:
        time.sleep(0.001)
    player.send_signal(signal.SIGINT)
    out, err = player.communicate(timeout=20)
    assert player.returncode == 0, err
    assert "play: stopped" in out and "Traceback" not in err


def test_the_player_waits_in_vain_and_says_for_what(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    import threading

    from promptmid_ros.rehearsal.live import ros_node
    from promptmid_ros.rehearsal.player import Player

    with ros_node("waiting") as node:
        player = Player(node, open_bag(scene.bag))
        with pytest.raises(InputError, match=r"nobody subscribed to /camera_info, /image/compressed, /odometry within 0.2 s"):
            player.wait_for_subscribers(threading.Event(), 0.2)
