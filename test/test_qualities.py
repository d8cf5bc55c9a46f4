"""Qualities of service that parameters set are those of the topics; what is none is told."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("rclpy", reason="needs ROS 2's rclpy")

import rclpy
from rclpy.lifecycle import TransitionCallbackReturn
from rclpy.parameter import Parameter
from rclpy.qos import ReliabilityPolicy
from rclpy.signals import SignalHandlerOptions
from small_maps import rasters

from promptmid_core.descriptors.structural import Structural
from promptmid_core.errors import InputError
from promptmid_core.refmap.build import BuildOptions, Sources, build_map
from promptmid_ros.localizer_node import LocalizerNode
from promptmid_ros.qualities import check_overrides

IMAGE, POSE = "qos_overrides./qualities/image/compressed.subscription", "qos_overrides./qualities/localizer/pose.publisher"


@pytest.fixture(scope="module")
def map_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("qualities")
    return build_map(Sources(rasters(folder)["sar"]), folder / "map", BuildOptions(Structural())).path


@contextmanager
def made(**given: Any) -> Iterator[LocalizerNode]:
    context = rclpy.Context()
    rclpy.init(args=[], context=context, signal_handler_options=SignalHandlerOptions.NO)
    # others ask the graph about /localizer
    node = LocalizerNode(context=context, namespace="qualities",
                         parameter_overrides=[Parameter(name, value=value) for name, value in given.items()])
    yield node
    node.destroy_node()
    rclpy.shutdown(context=context)


def qualities(node: LocalizerNode) -> dict[str, Any]:
    return {each.topic_name: each.qos_profile for each in (*node.subscriptions, *node.publishers)}


def test_those_that_are_given_hold_and_the_others_stay(map_path: Path) -> None:
    with made(map=str(map_path), **{f"{IMAGE}.reliability": "reliable", f"{IMAGE}.depth": 1, f"{POSE}.depth": 100}) as node:
        for _ in range(2):
            assert node.trigger_configure() == TransitionCallbackReturn.SUCCESS
            found = qualities(node)
            assert found["/qualities/image/compressed"].depth == 1 and found["/qualities/localizer/pose"].depth == 100
            assert found["/qualities/image/compressed"].reliability is ReliabilityPolicy.RELIABLE
            camera_info = found["/qualities/camera_info"]
            assert camera_info.reliability is ReliabilityPolicy.BEST_EFFORT and camera_info.depth == 5
            assert found["/qualities/odometry"].depth == 200 and found["/qualities/localizer/ground_point"].depth == 10
            assert node.trigger_cleanup() == TransitionCallbackReturn.SUCCESS


@pytest.mark.parametrize(("name", "value", "sentence"), [
    (f"{IMAGE}.reliability", "sure", "is sure, not reliable, best_effort or system_default"),
    (f"{IMAGE}.depth", 0, "is 0, not a whole number from 1 on"),
    (f"{IMAGE}.durability", "volatile", "is no quality of service that can be set"),
    ("qos_overrides./odometry.depth", 3, "is no quality of service that can be set"),
])
def test_one_that_is_none_keeps_the_node_unconfigured(map_path: Path, name: str, value: Any, sentence: str) -> None:
    with made(map=str(map_path), **{name: value}) as node:
        with pytest.raises(InputError, match=sentence):
            check_overrides(node)
        assert node.trigger_configure() == TransitionCallbackReturn.FAILURE


def test_one_of_a_topic_that_is_not_there_is_told(map_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    with made(map=str(map_path), **{"qos_overrides./imag.subscription.depth": 3}) as node:
        assert node.trigger_configure() == TransitionCallbackReturn.SUCCESS
    assert "qos_overrides./imag.subscription.depth is without effect" in capfd.readouterr().err
