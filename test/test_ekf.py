"""config/ekf.yaml, the example for robot_localization, fits what the node publishes."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

ROOT = Path(__file__).resolve().parent.parent
STATE = ["x", "y", "z", "roll", "pitch", "yaw", "vx", "vy", "vz", "vroll", "vpitch", "vyaw", "ax", "ay", "az"]
INPUTS = ("pose0", "pose1", "odom0", "imu0")


@pytest.fixture(scope="module")
def ekf() -> dict[str, Any]:
    whole = yaml.safe_load((ROOT / "config" / "ekf.yaml").read_text())
    assert list(whole) == ["ekf_filter_node_map"]
    return whole["ekf_filter_node_map"]["ros__parameters"]


def fused(ekf: dict[str, Any], name: str) -> set[str]:
    flags = ekf[f"{name}_config"]
    assert len(flags) == len(STATE) and all(type(flag) is bool for flag in flags)
    return {state for state, flag in zip(STATE, flags, strict=True) if flag}


def test_fixes_are_fused_late_and_gated(ekf):
    assert ekf["pose0"] == "/localizer/pose"
    assert ekf["smooth_lagged_data"] is True
    # longer than any fix may be old, with room for a filter that is late itself
    assert ekf["history_length"] > 10.0
    assert 3.0 <= ekf["pose0_rejection_threshold"] <= 10.0
    assert ekf["pose0_differential"] is False and ekf["pose0_relative"] is False
    assert ekf["world_frame"] == ekf["map_frame"] == "map"


def test_only_what_a_fix_observes_is_fused(ekf):
    assert fused(ekf, "pose0") == {"x", "y", "yaw"}


def test_every_state_has_one_absolute_source_and_a_velocity(ekf):
    absolute = [state for name in INPUTS for state in fused(ekf, name) if state in STATE[:6]]
    assert sorted(absolute) == sorted(STATE[:6])
    assert {state for name in INPUTS for state in fused(ekf, name)} >= set(STATE[6:12])


def test_an_unset_filter_is_not_sure_of_where_it_is(ekf):
    for name in ("initial_estimate_covariance", "process_noise_covariance"):
        values = np.array(ekf[name])
        # YAML reads 1e8 as text, and the filter would end
        assert values.dtype == float and values.shape == (len(STATE),) and (values > 0).all()
    # wider than any search that the node makes: 2048 px
    assert np.sqrt(ekf["initial_estimate_covariance"][0]) * 3 > 2048 * 10


def test_the_benchmark_publishes_what_the_example_hears(ekf):
    rclpy = pytest.importorskip("rclpy", reason="needs ROS 2's rclpy")
    from rclpy.signals import SignalHandlerOptions

    from benchmarks.ekf.aircraft import Aircraft

    context = rclpy.Context()
    rclpy.init(args=[], context=context, signal_handler_options=SignalHandlerOptions.NO)
    node = rclpy.create_node("aircraft", context=context, enable_rosout=False)
    Aircraft(node, None)  # type: ignore[arg-type]
    topics = {publisher.topic_name for publisher in node.publishers}
    node.destroy_node()
    rclpy.shutdown(context=context)
    assert topics >= {ekf["pose1"], ekf["odom0"], ekf["imu0"], "/set_pose"}


def test_launch_and_parameters_agree_on_who_publishes_the_transform(ekf):
    node = yaml.safe_load((ROOT / "config" / "localizer.yaml").read_text())
    (settings,) = node.values()
    assert ekf["publish_tf"] is True
    assert settings["ros__parameters"]["publish_tf"] is False
    assert settings["ros__parameters"]["base_frame"] == ekf["base_link_frame"]
