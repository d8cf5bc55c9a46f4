"""The node's parameters, declared with their limits; config/localizer.yaml is made from them.

`python -m promptmid_ros.parameters > config/localizer.yaml`
"""

from __future__ import annotations

import json
import sys
import textwrap
from collections.abc import Callable
from typing import Any

from rcl_interfaces.msg import FloatingPointRange, IntegerRange, ParameterDescriptor, SetParametersResult
from rclpy.exceptions import InvalidParameterTypeException, InvalidParameterValueException
from rclpy.node import Node
from rclpy.parameter import Parameter as RosParameter

from promptmid_core.errors import InputError
from promptmid_core.localization.parameter import Parameter
from promptmid_core.localization.settings import PARAMETERS, Settings, check_names, names_node, parameter_files, read_sections


class Parameters:
    """Declares the parameters of a node and reads them.

    A value that was given at the start and cannot be declared does not end the process: `read` tells it, until another is set.
    `in_use` says whether the node goes by its settings, so that setting one would be without effect.
    """

    def __init__(self, node: Node, in_use: Callable[[], bool]) -> None:
        self._node, self._in_use = node, in_use
        self._unusable: dict[str, str] = {}
        for name, parameter in PARAMETERS.items():
            described = descriptor(name, parameter)
            try:
                node.declare_parameter(name, parameter.default, described)
            except (InvalidParameterTypeException, InvalidParameterValueException) as error:
                self._unusable[name] = f"parameter {name} has to be {parameter.wanted} ({str(error).rstrip('.')})"
            if name in self._unusable:
                node.declare_parameter(name, parameter.default, described, ignore_override=True)
        node.add_on_set_parameters_callback(self._asked)
        node.add_post_set_parameters_callback(self._mended)

    def read(self) -> Settings:
        """Return the settings.

        Raises InputError with one sentence where a parameter is missing, out of range, contradicts another, or is none.
        """
        for sentence in self._unusable.values():
            raise InputError(sentence)
        check_names(self._given(), "the command line or parameter file")
        settings = Settings.read({name: _plain(self._node.get_parameter(name).value) for name in PARAMETERS})
        useless = self._meant_for_others()
        if settings.map is None:
            raise InputError("; ".join([
                "parameter map is empty; name the folder of a map, made with 'promptmid map build SAR.tif FOLDER'", *useless]))
        for sentence in useless:
            self._node.get_logger().warning(sentence)
        return settings

    @property
    def autostart(self) -> bool:
        """Whether the node takes itself to active; so it tries with a value that is none, for `read` tells what is wrong."""
        return "autostart" in self._unusable or bool(self._node.get_parameter("autostart").value)

    def _given(self) -> list[str]:
        """The names of what was given for this node at its start."""
        return list(getattr(self._node, "_parameter_overrides", {}))

    def _meant_for_others(self) -> list[str]:
        """A sentence for each parameter file of this process that sets nothing for this node."""
        name, sentences = self._node.get_fully_qualified_name(), []
        for file in parameter_files(sys.argv):
            try:
                sections = list(read_sections(file))
            except InputError as error:
                sentences.append(str(error))
                continue
            if not any(names_node(section, name) for section in sections):
                sentences.append(f"{file} sets parameters of {', '.join(sections) or 'no node'}, not of {name}")
        return sentences

    def _asked(self, parameters: list[RosParameter[Any]]) -> SetParametersResult:
        """Refuse what could have no effect."""
        for parameter in parameters:
            if parameter.name == "autostart":
                return SetParametersResult(successful=False, reason="autostart is read when the process starts; set it there")
            if parameter.name in PARAMETERS and self._in_use():
                return SetParametersResult(successful=False, reason=f"{parameter.name} is read when the node is configured; "
                                           "deactivate and clean it up, set the parameter, and configure it again")
        return SetParametersResult(successful=True)

    def _mended(self, parameters: list[RosParameter[Any]]) -> None:
        for parameter in parameters:
            self._unusable.pop(parameter.name, None)


def descriptor(name: str, parameter: Parameter) -> ParameterDescriptor:
    """Return what ROS tools are told of a parameter."""
    described = ParameterDescriptor(name=name, description=parameter.meaning)
    if parameter.least is not None and parameter.most is not None:
        if isinstance(parameter.default, int):
            described.integer_range = [IntegerRange(from_value=int(parameter.least), to_value=int(parameter.most), step=0)]
        else:
            described.floating_point_range = [
                FloatingPointRange(from_value=float(parameter.least), to_value=float(parameter.most), step=0.0)]
    return described


def document() -> str:
    """Return the content of config/localizer.yaml."""
    lines = ["# Parameters of the node localizer, with their defaults. `map` has to be set."]
    lines += ["/**/localizer:", "  ros__parameters:"]
    for name, parameter in PARAMETERS.items():
        bounds = "" if parameter.least is None else f" {parameter.least:g} to {parameter.most:g}."
        lines += [f"    # {line}" for line in textwrap.wrap(parameter.meaning + bounds, 100)]
        # a JSON value is a YAML value
        lines.append(f"    {name}: {json.dumps(parameter.default)}")
    return "\n".join(lines) + "\n"


def _plain(value: Any) -> Any:
    """A parameter's value as Python has it: rclpy gives arrays for lists."""
    return value if isinstance(value, bool | int | float | str) else [float(each) for each in value]


if __name__ == "__main__":
    print(document(), end="")
