"""Published networks for optical and SAR images as methods of the bench: OSMNet and RMSO-ConvNeXt, from folders of your own.

    git clone https://github.com/jll-maker/OSMNet
    git clone https://github.com/yeyuanxin110/RMSO-ConvNeXt
    OSMNET=OSMNet RMSO=RMSO-ConvNeXt promptmid bench PAIRS \
        --methods promptmid,examples.learned_peers:OsmNet,examples.learned_peers:RmsoConvNeXt

Code and weights stay their authors': OSMNet is under the MIT licence, RMSO-ConvNeXt states none. Both describe every pixel of an
image by a vector of norm 1 and take the shift with the least sum of squared differences. Needs torch.
"""

import importlib
import importlib.util
import os
import pickle
import sys
from pathlib import Path
from types import ModuleType

import cv2
import numpy as np
import torch

from promptmid_core.bench.matchers import Patch, Window
from promptmid_core.bench.matchers.surface import SurfaceMatcher
from promptmid_core.errors import InputError

RIM_PX = 16


class DensePeer(SurfaceMatcher):
    """A network of a branch for each sensor, in the folder that the environment variable `variable` names."""

    variable = site = module = network = weights = ""

    def __init__(self) -> None:
        folder = Path(os.environ.get(self.variable, ""))
        for file in (folder / f"{self.module.replace('.', '/')}.py", folder / self.weights):
            if not os.environ.get(self.variable) or not file.is_file():
                raise InputError(f"method {self.name} needs {file}; clone {self.site} and set {self.variable} to its folder")
        torch.set_num_threads(1)
        sys.path.insert(0, str(folder.resolve()))
        try:
            self.net = getattr(importlib.import_module(self.module), self.network)().eval()
        finally:
            sys.path.pop(0)
        try:
            # tensors alone: a pickle of anything else would run its code
            stored = torch.load(folder / self.weights, map_location="cpu", weights_only=True)
            self.net.load_state_dict(stored["state_dict"])
        except (pickle.UnpicklingError, EOFError, RuntimeError, LookupError, TypeError) as error:
            raise InputError(f"{folder / self.weights} does not hold the tensors of {self.network} alone, and nothing else of it "
                             f"is loaded; take the file of {self.site}") from error

    def surface(self, patch: Patch, window: Window) -> np.ndarray:
        optical = cv2.cvtColor(patch.image, cv2.COLOR_RGB2GRAY)
        with torch.inference_mode():
            seen, around = self.described(*(torch.from_numpy(np.float32(image[None, None]) / 255)
                                            for image in (optical, window.image)))
            # of vectors of norm 1 the least squared difference is the greatest product
            return torch.nn.functional.conv2d(around, seen)[0, 0].numpy() / optical.size

    def described(self, optical: torch.Tensor, sar: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the vectors (1, C, H, W) of the pixels of each image (1, 1, H, W), from 0 to 1."""
        raise NotImplementedError


class OsmNet(DensePeer):
    """OSMNet (Zhang et al. 2022, IEEE TGRS 60) without attention, which is what its demo runs."""

    name = "osmnet"
    variable, site = "OSMNET", "https://github.com/jll-maker/OSMNet"
    module, network, weights = "OSMNet", "SSLCNetPseudo", "models/checkpoint_osmnet_wo.pth"

    def described(self, optical: torch.Tensor, sar: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        # as its demo does: the SAR image goes into the branch that is called optical, and finds twice as much there at 1 m
        around, seen = self.net(sar, optical)
        return seen, around


class RmsoConvNeXt(DensePeer):
    """RMSO-ConvNeXt with the weights of its authors."""

    name = "rmso_convnext"
    variable, site = "RMSO", "https://github.com/yeyuanxin110/RMSO-ConvNeXt"
    module, network, weights = "model.RMSO_ConvNeXt", "RMSO_ConvNeXt", "weights/Pre-training-weight.pth"

    def __init__(self) -> None:
        if "timm" not in sys.modules and importlib.util.find_spec("timm") is None:
            # all that it takes of timm is stochastic depth, which does nothing outside training
            layers = ModuleType("timm.models.layers")
            layers.DropPath = lambda rate: torch.nn.Identity()
            sys.modules |= {"timm": ModuleType("timm"), "timm.models": ModuleType("timm.models"), "timm.models.layers": layers}
        super().__init__()

    def described(self, optical: torch.Tensor, sar: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        # without a rim of mirrored pixels half of a small patch would be described by zeros around it
        padded = (torch.nn.functional.pad(image, (RIM_PX,) * 4, mode="reflect") for image in (optical, sar))
        return tuple(vectors[..., RIM_PX:-RIM_PX, RIM_PX:-RIM_PX] for vectors in self.net(*padded))
