"""A profile: a trained network on disk, what it is, and the hashes that its files must have."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from promptmid_core.arrays import Float32
from promptmid_core.errors import InputError
from promptmid_core.files import sha256
from promptmid_core.prompts.prompt import LAND_USES, Modality, Prompt

FILE = "profile.yaml"
SHIPPED = Path(__file__).parent.parent / "weights"
COMPACT = SHIPPED / "compact"


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
        import yaml

        if folder.is_file():
            folder = folder.parent
        path = folder / FILE
        try:
            values = yaml.safe_load(path.read_text())
            prompts = folder / "prompts.npy"
            profile = Profile(folder=folder, prompts=np.load(prompts, allow_pickle=False).astype(np.float32), **values)
        except (OSError, ValueError, TypeError, yaml.YAMLError) as error:
            raise InputError(f"{path} cannot be read as a profile ({' '.join(str(error).split())}); install the package again, "
                             "or train one with 'promptmid train'; for the profile full first 'promptmid train aggregate', "
                             "with this description as its --model") from error
        profile.check("prompts.npy")
        return profile

    def check(self, name: str) -> Path:
        """Return the path of a file of the profile, whose hash is the one that it names."""
        path = self.folder / name
        if (found := sha256(path)) is None:
            raise InputError(f"{path} is missing or cannot be read; install the package again")
        if found != self.files.get(name):
            raise InputError(f"{path} is not the file that {self.folder / FILE} names (SHA-256 {found[:16]}, not "
                             f"{str(self.files.get(name))[:16]}); install the package again")
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
