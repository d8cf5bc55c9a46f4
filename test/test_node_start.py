"""With `autostart` the node's process takes itself to active, or says why not and ends with status 1."""

import gc
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from harness import ACTIVATE, CLEANUP, CONFIGURE, DEACTIVATE, Flight, Localizer, end, rclpy
from rasterio.transform import from_origin
from rclpy.parameter import Parameter
from rclpy.signals import SignalHandlerOptions
from simulated import Scene
from small_maps import write

from promptmid_core.descriptors import load
from promptmid_core.refmap.build import BuildOptions, Sources, append_region
from promptmid_ros.localizer_node import LocalizerNode

pytestmark = [pytest.mark.slow, pytest.mark.waits]


def test_it_becomes_active_once(scene: Scene, tmp_path: Path) -> None:
    with Localizer(tmp_path, map=scene.map_path, autostart=True) as localizer:
        localizer.connect()
        assert localizer.state() == "active"
        assert Flight(scene.bag).show(localizer)["reason"] != "internal_error"
        for transition in (DEACTIVATE, CLEANUP, CONFIGURE):
            assert localizer.change(transition)
        time.sleep(0.5)
        assert localizer.state() == "inactive", "later transitions are the operator's"
        assert end(localizer, (0.0, signal.SIGINT)) == 0, localizer.log()


def test_it_is_active_soon(scene: Scene, tmp_path: Path) -> None:
    """Judged by its own processor time, which other work on the machine lengthens much less than the wall's."""
    with Localizer(tmp_path, map=scene.map_path, autostart=True) as localizer:
        until = time.monotonic() + 30
        while "the localizer is active" not in localizer.log():
            assert time.monotonic() < until, localizer.log()
            time.sleep(0.02)
        user, system = Path(f"/proc/{localizer.process.pid}/stat").read_text().rpartition(")")[2].split()[11:13]
        assert (int(user) + int(system)) / os.sysconf("SC_CLK_TCK") < 8, "5 s are the aim on an idle machine"


def test_without_it_the_transitions_are_the_operators(scene: Scene, tmp_path: Path) -> None:
    with Localizer(tmp_path, map=scene.map_path) as localizer:
        assert localizer.state() == "unconfigured"


@pytest.mark.parametrize(("changes", "sentence"), [
    ({"map": "no_such_map"}, "no_such_map is not a map; build one with: promptmid map build"),
    ({"least_radius_px": 300.0}, "parameter least_radius_px is 300, more than the 256 of most_radius_px"),
    ({"confirm": 3}, "the command line or parameter file sets confirm, which the localizer does not have any more; remove it: "
                     "set risk, of which"),
    ({"autostart": 1}, "parameter autostart has to be true or false"),
])
def test_a_start_that_fails_ends_the_process(scene: Scene, tmp_path: Path, changes: dict[str, object],
                                             sentence: str) -> None:
    with Localizer(tmp_path, **{"map": scene.map_path, "autostart": True} | changes) as localizer:
        assert localizer.process.wait(20) == 1, localizer.log()
        assert f"configure failed: {sentence}" in localizer.log()
        assert localizer.log().count("ERROR") == 1 and "Traceback" not in localizer.log(), localizer.log()


def test_a_region_is_taken_by_its_name(scene: Scene, tmp_path: Path) -> None:
    path = Path(shutil.copytree(scene.map_path, tmp_path / "map"))
    pixels = np.random.default_rng(0).integers(1, 255, (300, 300), np.uint8)
    east = write(tmp_path / "east.tif", pixels, crs="EPSG:32612", transform=from_origin(300_000, 3_770_000, 10, 10))
    append_region(path, Sources(east), BuildOptions(load("structural")))
    for region, crs in (("east", "EPSG:32612"), ("", scene.reference().frame.crs)):
        with Localizer(tmp_path, map=path, region=region) as localizer:
            assert localizer.change(CONFIGURE), localizer.log()
            assert crs in localizer.log()
    with Localizer(tmp_path, map=path, region="north", autostart=True) as localizer:
        assert localizer.process.wait(20) == 1, localizer.log()
        assert f"configure failed: {path} has no region 'north'; it has main, east" in localizer.log()


def test_a_signal_while_configuring_ends_the_process(scene: Scene, tmp_path: Path) -> None:
    """As from a disk that has died."""
    began = tmp_path / "began"
    harm = f"""
import pathlib, time
import promptmid_ros.localizer_node as node
def hung(*given, **named):
    pathlib.Path({str(began)!r}).touch()
    time.sleep(1e6)
node.open_localizer = hung
"""
    with Localizer(tmp_path, harm=harm, map=scene.map_path, autostart=True) as localizer:
        for _ in range(3000):
            if began.exists():
                break
            time.sleep(0.01)
        code = end(localizer, (0.1, signal.SIGINT), (0.02, signal.SIGINT))
        assert code == 0, localizer.log()
        assert not any(word in localizer.log() for word in ("Traceback", "terminate called", "ERROR")), localizer.log()


def test_a_bag_is_played_once_the_node_is_active(scene: Scene, tmp_path: Path) -> None:
    with Localizer(tmp_path, map=scene.map_path) as localizer:
        words = [sys.executable, "-m", "promptmid_ros.rehearsal.player", str(scene.bag), "--rate", "50", "--start-delay", "0",
                 "--wait-for-node", localizer.name]
        environment = os.environ | {"ROS_DOMAIN_ID": str(1 + os.getpid() % 100)}
        player = subprocess.Popen(words, stdout=subprocess.PIPE, text=True, env=environment)
        try:
            assert player.stdout is not None
            assert f"play: waiting until {localizer.name} is active" in player.stdout.readline()
            assert localizer.change(CONFIGURE)
            time.sleep(1.0)
            assert player.poll() is None, "it played to a node that is not active"
            assert localizer.change(ACTIVATE)
            assert "play: done" in player.communicate(timeout=30)[0]
        finally:
            player.kill()


def test_what_lives_as_long_as_the_map_is_not_searched_for_garbage(scene: Scene) -> None:
    context = rclpy.Context()
    rclpy.init(args=[], context=context, signal_handler_options=SignalHandlerOptions.NO)
    node = LocalizerNode(context=context, parameter_overrides=[Parameter("map", value=str(scene.map_path))])
    gc.unfreeze()  # Python 3.12 itself begins with some hundred objects
    try:
        assert gc.get_freeze_count() == 0
        node.trigger_configure()
        assert gc.get_freeze_count() > 10_000
        node.trigger_cleanup()
        assert gc.get_freeze_count() == 0, "what the map was made of can be collected again"
    finally:
        node.destroy_node()
        rclpy.shutdown(context=context)
