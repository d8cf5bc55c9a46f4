"""How probable it is that a frame's match alone is right, by the SAR map: fitted to frames over known ground."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

import numpy as np

from promptmid_core.arrays import Float64
from promptmid_core.documents import parsed_json
from promptmid_core.plan.texture import Texture

SHIPPED = "matchability.json"
FEATURES = ("distinctness", "likeness", "size", "distinctness by size")
USUAL_DISTINCTNESS, USUAL_CELLS = 0.005, 40.0
LEAST_CONTRAST = 1e-5
LEAST_LIKENESS, MOST_LIKENESS = 0.05, 0.98


@dataclass(frozen=True)
class Matchability:
    """A logistic regression: `weights` of FEATURES and the `constant`."""

    weights: tuple[float, ...]
    constant: float

    @staticmethod
    @cache
    def shipped() -> Matchability:
        """Return the one that `python -m benchmarks.matchability fit` has made."""
        values: Any = parsed_json(files("promptmid_core").joinpath("weights", SHIPPED).read_bytes())
        return Matchability(tuple(values["weights"][name] for name in FEATURES), values["constant"])

    def probability(self, texture: Texture | None) -> float:
        """Return the probability that a match alone is right within 5 px; 0 where the map knows too little of the ground."""
        if texture is None:
            return 0.0
        return float(1 / (1 + np.exp(-(np.dot(self.weights, features(texture)) + self.constant))))


def features(texture: Texture) -> Float64:
    """Return FEATURES (4,) of a texture, all logarithms. Its distinctness is the mean square by which its edges differ from those
    of the most similar other place, but for a factor; that of much ground tells more, and of ground without any none more."""
    likeness = min(max(texture.likeness, LEAST_LIKENESS), MOST_LIKENESS)
    distinctness, size = np.log([max(texture.contrast, LEAST_CONTRAST) * (1 - likeness) / USUAL_DISTINCTNESS,
                                 max(texture.cells, 1) / USUAL_CELLS])
    return np.array([distinctness, np.log(likeness), size, distinctness * size])
