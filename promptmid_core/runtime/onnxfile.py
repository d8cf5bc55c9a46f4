"""What an ONNX file says of itself, read without the library that made it and without its weights."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from promptmid_core.errors import InputError
from promptmid_core.files import open_regular

# numbers of fields of ModelProto, GraphProto and TensorProto
GRAPH, METADATA_PROPS, INITIALIZER, EXTERNAL_DATA = 7, 14, 5, 13
VARINT, FIXED64, LENGTH, FIXED32 = 0, 1, 2, 5
MOST_FIELDS = 2**18  # of a message
MOST_TEXT = 2**16
CURE = "make it again with 'promptmid export onnx'"


def metadata(path: Path) -> dict[str, str]:
    """Return the `metadata_props` of a model whose weights lie in the file, or beside it under the name of `data_of`.

    Raises InputError where the file is none that can be read, no whole protobuf message, or takes weights from elsewhere.
    (Encoding: protobuf.dev/programming-guides/encoding.)
    """
    with open_regular(path, CURE) as file:
        try:
            found = {}
            for field, length in _fields(file, path.stat().st_size):
                if field == METADATA_PROPS:
                    name, value = _entry(file, length)
                    found[name] = value
                elif field == GRAPH:
                    _check_weights(file, length, data_of(path).name)
            return found
        except OSError as error:
            raise InputError(f"{path} cannot be read ({error.strerror}); {CURE}") from error
        except (ValueError, EOFError) as error:
            raise InputError(f"{path} is no ONNX file that can be run ({error}); {CURE}") from error


def data_of(path: Path) -> Path:
    """Return where the weights of an ONNX file lie that would be too large with them."""
    return path.with_name(f"{path.name}.data")


def sha256(path: Path) -> str:
    """Return the SHA-256 of an ONNX file, and of the weights beside it, if it has any. Raises InputError where they cannot be
    read."""
    digest = hashlib.sha256()
    for part in (path, data_of(path)):
        if part == path or part.exists():
            with open_regular(part, CURE) as file:
                try:
                    digest.update(hashlib.file_digest(file, "sha256").digest())
                except OSError as error:
                    raise InputError(f"{part} cannot be read ({error.strerror}); {CURE}") from error
    return digest.hexdigest()


def _check_weights(file: BinaryIO, length: int, beside: str) -> None:
    """ValueError where an initializer of the graph that begins here lies in another file than `beside`."""
    for field, size in _fields(file, length):
        if field == INITIALIZER:
            for part, inner in _fields(file, size):
                if part == EXTERNAL_DATA:
                    name, value = _entry(file, inner)
                    if name == "location" and value != beside:
                        raise ValueError(f"it takes weights from '{value:.60}', not from {beside}")


def _entry(file: BinaryIO, length: int) -> tuple[str, str]:
    """Key and value of the StringStringEntryProto that begins here."""
    if length > MOST_TEXT:
        raise ValueError(f"an entry has {length} bytes")
    text = io.BytesIO(file.read(length))
    values = {field: text.read(size).decode() for field, size in _fields(text, length)}
    return values.get(1, ""), values.get(2, "")


def _fields(file: BinaryIO, length: int) -> Iterator[tuple[int, int]]:
    """Number and length of each field with a length, of the message of `length` bytes that begins here; the file stands at its
    content."""
    at, end = file.tell(), file.tell() + length
    for _ in range(MOST_FIELDS):
        if at == end:
            return
        file.seek(at)
        field, kind = divmod(_varint(file), 8)
        size = {FIXED64: 8, FIXED32: 4}.get(kind, 0)
        if kind == VARINT:
            _varint(file)
        elif kind == LENGTH:
            size = _varint(file)
        elif not size:
            raise ValueError(f"byte {at} begins no field")
        at = file.tell() + size
        if at > end:
            raise EOFError(f"it ends within field {field}")
        if kind == LENGTH:
            yield field, size
    raise ValueError(f"a part of it has more than {MOST_FIELDS} fields")


def _varint(file: BinaryIO) -> int:
    value = 0
    for shift in range(0, 70, 7):
        byte = file.read(1)
        if not byte:
            raise EOFError("it ends within a number")
        value |= (byte[0] & 127) << shift
        if byte[0] < 128:
            return value
    raise ValueError(f"byte {file.tell()} ends no number")
