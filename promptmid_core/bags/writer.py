"""Writing of flight bags: rosbag2 folders in mcap storage, without ROS."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack, suppress
from pathlib import Path
from types import TracebackType
from typing import Any

from promptmid_core.bags.telemetry import typestore
from promptmid_core.errors import InputError
from promptmid_core.files import writing
from promptmid_core.folders import scratch

CURE = "name another folder, where there is room"


def check_new_bag(path: Path) -> None:
    """Raise InputError where no bag can be written at `path`: said before the work, not after. An empty folder is no bag yet."""
    if path.name in ("", ".."):
        raise InputError(f"{path} cannot be written, it is a folder that others are in; name a new one")
    if _spelled(path.name) != path.name:
        raise InputError(f"{_spelled(str(path))} cannot be written, metadata.yaml holds only names in UTF-8; name another folder")
    with writing(path, CURE):
        if path.is_symlink() or (path.exists() and (not path.is_dir() or any(path.iterdir()))):
            raise InputError(f"{path} exists already; name a new folder or remove it.")
        above = next(folder for folder in path.absolute().parents if folder.exists())
        # no rule foretells what every file system, quota and mount takes
        with scratch(above / path.name) as folder:
            (folder / path.name).mkdir()


class BagWriter:
    """Writes a rosbag2 folder in mcap storage.

    The folder appears under its name when it is complete: it is written beside it and renamed when the block ends, and removed
    where the block fails. `custom` becomes `custom_data` of metadata.yaml. Raises InputError where the name is taken or the
    folder cannot be written, at whatever message.
    """

    def __init__(self, path: Path, custom: Mapping[str, str] | None = None) -> None:
        check_new_bag(path)
        self.path = path
        self._custom = {key: _spelled(value) for key, value in (custom or {}).items()}
        self._connections: dict[str, Any] = {}
        self._scratch = ExitStack()
        self._made: list[Path] = []

    def __enter__(self) -> BagWriter:
        from rosbags.rosbag2 import StoragePlugin, Writer

        folder = self.path.absolute().parent
        try:
            with writing(self.path, CURE):
                self._made = [above for above in (folder, *folder.parents) if not above.exists()]
                folder.mkdir(parents=True, exist_ok=True)
                # the storage file is named after its folder, so the folder has its final name from the start
                self._folder = self._scratch.enter_context(scratch(self.path.absolute())) / self.path.name
                self._writer = Writer(self._folder, version=9, storage_plugin=StoragePlugin.MCAP)
                for key, value in self._custom.items():
                    self._writer.set_custom_data(key, value)
                self._writer.open()
        except BaseException:
            self._clean_up()
            raise
        return self

    def write(self, topic: str, content: Any, log_ns: int) -> None:
        """Append a message, of any type that `telemetry.typestore` knows, at its log time in ns."""
        kind = content.__msgtype__
        self.write_serialized(topic, kind, typestore().serialize_cdr(content, kind), log_ns)

    def write_serialized(self, topic: str, kind: str, data: bytes | memoryview, log_ns: int) -> None:
        """Append a message of type `kind`, such as `sensor_msgs/msg/Image`, that is serialized in CDR already."""
        with writing(self.path, CURE):
            if topic not in self._connections:
                self._connections[topic] = self._writer.add_connection(topic, kind, typestore=typestore())
            self._writer.write(self._connections[topic], log_ns, data)

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        try:
            if kind is not None:
                # a full disk is told once
                with suppress(Exception):
                    self._writer.__exit__(kind, error, trace)
                return
            with writing(self.path, CURE):
                self._writer.__exit__(None, None, None)
                self._folder.replace(self.path)
        finally:
            self._clean_up()

    def _clean_up(self) -> None:
        """Remove what was made on the way; folders that hold the finished bag stay."""
        self._scratch.close()
        with suppress(OSError):
            for folder in self._made:
                folder.rmdir()


def _spelled(text: str) -> str:
    """The text with the bytes of a file's name that are no UTF-8, which Python has as surrogates, spelled out."""
    return text.encode(errors="backslashreplace").decode()
