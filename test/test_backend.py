"""Which backend runs a network: the one that is named, or the best that is there, with a reason; never another in silence."""

import ctypes
import shutil
import subprocess
import sys
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from types import SimpleNamespace

import numpy as np
import pytest

from promptmid_core.cli import main
from promptmid_core.descriptors import load
from promptmid_core.errors import InputError, Unavailable
from promptmid_core.runtime import backend
from promptmid_core.runtime.backend import Wanted
from promptmid_core.runtime.profile import COMPACT, Profile
from promptmid_core.runtime.tensorrt import cuda

pytestmark = pytest.mark.slow

ONNX = COMPACT / "compact.onnx"


def gone(profile, wanted):
    raise Unavailable("it is not installed")


def test_auto_takes_the_best_and_says_what_the_better_ones_lack(monkeypatch):
    monkeypatch.setitem(backend._OPEN, "tensorrt", gone)
    choice = load("promptmid", wanted=Wanted(threads=1, side_px=64)).choice
    assert choice.backend == "onnxruntime"
    assert choice.why == "the best that is there (tensorrt: it is not installed)"
    assert choice.runs_on.startswith("onnxruntime 1.")


def test_auto_goes_on_to_torch_and_then_says_that_there_is_none(monkeypatch):
    pytest.importorskip("torch", reason="PyTorch is not installed")
    for name in ("tensorrt", "onnxruntime"):
        monkeypatch.setitem(backend._OPEN, name, gone)
    assert load("promptmid", threads=1).choice.backend == "torch"
    monkeypatch.setitem(backend._OPEN, "torch", gone)
    with pytest.raises(InputError, match=r"no backend can run profile compact \(tensorrt: .*; torch: it is not installed\)"):
        load("promptmid")


def test_one_that_is_named_runs_or_nothing_does(monkeypatch):
    choice = load("promptmid", 1, "onnxruntime").choice
    assert (choice.backend, choice.why) == ("onnxruntime", "it was named")
    monkeypatch.setitem(backend._OPEN, "tensorrt", gone)
    with pytest.raises(InputError, match="it is not installed"):
        load("promptmid", 1, "tensorrt")
    monkeypatch.undo()
    with pytest.raises(InputError, match="an engine takes images of one size, and here they are of several"):
        load("promptmid", 1, "tensorrt")
    with pytest.raises(InputError, match="there is no backend 'cuda'; known are auto, tensorrt, onnxruntime, torch"):
        load("promptmid", 1, "cuda")
    with pytest.raises(InputError, match="structural has no network"):
        load("structural", 1, "onnxruntime")
    assert load("structural").choice is None


def test_damage_is_no_reason_to_take_another(tmp_path):
    """Nor for `auto`: PyTorch could run this profile, whose ONNX file is not what it should be."""
    shutil.copytree(COMPACT, tmp_path / "compact")
    with (tmp_path / "compact" / "compact.onnx").open("ab") as file:
        file.write(b"x")
    with pytest.raises(InputError, match=r"compact.onnx is not the file that .*profile.yaml names"):
        load(f"promptmid:{tmp_path / 'compact'}")


def test_torch_can_be_sent_to_another_process():
    pytest.importorskip("torch", reason="PyTorch is not installed")
    network = load("promptmid", 1, "torch").network
    inputs = np.ones((1, 3, 32, 32), np.float32), np.ones(1, np.float32), Profile.read(COMPACT).prompts[1, :1]
    with ProcessPoolExecutor(1, get_context("spawn")) as pool:
        np.testing.assert_array_equal(pool.submit(network, *inputs).result()[0], network(*inputs)[0])


def test_replay_and_bench_refuse_what_cannot_run(tmp_path, capsys, monkeypatch):
    monkeypatch.setitem(backend._OPEN, "tensorrt", gone)
    assert main(["bench", str(tmp_path), "--methods", "promptmid", "--backend", "tensorrt"]) == 1
    assert capsys.readouterr().err == "promptmid: it is not installed\n"


class Cudart:
    """The CUDA runtime over the host's own memory; copies are done when the stream is waited for, in order."""

    cudaHostAllocDefault = 0
    cudaError_t = SimpleNamespace(cudaSuccess=0)
    cudaMemcpyKind = SimpleNamespace(cudaMemcpyHostToDevice=1, cudaMemcpyDeviceToHost=2)

    def __init__(self, devices=1):
        self.devices, self.memory, self.freed, self.queue = devices, {}, [], []

    def cudaGetDeviceCount(self):
        return (0, self.devices) if self.devices else (100, None)

    def cudaGetDeviceProperties(self, device):
        return 0, SimpleNamespace(name=b"Orin", major=8, minor=6)

    def cudaDriverGetVersion(self):
        return 0, 12090

    def cudaStreamCreate(self):
        return 0, 7

    def cudaMalloc(self, size):
        block = ctypes.create_string_buffer(size)
        self.memory[ctypes.addressof(block)] = block
        return 0, ctypes.addressof(block)

    def cudaHostAlloc(self, size, flags):
        return self.cudaMalloc(size)

    def cudaMemcpyAsync(self, to, of, size, kind, stream):
        assert stream == 7
        self.queue.append(lambda: ctypes.memmove(to, of, size))
        return (0,)

    def cudaStreamSynchronize(self, stream):
        for work in self.queue:
            work()
        self.queue.clear()
        return (0,)

    def cudaFree(self, address):
        self.freed.append(address)
        return (0,)

    cudaFreeHost = cudaFree

    def cudaStreamDestroy(self, stream):
        return (0,)


@pytest.fixture
def cudart(monkeypatch):
    fake = Cudart()
    monkeypatch.setattr(cuda, "cudart", lambda: fake)
    return fake


def test_the_gpu_is_named_and_its_absence_told(cudart):
    assert cuda.find_gpu() == cuda.Gpu("Orin", "8.6", "12.9")
    cudart.devices = 0
    with pytest.raises(Unavailable, match="there is no CUDA GPU"):
        cuda.find_gpu()


def test_buffers_carry_values_and_are_given_back(cudart):
    buffers = cuda.Buffers({"a": (2, 3), "b": (2, 3)})
    values = np.arange(6, dtype=np.float32).reshape(2, 3)
    buffers.send("a", values)
    there, back = buffers.device["a"], buffers.device["b"]
    cudart.queue.append(lambda: ctypes.memmove(back, there, 24))
    buffers.fetch("b")
    buffers.wait()
    np.testing.assert_array_equal(buffers.host["b"], values)
    del buffers
    assert sorted(cudart.freed) == sorted(cudart.memory)


LOADED = """
import sys
from promptmid_core.descriptors import load
load("promptmid")
print(*(name for name in sys.modules if name.startswith("tensorrt")))
"""


def test_without_a_gpu_nothing_of_tensorrt_is_loaded():
    try:
        cuda.find_gpu()
    except Unavailable:
        told = subprocess.run([sys.executable, "-c", LOADED], capture_output=True, text=True, check=True)
        assert told.stdout == "\n"
    else:
        pytest.skip("a GPU is there, and TensorRT is asked for it")


@pytest.fixture
def tensorrt(cudart, tmp_path, monkeypatch):
    pytest.importorskip("tensorrt_rtx_bindings", reason="TensorRT-RTX is not installed")
    monkeypatch.setenv("PROMPTMID_ENGINES", str(tmp_path))
    from promptmid_core.runtime.tensorrt import network as tensorrt

    return tensorrt


def test_a_missing_engine_is_named_with_its_command_or_built(tensorrt, tmp_path):
    with pytest.raises(Unavailable, match=f"there is no engine for .*'promptmid export tensorrt {ONNX} --side-px 64 "
                                          "--compute-capability 8.6'"):
        load("promptmid", wanted=Wanted("tensorrt", side_px=64))
    assert load("promptmid", wanted=Wanted(side_px=64)).choice.backend == "onnxruntime"
    told = []
    # the engine is a true one, which no GPU is there to load
    with pytest.raises(InputError, match=r"tensorrt_rtx .* cannot load the engine of .*; build it again with"):
        load("promptmid", wanted=Wanted("tensorrt", side_px=64, allow_build=True, progress=lambda *far: told.append(far)))
    assert len(list(tmp_path.glob("compact-*.engine"))) == 1
    assert told[0][0] == 0
    assert told[-1][0] == told[-1][1] > 0
    assert told == sorted(told)


class Context:
    """An execution context whose descriptors are the image's mean by channel plus the prompt's first number."""

    def __init__(self, cudart):
        self.cudart, self.shapes, self.addresses, self.runs = cudart, {}, {}, 0

    def set_input_shape(self, name, shape):
        self.shapes[name] = tuple(shape)

    def get_tensor_shape(self, name):
        return {"modality": (1,), "prompt": (1, 384), "descriptors": (1, 3, 2, 2), "confidence": (1, 1, 2, 2)}.get(
            name) or self.shapes[name]

    def set_tensor_address(self, name, address):
        self.addresses[name] = address

    def execute_async_v3(self, stream):
        assert stream == 7
        self.runs += 1
        self.cudart.queue.append(self._work)
        return True

    def _work(self):
        image, prompt, descriptors, confidence = (
            np.ctypeslib.as_array((ctypes.c_float * int(np.prod(self.get_tensor_shape(name)))).from_address(self.addresses[name]))
            .reshape(self.get_tensor_shape(name)) for name in ("image", "prompt", "descriptors", "confidence"))
        descriptors[...] = image.mean((2, 3))[..., None, None] + prompt[0, 0]
        confidence[...] = 0.5


def test_an_engine_is_fed_and_read_in_order(tensorrt, cudart, monkeypatch):
    """The calls alone: what a GPU answers is for a GPU to show."""
    context = Context(cudart)
    engine = SimpleNamespace(create_execution_context=lambda: context, get_tensor_dtype=lambda name: tensorrt.trt.DataType.FLOAT)
    monkeypatch.setattr(tensorrt.trt, "Runtime", lambda log: SimpleNamespace(deserialize_cuda_engine=lambda data: engine))
    tensorrt.export_engine(ONNX, 8, "8.6")
    network = tensorrt.open_engine(ONNX, 8)
    assert context.runs == 1, "warmed up"
    assert network.backend.endswith("Orin")
    prompt = np.full((1, 384), 10, np.float32)
    images = [np.random.default_rng(i).normal(size=(1, 3, 8, 8)).astype(np.float32) for i in range(2)]
    answers = [network(image, np.zeros(1, np.float32), prompt) for image in images]
    for image, (descriptors, confidence) in zip(images, answers, strict=True):
        np.testing.assert_allclose(descriptors[0, :, 0, 0], image.mean((0, 2, 3)) + 10, rtol=1e-5)
        assert (confidence == 0.5).all()
    with pytest.raises(InputError, match=r"is for images of \(1, 3, 8, 8\), not \(1, 3, 16, 16\)"):
        network(np.zeros((1, 3, 16, 16), np.float32), np.zeros(1, np.float32), prompt)
