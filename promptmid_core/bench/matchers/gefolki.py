"""GeFolki: dense optical flow between modalities."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from promptmid_core.bench.matchers.matcher import Answer, Patch, Reach, Window, grey
from promptmid_core.bench.matchers.peer import peer

COARSEST_PX = 2  # of the shift at the coarsest level, from which the flow is followed
ITERATIONS, RADII, RANK = 2, (32, 24, 16, 8), 4  # as in the authors' own example of optical and SAR images
MOST_SPREAD_PX = 1.0


class Gefolki:
    """GeFolki (Brigot et al. 2016, IEEE JSTARS 9(7)); its answer is the median of the flow over the patch."""

    name = "gefolki"
    gate = f"half of the flow vectors within {MOST_SPREAD_PX:g} px of their median, which is in reach"

    def __init__(self) -> None:
        self._flow = peer("gefolki", self.name).GEFolki
        equalisation = peer("gefolki.adapthist", self.name)
        # gefolki 1.1.0 takes grey levels as indices, which scikit-image has been returning as floats since 0.18
        if not hasattr(equalisation.rescale_intensity, "original"):
            equalisation.rescale_intensity = _of_same_type(equalisation.rescale_intensity)

    def locate(self, patch: Patch, window: Window, reach: Reach) -> Answer | None:
        # both images must have one size; around the patch there is only its mean
        seen, margin = grey(patch).astype(np.float32), (len(window.image) - len(patch.image)) // 2
        framed = np.pad(seen, margin, constant_values=float(seen.mean()))
        levels = max(int(np.ceil(np.log2(max(reach.radius / COARSEST_PX, 1)))), 1)
        if np.ptp(framed) == 0 or np.ptp(window.image) == 0:
            return None
        with np.errstate(divide="ignore", invalid="ignore"):
            across, down = self._flow(framed, window.image.astype(np.float32), iteration=ITERATIONS, radius=list(RADII),
                                      rank=RANK, levels=levels)
        inner = np.s_[margin:margin + len(seen), margin:margin + len(seen)]
        flow = np.stack([across[inner], down[inner]]).reshape(2, -1)
        place = np.median(flow, axis=1)
        if not np.isfinite(place).all():
            return None
        spread = float(np.median(np.hypot(*(flow - place[:, None]))))
        inside = bool(np.abs(place).max() <= reach.radius + 0.5)
        return Answer(float(place[0]), float(place[1]), inside and spread <= MOST_SPREAD_PX)


def _of_same_type(rescale: Any) -> Any:
    """`rescale` with whole grey levels for images of whole grey levels."""
    def rescaled(image: NDArray[Any], **options: Any) -> NDArray[Any]:
        values: NDArray[Any] = rescale(image, **options)
        return values.astype(image.dtype) if image.dtype.kind in "iu" else values

    rescaled.original = rescale  # type: ignore[attr-defined]
    return rescaled
