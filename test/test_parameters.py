"""config/localizer.yaml holds every parameter with its default."""

from pathlib import Path

import pytest
import yaml

pytest.importorskip("rclpy", reason="needs ROS 2's rclpy")

from promptmid_core.localization.settings import PARAMETERS
from promptmid_ros.parameters import descriptor, document

CONFIG = Path(__file__).resolve().parent.parent / "config" / "localizer.yaml"


def test_the_file_holds_the_declared_defaults() -> None:
    given = yaml.safe_load(CONFIG.read_text())["/**/localizer"]["ros__parameters"]
    assert given == {name: declared.default for name, declared in PARAMETERS.items()}
    for name, declared in PARAMETERS.items():
        assert type(given[name]) is type(declared.default), name
    assert CONFIG.read_text() == document(), "run: python -m promptmid_ros.parameters > config/localizer.yaml"


def test_every_number_has_a_range_and_every_parameter_a_description() -> None:
    for name, declared in PARAMETERS.items():
        described = descriptor(name, declared)
        assert len(described.description) > 20
        number = isinstance(declared.default, int | float) and not isinstance(declared.default, bool)
        ranges = [*described.integer_range, *described.floating_point_range]
        assert len(ranges) == number
        for its in ranges:
            assert its.from_value <= declared.default <= its.to_value
