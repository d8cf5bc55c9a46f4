"""Files that people write or copy: JSON, class tables, parameter files, profiles, as changed bytes and changed trees."""

from __future__ import annotations

import shutil
import tempfile
from copy import deepcopy
from pathlib import Path
from random import Random
from typing import Any

import numpy as np

from benchmarks.fuzz.hostile import changed_bytes, changed_tree
from promptmid_core.documents import parsed_json
from promptmid_core.localization.settings import DEFAULTS, Settings, read_parameter_file
from promptmid_core.prompts import ClassTable
from promptmid_core.runtime.profile import COMPACT, FILE, PROMPTS, Profile

TABLE = "source: Copernicus\nclasses:\n  10: forest\n  40: cropland\n  80: water\n"
JSON = b'{"a": [1, 2.5, {"b": null, "c": -1e-3}], "d": "\\u00e4", "e": [[], {}, true]}'
PARAMETERS = Path("config/localizer.yaml")


class Json:
    """JSON texts, as headers, manifests and journals are read."""

    name = "json"
    hang_s = 5

    def run(self, rng: Random) -> str:
        try:
            parsed_json(changed_bytes(rng, JSON * rng.randrange(1, 3)))
        except ValueError:
            return "refused"  # which its readers tell as a sentence
        return "taken"

    def close(self) -> None:
        pass


class Documents:
    """One document a case."""

    name = "documents"
    hang_s = 5

    def __init__(self) -> None:
        self._home = tempfile.TemporaryDirectory(prefix="fuzz-")
        self._folder = Path(self._home.name)
        self._profile = Path(shutil.copytree(COMPACT, self._folder / "profile"))
        self._description, self._prompts = (self._profile / FILE).read_bytes(), (self._profile / PROMPTS).read_bytes()
        self._parameters = PARAMETERS.read_bytes()

    def run(self, rng: Random) -> str:
        reads = (self._table, self._file_of_parameters, self._values, self._described, self._prompts_of_profile)
        read = rng.choice(reads)
        read(rng)
        return f"taken: {read.__name__[1:]}"

    def close(self) -> None:
        self._home.cleanup()

    def _table(self, rng: Random) -> None:
        path = self._folder / "table.yaml"
        path.write_bytes(_changed_yaml(rng, TABLE.encode()))
        table = ClassTable.load(str(path))
        assert table.prompt_ids().shape == (65536,)

    def _file_of_parameters(self, rng: Random) -> None:
        path = self._folder / "parameters.yaml"
        path.write_bytes(_changed_yaml(rng, self._parameters))
        Settings.read({**deepcopy(DEFAULTS), **read_parameter_file(path)})

    def _values(self, rng: Random) -> None:
        values: dict[str, Any] = deepcopy(DEFAULTS)
        for name in rng.sample(list(values), 3):
            values[name] = changed_tree(rng, [values[name]])
            values[name] = values[name][0] if isinstance(values[name], list) and values[name] else values[name]
        Settings.read(values)

    def _described(self, rng: Random) -> None:
        path = self._profile / FILE
        path.write_bytes(_changed_yaml(rng, self._description))
        try:
            Profile.read(self._profile)
        finally:
            path.write_bytes(self._description)

    def _prompts_of_profile(self, rng: Random) -> None:
        path = self._profile / PROMPTS
        path.write_bytes(changed_bytes(rng, self._prompts))
        try:
            assert np.isfinite(Profile.read(self._profile).prompts).all()
        finally:
            path.write_bytes(self._prompts)


def _changed_yaml(rng: Random, content: bytes) -> bytes:
    """Bytes of YAML changed as bytes, or as the tree that they stand for."""
    import yaml

    if rng.random() < 0.5:
        return changed_bytes(rng, content)
    tree = changed_tree(rng, yaml.safe_load(content))
    try:
        return yaml.safe_dump(tree).encode(errors="surrogateescape")
    except (RecursionError, yaml.YAMLError):
        return changed_bytes(rng, content)
