"""Whether an exported network gives the answers of the profile that it names: a name in a file proves nothing."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from promptmid_core.errors import InputError
from promptmid_core.prompts.prompt import Modality
from promptmid_core.runtime.network import Network
from promptmid_core.runtime.onnx import OnnxNetwork
from promptmid_core.runtime.profile import Profile

LEAST_COSINE = 0.99  # median over the cells; half precision leaves .9999, another network next to none
SEED = 1


def check_agreement(profile: Profile, network: Network, file: Path, side_px: int) -> None:
    """Raise InputError where the `network` of a file does not describe noise as the profile's own ONNX file does, whose hash is
    checked. A profile without one has nothing to compare with.
    """
    name = f"{profile.name}.onnx"
    if name not in profile.files:
        return
    own = OnnxNetwork(profile.check(name))
    image = np.random.default_rng(SEED).standard_normal((1, 3, side_px, side_px)).astype(np.float32)
    for number, modality in enumerate(Modality):
        inputs = image, np.array([number], np.float32), profile.prompts[number, :1]
        (expected, _), (found, sure) = own(*inputs), network(*inputs)
        if found.shape != expected.shape or not (np.isfinite(found).all() and np.isfinite(sure).all()):
            raise InputError(f"{file} gives no descriptors of {expected.shape[1]} channels for a {modality} image, or NaN; "
                             "export it again with 'promptmid export onnx'")
        lengths = np.linalg.norm(found, axis=1) * np.linalg.norm(expected, axis=1)
        cosine = float(np.median((found * expected).sum(axis=1) / np.maximum(lengths, np.float32(1e-12))))
        if cosine < LEAST_COSINE:
            raise InputError(f"{file} says that it is profile {profile.name}, but describes a {modality} image otherwise (median "
                             f"cosine {cosine:.2f}, not {LEAST_COSINE:g}); export it again with 'promptmid export onnx'")
