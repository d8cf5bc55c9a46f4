"""The namespaces that the command `localizer` names, one for each camera."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from promptmid_core.errors import InputError

RULE = "__ns:="


def own_words(words: Sequence[str]) -> list[str]:
    """Return the words of a command after its own name that are not for ROS."""
    return list(words[1:words.index("--ros-args")] if "--ros-args" in words else words[1:])


def read_namespaces(words: Sequence[str]) -> list[str]:
    """Return the namespaces that the words of a command name, each from the root; none where it names none.

    One that does not begin with a slash is within the process's own, which `-r __ns:=NAMESPACE` sets. Raises InputError where one
    is no name, or is given twice.
    """
    above = next((word.removeprefix(RULE).rstrip("/") for word in words if word.startswith(RULE)), "")
    found: list[str] = []
    for word in own_words(words):
        namespace = word if word.startswith("/") else f"{above}/{word}"
        if word.startswith("-"):
            raise InputError(f"'{word}' is no argument of it; all is set by parameters: localizer --ros-args -p map:=MAP")
        if not word or not _valid(namespace):
            raise InputError(f"'{word}' is no namespace of ROS 2 (letters, digits and _, no digit first, joined by /); name one "
                             "for each camera: localizer left right --ros-args -p map:=MAP")
        if namespace in found:
            raise InputError(f"the namespace {namespace} is given twice; each camera needs its own")
        found.append(namespace)
    return found


def localizers(namespaces: Sequence[str], **options: Any) -> list[Any]:
    """Return a node in each namespace, which share what they open; one, where ROS is told that it is, for no namespace."""
    from promptmid_ros.common import Common
    from promptmid_ros.localizer_node import LocalizerNode

    if not namespaces:
        return [LocalizerNode(**options)]
    common = Common()
    # its own rule goes before one for the whole process
    return [LocalizerNode(common, cli_args=["--ros-args", "-r", f"__ns:={each}"], **options) for each in namespaces]


def _valid(namespace: str) -> bool:
    from rclpy.exceptions import InvalidNamespaceException
    from rclpy.validate_namespace import validate_namespace

    try:
        return bool(validate_namespace(namespace))
    except InvalidNamespaceException:
        return False
