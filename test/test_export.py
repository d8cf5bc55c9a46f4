"""Networks leave PyTorch: as ONNX with the same answers, as engines for GPUs that this machine does not have."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from optional import lacking

from promptmid_core.cli import main
from promptmid_core.descriptors import load
from promptmid_core.errors import InputError
from promptmid_core.geometry import Grid, Patch
from promptmid_core.prompts.prompt import Modality, Prompt
from promptmid_core.runtime.backend import Wanted
from promptmid_core.runtime.onnx import OnnxNetwork
from promptmid_core.runtime.onnxfile import metadata, sha256
from promptmid_core.runtime.profile import COMPACT, Profile
from promptmid_core.runtime.torch_network import TorchNetwork

LACKING = lacking("torch", "onnx", "onnxscript")
pytestmark = [pytest.mark.slow, pytest.mark.skipif(bool(LACKING), reason=f"not installed: {LACKING}; no export")]
if not LACKING:
    import onnx
    import torch
    from onnx import TensorProto, helper

    from promptmid_core.export import onnx as export
    from promptmid_core.export.onnx import export_onnx
    from promptmid_core.export.parity import compare, simulated_views

SIDE = 64
PROFILE = Profile.read(COMPACT)


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """The command's files by precision."""
    folder = tmp_path_factory.mktemp("exported")
    files = {precision: folder / f"{precision}.onnx" for precision in ("float32", "float16")}
    for precision, path in files.items():
        assert main(["export", "onnx", "--precision", precision, "--side-px", str(SIDE), "--out", str(path)]) == 0
    return files


@pytest.mark.parametrize("precision", ["float32", "float16"])
def test_answers_are_those_of_pytorch(exported, precision):
    found = compare(TorchNetwork(PROFILE, 1), OnnxNetwork(exported[precision], 1, SIDE), SIDE, PROFILE.prompts)
    if precision == "float32":
        assert found.least >= 0.99999
        assert found.confidence < 1e-4
    else:
        assert found.median >= 0.999
        assert found.first_percentile >= 0.99
        assert found.confidence < 0.01


def test_float16_holds_where_every_value_is_rounded(exported):
    """ONNX Runtime computes parts of it in float32 on a processor; the reference implementation rounds each value."""
    from onnx.reference import ReferenceEvaluator

    view = next(simulated_views(SIDE, PROFILE.prompts))
    (expected, _), reference = TorchNetwork(PROFILE, 1)(*view), ReferenceEvaluator(str(exported["float16"]))
    with np.errstate(over="ignore", invalid="ignore"):
        descriptors, _ = reference.run(None, dict(zip(("image", "modality", "prompt"), view, strict=True)))
    assert np.percentile((expected * descriptors).sum(1), 1) > 0.99


def test_a_network_that_differs_is_told_apart(exported):
    """The measure itself: other prompts give a cosine below what float16 must reach."""
    network = OnnxNetwork(exported["float32"], 1, SIDE)
    turned = lambda image, modality, prompt: network(image[..., ::-1].copy(), modality, prompt)  # noqa: E731
    assert compare(TorchNetwork(PROFILE, 1), turned, SIDE, PROFILE.prompts).median < 0.99


def test_weights_are_inside_and_halved(exported):
    assert {path.name for path in exported["float32"].parent.iterdir()} == {"float32.onnx", "float16.onnx"}
    sizes = {precision: path.stat().st_size for precision, path in exported.items()}
    assert 0.45 < sizes["float16"] / sizes["float32"] < 0.55
    for path in exported.values():
        model = onnx.load(path)
        for value in (*model.graph.input, *model.graph.output):
            assert value.type.tensor_type.elem_type == TensorProto.FLOAT
            assert all(size.dim_value > 0 for size in value.type.tensor_type.shape.dim), "sides are fixed"
        assert b"site-packages" not in path.read_bytes()


@pytest.fixture
def steep():
    """What overflows float16 if nothing is kept: squares of 300, a softmax of differences of 1e5, and a constant of 1e5."""
    class Steep(torch.nn.Module):
        FLOAT32 = ("last",)

        def __init__(self):
            super().__init__()
            self.first, self.last = torch.nn.Conv2d(3, 4, 1), torch.nn.Conv2d(4, 5, 1)
            torch.nn.init.constant_(self.first.weight, 100.0)

        def forward(self, image, modality, prompt):
            x = self.first(image) + modality + prompt.mean()
            y = x / torch.sqrt((x * x).sum(1, keepdim=True) + 1e-6)
            z = torch.softmax(y * 1e5, 1) * 1e5
            out = self.last(z / 1e5 + y)
            return out[:, :4], out[:, 4:]

    return Steep()


def test_float32_is_kept_where_half_overflows(steep, tmp_path):
    module, inputs = steep.eval(), (np.ones((1, 3, 8, 8), np.float32), np.ones(1, np.float32), np.ones((1, 2), np.float32))
    export_onnx(module, inputs, tmp_path / "steep.onnx", precision="float16")
    onnx.checker.check_model(str(tmp_path / "steep.onnx"), full_check=True)
    found = OnnxNetwork(tmp_path / "steep.onnx", 1, 8)(*inputs)
    with torch.inference_mode():
        expected = module(*(torch.from_numpy(each) for each in inputs))
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one, other.numpy(), rtol=0.01, atol=0.01)
    types = {tensor.name: tensor.data_type for tensor in onnx.load(tmp_path / "steep.onnx").graph.initializer}
    assert types["last.weight"] == TensorProto.FLOAT, "the submodule that FLOAT32 names"
    assert TensorProto.FLOAT16 in {kind for name, kind in types.items() if name.startswith("first.weight")}


def test_weights_beside_the_file_are_part_of_what_it_is(steep, tmp_path, monkeypatch):
    monkeypatch.setattr(export, "MOST_WEIGHTS", 10)
    inputs = np.ones((1, 3, 8, 8), np.float32), np.ones(1, np.float32), np.ones((1, 2), np.float32)
    steep.first = torch.nn.Conv2d(3, 4, 13, 1, 6)  # small tensors, such as axes and shapes, stay inside
    for _ in range(2):  # the second replaces the first
        export_onnx(steep, inputs, tmp_path / "steep.onnx")
    assert {path.name for path in tmp_path.iterdir()} == {"steep.onnx", "steep.onnx.data"}
    assert np.isfinite(OnnxNetwork(tmp_path / "steep.onnx", 1, 8)(*inputs)[0]).all()
    before, data = sha256(tmp_path / "steep.onnx"), bytearray((tmp_path / "steep.onnx.data").read_bytes())
    data[0] ^= 1
    (tmp_path / "steep.onnx.data").write_bytes(data)
    assert sha256(tmp_path / "steep.onnx") != before


def test_a_descriptor_runs_on_an_export_and_stays_itself(exported):
    image = np.random.default_rng(1).integers(0, 255, (SIDE, SIDE, 3), np.uint8)
    patch = Patch(image, np.ones((SIDE, SIDE), bool), Grid(0, 0, 1.0, SIDE, SIDE))
    own = load("promptmid", threads=1)
    half = load("promptmid", wanted=Wanted("onnxruntime", 1, exported["float16"], SIDE))
    assert half.fingerprint == own.fingerprint
    one, other = (each.describe(patch, Prompt(Modality.OPTICAL)).array for each in (own, half))
    assert 0 < np.abs(one - other).max() < 0.02


def test_an_export_of_another_profile_size_or_state_is_refused(exported, tmp_path):
    def opened(path, side=SIDE, backend="onnxruntime"):
        return load("promptmid", wanted=Wanted(backend, 1, path, side))

    with pytest.raises(InputError, match=f"made for images of {SIDE} px, not 256"):
        opened(exported["float32"], 256)
    with pytest.raises(InputError, match="not of several sizes"):
        opened(exported["float32"], None)
    with pytest.raises(InputError, match="backend torch runs the weights of the profile"):
        opened(exported["float32"], backend="torch")
    model = onnx.load(exported["float32"])
    assert metadata(exported["float32"]) == {"profile": PROFILE.fingerprint, "precision": "float32"}
    model.metadata_props[0].value = "0" * 16
    onnx.save(model, tmp_path / "other.onnx")
    with pytest.raises(InputError, match="was exported from another profile"):
        opened(tmp_path / "other.onnx", backend="auto")
    (tmp_path / "cut.onnx").write_bytes(exported["float32"].read_bytes()[:-1000])
    with pytest.raises(InputError, match=r"cut.onnx is no ONNX file that can be run"):
        opened(tmp_path / "cut.onnx", backend="auto")


@pytest.mark.parametrize(("words", "sentence"), [
    (["--profile", "full"], "profile full needs the configuration of its model"),
    (["--profile", "nowhere"], "there is no profile 'nowhere'"),
    (["--side-px", "60"], "takes images with sides of multiples of 8 px, not 60"),
    (["--out", "missing/x.onnx"], "missing/x.onnx cannot be written, its folder does not exist"),
    (["--out", "x.engine"], "name a file that ends in .onnx"),
])
def test_what_cannot_be_exported_is_said(tmp_path, capsys, words, sentence):
    out = [] if "--out" in words else ["--out", str(tmp_path / "x.onnx")]
    assert main(["export", "onnx", *words, *out]) == 1
    assert sentence in capsys.readouterr().err


@pytest.fixture
def engines(tmp_path, monkeypatch) -> Path:
    pytest.importorskip("tensorrt_rtx_bindings", reason="TensorRT-RTX is not installed")
    monkeypatch.setenv("PROMPTMID_ENGINES", str(tmp_path / "engines"))
    return tmp_path / "engines"


@pytest.mark.parametrize(("precision", "capability"), [
    ("float16", "8.6"), ("float32", "8.9"), ("float16", "12.0"),
    *(pytest.param(*pair, marks=pytest.mark.long) for pair in (("float32", "8.6"), ("float16", "8.9"), ("float32", "12.0")))])
def test_an_engine_is_built_without_a_gpu(exported, engines, precision, capability):
    words = ["export", "tensorrt", str(exported[precision]), "--side-px", str(SIDE), "--compute-capability", capability]
    assert main(words) == 0
    engine, = engines.glob("*.engine")
    said = json.loads((engines / f"{engine.name}.json").read_text())
    assert (said["compute_capability"], said["image"]) == (capability, [1, 3, SIDE, SIDE])
    weights = exported[precision].stat().st_size
    assert weights < engine.stat().st_size < weights + 4e6, "half the weights in float16: the file's types are kept"
    from promptmid_core.runtime.tensorrt import engines as kept
    from promptmid_core.runtime.tensorrt.network import engine_key

    key = engine_key(exported[precision], SIDE, capability)
    assert kept.read(exported[precision], key, "") == engine.read_bytes()
    with pytest.raises(InputError, match=r"there is no engine .*compute_capability .* instead of 7.5\); build it with 'it'"):
        kept.read(exported[precision], replace(key, compute_capability="7.5"), "it")


def test_the_shipped_file_makes_an_engine_of_any_side(engines):
    assert main(["export", "tensorrt", str(COMPACT / "compact.onnx"), "--side-px", "96", "--compute-capability", "8.6",
                 "--out", str(engines.parent / "own.engine")]) == 0
    assert json.loads((engines.parent / "own.engine.json").read_text())["image"] == [1, 3, 96, 96]


def test_no_engine_is_made_of_what_is_no_network(exported, engines, tmp_path, capsys):
    def refused(path, *words):
        assert main(["export", "tensorrt", str(path), "--compute-capability", "8.6", "--side-px", str(SIDE), *words]) == 1
        return capsys.readouterr().err.splitlines()[-1]

    damaged = tmp_path / "damaged.onnx"
    damaged.write_bytes(exported["float32"].read_bytes()[:200_000])
    assert "damaged.onnx cannot be read by tensorrt_rtx" in refused(damaged)
    model = onnx.load(exported["float32"])
    model.graph.node[0].op_type, model.graph.node[0].domain = "NoSuchOperator", "nowhere"
    onnx.save(model, tmp_path / "operator.onnx")
    assert "NoSuchOperator" in refused(tmp_path / "operator.onnx")
    value = helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 2])
    other = helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 2])
    graph = helper.make_graph([helper.make_node("Relu", ["x"], ["y"])], "other", [value], [other])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9), tmp_path / "relu.onnx")
    assert "has inputs ['x'] and outputs ['y'], not ['image', 'modality', 'prompt']" in refused(tmp_path / "relu.onnx")
    assert "builds for compute capabilities 7.5, 8.0, 8.6" in refused(exported["float32"], "--compute-capability", "9.0")
    assert f"is made for images of {SIDE}x{SIDE} px, not 96x96" in refused(exported["float32"], "--side-px", "96")
    assert "cannot be read" in refused(tmp_path / "missing.onnx")
    assert not list(engines.glob("*.engine*"))
