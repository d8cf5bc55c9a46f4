"""What was found of a camera, as it is written: for programs, for the node, and for people."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from promptmid_core.calibration.camera.advice import advice
from promptmid_core.calibration.camera.estimate import Estimate
from promptmid_core.calibration.camera.model import UNKNOWNS

UNITS = {"roll": "degrees", "pitch": "degrees", "yaw": "degrees", "delay_s": "s, positive where stamps are late",
         "focal_scale": "times the focal length of camera_info"}
DIGITS = {"roll": 4, "pitch": 4, "yaw": 4, "delay_s": 5, "focal_scale": 6}


def as_json(found: Estimate, bags: Sequence[tuple[Path, int]]) -> dict[str, Any]:
    """Return what was found, with the fixes of each bag; `advice` for what was not observed."""
    told = advice(found)
    values = {name: {"value": round(float(value), DIGITS[name]), "sigma": round(float(sigma), DIGITS[name]),
                     "observed": bool(observed)} | ({"advice": told[name]} if name in told else {})
              for name, value, sigma, observed in zip(UNKNOWNS, found.values, found.sigmas, found.observed, strict=True)}
    return {**values, "fixes": found.fixes, "rejected": found.rejected,
            "bags": [{"bag": str(bag), "fixes": fixes} for bag, fixes in bags]}


def as_yaml(values: dict[str, Any]) -> str:
    """Return the text of the file that `CameraCalibration.read` takes, of what `as_json` returns."""
    import yaml

    kept = {name: {key: each for key, each in values[name].items() if key != "advice"} for name in UNKNOWNS}
    lines = ["# How the camera differs from what its messages and its mount tell, by 'promptmid calibrate camera';",
             "# for the parameter camera_calibration. What was not observed is not applied.",
             *(f"# {name}: {unit}" for name, unit in UNITS.items())]
    return "\n".join([*lines, yaml.safe_dump(kept, sort_keys=False)])


def as_text(values: dict[str, Any]) -> str:
    """Return what `as_json` returns, for people."""
    lines = [f"{values['fixes']} fixes of {len(values['bags'])} bag{'s' if len(values['bags']) > 1 else ''}, "
             f"{values['rejected']} of them unlike the rest"]
    for name, unit in UNITS.items():
        each = values[name]
        lines.append(f"{name:<12} {each['value']:9.4f} +- {each['sigma']:.4f} {unit}"
                     + ("" if each["observed"] else f"; not observed: {each['advice']}"))
    return "\n".join(lines)
