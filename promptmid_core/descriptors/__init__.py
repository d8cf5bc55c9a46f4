"""Images in, descriptor maps out; one file per family."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import NamedTuple, Protocol

from promptmid_core.descriptors.calibration import Calibration
from promptmid_core.descriptors.likelihood import Likelihood
from promptmid_core.descriptors.name import STRUCTURAL, DescriptorName
from promptmid_core.errors import InputError
from promptmid_core.geometry import ChannelGroup, DescriptorMap, Patch
from promptmid_core.prompts.prompt import Modality, Prompt
from promptmid_core.runtime.backend import AUTO, Choice, Wanted


class Evidence(NamedTuple):
    """Natural log-odds that a match is true: by the score of its place, its margin over other places, and the surplus of tie
    points that agree, each times its weight, plus a constant.

    `refined`: share of the variance of a place by tie points that is left when all of the patch together has refined it.
    """

    score: float
    margin: float
    surplus: float
    constant: float
    refined: float = 0.63


class Descriptor(Protocol):
    """What turns an image into descriptors that an optical and a SAR image have in common.

    `groups`: its channels, which may differ between the modalities; `stride`: image pixels per descriptor cell; `halo`: image
    pixels of context on each side that a cell depends on; `fingerprint`: changes whenever equal images would give other
    descriptors; `text_encoder`: whose embeddings its prompts must bring along, by the name that `load_encoder` knows; `evidence`:
    what its scores say of a match, fitted with examples/fit_evidence.py; `likelihood`: what its scores say of a place, by its
    `calibration`, which lies at `calibration_file`, a cautious one where there is none; `choice`: the backend that runs its
    network, and why; `oriented`: the descriptor of its channels that turn with the ground, which runs
    no network.
    """

    @property
    def name(self) -> str: ...
    @property
    def stride(self) -> int: ...
    @property
    def halo(self) -> int: ...
    @property
    def fingerprint(self) -> str: ...
    @property
    def text_encoder(self) -> str | None: ...
    @property
    def evidence(self) -> Evidence: ...
    @property
    def likelihood(self) -> Likelihood: ...
    @property
    def calibration(self) -> Calibration | None: ...
    @property
    def calibration_file(self) -> Path: ...
    @property
    def choice(self) -> Choice | None: ...
    @property
    def oriented(self) -> Descriptor: ...

    def groups(self, modality: Modality) -> tuple[ChannelGroup, ...]: ...

    def describe(self, patch: Patch, prompt: Prompt) -> DescriptorMap:
        """Describe an image: 8-bit grey or RGB for an optical prompt, SAR amplitude with median near 1 for a SAR prompt."""
        ...


def fault_of(described: DescriptorMap, name: str) -> str:
    """Return the sentence about what the descriptor of that name gave, empty where those are descriptors."""
    return "" if described.sound else (f"the descriptor {name} gives NaN, or values beyond all bounds; 'promptmid doctor' tells "
                                       "whether its network is what it should be")


def with_model(name: str, model: Path | None) -> str:
    """Return the name for `load` where `promptmid:full` is that of the profile that `model`, its YAML file, describes.

    Raises InputError where there is a model and the name is another.
    """
    if model is None:
        return name
    said = DescriptorName.parse(name)
    if not said.of_user:
        raise InputError(f"--model describes promptmid:full, not {name}; leave it out or name promptmid:full")
    return str(replace(said, profile=str(model.parent)))


def load(name: str, threads: int = 0, backend: str = AUTO, *, wanted: Wanted | None = None) -> Descriptor:
    """Return the descriptor of that name. Raises InputError where there is none, or its network cannot be run as wanted.

    `promptmid` is `promptmid:compact`, the profile that is shipped; `promptmid:FOLDER` one that was trained. Its network runs on
    `backend` with so many threads, 0 for one a core; `wanted` says more, instead of both.
    """
    wanted, said = wanted or Wanted(backend, threads), DescriptorName.whole(name)
    if said.family == STRUCTURAL:
        from promptmid_core.descriptors.structural import Structural

        if wanted.backend != AUTO or wanted.network is not None:
            raise InputError("the descriptor structural has no network: name no backend and no network for it")
        return Structural()
    from promptmid_core.descriptors.promptmid import PromptMid
    from promptmid_core.runtime.backend import open_network
    from promptmid_core.runtime.profile import COMPACT, Profile

    if said.of_user:
        raise InputError("the profile full is made of your own checkpoints; name it with --model CONFIG.yaml, or as "
                         "promptmid:FOLDER, once 'promptmid train aggregate' has made that folder")
    profile = Profile.read(said.folder or COMPACT)
    if profile.windows:
        wanted = replace(wanted, side_px=profile.windows[0])
    network, choice = open_network(profile, wanted)
    return PromptMid(profile, network, choice)
