"""Writing of flight bags: rosbag2 folders in mcap storage, without ROS."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

from promptmid_core.bags.telemetry import typestore
from promptmid_core.errors import InputError


class BagWriter:
    """Writes a rosbag2 folder in mcap storage.

    The folder appears under its name when it is complete: it is written beside it and renamed when the block ends, and removed
    where the block fails. `custom` becomes `custom_data` of metadata.yaml. InputError where the name is taken.
    """

    def __init__(self, path: Path, custom: Mapping[str, str] | None = None) -> None:
        if path.exists() and (not path.is_dir() or any(path.iterdir())):
            raise InputError(f"{path} exists already; name a new folder or remove it.")
        self.path = path
        self._custom = dict(custom or {})
        self._connections: dict[str, Any] = {}

    def __enter__(self) -> BagWriter:
        from rosbags.rosbag2 import StoragePlugin, Writer

        try:
            self.path.absolute().parent.mkdir(parents=True, exist_ok=True)
            self._scratch = Path(tempfile.mkdtemp(prefix=f".{self.path.name}.", dir=self.path.absolute().parent))
        except OSError as error:
            raise InputError(f"{self.path} cannot be written: {error.strerror}.") from error
        # the storage file is named after its folder, so the folder has its final name from the start
        self._writer = Writer(self._scratch / self.path.name, version=9, storage_plugin=StoragePlugin.MCAP)
        for key, value in self._custom.items():
            self._writer.set_custom_data(key, value)
        self._writer.open()
        return self

    def write(self, topic: str, content: Any, log_ns: int) -> None:
        """Append a message, of any type that `telemetry.typestore` knows, at its log time in ns."""
        kind = content.__msgtype__
        self.write_serialized(topic, kind, typestore().serialize_cdr(content, kind), log_ns)

    def write_serialized(self, topic: str, kind: str, data: bytes | memoryview, log_ns: int) -> None:
        """Append a message of type `kind`, such as `sensor_msgs/msg/Image`, that is serialized in CDR already."""
        if topic not in self._connections:
            self._connections[topic] = self._writer.add_connection(topic, kind, typestore=typestore())
        self._writer.write(self._connections[topic], log_ns, data)

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        try:
            self._writer.__exit__(kind, error, trace)
            if kind is None:
                (self._scratch / self.path.name).replace(self.path)
        finally:
            shutil.rmtree(self._scratch, ignore_errors=True)
