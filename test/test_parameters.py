"""config/localizer.yaml holds every parameter with its default."""

from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
import yaml

pytest.importorskip("rclpy", reason="needs ROS 2's rclpy")

from promptmid_core.localization.settings import DEFAULTS, PARAMETERS, Settings
from promptmid_ros.parameters import LIVE, READ, descriptor, document

CONFIG = Path(__file__).resolve().parent.parent / "config" / "localizer.yaml"


def test_the_file_holds_the_declared_defaults() -> None:
    given = yaml.safe_load(CONFIG.read_text())["/**/localizer"]["ros__parameters"]
    assert given == {name: declared.default for name, declared in PARAMETERS.items()}
    for name, declared in PARAMETERS.items():
        assert type(given[name]) is type(declared.default), name
    assert CONFIG.read_text() == document(), "run: python -m promptmid_ros.parameters > config/localizer.yaml"


def test_what_may_change_in_flight_is_told_and_reaches_nothing_that_was_made_before_it() -> None:
    """A live parameter is in what the node takes in flight, and in nothing that is made once, when it is configured."""
    live = {name: declared for name, declared in PARAMETERS.items() if declared.live}
    assert {"risk", "sigmas", "most_fix_age_ms", "prior_wait_ms", "default_sigma_yaw_deg", "match_image_hz"} <= set(live)
    assert not {"map", "patch_px", "prior_source", "height_along", "camera_rpy_deg", "snapshot_dir", "autostart"} & set(live)
    given = DEFAULTS | {"map": "MAP"}
    before = Settings.read(given)
    taken = {"options", "prior_wait_s", "most_fix_age_ms", "match_image_hz", "upkeep"}
    for name, declared in live.items():
        value = type(declared.default)(declared.most if declared.default == declared.least else declared.least)
        value = min(value, 256.0) if name == "least_radius_px" else max(value, 24.0) if name == "most_radius_px" else value
        after = Settings.read(given | {name: value})
        differing = unlike(before, after)
        assert differing and differing <= taken | {"rig"}, name
        assert unlike(before.rig, after.rig) <= {"sigmas", "drift", "prior"}, name
        assert descriptor(name, declared).additional_constraints == LIVE
    for name in set(PARAMETERS) - set(live):
        assert descriptor(name, PARAMETERS[name]).additional_constraints == READ


def unlike(one: Any, other: Any) -> set[str]:
    """The names of the fields in which two instances differ."""
    return {each.name for each in fields(one) if repr(getattr(one, each.name)) != repr(getattr(other, each.name))}


def test_every_number_has_a_range_and_every_parameter_a_description() -> None:
    for name, declared in PARAMETERS.items():
        described = descriptor(name, declared)
        assert len(described.description) > 20
        number = isinstance(declared.default, int | float) and not isinstance(declared.default, bool)
        ranges = [*described.integer_range, *described.floating_point_range]
        assert len(ranges) == number
        for its in ranges:
            assert its.from_value <= declared.default <= its.to_value
