"""The types of a bag's messages, by the definitions that it holds."""

from __future__ import annotations

from collections.abc import Collection
from contextlib import suppress
from typing import Any

from promptmid_core.bags.telemetry import typestore

RULE = "=" * 80 + "\n"


def types_of(connections: Collection[Any]) -> Any:
    """Return rosbags' store of the types that connections define, and of ROS 2's own where they do not.

    A definition that cannot be read is passed over: messages of its type cannot be read then, those of others can.
    """
    from rosbags.interfaces import MessageDefinitionFormat
    from rosbags.typesys import Stores, TypesysError, get_types_from_idl, get_types_from_msg, get_typestore

    found: dict[str, Any] = {}
    for connection in connections:
        text, kind = connection.msgdef.data, connection.msgdef.format
        with suppress(TypesysError, ValueError, KeyError):
            if kind is MessageDefinitionFormat.MSG:
                found |= get_types_from_msg(text, connection.msgtype)
            elif kind is MessageDefinitionFormat.IDL:
                # several, each below a line that names it, or one alone
                parts = [part.split("\n", 1)[1] for part in text.split(RULE)[1:]] if text.startswith(f"{RULE}IDL: ") else [text]
                for part in parts:
                    found |= get_types_from_idl(part)
    if not found:
        return typestore()
    if any(connection.msgtype not in found for connection in connections):
        found = {name: kind for name, kind in typestore().fielddefs.items() if name not in found} | found
    store = get_typestore(Stores.EMPTY)
    store.register(found)
    return store
