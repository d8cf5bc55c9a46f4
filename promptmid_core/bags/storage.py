"""The files of a recording, opened: a rosbag2 folder, one of its files alone, or what ROS 1 recorded."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path, PurePath
from typing import Any

from promptmid_core.bags.limits import check_database, limited_reader, unzstd
from promptmid_core.bags.telemetry import typestore
from promptmid_core.errors import InputError
from promptmid_core.files import open_regular
from promptmid_core.yamlfile import no_yaml, read_yaml_text

METADATA, STORAGE, PACKED, ROS1 = "metadata.yaml", (".mcap", ".db3", ".zstd"), (".zstd", ".zst"), ".bag"
NO_ROS2 = "Profile is not ros2"
SPECIAL = set("%?#")  # these mean something in the names by which databases are opened
KINDS = "a rosbag2 folder, a .mcap, .db3 or .bag file, one of these packed as .zstd, or a folder of images with a CSV file"


@contextmanager
def opened(path: Path) -> Iterator[Any]:
    """Give rosbags' reader of a recording. Raises InputError where its files are damaged."""
    with reading(path):
        reader = limited_reader()(_parts(path), default_typestore=typestore())
        reader.open()
    try:
        yield reader
    finally:
        reader.close()


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Whatever the reader stumbles over in a damaged file is the file's fault."""
    try:
        yield
    except InputError:
        raise
    except Exception as error:
        what = " ".join(f"{type(error).__name__}: {error}".split())
        if NO_ROS2 in what:
            raise InputError(f"{path} is an MCAP file that holds no recording of ROS 2: its profile is not ros2; record with "
                             "`ros2 bag record -s mcap`, or convert it with `mcap convert`.") from error
        raise InputError(f"{path} cannot be read as a recording, it may be truncated or unfinished ({what}).") from error


def custom_of(path: Path, reader: Any) -> dict[str, str]:
    """Return what the recorder of a bag was told to keep with it; of a file, what the folder says that has it alone."""
    stored = getattr(reader.readers[0], "storage", None)
    custom = (stored.metadata.custom if stored is not None else None) or {}
    if path.is_file() and not custom and (path.parent / METADATA).is_file():
        known = _metadata(path.parent)
        custom = (known.get("custom_data") or {}) if known.get("relative_file_paths") == [path.name] else {}
    if not isinstance(custom, dict):
        raise InputError(f"{path}: custom_data in metadata.yaml is no list of names with their texts; correct or remove it.")
    return {str(key): str(value) for key, value in custom.items()}


def check_recording(path: Path) -> None:
    """Raise InputError where there is no recording, or where its files are none that have an end."""
    try:
        if path.is_file():
            _check_file(path)
        elif not path.is_dir():
            found = "there is nothing of that name" if not path.is_symlink() else "it is a link to nothing"
            raise InputError(f"{path} is not a recording: {'it is no folder' if path.exists() else found}.")
        elif _of_ros1(path):
            for file in _of_ros1(path):
                open_regular(file, "copy the bag again, with what its links lead to").close()
        else:
            _check_folder(path)
    except OSError as error:
        raise InputError(f"{error.filename or path} cannot be read ({error.strerror}); name a bag that you may read.") from error


def _check_file(path: Path) -> None:
    kind = path.with_suffix("").suffix if path.suffix in PACKED else path.suffix
    if kind not in (".mcap", ".db3", ROS1):
        raise InputError(f"{path} is not a recording: it is a file that ends neither in .mcap, .db3 nor .bag; name {KINDS}.")
    if path.suffix == ".db3" and set(str(path)) & SPECIAL:
        raise InputError(f"{path} has one of the characters {' '.join(sorted(SPECIAL))} in its name, by which no database can be "
                         "opened; name it otherwise.")
    path.open("rb").close()
    if path.suffix == ".db3":
        check_database(path)


def _check_folder(path: Path) -> None:
    if not (path / METADATA).is_file():
        files = sorted(file.name for file in path.iterdir() if file.suffix in STORAGE and file.is_file())
        alone = f", and {path / files[0]} names one file of it alone" if files else ""
        raise InputError(f"{path} has no {METADATA}: it is no rosbag2 folder or its recording was not finished; "
                         f"`ros2 bag reindex {path}` restores a recording{alone}.")
    for file in sorted(path.iterdir()):
        if file.suffix in STORAGE and not file.is_file():
            raise InputError(f"{file} is not a file; copy the bag again, with what its links lead to.")
        if file.suffix in STORAGE or file.name == METADATA:
            file.open("rb").close()
    names = _metadata(path).get("relative_file_paths")
    for name in names if isinstance(names, list) else ():
        file = path / PurePath(str(name)).name
        if file.suffix not in STORAGE or set(file.name) & SPECIAL:
            raise InputError(f"{path / METADATA} names {name!r:.100} as a part of the bag, which is no file of a recording "
                             f"({', '.join(STORAGE)}); {_cure(path)}")
        if file.suffix == ".db3" and file.is_file():
            check_database(file)


def _metadata(path: Path) -> dict[str, Any]:
    """What the metadata of a folder say. Raises InputError where they are beyond the limits of YAML files."""
    import yaml

    try:
        known = yaml.safe_load(read_yaml_text(path / METADATA, _cure(path)))
    except (yaml.YAMLError, ValueError) as error:
        raise no_yaml(path / METADATA, error, _cure(path)) from error
    known = known.get("rosbag2_bagfile_information") if isinstance(known, dict) else None
    return known if isinstance(known, dict) else {}


def _cure(path: Path) -> str:
    return f"`ros2 bag reindex {path}` writes it anew"


def _parts(path: Path) -> list[Path]:
    """The files, or the folder, that a reader is given."""
    if path.is_file() and path.suffix in PACKED:
        status = path.stat()
        return [Path(_unpacked(path.absolute(), status.st_size, status.st_mtime_ns).name, path.stem)]
    return _of_ros1(path) or [path] if path.is_dir() else [path]


def _of_ros1(path: Path) -> list[Path]:
    """The files of a flight that ROS 1 recorded into a folder, in parts or as one."""
    return [] if (path / METADATA).exists() else sorted(file for file in path.iterdir() if file.suffix == ROS1)


@lru_cache(maxsize=8)
def _unpacked(path: Path, _size: int, _changed_ns: int) -> tempfile.TemporaryDirectory[str]:
    """A packed file, unpacked once into a folder that the end of the process removes."""
    folder = tempfile.TemporaryDirectory(prefix="promptmid.")
    with open_regular(path) as packed, unzstd(packed) as stream, (Path(folder.name) / path.stem).open("wb") as whole:
        shutil.copyfileobj(stream, whole)
    if path.stem.endswith(".db3"):
        check_database(Path(folder.name) / path.stem)
    return folder
