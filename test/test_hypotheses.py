"""The places that are still possible, as a cloud of points, for who listens."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="needs ROS 2's rclpy")

from flights import KnownLocalizer, stamps, true_pose
from sensor_msgs.msg import PointCloud2, PointField

from promptmid_core.bags.messages import stamp_ns
from promptmid_core.geometry import Pose, Prior
from promptmid_core.georaster import MapFrame
from promptmid_core.georaster.geodetic import Geodetic
from promptmid_core.localization.dispute import Dispute
from promptmid_core.localization.fix import Fix, Frame
from promptmid_core.outputs import contents
from promptmid_core.outputs.keys import OK, WARN, level, values_of
from promptmid_core.outputs.match_keys import MATCH, Judged
from promptmid_ros.conversions import message
from promptmid_ros.outputs import Outputs

PLACES = ((Pose.from_rpy(np.array([123_456.25, -98_765.5, 3000.0]), 0.1, -0.2, 2.5), 1 - 1e-9),
          (Pose.from_rpy(np.array([123_656.25, -98_765.5, 3000.0]), 0.1, -0.2, 2.5), 1e-9))


def points(cloud: PointCloud2) -> np.ndarray:
    """As tools read it: by the fields that the message names."""
    kinds = {PointField.FLOAT32: "f4", PointField.FLOAT64: "f8"}
    dtype = np.dtype({"names": [field.name for field in cloud.fields], "itemsize": cloud.point_step,
                      "formats": [kinds[field.datatype] for field in cloud.fields],
                      "offsets": [field.offset for field in cloud.fields]})
    return np.frombuffer(bytes(cloud.data), dtype)


def test_a_cloud_holds_places_and_probabilities() -> None:
    cloud = message(PointCloud2, contents.hypotheses(1_700_000_000_123_456_789, PLACES))
    assert (stamp_ns(cloud.header), cloud.header.frame_id) == (1_700_000_000_123_456_789, "map")
    assert (cloud.height, cloud.width, cloud.row_step) == (1, 2, 2 * cloud.point_step)
    told = points(cloud)
    assert told.dtype.names == ("x", "y", "z", "yaw", "probability")
    for point, (pose, probability) in zip(told, PLACES, strict=True):
        assert [point["x"], point["y"], point["z"]] == pytest.approx(pose.position, abs=0.01)
        assert point["yaw"] == pytest.approx(2.5, abs=1e-6)
        # near 1 too
        assert 1 - point["probability"] == pytest.approx(1 - probability, rel=1e-6)
    # what RViz wants
    assert all(told.dtype[name] == np.float32 for name in "xyz")


def test_where_nothing_is_known_it_is_empty() -> None:
    cloud = message(PointCloud2, contents.hypotheses(5, ()))
    assert (cloud.width, cloud.row_step, len(cloud.data)) == (0, 0, 0)
    assert [field.name for field in cloud.fields] == ["x", "y", "z", "yaw", "probability"]


class Node:
    """Makes publishers that keep what they are given, that of hypotheses heard by so many, and keeps what it logs."""

    def __init__(self, listeners: int) -> None:
        self.listeners, self.sent, self.qos, self.logged = listeners, {}, {}, []

    def create_lifecycle_publisher(self, kind: Any, topic: str, qos_profile: Any, **more: Any) -> Any:
        self.sent[topic], self.qos[topic] = [], qos_profile
        heard = self.listeners if topic == "~/hypotheses" else 0
        return SimpleNamespace(publish=self.sent[topic].append, get_subscription_count=lambda: heard)

    def get_logger(self) -> Any:
        return SimpleNamespace(info=self.logged.append)

    def get_fully_qualified_name(self) -> str:
        return "/localizer"


def judged(**changes: Any) -> Judged:
    """A frame with a fix."""
    stamp = stamps(1)[0]
    localizer = KnownLocalizer()
    prior = Prior(stamp, true_pose(stamp), np.eye(6))
    fix = localizer.track(localizer.match(Frame(stamp, np.zeros((4, 4), np.uint8), None), prior))  # type: ignore[arg-type]
    return Judged(stamp, Fix(**{**vars(fix), **changes}), 1.0, 5.0)


def test_one_cloud_a_judged_frame_is_made_for_who_listens() -> None:
    geodetic: Any = Geodetic(MapFrame("EPSG:32611", (650_000.0, 3_700_000.0)), "unknown")
    for listeners in (0, 1):
        node: Any = Node(listeners)
        outputs = Outputs(node, geodetic, "base_link", False, 1.0)
        nothing: Any = None  # no view is made of the map, as nobody listens to one
        outputs.publish(judged(places=PLACES), nothing)
        outputs.publish(judged(pose=None, covariance=None, places=()), nothing)
        assert [cloud.width for cloud in node.sent["~/hypotheses"]] == [2, 0] * listeners
        assert (len(node.sent["~/match_diagnostics"]), len(node.sent["~/pose"])) == (2, 1)
        assert node.qos["~/hypotheses"].depth == node.qos["~/pose"].depth == 10


def told(**changes: Any) -> tuple[int, list[str], dict[str, Any]]:
    values = values_of(MATCH, judged(**changes))
    return *level(MATCH, values), values


def test_diagnostics_tell_what_is_believed_and_warn_of_prior_and_map() -> None:
    its_level, _, values = told(probability=0.9995, elsewhere=1e-5, places=PLACES)
    assert its_level == OK
    assert (values["probability"], values["hypotheses"], values["elsewhere"]) == (0.9995, 1, 1e-5)
    assert values["prior_overruled"] == 0.0 and "map_disagrees_m" not in values

    assert told(overruled=6.5)[:2] == (WARN, ["prior_overruled"])

    dispute = Dispute(np.zeros(2), np.array([30.0, 40.0]), np.array([1500.4, -300.0]), 1e4)
    its_level, blamed, values = told(dispute=dispute)
    assert (its_level, blamed) == (WARN, ["map_disagrees_m"])
    assert [values[f"map_disagrees_{which}m"] for which in ("", "x_", "y_")] == [50.0, 1500.4, -300.0]
