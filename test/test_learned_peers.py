"""The adapters of examples/learned_peers.py, on folders laid out as those of OSMNet and RMSO-ConvNeXt with small networks."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from optional import lacking
from pair_folders import write_pairs

from promptmid_core.bench.matchers import load_methods
from promptmid_core.bench.pairs import read_pairs
from promptmid_core.bench.run import run
from promptmid_core.bench.trials import Setting, draw
from promptmid_core.errors import InputError

LACKING = lacking("torch")
pytestmark = pytest.mark.skipif(bool(LACKING), reason=f"not installed: {LACKING}; the example needs it")
ROOT = Path(__file__).resolve().parent.parent
NETWORK = """
import torch
{imports}

class {name}(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.gradient = torch.nn.Conv2d(1, 2, 3, padding=1, bias=False)

    def forward(self, input_opt, input_sar):
        return tuple(torch.nn.functional.normalize(self.gradient(each), dim=1) for each in (input_opt, input_sar))
"""
PEERS = {"OSMNET": ("OsmNet", "OSMNet.py", "SSLCNetPseudo", "models/checkpoint_osmnet_wo.pth", ""),
         "RMSO": ("RmsoConvNeXt", "model/RMSO_ConvNeXt.py", "RMSO_ConvNeXt", "weights/Pre-training-weight.pth",
                  "from timm.models.layers import DropPath")}


@pytest.fixture(params=sorted(PEERS))
def peer(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[str, Path]:
    """The variable of a peer, and its folder, which nothing names yet."""
    import torch

    _, module, name, weights, imports = PEERS[request.param]
    for file in (tmp_path / module, tmp_path / weights):
        file.parent.mkdir(exist_ok=True)
    (tmp_path / module).write_text(NETWORK.format(name=name, imports=imports))
    sobel = torch.tensor([[1.0, 0, -1], [2, 0, -2], [1, 0, -1]])
    torch.save({"state_dict": {"gradient.weight": torch.stack([sobel, sobel.T])[:, None]}}, tmp_path / weights)
    monkeypatch.chdir(ROOT)
    monkeypatch.delenv(request.param, raising=False)
    return request.param, tmp_path


def test_a_peer_runs_out_of_its_own_folder(peer: tuple[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(peer[0], str(peer[1]))
    pairs, setting = read_pairs(write_pairs(tmp_path / "pairs", 2)), Setting(patch=64, radius=16, trials=6)
    results = run(pairs, draw(pairs, setting)[0], load_methods([f"examples.learned_peers:{PEERS[peer[0]][0]}"]), setting)
    assert np.median([result.error_px for result in results]) < 1


class Runs:
    """What a file may hold that runs code as it is loaded."""

    def __init__(self, made: Path) -> None:
        self.made = made

    def __reduce__(self) -> tuple[Callable[..., object], tuple[object, ...]]:
        return Path.touch, (self.made,)


def test_weights_that_are_none_are_refused_and_code_in_them_is_not_run(peer: tuple[str, Path],
                                                                       monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    monkeypatch.setenv(peer[0], str(peer[1]))
    weights = peer[1] / PEERS[peer[0]][3]
    whole = weights.read_bytes()

    def stored(held: object) -> bytes:
        torch.save(held, weights)
        return weights.read_bytes()

    wrong = [stored(held) for held in ({"state_dict": Runs(peer[1] / "ran")}, {"state_dict": {}}, {}, torch.zeros(3), 3)]
    for bad in [*wrong, b"", b"no weights", whole[:len(whole) // 2]]:
        weights.write_bytes(bad)
        with pytest.raises(InputError, match=r"does not hold the tensors of \w+ alone"):
            load_methods([f"examples.learned_peers:{PEERS[peer[0]][0]}"])
    assert not (peer[1] / "ran").exists()


def test_a_peer_without_its_folder_says_what_to_clone(peer: tuple[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    name = f"examples.learned_peers:{PEERS[peer[0]][0]}"
    with pytest.raises(InputError, match=rf"clone https://github\.com/\S+ and set {peer[0]}"):
        load_methods([name])
    monkeypatch.setenv(peer[0], str(peer[1]))
    (peer[1] / PEERS[peer[0]][3]).unlink()
    with pytest.raises(InputError, match=r"needs .*pth"):
        load_methods([name])
