"""What is made for scenarios, kept between runs: worlds, maps and flights, each by all that it is made from."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any

import promptmid_core
from promptmid_core.files import digest, make_folder, write_json, writing
from promptmid_core.folders import scratch

RECORD = "made_from.json"
# the rooms and files whose code decides what is made
CODE = {
    "rasters": ("scenario/ground.py",),
    "worlds": ("simulation/world",),
    "altered": ("simulation/world/alter.py",),
    "maps": ("refmap", "descriptors", "georaster", "prompts"),
    "flights": ("simulation/flight", "bags", "geometry", "georaster", "scenario/cells.py"),
}


class Store:
    """A folder of what was made; the same options and code are not made twice."""

    def __init__(self, folder: Path) -> None:
        make_folder(folder)
        self._folder = folder

    def made(self, kind: str, options: dict[str, Any], make: Callable[[Path], None]) -> Path:
        """Return the folder that holds what is made from the options; where it is not there yet `make` fills an empty one.

        `kind` is one of CODE. What `make` raises leaves nothing behind. Raises InputError where the folder cannot be written.
        """
        key = {"kind": kind, "code": code_of(CODE[kind]), **options}
        place = self._folder / kind / digest(key)[:20]
        if (place / RECORD).is_file():
            return place
        make_folder(place.parent)
        with writing(place, "name a folder that can be written with --work"), scratch(place) as beside:
            make(beside)
            write_json(beside / RECORD, key, beside)
            beside.chmod(0o755)
            if not (place / RECORD).is_file():
                beside.replace(place)
        return place


@cache
def code_of(names: tuple[str, ...]) -> str:
    """Return what tells the code of some rooms and files of this package from any other."""
    found, whole = Path(promptmid_core.__file__).parent, sha256()
    for file in sorted(file for name in names for file in ((found / name).rglob("*.py") if (found / name).is_dir() else
                                                           (found / name,))):
        whole.update(file.relative_to(found).as_posix().encode() + b"\0" + file.read_bytes())
    return whole.hexdigest()
