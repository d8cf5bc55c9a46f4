"""How a network is trained: sizes, cycles, what the data are worth, and what is held back for validation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from promptmid_core.documents import read_yaml
from promptmid_core.errors import InputError
from promptmid_core.training.loop import Schedule
from promptmid_core.training.scenes import TrainingScene

FOLDER = Path(__file__).parent / "recipes"


@dataclass(frozen=True)
class Recipe:
    """`network`: fields of StudentShape; `pretrained`: whether its encoder begins from ImageNet; `cycles` follow each other, each
    from the averaged weights of the one before; `sources`: share of the samples by source, 1 where not named; `validation`: by
    source the names of scenes held back, or `all`, and with them whatever shows the same places at other dates; `weight`: of the
    network's score beside the structural ones; `evidence`: what scores say of a match, as examples/fit_evidence.py finds it with
    the trained network; `geometry`: fields of Geometry; `prompt_strength`: how many times what a prompt says beyond the neutral
    one counts; `teaching`: of the teacher's part in the loss of 'distill'; `lora_rank`: of the adapters of 'promptdm', 0 to train
    all weights."""

    network: dict[str, Any]
    cycles: tuple[Schedule, ...]
    seed: int
    weight: float
    evidence: tuple[float, float, float, float]
    pretrained: bool = False
    sources: dict[str, float] = field(default_factory=dict)
    validation: dict[str, Any] = field(default_factory=dict)
    validation_samples: int = 256
    geometry: dict[str, Any] = field(default_factory=dict)
    prompt_strength: float = 1.0
    teaching: float = 1.0
    lora_rank: int = 8

    @staticmethod
    def read(name: str) -> Recipe:
        """Return a recipe of this package by name, or a YAML file. Raises InputError where it cannot be used."""
        path = FOLDER / f"{name}.yaml" if (FOLDER / f"{name}.yaml").is_file() else Path(name)
        if not path.exists():
            known = ", ".join(sorted(known.stem for known in FOLDER.glob("*.yaml")))
            raise InputError(f"there is no recipe {name}; known are {known}, or give a YAML file")
        values = read_yaml(path, cure=f"compare it with {FOLDER / 'compact.yaml'}")
        try:
            values["cycles"] = tuple(Schedule(**cycle) for cycle in values["cycles"])
            return Recipe(**values)
        except (KeyError, TypeError, ValueError) as error:
            raise InputError(f"{path} is no recipe ({' '.join(str(error).split())}); compare it with "
                             f"{FOLDER / 'compact.yaml'}") from error

    def divided(self, scenes: Sequence[TrainingScene]) -> tuple[list[TrainingScene], list[TrainingScene]]:
        """Return what is learnt from, and what is held back. Raises InputError where nothing is left to learn from."""
        places = {scene.place for scene in scenes if self._holds(scene)}
        held = [scene for scene in scenes if scene.place in places]
        learnt = [scene for scene in scenes if scene.place not in places]
        if not learnt:
            raise InputError("the recipe holds every scene back for validation; give more data with --data")
        return learnt, held

    def _holds(self, scene: TrainingScene) -> bool:
        names = self.validation.get(scene.source, ())
        return names == "all" or scene.name in names
