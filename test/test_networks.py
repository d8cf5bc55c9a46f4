"""Networks and profiles from outside: hashes before anything else, limits, and no descriptors that are none."""

import hashlib
import io
import os
import shutil
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import yaml
from harmed import Harmed
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from refusals import told
from simulated import Scene

from promptmid_core.bags.bag import open_bag
from promptmid_core.cli import main
from promptmid_core.descriptors import load
from promptmid_core.geometry import Grid, Patch
from promptmid_core.localization.localizer import Localizer
from promptmid_core.prompts.prompt import Modality, Prompt
from promptmid_core.reasons import Reason
from promptmid_core.refmap.build import BuildOptions, Sources, build_map
from promptmid_core.replay.recording import Recording
from promptmid_core.runtime import backend
from promptmid_core.runtime.agreement import check_agreement
from promptmid_core.runtime.backend import Wanted, open_network
from promptmid_core.runtime.onnx import OnnxNetwork
from promptmid_core.runtime.onnxfile import metadata, sha256
from promptmid_core.runtime.profile import COMPACT, Profile

pytestmark = pytest.mark.slow

PROFILE = Profile.read(COMPACT)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A profile of one's own, which may be harmed."""
    shutil.copytree(COMPACT, tmp_path / "own")
    return tmp_path / "own"


def described(folder: Path, changes: dict[str, Any]) -> None:
    values = yaml.safe_load((folder / "profile.yaml").read_text())
    (folder / "profile.yaml").write_text(yaml.safe_dump(values | changes))


def with_prompts(folder: Path, content: bytes, hashed: bool = True) -> None:
    """Put in other embeddings, with their hash or without."""
    (folder / "prompts.npy").write_bytes(content)
    if hashed:
        described(folder, {"files": PROFILE.files | {"prompts.npy": hashlib.sha256(content).hexdigest()}})


def npy(values: np.ndarray, **options: Any) -> bytes:
    stream = io.BytesIO()
    np.save(stream, values, **options)
    return stream.getvalue()


DESCRIPTIONS = {
    "a list": "- 1", "a word": "compact", "nothing": "", "deep": "[" * 5000, "twice": "name: a\nname: b", "large": "#" * 2**19,
    "a bomb": "a: &a [x, x]\nb: &b [*a, *a]\nc: [*b, *b]", "a tag": "!!python/object/apply:os.system ['true']",
    "no text": b"\xff\xfe\0",
}


@pytest.mark.parametrize("what", DESCRIPTIONS)
def test_a_description_that_is_none_gets_one_sentence(folder: Path, what: str) -> None:
    text = DESCRIPTIONS[what]
    (folder / "profile.yaml").write_bytes(text if isinstance(text, bytes) else text.encode())
    sentence = told(Profile.read, folder)
    assert str(folder / "profile.yaml") in sentence and "install the package again" in sentence
    assert len(sentence) < 1000


VALUES = [
    ("name", "../other"), ("name", 5), ("name", "x" * 200), ("channels", 0), ("channels", "16"), ("channels", 2**40),
    ("channels", True),
    ("stride", 2.5), ("stride", -2), ("multiple", None), ("multiple", [8]), ("reach", -1), ("reach", float("inf")), ("weight", 0),
    ("weight", float("nan")), ("weight", "1"), ("evidence", 1.0), ("evidence", [1, 2, 3]), ("evidence", [1, 2, 3, float("nan")]),
    ("network", []), ("network", {"side_px": 0, "margin_px": 0}), ("network", {"side_px": 64}), ("network", {"middle": 10**9}),
    ("network", {"side_px": 64, "margin_px": 32}), ("network", {"encoder": [1e300]}), ("files", {}), ("files", []),
    ("files", {"../up": "0" * 64}), ("files", {"prompts.npy": "0" * 63}), ("files", {"prompts.npy": 7}), ("folder", "/"),
    ("more", 1),
]


@pytest.mark.parametrize(("name", "value"), VALUES, ids=[f"{name}={str(value)[:24]}" for name, value in VALUES])
def test_values_that_no_profile_has_are_told(folder: Path, name: str, value: Any) -> None:
    described(folder, {name: value})
    sentence = told(Profile.read, folder)
    assert f"{name} is " in sentence or name in ("network", "files") or "and nothing else" in sentence


def claims(shape: str) -> bytes:
    """A .npy file without values that says it has float32 ones of this shape."""
    return b"\x93NUMPY\1\0\x76\0" + f"{{'descr': '<f4', 'fortran_order': False, 'shape': {shape}, }}".encode().ljust(117) + b"\n"


WORDS = PROFILE.prompts
PROMPTS = {
    "much": claims("(2, 8, 1000000000000)"), "overflowing": claims(f"(2, 8, {2**62})"), "no npy": b"PK\3\4", "nothing": b"",
    "a pickle": npy(np.array([None]), allow_pickle=True), "integers": npy(np.zeros(WORDS.shape, np.int32)),
    "fewer": npy(WORDS[:, :3]), "flat": npy(WORDS[0]), "NaN": npy(np.full_like(WORDS, np.nan)),
    "by columns": npy(np.asfortranarray(WORDS)), "cut": npy(WORDS)[:-1], "more": npy(WORDS) + b"x",
    "beyond float32": npy(WORDS.astype(float) * 1e300),
}


@pytest.mark.parametrize("what", PROMPTS)
def test_embeddings_that_are_none_are_refused_by_their_own_word(folder: Path, what: str) -> None:
    with_prompts(folder, PROMPTS[what])
    assert "holds no embeddings of prompts" in told(Profile.read, folder)


def test_the_hash_of_embeddings_comes_before_their_content(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(np.lib.format, "read_magic", lambda *_: pytest.fail("it was read"))
    monkeypatch.setattr(np, "load", lambda *_, **__: pytest.fail("it was loaded"))
    with_prompts(folder, PROMPTS["much"], hashed=False)
    assert "is not the file that" in told(Profile.read, folder)


@pytest.mark.parametrize("name", ["profile.yaml", "prompts.npy", "compact.onnx"])
@pytest.mark.parametrize("kind", ["pipe", "device", "folder", "dangling link", "none"])
def test_what_is_no_file_is_refused_at_once(folder: Path, name: str, kind: str) -> None:
    (folder / name).unlink()
    if kind == "pipe":
        os.mkfifo(folder / name)
    elif kind == "folder":
        (folder / name).mkdir()
    elif kind != "none":
        (folder / name).symlink_to("/dev/zero" if kind == "device" else folder / "nowhere")
    assert name in told(load, f"promptmid:{folder}", 1)
    # and as a network that was exported
    assert name in told(metadata, folder / name)
    assert name in told(sha256, folder / name)


def test_a_file_of_terabytes_is_not_read(folder: Path) -> None:
    os.truncate(folder / "compact.onnx", 2**42)
    assert "too large" in told(load, f"promptmid:{folder}", 1)


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(values=st.recursive(
           st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9),
           lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4), max_leaves=9),
       name=st.sampled_from(["name", "channels", "stride", "multiple", "reach", "weight", "evidence", "network", "files"]))
def test_any_value_in_a_description_is_taken_or_told(folder: Path, values: Any, name: str) -> None:
    whole = yaml.safe_load((COMPACT / "profile.yaml").read_text()) | {name: values}
    (folder / "profile.yaml").write_text(yaml.safe_dump(whole))
    try:
        assert Profile.read(folder).channels > 0
    except Exception as error:
        assert type(error).__name__ == "InputError" and "\n" not in str(error), error


def part(number: int, content: bytes) -> bytes:
    """A field with a length, of a protobuf message."""
    length, size = len(content), b""
    while length > 127:
        size, length = size + bytes([length & 127 | 128]), length >> 7
    return bytes([number * 8 + 2]) + size + bytes([length]) + content


def entry(key: str, value: str) -> bytes:
    return part(1, key.encode()) + part(2, value.encode())


def model(location: str | None = None, profile: str = PROFILE.fingerprint) -> bytes:
    """An ONNX file that names a profile, with an initializer that lies elsewhere."""
    tensor = part(8, b"weights") + (part(13, entry("location", location)) if location else b"")
    return part(7, part(5, tensor)) + part(14, entry("profile", profile))


def test_weights_are_taken_from_the_file_or_the_one_beside_it_alone(tmp_path: Path) -> None:
    path = tmp_path / "net.onnx"
    for location in (None, "net.onnx.data"):
        path.write_bytes(model(location))
        assert metadata(path) == {"profile": PROFILE.fingerprint}
    for location in ("../net.onnx.data", "/etc/passwd", "other.data", "", "sub/net.onnx.data"):
        path.write_bytes(model(location or " "))
        assert "takes weights from" in told(metadata, path)
    path.write_bytes(model("/dev/zero"))
    assert "takes weights from '/dev/zero'" in told(open_network, PROFILE, Wanted("onnxruntime", 1, path))


MESSAGES = {
    "cut": model()[:-1], "no protobuf": b"\7" * 40, "very many fields": b"\x10\1" * (2**18 + 1), "no end": b"\xff" * 20,
    "long text": part(14, part(1, b"x" * 2**17)), "no text": part(14, part(1, b"\xff\xfe")),
}


@pytest.mark.parametrize("what", MESSAGES)
def test_a_network_that_is_no_onnx_file_is_told(tmp_path: Path, what: str) -> None:
    path = tmp_path / "net.onnx"
    path.write_bytes(MESSAGES[what])
    assert "is no ONNX file that can be run" in told(metadata, path)


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(at=st.integers(0, 10**6), change=st.binary(min_size=1, max_size=8), cut=st.integers(0, 3))
def test_changed_bytes_of_an_onnx_file_are_read_or_told(tmp_path: Path, at: int, change: bytes, cut: int) -> None:
    data = bytearray(model("net.onnx.data"))
    at %= len(data)
    data[at:at + cut] = change
    (tmp_path / "net.onnx").write_bytes(data)
    try:
        assert isinstance(metadata(tmp_path / "net.onnx"), dict)
    except Exception as error:
        assert type(error).__name__ == "InputError", error


@dataclass(frozen=True)
class Answers:
    """A network whose answers are another's, changed."""

    network: Any
    change: Any
    backend: str = "answers"

    def __call__(self, *inputs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return self.change(*self.network(*inputs))


def nan(descriptors: np.ndarray, confidence: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return np.full_like(descriptors, np.nan), confidence


def rounded(descriptors: np.ndarray, confidence: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return descriptors.astype(np.float16).astype(np.float32), confidence


OTHERS = {
    "NaN": nan, "NaN in one cell": lambda d, c: (np.where(np.arange(d.shape[-1]) == 3, np.float32(np.nan), d), c),
    "NaN in confidence": lambda d, c: (d, c * np.float32(np.nan)), "fewer channels": lambda d, c: (d[:, 1:], c),
    "channels in another order": lambda d, c: (d[:, ::-1], c), "zeros": lambda d, c: (d * 0, c),
}


@pytest.mark.parametrize("what", OTHERS)
def test_another_network_under_the_name_of_the_profile_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
                                                                  what: str) -> None:
    own = OnnxNetwork(COMPACT / "compact.onnx", 1)
    path = tmp_path / "net.onnx"
    path.write_bytes(model())
    monkeypatch.setitem(backend._OPEN, "onnxruntime", lambda profile, wanted: Answers(own, OTHERS[what]))
    sentence = told(load, "promptmid", wanted=Wanted("onnxruntime", 1, path, side_px=64))
    assert str(path) in sentence and "export it again" in sentence


def test_an_export_in_half_precision_agrees() -> None:
    own = OnnxNetwork(COMPACT / "compact.onnx", 1)
    check_agreement(PROFILE, Answers(own, rounded), Path("half.onnx"), 64)


@pytest.fixture(scope="module")
def flown(scene: Scene) -> SimpleNamespace:
    reference = scene.reference()
    recording = Recording(open_bag(scene.bag), reference.frame)
    image = list(recording.images())[5]
    return SimpleNamespace(reference=reference, sar=scene.sar, frame=recording.intake.frame(image.message),
                           prior=recording.intake.odometry.at(image.stamp_ns)[0])


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e30, -3e38])
@pytest.mark.parametrize("share", [0.0, 1.0])
def test_a_frame_whose_descriptors_are_none_is_refused_by_that(flown: SimpleNamespace, value: float, share: float) -> None:
    found = Localizer(flown.reference, Harmed(value, share)).match(flown.frame, flown.prior)
    assert found.reason is Reason.DESCRIPTOR_INVALID
    assert "promptmid doctor" in found.sentence


def test_a_network_of_nan_gives_no_frame_and_no_map(flown: SimpleNamespace, tmp_path: Path) -> None:
    sound = load("promptmid", 1)
    broken = replace(sound, network=Answers(sound.network, nan))
    patch = Patch(np.zeros((64, 64), np.uint8), np.ones((64, 64), bool), Grid(0, 0, 1.0, 64, 64))
    assert sound.describe(patch, Prompt(Modality.OPTICAL)).sound
    assert not broken.describe(patch, Prompt(Modality.OPTICAL)).sound
    for descriptor in (broken, Harmed(np.nan, 0.0)):
        for store in ("float16", "int8"):
            out = tmp_path / f"{descriptor.name.replace(':', '-')}-{store}"
            assert "gives NaN" in told(build_map, Sources(flown.sar), out, BuildOptions(descriptor, store=store))
            assert not (out / "manifest.json").exists()


def test_doctor_says_whether_the_hashes_of_all_networks_hold(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from promptmid_core.doctor import examination as doctor
    from promptmid_core.runtime import profile

    def checked(name: str) -> bool:
        seen = doctor.Examination()
        doctor._examine_weights(seen, name)
        assert seen.found["hashes_checked"] is (not seen.problems)
        assert "hashes_checked" in doctor.table(seen)
        return bool(seen.as_json()["hashes_checked"])

    assert checked("promptmid") and checked("structural") and checked(f"promptmid:{folder}")
    (folder / "compact.safetensors").write_bytes(b"other")
    assert checked("promptmid")
    assert not checked(f"promptmid:{folder}")
    monkeypatch.setattr(profile, "COMPACT", folder)
    assert not checked("structural")


def test_commands_refuse_a_profile_that_is_none_in_one_line(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    described(folder, {"stride": 0})
    assert main(["bench", str(folder), "--methods", f"promptmid:{folder}"]) == 1
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and "stride is 0" in error
