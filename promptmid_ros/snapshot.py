"""The last image with all that its verdict came from, on disk."""

from __future__ import annotations

import json
import shutil
import tempfile
from io import BytesIO
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from promptmid_core.errors import InputError
from promptmid_core.files import writing
from promptmid_core.folders import put
from promptmid_core.geometry import Pose, Prior
from promptmid_core.localization.upkeep import Upkeep
from promptmid_ros.worker import Outcome

CURE = "set snapshot_dir to a writable folder"
UNFINISHED = ".unfinished-"


def save_snapshot(folder: Path, outcome: Outcome, upkeep: Upkeep) -> Path:
    """Write `frame.png`, `arrays.npz` (patch, valid, seen, found, weight) and `verdict.json` into a new folder below `folder`,
    whole or not at all, for its user's eyes only.

    What the image did not get as far as is left out. Returns the new folder, or that which the image has already. Raises
    InputError where it cannot be written, or would be one more than the upkeep allows.
    """
    fix = outcome.fix
    target = folder / f"{fix.stamp_ns}_{fix.reason}"
    with writing(target, CURE):
        folder.mkdir(parents=True, exist_ok=True)
        if target.is_dir():
            return target
        files = _files(outcome)
        _check_room(folder, sum(len(content) for content in files.values()), upkeep)
        unfinished = Path(tempfile.mkdtemp(prefix=UNFINISHED, dir=folder))
        try:
            for name, content in files.items():
                put(unfinished / name, content, folder, mode=0o600)
            unfinished.rename(target)
        finally:
            shutil.rmtree(unfinished, ignore_errors=True)
    return target


def _check_room(folder: Path, size: int, upkeep: Upkeep) -> None:
    """Raise InputError where the folder would hold more snapshots, or more of them in bytes, than it may."""
    saved = [each for each in folder.iterdir() if each.is_dir() and not each.is_symlink()]
    if len(saved) >= upkeep.snapshots_most:
        raise InputError(f"{folder} holds {len(saved)} snapshots already; move them away or raise snapshots_most")
    taken = sum(file.lstat().st_size for each in saved for file in each.iterdir())
    if taken + size > upkeep.snapshots_most_mb * 10**6:
        raise InputError(f"{folder} holds {taken / 1e6:.0f} MB of snapshots, and this one of {size / 1e6:.1f} MB would be too "
                         "much; move them away or raise snapshots_most_mb")


def _files(outcome: Outcome) -> dict[str, bytes]:
    """The content of each file by its name."""
    files: dict[str, bytes] = {}
    fix, frame = outcome.fix, outcome.frame
    if frame is not None:
        pixels = frame.image if frame.image.ndim == 2 else cv2.cvtColor(frame.image, cv2.COLOR_RGB2BGR)
        # encoded apart from writing, so that OpenCV's silence about a full disk does not matter
        files["frame.png"] = cv2.imencode(".png", pixels)[1].tobytes()
    patch, ties = fix.candidate.patch, fix.candidate.ties
    if patch is not None:
        arrays: dict[str, Any] = {"patch": patch.image, "valid": patch.valid}
        if ties is not None:
            arrays |= {"seen": ties.seen, "found": ties.found, "weight": ties.weight}
        stream = BytesIO()
        np.savez_compressed(stream, allow_pickle=False, **arrays)
        files["arrays.npz"] = stream.getvalue()
    files["verdict.json"] = (json.dumps(_verdict(outcome), indent=2) + "\n").encode(errors="surrogateescape")
    return files


def _verdict(outcome: Outcome) -> dict[str, Any]:
    fix, frame, reference = outcome.fix, outcome.frame, outcome.reference
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
        "laid": candidate.laid and _pose(candidate.laid),
        "match": candidate.pose and _with_covariance(Prior(fix.stamp_ns, candidate.pose, np.asarray(candidate.covariance))),
        "fix": fix.pose and _with_covariance(Prior(fix.stamp_ns, fix.pose, np.asarray(fix.covariance))),
    }


def _with_covariance(prior: Prior | None) -> dict[str, Any] | None:
    return None if prior is None else {**_pose(prior.pose), "covariance": prior.covariance.tolist()}


def _pose(pose: Pose) -> dict[str, Any]:
    return {"position": pose.position.tolist(), "quaternion_xyzw": pose.quaternion().tolist()}
