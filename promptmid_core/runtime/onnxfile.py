"""What an ONNX file says of itself, read without the library that made it and without its weights."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from promptmid_core.errors import InputError

METADATA_PROPS = 14  # number of the field in ModelProto
VARINT, FIXED64, LENGTH, FIXED32 = 0, 1, 2, 5


def metadata(path: Path) -> dict[str, str]:
    """Return the `metadata_props` of a model. Raises InputError where the file cannot be read or is no whole protobuf message.

    (Encoding: protobuf.dev/programming-guides/encoding.)
    """
    try:
        with path.open("rb") as file:
            entries = [bytes(value) for field, value in _fields(file, path.stat().st_size) if field == METADATA_PROPS]
        return dict(_entry(entry) for entry in entries)
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror}); make it with 'promptmid export onnx'") from error
    except (ValueError, EOFError) as error:
        raise InputError(f"{path} is no whole ONNX file ({error}); make it again with 'promptmid export onnx'") from error


def data_of(path: Path) -> Path:
    """Return where the weights of an ONNX file lie that would be too large with them."""
    return path.with_name(f"{path.name}.data")


def sha256(path: Path) -> str:
    """Return the SHA-256 of an ONNX file, and of the weights beside it, if it has any. Raises InputError where they cannot be
    read."""
    digest = hashlib.sha256()
    try:
        for part in (path, data_of(path)):
            if part == path or part.exists():
                with part.open("rb") as file:
                    digest.update(hashlib.file_digest(file, "sha256").digest())
        return digest.hexdigest()
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror})") from error


def _entry(data: bytes) -> tuple[str, str]:
    import io

    values = {field: value.decode() for field, value in _fields(io.BytesIO(data), len(data))}
    return values.get(1, ""), values.get(2, "")


def _fields(file: BinaryIO, size: int) -> Iterator[tuple[int, bytes]]:
    """Number and bytes of each field that has a length; the bytes of long ones, such as the graph, are passed over as empty."""
    while file.tell() < size:
        field, kind = divmod(_varint(file), 8)
        length = {FIXED64: 8, FIXED32: 4}.get(kind, 0)
        if kind == VARINT:
            _varint(file)
        elif kind == LENGTH:
            length = _varint(file)
        elif not length:
            raise ValueError(f"byte {file.tell()} begins no field")
        if file.tell() + length > size:
            raise EOFError(f"it ends within field {field}")
        if kind == LENGTH and length < 1 << 16:
            yield field, file.read(length)
        else:
            file.seek(length, 1)


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
