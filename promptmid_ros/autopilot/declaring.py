"""Groups of parameters declared on a node and read, each wrong one told in a sentence."""

from __future__ import annotations

from difflib import get_close_matches
from typing import Any

from rcl_interfaces.msg import SetParametersResult
from rclpy.exceptions import InvalidParameterTypeException, InvalidParameterValueException
from rclpy.node import Node
from rclpy.parameter import Parameter

from promptmid_core.errors import InputError
from promptmid_core.localization.parameter import made, parameters_of
from promptmid_ros.parameters import descriptor

FOREIGN = ("use_sim_time", "start_type_description_service", "qos_overrides")


def declared(node: Node, *groups: type[Any]) -> list[Any]:
    """Return an instance of each group of options, from the parameters of a node that are made from their fields.

    From then on they cannot be set. Raises InputError where one has a value that it cannot have, or was given and is none of
    them.
    """
    parameters = {name: parameter for group in groups for name, parameter in parameters_of(group).items()}
    for name in getattr(node, "_parameter_overrides", {}):
        if name not in parameters and name.partition(".")[0] not in FOREIGN:
            near = get_close_matches(name, parameters, 1)
            raise InputError(f"{name} is no parameter of {node.get_name()}; "
                             + (f"is {near[0]} meant?" if near else f"there are {', '.join(parameters)}"))
    values = {}
    for name, parameter in parameters.items():
        try:
            value = node.declare_parameter(name, parameter.default, descriptor(name, parameter)).value
        except (InvalidParameterTypeException, InvalidParameterValueException) as error:
            raise InputError(f"parameter {name} has to be {parameter.wanted} ({str(error).rstrip('.')})") from error
        values[name] = value if isinstance(value, bool | int | float | str) else [float(each) for each in value]
        parameter.check(name, values[name])

    def asked(given: list[Parameter[Any]]) -> SetParametersResult:
        name = next((each.name for each in given if each.name in parameters), None)
        reason = "" if name is None else f"{name} is read when the process starts; set it there"
        return SetParametersResult(successful=name is None, reason=reason)

    node.add_on_set_parameters_callback(asked)
    return [made(group, values) for group in groups]
