"""The last image with all that its verdict came from, on disk."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from promptmid_core.files import write_json, write_whole, writing
from promptmid_core.geometry import Pose, Prior
from promptmid_core.refmap import ReferenceMap
from promptmid_ros.worker import Outcome

CURE = "set snapshot_dir to a writable folder"


def save_snapshot(folder: Path, outcome: Outcome, reference: ReferenceMap) -> Path:
    """Write `frame.png`, `arrays.npz` (patch, valid, seen, found, weight) and `verdict.json` into a new folder below `folder`.

    What the image did not get as far as is left out. Returns the new folder. Raises InputError where it cannot be written.
    """
    fix, frame = outcome.fix, outcome.frame
    target = folder / f"{fix.stamp_ns}_{fix.reason}"
    with writing(target, CURE):
        target.mkdir(parents=True, exist_ok=True)
    if frame is not None:
        pixels = frame.image if frame.image.ndim == 2 else cv2.cvtColor(frame.image, cv2.COLOR_RGB2BGR)
        # encoded apart from writing, so that OpenCV's silence about a full disk does not matter
        write_whole(target / "frame.png", cv2.imencode(".png", pixels)[1].tobytes(), cure=CURE)
    patch, ties = fix.candidate.patch, fix.candidate.ties
    if patch is not None:
        arrays: dict[str, Any] = {"patch": patch.image, "valid": patch.valid}
        if ties is not None:
            arrays |= {"seen": ties.seen, "found": ties.found, "weight": ties.weight}
        stream = BytesIO()
        np.savez_compressed(stream, allow_pickle=False, **arrays)
        write_whole(target / "arrays.npz", stream.getvalue(), cure=CURE)
    write_json(target / "verdict.json", _verdict(outcome, reference), cure=CURE)
    return target


def _verdict(outcome: Outcome, reference: ReferenceMap) -> dict[str, Any]:
    fix, frame = outcome.fix, outcome.frame
    candidate = fix.candidate
    camera = frame.camera if frame else None
    return {
        "stamp_ns": fix.stamp_ns, "accepted": fix.accepted, "reason": str(fix.reason), "sentence": fix.sentence,
        "state": str(fix.state), "scores": candidate.scores, "stage_ms": candidate.stage_ms,
        "processing_ms": outcome.processing_ms,
        "map": {"path": str(reference.path), "crs": reference.frame.crs, "origin": reference.frame.origin, "gsd_m": reference.gsd,
                "descriptor": reference.descriptor_name, "fingerprint": reference.fingerprint},
        "camera": camera and {
            "width": camera.width, "height": camera.height, "k": camera.k.tolist(), "model": camera.model, "d": camera.d.tolist(),
            "mount": _pose(camera.mount)},
        "prior": _with_covariance(candidate.prior),
        "match": candidate.pose and _with_covariance(Prior(fix.stamp_ns, candidate.pose, np.asarray(candidate.covariance))),
        "fix": fix.pose and _with_covariance(Prior(fix.stamp_ns, fix.pose, np.asarray(fix.covariance))),
    }


def _with_covariance(prior: Prior | None) -> dict[str, Any] | None:
    return None if prior is None else {**_pose(prior.pose), "covariance": prior.covariance.tolist()}


def _pose(pose: Pose) -> dict[str, Any]:
    return {"position": pose.position.tolist(), "quaternion_xyzw": pose.quaternion().tolist()}
