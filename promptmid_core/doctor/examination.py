"""Whether the node can fly from here: what is installed, which backend will run, what is wrong and how to cure it."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from promptmid_core.doctor import dds
from promptmid_core.doctor.machine import device, versions
from promptmid_core.doctor.rosprobe import probe_node, probe_ros
from promptmid_core.doctor.security import OFF, read_security
from promptmid_core.errors import InputError
from promptmid_core.georaster.proj import check_pyproj, check_rasterio

if TYPE_CHECKING:
    from promptmid_core.descriptors import Descriptor
    from promptmid_core.doctor.heights import Lens

LEAST_PYTHON = (3, 11)
NO_ENCLAVE = ("the ROS 2 of PyPI has no DDS security, that of Ubuntu's packages has; with that, see whether certificates, domain "
              "and permissions of the enclave hold")
DESCRIBED = 9  # patches that the time of a description is the median of


@dataclass
class Examination:
    """`found` by subject, as JSON values; `problems` stop the node, or leave it open where DDS security was asked for, `warnings`
    do not: one sentence each, with its cure."""

    found: dict[str, Any] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        return {"ok": not self.problems, "problems": self.problems, "warnings": self.warnings, **self.found}


def examine(reference: Path | None = None, backend: str = "auto", environment: Mapping[str, str] | None = None,
            lens: Lens | None = None, flown: date | None = None) -> Examination:
    """Look at everything, and go on where something is wrong; `reference` is the map that is to be flown, `lens` the camera,
    `flown` the day of the flight, by default today."""
    environment = os.environ if environment is None else environment
    seen = Examination({"device": device(), "versions": versions()})
    if sys.version_info < LEAST_PYTHON:
        seen.problems.append(f"Python {sys.version.split()[0]} is too old; use {'.'.join(map(str, LEAST_PYTHON))} or newer")
    rmw = _examine_ros(seen, environment)
    _examine_security(seen, environment, rmw)
    _examine_proj(seen)
    _examine_runtimes(seen)
    descriptor = _examine_map(seen, reference, lens, flown or datetime.now(UTC).date())
    _examine_weights(seen, descriptor)
    _examine_backend(seen, descriptor, backend)
    return seen


def table(seen: Examination) -> str:
    """Return the examination for people: a line a subject, then a line a problem."""
    lines = []
    for subject, values in seen.found.items():
        told = values.items() if isinstance(values, dict) else [("", values)]
        words = ", ".join(f"{name} {_told(value)}".strip() for name, value in told if value is not None)
        lines.append(f"{subject:14} {words or 'none'}")
    lines += [f"warning: {sentence}" for sentence in seen.warnings] + [f"PROBLEM: {sentence}" for sentence in seen.problems]
    return "\n".join([*lines, "the node cannot fly like this" if seen.problems else "nothing stops the node"])


def _told(value: Any) -> str:
    return " ".join(map(str, value)) if isinstance(value, list) else str(value)


def _examine_ros(seen: Examination, environment: Mapping[str, str]) -> str | None:
    """The name of the middleware in use."""
    rmw, trouble = probe_ros(environment)
    seen.found["ros"] = {"distribution": environment.get("ROS_DISTRO"), "rmw": rmw,
                         "domain": environment.get("ROS_DOMAIN_ID", "0")}
    if trouble:
        seen.problems.append(f"ROS 2 cannot be used from this Python ({trouble}); source /opt/ros/DISTRO/setup.bash, or "
                             "pip install 'promptmid_ros[ros]'")
    profile = dds.read_profile(environment)
    seen.found["dds"] = {"profile": profile.file, "segment_bytes": profile.segment_bytes}
    if rmw and "fastrtps" not in rmw:
        seen.warnings.append(f"{rmw} is used, not Fast DDS: see to it by its own settings that images of megabytes get through")
    elif profile.sentence:
        (seen.warnings if profile.sound else seen.problems).append(profile.sentence)
    return rmw


def _examine_security(seen: Examination, environment: Mapping[str, str], rmw: str | None) -> None:
    """The enclave that a node is in, "off" for none; the middleware itself says whether it takes the files of it."""
    security = read_security(environment)
    refused = probe_node(environment) if rmw and security.enclave != OFF else ""
    seen.found["dds_security"] = OFF if refused else security.enclave
    if refused:
        seen.problems.append(f"{rmw} makes no node in the enclave {security.enclave} ({refused}); {NO_ENCLAVE}")
    seen.problems += filter(None, [security.problem])
    seen.warnings += filter(None, [security.warning])


def _examine_proj(seen: Examination) -> None:
    for check in (check_pyproj, check_rasterio):
        with _problems_of(seen):
            check()


def _examine_runtimes(seen: Examination) -> None:
    try:
        import onnxruntime

        providers = list(onnxruntime.get_available_providers())
    except ImportError as error:
        providers = []
        seen.warnings.append(f"ONNX Runtime cannot be imported ({error}); pip install onnxruntime brings it")
    tensorrt = None
    try:
        from promptmid_core.runtime.tensorrt.library import FLAVOUR, VERSION

        tensorrt = f"{FLAVOUR} {VERSION}"
    except InputError:
        pass  # not there, and need not be
    seen.found["runtimes"] = {"onnxruntime_providers": providers, "tensorrt": tensorrt}


def _examine_weights(seen: Examination, name: str) -> None:
    """The files of the profile that is shipped, and of the one that the descriptor of that name flies with, by their hashes."""
    from promptmid_core.descriptors.name import DescriptorName
    from promptmid_core.runtime.profile import COMPACT, Profile

    checked = []
    for subject, folder in (("weights", COMPACT), ("weights_map", DescriptorName.whole(name).folder)):
        if folder is None:
            continue
        found: dict[str, Any] = {}
        seen.found[subject] = found
        checked.append(False)
        with _problems_of(seen):
            profile = Profile.read(folder)
            found["profile"] = profile.name
            for file in profile.files:
                with _problems_of(seen):
                    profile.check(file)
                    found[file] = profile.files[file][:16]
            checked[-1] = all(file in found for file in profile.files)
    seen.found["hashes_checked"] = all(checked)


def _examine_map(seen: Examination, path: Path | None, lens: Lens | None, flown: date) -> str:
    """The name of the descriptor that the map was built with, or of the default one."""
    from promptmid_core.descriptors import load
    from promptmid_core.doctor.heights import attitude_at, heights_of, narrow
    from promptmid_core.localization.localizer import Localizer
    from promptmid_core.localization.options import Options
    from promptmid_core.refmap import ReferenceMap, little_data
    from promptmid_core.refmap.age import UNKNOWN_AGE, aged

    name = "promptmid"
    if path is None:
        return name
    with _problems_of(seen):
        reference = ReferenceMap.open(path)
        name = reference.descriptor_name
        seen.found["map"] = {
            "path": str(path), "crs": reference.frame.crs, "size_px": [reference.grid.width, reference.grid.height],
            "gsd_m": round(reference.gsd, 3), "levels": reference.levels, "descriptor": name,
            "fingerprint": reference.fingerprint}
        seen.found["attitude_m_per_tenth_deg"] = attitude_at()
        age, told = aged(reference, flown, Options().errors.registration_sigma_px)
        seen.found["age"] = age.to_dict() if age else UNKNOWN_AGE
        seen.warnings += told
        patch_px = Options().search.patch_px
        if lens is not None:
            seen.found["height_m"] = heights_of(reference, patch_px, lens)
            seen.warnings += filter(None, [narrow(reference, patch_px, lens)])
        Localizer(reference, load(name))
    if "map" in seen.found:
        with _problems_of(seen):
            seen.problems += filter(None, [little_data(path)])
    return name


def _examine_backend(seen: Examination, name: str, backend: str) -> None:
    """What would run the network, and how long it takes to describe a patch."""
    from promptmid_core.descriptors import load
    from promptmid_core.localization.options import Options
    from promptmid_core.runtime.backend import Wanted

    side = Options().search.patch_px
    with _problems_of(seen):
        descriptor = load(name, wanted=Wanted(backend, side_px=side))
        none = {"backend": "none", "why": f"{name} has no network"}
        seen.found["backend"] = asdict(descriptor.choice) if descriptor.choice else none
        _examine_likelihood(seen, descriptor)
        seen.found["describe"] = {"patch_px": side, "median_ms": round(describe_ms(descriptor, side), 1)}


def _examine_likelihood(seen: Examination, descriptor: Descriptor) -> None:
    """Whether it is known what the descriptor's scores say."""
    from promptmid_core.descriptors.calibration import uncalibrated

    with _problems_of(seen):
        found = descriptor.calibration
        seen.found["likelihood"] = {"calibrated": found is not None, **(found.looks if found else {})}
        if found is None:
            seen.warnings.append(uncalibrated(descriptor.calibration_file))


def describe_ms(descriptor: Any, side: int) -> float:
    """Return the median time of describing an optical patch, after one to warm up."""
    import numpy as np

    from promptmid_core.geometry import Grid, Patch
    from promptmid_core.prompts.prompt import Modality, Prompt

    rng = np.random.default_rng(1)
    patch = Patch(rng.integers(0, 255, (side, side, 3), np.uint8), np.ones((side, side), bool), Grid(0.0, 0.0, 1.0, side, side))
    times = []
    for _ in range(DESCRIBED + 1):
        started = time.perf_counter()
        descriptor.describe(patch, Prompt(Modality.OPTICAL))
        times.append((time.perf_counter() - started) * 1e3)
    return float(np.median(times[1:]))


@contextmanager
def _problems_of(seen: Examination) -> Iterator[None]:
    """What is refused within is a problem, and ends the block."""
    try:
        yield
    except InputError as error:
        if str(error) not in seen.problems:
            seen.problems.append(str(error))
