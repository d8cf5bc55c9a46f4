"""The user's own checkpoints for the profile `full`: where they lie, the hashes that they must have, what is taken of them."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from promptmid_core.documents import read_yaml
from promptmid_core.errors import InputError
from promptmid_core.files import sha256

UNET, VAE, VISION = "unet", "vae", "vision"
WEIGHTS = {UNET: "diffusion_pytorch_model.safetensors", VAE: "diffusion_pytorch_model.safetensors", VISION: "model.safetensors"}
GRANULARITIES = ("diffusion", "vision")


@dataclass(frozen=True)
class Backbones:
    """`diffusion`: a Stable Diffusion 1.x or 2.x checkpoint in the folder format of diffusers, and `vision` a Dinov2Model of
    transformers: folders, or ids of a model hub where downloads are allowed; `unet`: a folder whose U-Net stands in for the
    checkpoint's own, as 'promptmid train promptdm' writes it. `sha256`: of each weight file by its part.

    `timestep` of the one pass; `up_blocks`: how many blocks of the decoder run, each of which gives a granularity;
    `vision_layers`: numbers of the hidden states taken; `vision_px`: side of the vision model's input for 256 px of image.
    `width`, `condition`, `channels`: sizes of the aggregation; `without`: branches left out, for ablations; `gated`: whether
    granularities are weighed place by place, or averaged. `side_px`: of the windows that images are described in, `margin_px` of
    which on each side is context.
    """

    diffusion: str
    vision: str
    sha256: dict[str, str] = field(default_factory=dict)
    unet: str | None = None
    timestep: int = 50
    up_blocks: int = 3
    vision_layers: tuple[int, ...] = (4, 8, 12)
    vision_px: int = 252
    width: int = 64
    condition: int = 64
    channels: int = 32
    without: tuple[str, ...] = ()
    gated: bool = True
    side_px: int = 384
    margin_px: int = 64

    @staticmethod
    def of(values: dict[str, Any], path: Path) -> Backbones:
        """Read what `path` says. Raises InputError where a word is unknown, missing or makes no sense."""
        try:
            lists: dict[str, Any] = {key: tuple(value) if isinstance(value, list) else value for key, value in values.items()}
            for part in ("diffusion", "vision", "unet"):
                # a folder is meant from where the description stands
                if lists.get(part) and (beside := path.parent / lists[part]).is_dir():
                    lists[part] = str(beside.resolve())
            backbones = Backbones(**lists)
        except TypeError as error:
            known = ", ".join(each.name for each in fields(Backbones))
            raise InputError(f"{path} does not describe backbones ({error}); its words are {known}") from error
        pitch = backbones.side_px - 2 * backbones.margin_px
        if pitch < 64 or pitch % 64 or backbones.side_px % 64 or backbones.margin_px > pitch:
            raise InputError(f"{path}: side_px and side_px - 2 margin_px must be multiples of 64, and the margin no wider than "
                             "what it surrounds; 384 and 64 are")
        if unknown := set(backbones.without) - set(GRANULARITIES):
            raise InputError(f"{path}: without names {', '.join(sorted(unknown))}; branches are {', '.join(GRANULARITIES)}")
        if len(set(backbones.without)) == len(GRANULARITIES):
            raise InputError(f"{path}: without leaves no branch")
        return backbones

    @staticmethod
    def read(path: Path) -> Backbones:
        """Read the backbones of a CONFIG.yaml, or of the profile that 'promptmid train aggregate' made."""
        values = read_yaml(path, cure="docs/training.md shows a description of backbones")
        if not isinstance(values, dict):
            raise InputError(f"{path} does not describe backbones; docs/training.md shows a description")
        return Backbones.of(values.get("network", values), path)

    def values(self) -> dict[str, Any]:
        """Return the values as YAML takes them."""
        return {key: list(value) if isinstance(value, tuple) else value for key, value in asdict(self).items()}

    @property
    def pitch_px(self) -> int:
        return self.side_px - 2 * self.margin_px

    def folder(self, part: str) -> Path:
        """Return the folder of a part: `unet`, `vae` or `vision`, whose weights have the hash that is pinned."""
        folder = Path(self.vision) if part == VISION else Path(self.unet if self.unet and part == UNET else self.diffusion) / part
        weights = folder / WEIGHTS[part]
        if not weights.is_file():
            raise InputError(f"{weights} is not there; give checkpoints in the folder format of diffusers and transformers with "
                             "safetensors, or the id of a hub with --allow-download")
        if (found := sha256(weights)) is None:
            raise InputError(f"{weights} cannot be read; see whether this user may read it")
        pinned = self.sha256.get(part)
        if pinned is None:
            raise InputError(f"no SHA-256 is pinned for {weights}; if it is the file you trust, add to sha256: '{part}: {found}'")
        if found != pinned:
            raise InputError(f"{weights} is not the file that was pinned (SHA-256 {found}, not {pinned}); bring back that file, "
                             f"or pin this one and train the aggregation anew")
        return folder

    def downloaded(self) -> Backbones:
        """Return them with the folders of a model hub's ids, fetched where they are not in its cache; asks the network."""
        return replace(self, diffusion=_fetched(self.diffusion), vision=_fetched(self.vision))


def _fetched(name: str) -> str:
    if Path(name).is_dir():
        return name
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    try:
        return str(snapshot_download(name, allow_patterns=["*.json", "*.txt", "**/*.safetensors", "*.safetensors"]))
    except (HFValidationError, HfHubHTTPError, LocalEntryNotFoundError, OSError) as error:
        raise InputError(f"{name} is no folder and cannot be downloaded ({' '.join(str(error).split())[:200]}); name a folder") \
            from error
