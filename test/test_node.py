"""The node over its life: transitions, what it publishes for a fix, its services."""

import json
import re
import time
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from harness import ACTIVATE, CLEANUP, CONFIGURE, DEACTIVATE, SHUTDOWN, WAIT_S, Flight, Localizer, stamped
from lifecycle_msgs.srv import GetState
from rcl_interfaces.srv import SetParameters, SetParametersAtomically
from rclpy.parameter import Parameter
from rclpy.qos import DurabilityPolicy, QoSProfile
from sensor_msgs.msg import Range
from simulated import Scene

from promptmid_core.bags.messages import pose_from, prior_from, stamp_ns
from promptmid_core.descriptors import load
from promptmid_core.geometry import Pose
from promptmid_core.outputs.topics import VIEWS
from promptmid_core.refmap.build import BuildOptions, Sources, build_map
from promptmid_ros.conversions import kind_of

pytestmark = [pytest.mark.slow, pytest.mark.waits]

LOCAL = "+proj=tmerc +lon_0=15 +k=0.9996 +x_0=500000 +datum=WGS84 +units=m +type=crs"


@pytest.fixture(scope="module")
def flight(scene: Scene) -> Flight:
    return Flight(scene.bag)


def test_an_image_brings_a_fix_and_all_outputs(scene: Scene, flight: Flight, tmp_path: Path) -> None:
    with Localizer(tmp_path, map=scene.map_path) as localizer:
        localizer.up()
        assert flight.state(localizer) == "SEARCHING"
        stamps = [flight.next() for _ in range(2)]
        verdicts = []
        for stamp in stamps:
            flight.send(localizer, stamp)
            verdicts.append(localizer.verdict(stamp))
        assert [verdict["reason"] for verdict in verdicts] == ["fix"] * 2
        assert [verdict["state"] for verdict in verdicts] == ["TRACKING"] * 2
        # a busy machine is slow, which is blamed too
        blamed = [set(re.findall(r"(?:\(|; )(\w+) is ", verdict.message)) - {"latency_ms", "processing_ms"}
                  for verdict in verdicts]
        assert localizer.verdicts[0][1].level >= 1 and not any(blamed)
        assert all(float(verdict["stage_describe_ms"]) > 0 and float(verdict["score_evidence"]) > 1 for verdict in verdicts)
        assert verdicts[0]["prompt"] == "an optical image"

        until = time.monotonic() + 5
        while len(localizer.outputs["navsat_fix"]) < 2 and time.monotonic() < until:
            time.sleep(0.05)
        for name in ("pose", "ground_point", "correction", "navsat_fix"):
            assert [stamp_ns(message.header) for message in localizer.outputs[name]] == stamps, name
        pose, correction, navsat = (localizer.outputs[name][-1] for name in ("pose", "correction", "navsat_fix"))
        assert pose.header.frame_id == correction.header.frame_id == "map"
        fix = pose_from(pose.pose.pose)
        prior = _prior(flight)
        restored = pose_from(correction.pose.pose) @ prior
        assert restored.position == pytest.approx(fix.position, abs=1e-3)
        assert restored.rotation == pytest.approx(fix.rotation, abs=1e-6)
        assert 1 < np.hypot(*(fix.position - prior.position)[:2]) < 600
        covariance = np.array(pose.pose.covariance).reshape(6, 6)
        assert list(np.diag(covariance)[2:5]) == [1e6] * 3
        # the second fix shows the ground of the first, so a filter that takes it for independent is told to learn little of it
        for message, verdict in zip(localizer.outputs["pose"], verdicts, strict=True):
            told = np.array(message.pose.covariance).reshape(6, 6)
            single = float(verdict["sigma_m"]) ** 2
            assert 0 < single < 1e4
            assert np.trace(told[:2, :2]) == pytest.approx(float(verdict["inflation"]) * single, rel=1e-3)
        assert float(verdicts[0]["inflation"]) == 1 < float(verdicts[1]["inflation"])
        seen = localizer.outputs["ground_point"][-1]
        down = fix.rotation @ np.array([float(verdicts[-1][f"line_of_sight_{axis}"]) for axis in "xyz"])
        ground = np.array([getattr(seen.pose.pose.position, axis) for axis in "xyz"])
        reach = (ground[2] - fix.position[2]) / down[2]
        assert fix.position + reach * down == pytest.approx(ground, abs=0.1), "the camera of this flight has no offset"
        of_ground = np.array(seen.pose.covariance).reshape(6, 6)
        assert list(np.diag(of_ground)[2:]) == [1e6] * 4
        assert 0 < np.trace(of_ground[:2, :2]) < np.trace(covariance[:2, :2])
        single = float(verdicts[-1]["sigma_ground_m"]) ** 2
        assert np.trace(of_ground[:2, :2]) == pytest.approx(float(verdicts[-1]["inflation_ground"]) * single, rel=1e-3)
        assert float(verdicts[-1]["correction_east_m"]) == pytest.approx(fix.position[0] - prior.position[0], abs=1e-3)

        import pyproj

        frame = scene.reference().frame
        to_map = pyproj.Transformer.from_crs("EPSG:4326", frame.crs, always_xy=True)
        east, north = to_map.transform(navsat.longitude, navsat.latitude)
        assert (east - frame.origin[0], north - frame.origin[1]) == pytest.approx(tuple(fix.position[:2]), abs=0.01)
        convergence = pyproj.Proj(frame.crs).get_factors(navsat.longitude, navsat.latitude).meridian_convergence
        assert float(verdicts[-1]["grid_convergence_deg"]) == pytest.approx(convergence, abs=1e-3)
        assert navsat.position_covariance_type == 3
        assert navsat.header.frame_id == "base_link"
        first = f"m in map by the fix, image of {stamps[0] // 10**9}.{stamps[0] % 10**9:09d}: the first fix"
        assert "SEARCHING at " in localizer.log() and first in localizer.log()
        _look(localizer, flight)
        _tune(localizer, flight)


def _look(localizer: Localizer, flight: Flight) -> None:
    """Each view comes once somebody subscribes, and the map, which is latched, also to who comes after it was sent."""
    heard: dict[str, list[Any]] = {name: [] for name in VIEWS}
    latched = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)

    def subscribe(name: str, put: Callable[[Any], None]) -> None:
        qos = latched if VIEWS[name].latched else QoSProfile(depth=10)
        localizer.node.create_subscription(kind_of(VIEWS[name].kind), f"{localizer.name}/{name}", put, qos)

    def until(true: Callable[[], Any], meanwhile: Callable[[], Any]) -> None:
        deadline = time.monotonic() + 2 * WAIT_S
        while not true():
            assert time.monotonic() < deadline, localizer.log()
            meanwhile()

    for name, messages in heard.items():
        subscribe(name, messages.append)
    until(lambda: all(heard.values()), lambda: flight.show(localizer))
    footprint, trail = heard["footprint"][0].markers
    assert len(footprint.points) == 5 and len(trail.points) >= 2
    assert heard["match_image"][0].encoding == "rgb8" and any(heard["match_image"][0].data)
    surroundings = heard["map"][0]
    assert len(surroundings.data) == surroundings.info.width * surroundings.info.height
    assert max(surroundings.data) == 100 and len(heard["map"]) == 1

    late: list[Any] = []
    subscribe("map", late.append)
    until(lambda: late, lambda: time.sleep(0.02))
    assert late[0].header.stamp == surroundings.header.stamp


def _tune(localizer: Localizer, flight: Flight) -> None:
    """A parameter set in flight counts from the next image on, and the track stays; what cannot be is refused, and changes
    nothing."""
    def setting(**values: Any) -> Any:
        parameters = [Parameter(name, value=value).to_parameter_msg() for name, value in values.items()]
        if len(parameters) == 1:
            return localizer.ask("set_parameters", SetParameters.Request(parameters=parameters)).results[0]
        return localizer.ask("set_parameters_atomically", SetParametersAtomically.Request(parameters=parameters)).result

    assert setting(least_contrast=255.0).successful
    verdict = flight.show(localizer)
    assert (verdict["reason"], verdict["state"]) == ("low_texture", "TRACKING")
    assert "less than 255.0" in verdict.message
    assert setting(least_contrast=1.5, risk=1e-2).successful
    verdict = flight.show(localizer)
    # of a track that began anew the first fix is published as it is
    assert (verdict["reason"], verdict["state"]) == ("fix", "TRACKING") and float(verdict["inflation"]) > 1
    assert "least_contrast is 1.5, risk is 0.01: set in flight, and so from the next image on" in localizer.log()
    for values, sentence in [
            ({"patch_px": 128}, f"is read when the node is configured, and does not change in flight: 'ros2 lifecycle set "
                                f"{localizer.name} deactivate' and 'cleanup', set the parameter, then 'configure' and "),
            ({"risk": 5.0}, "parameter risk is 5.0; it has to be a number with a decimal point from 1e-09 to 0.1"),
            ({"risk": 1}, "parameter risk is 1; it has to be a number with a decimal point from 1e-09 to 0.1"),
            ({"least_radius_px": 300.0}, "parameter least_radius_px is 300, more than the 256 of most_radius_px"),
            ({"least_contrast": 255.0, "region": "other"}, "region is read when the node is configured")]:
        refused = setting(**values)
        assert not refused.successful and sentence in refused.reason, refused
    assert flight.show(localizer)["reason"] == "fix"


def _prior(flight: Flight) -> Pose:
    from promptmid_core.localization.prior import PriorBuffer

    buffer = PriorBuffer()
    for message in flight.odometry:
        buffer.add(prior_from(message))
    return buffer.at(stamp_ns(flight.image.header)).pose


def test_life_can_be_lived_again_and_again(scene: Scene, flight: Flight, tmp_path: Path) -> None:
    with Localizer(tmp_path, map=scene.map_path) as localizer:
        for _ in range(3):
            assert localizer.change(CONFIGURE)
            for _ in range(2):
                assert localizer.change(ACTIVATE)
                localizer.connect()
                assert flight.state(localizer) == "SEARCHING"
                assert flight.show(localizer)["reason"] == "fix"
                assert localizer.change(DEACTIVATE)
                heard = len(localizer.verdicts)
                flight.send(localizer, flight.next())
                time.sleep(0.3)
                assert len(localizer.verdicts) == heard
            assert localizer.change(CLEANUP)
        assert not localizer.change(ACTIVATE)
        assert localizer.change(SHUTDOWN["unconfigured"])
        assert localizer.state() == "finalized"
        assert "Traceback" not in localizer.log()


def test_services_are_answered_while_an_image_is_matched(scene: Scene, flight: Flight, tmp_path: Path) -> None:
    """Not only between two images: the answer is there before the verdict on the image in hand."""
    with Localizer(tmp_path, map=scene.map_path) as localizer:
        localizer.up()
        flight.show(localizer)
        localizer.trigger("relocalize")
        localizer.ask("get_state", GetState.Request())
        first = 0
        for i in range(12):
            stamp = flight.next()
            flight.send(localizer, stamp)
            time.sleep(0.015)
            heard = len(localizer.verdicts)
            answer = localizer.trigger("relocalize") if i % 2 else localizer.ask("get_state", GetState.Request())
            assert answer is not None
            first += len(localizer.verdicts) == heard
            localizer.verdict(stamp)
        assert first >= 4


def test_relocalize_searches_the_map(scene: Scene, flight: Flight, tmp_path: Path) -> None:
    with Localizer(tmp_path, map=scene.map_path, snapshot_dir=tmp_path / "shots", height_along="down") as localizer:
        assert not localizer.trigger("relocalize").success
        assert not localizer.trigger("save_snapshot").success
        assert not localizer.trigger("reload_map").success
        localizer.up()
        assert flight.show(localizer)["reason"] == "fix"
        assert flight.state(localizer) == "TRACKING"
        assert localizer.trigger("relocalize").success
        again = localizer.trigger("relocalize")
        assert not again.success and "a search of the map runs already" in again.message
        assert flight.state(localizer) == "LOST"
        assert flight.show(localizer)["reason"] == "fix"

        answer = localizer.trigger("save_snapshot")
        saved = Path(answer.message)
        assert saved.parent == tmp_path / "shots"
        import cv2

        assert cv2.imread(str(saved / "frame.png")).shape == (600, 800, 3)
        verdict = json.loads((saved / "verdict.json").read_text())
        assert verdict["accepted"]
        assert verdict["prior"]["position"] != verdict["fix"]["position"]
        with np.load(saved / "arrays.npz") as arrays:
            assert arrays["patch"].shape[:2] == (256, 256)
            assert len(arrays["seen"]) == len(arrays["found"]) > 6
        _range(localizer, flight, scene)


def _range(localizer: Localizer, flight: Flight, scene: Scene) -> None:
    """Of odometry that is 60 m too high and says that it may be, a range to the ground makes a prior at the right height."""
    true, off, sigma = _prior(flight).position, 60.0, 100.0
    range_m = float(true[2] - scene.reference().terrain().height(*true[:2]))
    wrong = deepcopy(flight.odometry)
    for message in wrong:
        message.pose.pose.position.z += off
        message.pose.covariance[14] = sigma**2

    def prior_at_image() -> dict[str, Any]:
        stamp = flight.next()
        localizer.publish("height", stamped(Range(min_range=1.0, max_range=9000.0, range=range_m, variance=4.0), stamp))
        flight.send(localizer, stamp, odometry=wrong)
        assert localizer.verdict(stamp)["reason"] == "fix"
        saved = Path(localizer.trigger("save_snapshot").message)
        prior: dict[str, Any] = json.loads((saved / "verdict.json").read_text())["prior"]
        return prior

    localizer.connect("height")
    # another topic: on a busy machine a range may come after its image
    localizer.until(lambda: abs(prior_at_image()["position"][2] - true[2]) < 5.0)
    assert localizer.await_health()["height_fault"] == ""


def test_a_map_is_reloaded_or_the_old_one_stays(scene: Scene, flight: Flight, tmp_path: Path) -> None:
    link = tmp_path / "map"
    link.symlink_to(scene.map_path)
    with Localizer(tmp_path, map=link) as localizer:
        localizer.up()
        assert [flight.show(localizer)["reason"] for _ in range(3)][-1] == "fix"
        link.unlink()
        answer = localizer.trigger("reload_map")
        assert not answer.success
        assert "the old map stays" in answer.message
        assert flight.show(localizer)["reason"] == "fix"

        for name, wanted in (("elsewhere", {"crs": LOCAL}), ("coarser", {"gsd": 20.0})):
            build_map(Sources(scene.sar), tmp_path / name, BuildOptions(load("structural"), **wanted))
        link.symlink_to(tmp_path / "elsewhere")
        answer = localizer.trigger("reload_map")
        assert not answer.success
        assert "tmerc" in answer.message
        assert flight.show(localizer)["reason"] == "fix"

        link.unlink()
        link.symlink_to(tmp_path / "coarser")
        assert localizer.trigger("reload_map").success
        assert flight.state(localizer) == "SEARCHING"
        assert localizer.await_state("active")["gsd_m"] == "20"


def test_health_is_told_in_every_state(scene: Scene, flight: Flight, tmp_path: Path) -> None:
    with Localizer(tmp_path, map=scene.map_path) as localizer:
        localizer.await_state("unconfigured")
        assert localizer.change(CONFIGURE)
        localizer.await_state("inactive")
        assert localizer.change(ACTIVATE)
        localizer.connect()
        for _ in range(4):
            flight.show(localizer)
        values = localizer.await_state("active").values
        assert values["images_received"] == values["images_processed"] == "4"
        assert values["images_dropped"] == "0"
        assert values["state"] == "TRACKING"
        assert values["camera_info"] == "received"
        assert values["odometry_frame"] == "map"
        assert values["fingerprint"] == scene.reference().fingerprint
        assert {name: value for name, value in values.items() if name.startswith("reason_")} == {"reason_fix": "4"}
        assert float(values["probability"]) > 0.99 and values["hypotheses"] == "1" and values["prior_overruled"] == "0"
