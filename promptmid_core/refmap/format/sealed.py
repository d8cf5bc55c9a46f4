"""JSON files that carry a checksum of what they say."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from promptmid_core.files import digest
from promptmid_core.folders import put

SEAL = "sha256"


def sealed(values: dict[str, Any]) -> dict[str, Any]:
    """Return JSON values with their checksum, which stands last."""
    return values | {SEAL: digest(values)}


def unsealed(values: dict[str, Any]) -> dict[str, Any]:
    """Return JSON values without their checksum. Raises ValueError where it does not hold."""
    rest = {key: value for key, value in values.items() if key != SEAL}
    try:
        holds = values.get(SEAL) == digest(rest)
    except RecursionError:
        holds = False
    if not holds:
        raise ValueError("the checksum does not hold")
    return rest


def read_object(path: Path) -> dict[str, Any]:
    """Return the JSON object that a file holds. Raises ValueError where it holds none, OSError where it cannot be read."""
    try:
        values = json.loads(path.read_bytes())
    except RecursionError as error:
        raise ValueError("it is nested too deep") from error
    if not isinstance(values, dict):
        raise ValueError("it is no JSON object")
    return values


def write_sealed(path: Path, values: dict[str, Any]) -> None:
    """Write JSON values with their checksum in place of what is there, be it a link, at once and on the disk when this returns.

    Raises OSError where the file cannot be written.
    """
    put(path, json.dumps(sealed(values), indent=1).encode(), path.parent)
