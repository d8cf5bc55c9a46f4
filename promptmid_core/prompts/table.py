"""Which land use each class code of a land-cover raster stands for."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from reprlib import repr as shown

import numpy as np

from promptmid_core.arrays import UInt8
from promptmid_core.documents import read_yaml
from promptmid_core.errors import InputError
from promptmid_core.prompts.prompt import LAND_USES, NEUTRAL

FOLDER = Path(__file__).parent
TABLES = ("worldcover", "corine", "igbp")
MOST_CODES = 65535
MOST_BYTES = 2 * 2**20


@dataclass(frozen=True)
class ClassTable:
    """`landuse` gives a word of LAND_USES for each class code, None where the class says nothing of the ground.

    `source` says whose codes they are.
    """

    name: str
    source: str
    landuse: dict[int, str | None]

    @staticmethod
    def load(name: str) -> ClassTable:
        """Return one of TABLES by its name, or a user's own by the path of a YAML file. Raises InputError where it cannot be
        used."""
        return _read(FOLDER / f"{name}.yaml", name) if name in TABLES else _read(Path(name), Path(name).stem)

    def check(self, codes: frozenset[int], raster: Path) -> None:
        """Raise InputError where the raster has a class code that the table does not know."""
        unknown = sorted(codes - set(self.landuse))
        if unknown:
            some = ", ".join(map(str, unknown[:8])) + (" and more" if len(unknown) > 8 else "")
            raise InputError(f"{raster} has class {some}, not in the table '{self.name}' ({' '.join(self.source.split()):.99}); "
                             f"name the table that belongs to the raster with --landcover-table")

    def prompt_ids(self) -> UInt8:
        """Return the prompt id (65536,) of every class code; NEUTRAL where there is no land use."""
        ids = np.full(MOST_CODES + 1, NEUTRAL, np.uint8)
        for code, word in self.landuse.items():
            ids[code] = LAND_USES.index(word) + 1 if word else NEUTRAL
        return ids


def is_code(text: str) -> bool:
    """Return whether a text is a class code, written as Python writes it."""
    return len(text) <= len(str(MOST_CODES)) and text.isdecimal() and text == str(int(text)) and int(text) < MOST_CODES


def _read(path: Path, name: str) -> ClassTable:
    values = read_yaml(path, MOST_BYTES, f"give one of {', '.join(TABLES)} or a YAML file with a class table")
    shape = f"{path} is no class table; it needs 'source: whose codes' and 'classes:' with lines such as '40: cropland'"
    if not isinstance(values, dict) or set(values) != {"source", "classes"}:
        raise InputError(shape)
    classes = values["classes"]
    if not isinstance(values["source"], str) or not isinstance(classes, dict) or not classes:
        raise InputError(shape)
    for code, word in classes.items():
        if isinstance(code, bool) or not isinstance(code, int) or not 0 <= code < MOST_CODES:
            raise InputError(f"{path} has the class code {shown(code)}; codes are whole numbers from 0 to {MOST_CODES - 1}")
        if word is not None and not (isinstance(word, str) and word in LAND_USES):
            raise InputError(f"{path} gives class {code} the land use {shown(word)}; known are {', '.join(LAND_USES)}, "
                             "and null for classes that say nothing of the ground")
    return ClassTable(name, values["source"], dict(sorted(classes.items())))

