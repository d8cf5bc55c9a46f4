"""A method of one's own in the bench: phase correlation, as an adapter of about thirty lines.

usage: promptmid bench PAIRS --methods structural,examples.my_matcher:PhaseCorrelation

An adapter is a class with `name`, `gate` and `locate`; docs/bench.md says what `locate` is given and what it returns.
"""

import cv2
import numpy as np

from promptmid_core.bench.matchers import Answer, Patch, Reach, Window


class PhaseCorrelation:
    """Phase correlation of OpenCV (Kuglin and Hines 1975). It knows nothing of turn and scale."""

    name = "phase_correlation"
    gate = "response of at least 0.1"

    def locate(self, patch: Patch, window: Window, reach: Reach) -> Answer | None:
        grey = cv2.cvtColor(patch.image, cv2.COLOR_RGB2GRAY).astype(np.float64)
        fade = cv2.createHanningWindow((len(grey), len(grey)), cv2.CV_64F)
        # cv2.phaseCorrelate wants two images of one size: the patch fades into nothing in the middle of the window
        seen = np.pad((grey - grey.mean()) * fade, (len(window.image) - len(grey)) // 2)
        (x, y), response = cv2.phaseCorrelate(seen, window.image.astype(np.float64))
        if max(abs(x), abs(y)) > reach.radius:
            return None
        return Answer(x, y, accepted=response >= 0.1)
