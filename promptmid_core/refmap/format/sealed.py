"""JSON files that carry a checksum of what they say."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from promptmid_core.documents import MOST_BYTES, read_json
from promptmid_core.errors import InputError
from promptmid_core.files import digest
from promptmid_core.folders import put
from promptmid_core.refmap.format.fields import Fields

SEAL = "sha256"


def sealed(values: dict[str, Any]) -> dict[str, Any]:
    """Return JSON values with their checksum, which stands last."""
    return values | {SEAL: digest(values)}


def unsealed(values: dict[str, Any], file: Path, cure: str) -> Fields:
    """Return the fields of what a file holds, without their checksum. Raises InputError where that does not hold."""
    rest = {key: value for key, value in values.items() if key != SEAL}
    if values.get(SEAL) != digest(rest):
        raise InputError(f"{file} is damaged: its checksum does not hold; {cure}")
    return Fields(rest, file, cure)


def read_object(file: Path, cure: str, most: int = MOST_BYTES) -> dict[str, Any]:
    """Return the JSON object that a file holds. Raises InputError where it holds none or is more than `most` bytes."""
    return Fields(read_json(file, most, cure), file, cure).values


def write_sealed(path: Path, values: dict[str, Any]) -> None:
    """Write JSON values with their checksum in place of what is there, be it a link, at once and on the disk when this returns.

    Raises OSError where the file cannot be written.
    """
    put(path, json.dumps(sealed(values), indent=1).encode(), path.parent)
