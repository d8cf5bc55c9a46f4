"""The node's parameters, declared with their limits; config/localizer.yaml is made from them.

`python -m promptmid_ros.parameters > config/localizer.yaml`
"""

from __future__ import annotations

import json
import sys
import textwrap
from collections.abc import Callable, Sequence
from typing import Any

from rcl_interfaces.msg import FloatingPointRange, IntegerRange, ParameterDescriptor, SetParametersResult
from rclpy.exceptions import InvalidParameterTypeException, InvalidParameterValueException
from rclpy.node import Node
from rclpy.parameter import Parameter as RosParameter

from promptmid_core.errors import InputError
from promptmid_core.localization.parameter import Parameter
from promptmid_core.localization.settings import PARAMETERS, Settings, check_names, names_node, parameter_files, read_sections

LIVE = "may be set in flight; holds from the next image on"
READ = "read once, before the flight"


class Parameters:
    """Declares the parameters of a node and reads them.

    A value that was given at the start and cannot be declared does not end the process: `read` tells it, until another is set.
    `in_use` gives the settings that the node goes by, None where it goes by none; `change` is called with others where one is set
    that may change in flight.
    """

    def __init__(self, node: Node, in_use: Callable[[], Settings | None], change: Callable[[Settings], None]) -> None:
        self._node, self._in_use, self._change = node, in_use, change
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
        node.add_post_set_parameters_callback(self._set)

    def read(self) -> Settings:
        """Return the settings.

        Raises InputError with one sentence where a parameter is missing, out of range, contradicts another, or is none.
        """
        for sentence in self._unusable.values():
            raise InputError(sentence)
        check_names(self._given(), "the command line or parameter file")
        settings = Settings.read(self._values())
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

    def refusal(self, parameters: Sequence[RosParameter[Any]]) -> str:
        """Return one sentence why these may not be set now, empty where they may."""
        names, settings = [each.name for each in parameters], self._in_use()
        if "autostart" in names:
            return "autostart is read when the process starts; set it there"
        if settings is None:
            return ""
        fixed = next((name for name in names if name in PARAMETERS and not PARAMETERS[name].live), None)
        if fixed is not None:
            lifecycle = f"ros2 lifecycle set {self._node.get_fully_qualified_name()}"
            return (f"{fixed} is read when the node is configured, and does not change in flight: '{lifecycle} deactivate' and "
                    "'cleanup', set the parameter, then 'configure' and 'activate'")
        try:
            self._changed(settings, parameters)
        except InputError as error:
            return str(error)
        return ""

    def _changed(self, settings: Settings, parameters: Sequence[RosParameter[Any]]) -> Settings:
        """The settings once these are set. Raises InputError as `read` does."""
        given = {each.name: _plain(each.value) for each in parameters if each.name in PARAMETERS}
        return Settings.read(self._values() | given, settings.rig.calibration)

    def _values(self) -> dict[str, Any]:
        return {name: _plain(self._node.get_parameter(name).value) for name in PARAMETERS}

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
        sentence = self.refusal(parameters)
        return SetParametersResult(successful=not sentence, reason=sentence)

    def _set(self, parameters: list[RosParameter[Any]]) -> None:
        for parameter in parameters:
            self._unusable.pop(parameter.name, None)
        settings, own = self._in_use(), [each for each in parameters if each.name in PARAMETERS]
        if settings is not None and own:
            self._change(self._changed(settings, own))
            told = ", ".join(f"{each.name} is {each.value}" for each in own)
            self._node.get_logger().info(f"{told}: set in flight, and so from the next image on")


def descriptor(name: str, parameter: Parameter) -> ParameterDescriptor:
    """Return what ROS tools are told of a parameter."""
    when = LIVE if parameter.live else READ
    described = ParameterDescriptor(name=name, description=parameter.meaning, additional_constraints=when)
    if parameter.least is not None and parameter.most is not None:
        if isinstance(parameter.default, int):
            described.integer_range = [IntegerRange(from_value=int(parameter.least), to_value=int(parameter.most), step=0)]
        else:
            described.floating_point_range = [
                FloatingPointRange(from_value=float(parameter.least), to_value=float(parameter.most), step=0.0)]
    return described


def document() -> str:
    """Return the content of config/localizer.yaml."""
    lines = ["# Parameters of the node localizer, with their defaults. `map` has to be set. Those marked (live) may be set in",
             "# flight and hold from the next image on; all others are read by configure, autostart when the process starts."]
    lines += ["/**/localizer:", "  ros__parameters:"]
    for name, parameter in PARAMETERS.items():
        bounds = "" if parameter.least is None else f" {parameter.least:g} to {parameter.most:g}."
        live = "(live) " if parameter.live else ""
        lines += [f"    # {line}" for line in textwrap.wrap(live + parameter.meaning + bounds, 100)]
        # a JSON value is a YAML value
        lines.append(f"    {name}: {json.dumps(parameter.default)}")
    return "\n".join(lines) + "\n"


def _plain(value: Any) -> Any:
    """A parameter's value as Python has it: rclpy gives arrays for lists, and None for none."""
    return value if value is None or isinstance(value, bool | int | float | str) else list(value)


if __name__ == "__main__":
    print(document(), end="")
