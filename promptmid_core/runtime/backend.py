"""Which backend runs the network of a profile, and why."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from promptmid_core.errors import InputError, Unavailable
from promptmid_core.runtime.network import Network
from promptmid_core.runtime.onnxfile import metadata
from promptmid_core.runtime.profile import Profile

AUTO = "auto"
EXPORTED_PX = 256  # side of the images that 'promptmid export onnx' makes a file for, where it is told no other
BACKENDS = ("tensorrt", "onnxruntime", "torch")
Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Choice:
    """`backend`, one of BACKENDS; `why` it and no other; `runs_on`: its version and the device."""

    backend: str
    why: str
    runs_on: str


@dataclass(frozen=True)
class Wanted:
    """What is asked of a backend: the name of one or `auto`; processor threads, 0 for one a core; a `network` file that
    'promptmid export onnx' made, instead of the profile's own; the side of all images, px, None where their sizes
    vary; whether a missing engine may be built, and who is told how far that is."""

    backend: str = AUTO
    threads: int = 0
    network: Path | None = None
    side_px: int | None = None
    allow_build: bool = False
    progress: Progress | None = None


def open_network(profile: Profile, wanted: Wanted) -> tuple[Network, Choice]:
    """Return the network of a profile, ready to run. A backend that is named runs it or is an InputError; `auto` takes the first
    of BACKENDS that is available, and a damaged file is an InputError all the same, or an exported one with other answers."""
    network, choice = _opened(profile, wanted)
    if wanted.network is not None:
        from promptmid_core.runtime.agreement import check_agreement

        check_agreement(profile, network, wanted.network, wanted.side_px or EXPORTED_PX)
    return network, choice


def _opened(profile: Profile, wanted: Wanted) -> tuple[Network, Choice]:
    name = wanted.backend
    if name not in (AUTO, *BACKENDS):
        raise InputError(f"there is no backend '{name}'; known are {', '.join((AUTO, *BACKENDS))}")
    if name != AUTO:
        network = _OPEN[name](profile, wanted)
        return network, Choice(name, "it was named", network.backend)
    lacking = []
    for name in BACKENDS:
        try:
            network = _OPEN[name](profile, wanted)
        except Unavailable as error:
            lacking.append(f"{name}: {error}")
            continue
        why = f"the best that is there ({'; '.join(lacking)})" if lacking else "the best, and it is there"
        return network, Choice(name, why, network.backend)
    raise InputError(f"no backend can run profile {profile.name} ({'; '.join(lacking)})")


def onnx_file(profile: Profile, network: Path | None) -> Path:
    """Return the ONNX file to run. Raises InputError where `network` is no export of this profile, Unavailable where there is
    none at all."""
    if network is None:
        name = f"{profile.name}.onnx"
        if name not in profile.files:
            raise Unavailable(f"profile {profile.name} has no ONNX file of its own; make one with 'promptmid export onnx' and "
                              "name it as the network")
        path = profile.check(name)
        metadata(path)
        return path
    found = metadata(network).get("profile")
    if found != profile.fingerprint:
        raise InputError(f"{network} was exported from another profile ({found or 'none is named in it'}) than {profile.name} "
                         f"({profile.fingerprint}); export it again with 'promptmid export onnx'")
    return network


def _tensorrt(profile: Profile, wanted: Wanted) -> Network:
    if wanted.side_px is None:
        raise Unavailable("an engine takes images of one size, and here they are of several; name another backend")
    from promptmid_core.runtime.tensorrt.cuda import find_gpu

    # first of all: the library takes 75 MB of memory, also where there is nothing that it could run on
    find_gpu()
    from promptmid_core.runtime.tensorrt.network import open_engine

    return open_engine(onnx_file(profile, wanted.network), wanted.side_px, wanted.allow_build, wanted.progress)


def _onnxruntime(profile: Profile, wanted: Wanted) -> Network:
    from promptmid_core.runtime.onnx import OnnxNetwork

    return OnnxNetwork(onnx_file(profile, wanted.network), wanted.threads, wanted.side_px)


def _torch(profile: Profile, wanted: Wanted) -> Network:
    from promptmid_core.runtime.torch_network import TorchNetwork

    if wanted.network is not None:
        raise Unavailable(f"backend torch runs the weights of the profile, not {wanted.network}; name another or no network")
    return TorchNetwork(profile, wanted.threads)


_OPEN: dict[str, Callable[[Profile, Wanted], Network]] = {"tensorrt": _tensorrt, "onnxruntime": _onnxruntime, "torch": _torch}
