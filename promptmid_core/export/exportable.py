"""What can be exported: the network of a profile with all that its file has to say of itself."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from promptmid_core.arrays import Float32
from promptmid_core.errors import InputError, Unavailable
from promptmid_core.runtime.profile import COMPACT, FILE, Profile

if TYPE_CHECKING:
    from torch import nn

FULL = "full"


@dataclass(frozen=True)
class Exportable:
    """`module` has the inputs and outputs that `network.py` names; sides of its images are multiples of `multiple` px, or are
    `side_px` alone; `fingerprint` is that of the profile; `prompts` (2, P, ...) by modality and land use, neutral first."""

    name: str
    fingerprint: str
    module: nn.Module
    multiple: int
    side_px: int | None
    prompts: Float32

    def side(self, wanted: int | None, default: int) -> int:
        """Return the side of an image, px. Raises InputError where the network does not take the one that is wanted."""
        side = wanted or self.side_px or default
        if self.side_px not in (None, side) or side % self.multiple:
            takes = f"{self.side_px} px" if self.side_px else f"multiples of {self.multiple} px"
            raise InputError(f"profile {self.name} takes images with sides of {takes}, not {side}")
        return side


def exportable(profile: str, model: Path | None) -> Exportable:
    """Return the profile of a name or folder; `model` is the configuration of profile full. Raises InputError where it is not
    there."""
    try:
        import onnxscript  # noqa: F401
        import torch  # noqa: F401
    except ImportError as error:
        raise Unavailable(f"an export to ONNX needs {error.name}, which is not installed; pip install 'promptmid_ros[train]' "
                          "brings it") from error
    if profile == FULL:
        return _full(model)
    if model is not None:
        raise InputError(f"--model belongs to profile {FULL}, not to {profile}")
    from promptmid_core.runtime.torch_network import load_module

    folder = COMPACT if profile == "compact" else Path(profile)
    if not (folder / FILE).is_file():
        raise InputError(f"there is no profile '{profile}'; known are compact, {FULL}, and folders that 'promptmid train' wrote")
    read = Profile.read(folder)
    return Exportable(read.name, read.fingerprint, load_module(read), read.multiple, None, read.prompts)


def _full(model: Path | None) -> Exportable:
    if model is None:
        raise InputError(f"profile {FULL} needs the configuration of its model; name it with --model CONFIG.yaml")
    from promptmid_core.runtime.torch_network import load_module

    read = Profile.read(model)
    if read.windows is None:
        raise InputError(f"{model} is not of profile {FULL}; name the profile.yaml that 'promptmid train aggregate' made")
    side, _ = read.windows
    return Exportable(read.name, read.fingerprint, load_module(read), 1, side, read.prompts)
