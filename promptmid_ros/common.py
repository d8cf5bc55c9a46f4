"""What the localizers of one process share: opened maps with their caches, and descriptors with their networks."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from weakref import WeakValueDictionary

from promptmid_core.descriptors import Descriptor, load
from promptmid_core.refmap import ReferenceMap
from promptmid_core.refmap.format.manifest import MANIFEST_FILE
from promptmid_core.refmap.format.offset import OFFSET_FILE
from promptmid_core.runtime.backend import Wanted

Edition = tuple[tuple[int, int, int], ...]


class Common:
    """Opens each map and loads each descriptor once, and keeps it for as long as a localizer flies with it. For one thread.

    A map that was replaced on disk meanwhile is another one: who flies with the old one keeps it.
    """

    def __init__(self) -> None:
        self._maps: WeakValueDictionary[tuple[Path, Edition], ReferenceMap] = WeakValueDictionary()
        self._descriptors: WeakValueDictionary[tuple[str, Wanted], Descriptor] = WeakValueDictionary()

    def reference(self, path: Path) -> ReferenceMap:
        """Return the opened map of a folder. Raises InputError as ReferenceMap.open does."""
        key = path.resolve(), _edition(path)
        kept = self._maps.get(key)
        if kept is None:
            kept = self._maps[key] = ReferenceMap.open(path, prefetch=True)
        return kept

    def descriptor(self, name: str, wanted: Wanted, fingerprint: str) -> Descriptor:
        """Return the descriptor of a name, loaded anew where what is there has not the fingerprint that a map was built with.

        Raises InputError as `load` does.
        """
        key = name, replace(wanted, progress=None)
        kept = self._descriptors.get(key)
        if kept is None or kept.fingerprint != fingerprint:
            kept = self._descriptors[key] = load(name, wanted=wanted)
        return kept


def _edition(path: Path) -> Edition:
    """What changes whenever a map is built, appended to, or given another offset by place."""
    try:
        stats = [file.stat() for file in (path / MANIFEST_FILE, path / OFFSET_FILE) if file.exists()]
    except OSError:
        return ()  # opening the map tells why
    return tuple((each.st_ino, each.st_mtime_ns, each.st_size) for each in stats)
