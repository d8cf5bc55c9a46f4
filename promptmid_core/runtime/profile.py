"""A profile: a trained network on disk, what it is, and the hashes that its files must have."""

from __future__ import annotations

import hashlib
import io
import re
from collections.abc import Callable
from dataclasses import dataclass, field, fields
from math import isfinite
from pathlib import Path
from reprlib import repr as shown
from typing import Any

import numpy as np

from promptmid_core.arrays import Float32
from promptmid_core.documents import read_yaml
from promptmid_core.errors import InputError
from promptmid_core.files import read_regular, sha256
from promptmid_core.prompts.prompt import LAND_USES, Modality, Prompt

FILE, PROMPTS = "profile.yaml", "prompts.npy"
SHIPPED = Path(__file__).parent.parent / "weights"
COMPACT = SHIPPED / "compact"
MOST_DESCRIPTION, MOST_PROMPTS, MOST_WEIGHTS = 2**18, 2**26, 2**34  # bytes
MOST_SIZE = 2**14  # of any part of a network
AGAIN = "install the package again"
CURE = (f"{AGAIN}, or train one with 'promptmid train'; for the profile full first 'promptmid train aggregate', with this "
        "description as its --model")


@dataclass(frozen=True)
class Profile:
    """`channels` at `stride` px; sides of an image are multiples of `multiple` px; a cell depends on `reach` px around it;
    `weight` is that of its score beside the structural ones; `evidence` what scores say of a match; `network` its sizes; `files`
    SHA-256 by file name; `prompts` (2, P, E) by modality and land use, the neutral one first."""

    name: str
    folder: Path
    channels: int
    stride: int
    multiple: int
    reach: int
    weight: float
    evidence: tuple[float, float, float, float]
    network: dict[str, Any]
    files: dict[str, str]
    prompts: Float32 = field(compare=False, repr=False)

    @staticmethod
    def read(folder: Path) -> Profile:
        """Read the profile of a folder, or of the YAML file in it. Raises InputError where it is no profile or a file is not the
        one that it names."""
        if folder.is_file():
            folder = folder.parent
        path = folder / FILE
        values = read_yaml(path, MOST_DESCRIPTION, CURE)
        try:
            _check(values)
        except ValueError as error:
            raise InputError(f"{path} is no description of a profile ({error}); {CURE}") from error
        content = read_regular(folder / PROMPTS, MOST_PROMPTS, AGAIN)
        # its hash before anything else of it
        _check_hash(folder / PROMPTS, hashlib.sha256(content).hexdigest(), values["files"].get(PROMPTS))
        try:
            prompts = _prompts(content)
        except ValueError as error:
            raise InputError(f"{folder / PROMPTS} holds no embeddings of prompts ({error}); {AGAIN}") from error
        return Profile(folder=folder, prompts=prompts, **values | {"evidence": tuple(values["evidence"])})

    def check(self, name: str) -> Path:
        """Return the path of a file of the profile, whose hash is the one that it names."""
        path = self.folder / name
        if path.is_file() and path.stat().st_size > MOST_WEIGHTS:
            raise InputError(f"{path} is too large, more than {MOST_WEIGHTS} bytes; {AGAIN}")
        if (found := sha256(path)) is None:
            raise InputError(f"{path} is missing or cannot be read; {AGAIN}")
        _check_hash(path, found, self.files.get(name))
        return path

    @property
    def fingerprint(self) -> str:
        """Changes whenever equal images would give other descriptors; the same on every backend."""
        text = f"{self.stride} {self.weight} {sorted(self.files.items())}"
        if self.windows:
            places = ("diffusion", "vision", "unet")
            text += f" {sorted((key, value) for key, value in self.network.items() if key not in places)}"
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    @property
    def windows(self) -> tuple[int, int] | None:
        """Side and margin in px of the windows that an image is described in, where the network looks at all of its input."""
        return (self.network["side_px"], self.network["margin_px"]) if "side_px" in self.network else None

    def embedding(self, prompt: Prompt) -> Float32:
        """Return the prompt as the network takes it (1, E). Raises InputError where the profile does not know its land use."""
        words = (None, *LAND_USES)
        if prompt.landuse not in words:
            raise InputError(f"profile {self.name} knows no prompt '{prompt.text}'; known land uses are {', '.join(LAND_USES)}")
        return np.asarray(self.prompts[tuple(Modality).index(prompt.modality), words.index(prompt.landuse)][None])


def _check_hash(path: Path, found: str, named: str | None) -> None:
    if found != named:
        raise InputError(f"{path} is not the file that {path.parent / FILE} names (SHA-256 {found[:16]}, not {str(named)[:16]}); "
                         f"{AGAIN}")


def _prompts(content: bytes) -> Float32:
    """The embeddings that a .npy file of these bytes holds. ValueError where it is none, or says more than it has."""
    stream = io.BytesIO(content)
    version = np.lib.format.read_magic(stream)
    if version not in ((1, 0), (2, 0)):
        raise ValueError(f"version {version} of the format .npy")
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, by_columns, dtype = read(stream)
    size = dtype.itemsize
    for length in shape:
        size *= length
    rest = len(content) - stream.tell()
    if dtype.kind != "f" or by_columns or len(shape) < 3 or shape[:2] != (len(Modality), 1 + len(LAND_USES)) or size != rest:
        raise ValueError(f"it says {shown(shape)} values of {shown(dtype)} and has {rest} bytes, where {len(Modality)} "
                         f"modalities by {1 + len(LAND_USES)} prompts are wanted")
    with np.errstate(over="ignore"):  # what float32 does not hold is told below
        prompts = np.frombuffer(content, dtype, offset=stream.tell()).reshape(shape).astype(np.float32)
    if not np.isfinite(prompts).all():
        raise ValueError("some of its values are no numbers")
    return prompts


def _check(values: Any) -> None:
    """Raise ValueError where what a YAML file holds is not a description of a profile."""
    names = [each.name for each in fields(Profile) if each.name not in ("folder", "prompts")]
    if not isinstance(values, dict) or set(values) != set(names):
        raise ValueError(f"it has to state {', '.join(names)} and nothing else")
    for name, (rule, holds) in RULES.items():
        if not holds(values[name]):
            raise ValueError(f"{name} is {shown(values[name])}, not {rule}")
    network = values["network"]
    if "side_px" in network and not (_whole(network["side_px"]) and _whole(network.get("margin_px"), 0)
                                     and network["side_px"] > 2 * network["margin_px"]):
        raise ValueError("side_px of its network are no whole number beyond twice margin_px")
    for name, size in network.items():
        parts = size if isinstance(size, list) else [size]
        if any(isinstance(part, int | float) and not (isfinite(part) and abs(part) <= MOST_SIZE) for part in parts):
            raise ValueError(f"{shown(name)} of its network is {shown(size)}, beyond {MOST_SIZE}")


def _whole(value: Any, least: int = 1, most: int = MOST_SIZE) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and least <= value <= most


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and isfinite(value) and abs(value) <= 1e6


def _is_file(name: Any, digest: Any) -> bool:
    """Whether it is a name within the folder with a hash."""
    return (isinstance(name, str) and Path(name).name == name and "\0" not in name
            and isinstance(digest, str) and bool(re.fullmatch("[0-9a-f]{64}", digest)))


RULES: dict[str, tuple[str, Callable[[Any], bool]]] = {
    "name": ("a word of letters, digits, '-', '_' and '.'",
             lambda value: isinstance(value, str) and bool(re.fullmatch(r"\w[\w.-]{0,99}", value))),
    **{name: (f"a whole number from 1 to {MOST_SIZE}", _whole) for name in ("channels", "stride", "multiple")},
    "reach": (f"a whole number from 0 to {MOST_SIZE}", lambda value: _whole(value, 0)),
    "weight": ("a positive number", lambda value: _number(value) and value > 0),
    "evidence": ("four numbers", lambda value: isinstance(value, list) and len(value) == 4 and all(map(_number, value))),
    "network": ("a table of its sizes", lambda value: isinstance(value, dict) and all(isinstance(name, str) for name in value)),
    "files": ("a table of files in the folder with their SHA-256",
              lambda value: isinstance(value, dict) and all(_is_file(*item) for item in value.items())),
}
