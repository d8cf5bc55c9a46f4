"""XML that comes from outside: within limits, and without definitions of its own."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

from promptmid_core.errors import InputError
from promptmid_core.files import read_regular

MOST_BYTES = 64 * 2**20
CURE = "get a whole copy of the product"


def read_xml(path: Path) -> ElementTree.Element:
    """Return the root of an XML file. Raises InputError where it is none, or larger than MOST_BYTES."""
    content = read_regular(path, MOST_BYTES, CURE)
    try:
        if b"<!DOCTYPE" in content or b"<!ENTITY" in content:
            raise ValueError("it defines entities")
        return ElementTree.fromstring(content)
    except (ElementTree.ParseError, ValueError, RecursionError) as error:
        raise InputError(f"{path} is no XML that can be read ({error}); {CURE}") from error
