"""How long a frame takes on this machine: from the bytes of a JPEG to the content of the messages, stage by stage."""

from __future__ import annotations

import gc
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from promptmid_core.bags import telemetry
from promptmid_core.bags.bag import open_bag
from promptmid_core.descriptors import Descriptor
from promptmid_core.descriptors import load as load_descriptor
from promptmid_core.descriptors.promptmid import PromptMid
from promptmid_core.doctor.limits import Looked, limits, work
from promptmid_core.doctor.limits import table as limits_table
from promptmid_core.doctor.machine import device, versions
from promptmid_core.doctor.rates import Rates, Work
from promptmid_core.errors import InputError
from promptmid_core.georaster.geodetic import Geodetic
from promptmid_core.localization.fix import Fix
from promptmid_core.localization.localizer import Localizer
from promptmid_core.localization.options import Options
from promptmid_core.localization.stopwatch import Stopwatch, by_processor
from promptmid_core.matching.parallel import in_turn
from promptmid_core.outputs.rates import memory_mb
from promptmid_core.prompts.prompt import Modality, Prompt
from promptmid_core.refmap import ReferenceMap
from promptmid_core.refmap.build import BuildOptions, Sources, build_map
from promptmid_core.replay.recording import RecordedImage, Recording
from promptmid_core.runtime.backend import AUTO, Wanted, onnx_file
from promptmid_core.runtime.operations import operations
from promptmid_core.simulation.flight.options import FlightOptions
from promptmid_core.simulation.flight.simulate import simulate_flight
from promptmid_core.simulation.world.options import WorldOptions
from promptmid_core.simulation.world.simulate import simulate_world

WORLD_PX = 1024
FOOTPRINT_PX = 384  # of the image's shorter side: the patch is whole whatever the heading
DRIFT_PX = 40
DISTINCT = 24  # frames that are rendered; more are these again
WARM_UP = 6
PERCENTILES = (50, 95, 99)


@dataclass(frozen=True)
class Load:
    """What is measured: a descriptor, whose network `backend` runs, with `frames` images of `size` (width, height), patches of
    `patch_px` and a search of `radius_px`; `limits`: whether it is told how fast each stage could be."""

    descriptor: str = "promptmid"
    backend: str = AUTO
    frames: int = 100
    size: tuple[int, int] = (1920, 1080)
    patch_px: int = 256
    radius_px: int = 64
    seed: int = 1
    limits: bool = False


@dataclass(frozen=True)
class TimedFrame:
    """One frame: wall and processor ms of the whole, wall ms of each stage, whether it ended in a fix, and what it was compared
    with."""

    fixed: bool
    ms: float
    cpu_ms: float
    stage_ms: Mapping[str, float]
    looked: Looked | None = None


def measure(load: Load, progress: Callable[[int, int], None] | None = None) -> dict[str, Any]:
    """Times of a simulated flight over a map of its own, as JSON values: percentiles over the frames that end in a fix.

    World, map and compressed images are made beforehand in a temporary folder. Raises InputError where no frame ends in a fix.
    """
    flying = load_descriptor(load.descriptor, wanted=Wanted(load.backend, side_px=load.patch_px))
    with tempfile.TemporaryDirectory(prefix="promptmid_latency_") as folder:
        reference, recording, images = _flight(Path(folder), load)
        options = Options.of(patch_px=load.patch_px, least_radius_px=float(load.radius_px),
                             most_radius_px=2.0 * load.radius_px)
        localizer = Localizer(reference, flying, options)
        frames = timed(localizer, recording, images, load.frames, progress)
        alone: list[TimedFrame] = []
        if load.limits:
            with in_turn(), by_processor():
                alone = [frame for frame in timed(localizer, recording, images, len(images), None) if frame.fixed]
    fixed = [frame for frame in frames if frame.fixed]
    if not fixed:
        raise InputError(f"none of {len(frames)} frames ended in a fix, so there is no time to tell; measure more frames, larger "
                         "patches or another seed")
    names = dict.fromkeys(stage for frame in fixed for stage in frame.stage_ms)
    stages = {stage: percentiles([frame.stage_ms.get(stage, 0.0) for frame in fixed]) for stage in names}
    image_bytes = int(np.median([len(image.message.data) for image in images]))
    result: dict[str, Any] = {
        "frame_ms": percentiles([frame.ms for frame in fixed]), "cpu_ms": percentiles([frame.cpu_ms for frame in fixed]),
        "stages": stages, "fixes_per_second": round(1e3 * len(fixed) / sum(frame.ms for frame in frames), 3),
        "rss_mb": round(memory_mb() or 0.0, 1),
        "frames": len(frames), "frames_fixed": len(fixed), "warm_up": WARM_UP, "descriptor": flying.name,
        "fingerprint": flying.fingerprint, "backend": flying.choice.runs_on if flying.choice else None,
        "backend_why": flying.choice.why if flying.choice else None, "image_px": list(load.size), "image_format": "jpeg",
        "image_bytes": image_bytes, "patch_px": load.patch_px,
        "radius_px": load.radius_px, "seed": load.seed, "device": device(), "versions": versions(),
    }
    if alone:
        looked = sorted((frame.looked for frame in alone if frame.looked), key=lambda each: each.window)
        wanted = work(looked[len(looked) // 2], flying, (*load.size, image_bytes), _network(flying, load.patch_px))
        took = {stage: percentiles([frame.stage_ms.get(stage, 0.0) for frame in alone])["p50"] for stage in names}
        result["limits"] = limits(took, wanted, Rates.measured())
    return result


def timed(localizer: Localizer, recording: Recording, images: Sequence[RecordedImage], count: int,
          progress: Callable[[int, int], None] | None = None) -> list[TimedFrame]:
    """`count` frames, after WARM_UP more; where the images are used up they begin again, and so does the track."""
    geodetic = Geodetic(localizer.reference.frame, localizer.reference.vertical_datum)
    frames: list[TimedFrame] = []
    gc.collect()
    gc.freeze()  # as the node does
    try:
        for i in range(WARM_UP + count):
            if i % len(images) == 0:
                localizer.reset()
            started, cpu = time.perf_counter(), time.process_time()
            fix = recording.intake.localize(images[i % len(images)].message, localizer).fix
            clock = Stopwatch()
            with clock("messages"):
                contents(fix, geodetic)
            ms, cpu_ms = (time.perf_counter() - started) * 1e3, (time.process_time() - cpu) * 1e3
            frames.append(TimedFrame(fix.accepted, ms, cpu_ms, fix.candidate.stage_ms | clock.ms,
                                     Looked.of(fix.candidate, localizer)))
            if progress and i >= WARM_UP:
                progress(i + 1 - WARM_UP, count)
    finally:
        gc.unfreeze()
    return frames[WARM_UP:]


def contents(fix: Fix, geodetic: Geodetic) -> list[bytes]:
    """Return the messages `pose` and `navsat_fix` of a fix as they travel, in CDR; none where it is no fix."""
    if fix.pose is None or fix.covariance is None:
        return []
    types = telemetry.typestore()
    x, y, z = (float(value) for value in fix.pose.position)
    messages = [telemetry.pose_with_covariance(fix.stamp_ns, fix.pose, fix.covariance),
                telemetry.navsat_fix(fix.stamp_ns, geodetic.place(x, y, z), geodetic.turned(x, y, fix.covariance[:3, :3]))]
    return [bytes(types.serialize_cdr(message, message.__msgtype__)) for message in messages]


def percentiles(values: Sequence[float]) -> dict[str, float]:
    """Return PERCENTILES of values as {"p50": ...}, rounded to microseconds."""
    found = np.percentile(values, PERCENTILES)
    return {f"p{share}": round(float(value), 3) for share, value in zip(PERCENTILES, found, strict=True)}


def table(result: Mapping[str, Any]) -> str:
    """Return the result for people."""
    machine, fixed, frames = result["device"], result["frames_fixed"], result["frames"]
    width, height = result["image_px"]
    lines = [f"{result['descriptor']}, {width}x{height} JPEG, patch {result['patch_px']} px, radius {result['radius_px']} px, on "
             f"{machine['cpu']}, {machine['cores']} cores, load {machine['load_1m']:g}",
             f"{fixed} of {frames} frames ended in a fix, after {result['warm_up']} to warm up; milliseconds:",
             f"{'':16}{'p50':>8}{'p95':>8}{'p99':>8}"]
    if result["backend"]:
        lines.insert(1, f"network on {result['backend']}: {result['backend_why']}")
    for name, row in {**result["stages"], "frame": result["frame_ms"], "processor time": result["cpu_ms"]}.items():
        lines.append(f"{name:16}" + "".join(f"{value:8.1f}" for value in row.values()))
    lines.append(f"{result['fixes_per_second']:.1f} fixes a second, {result['rss_mb']:.0f} MB resident")
    if "limits" in result:
        lines += ["processor time of each stage, and what its operations and bytes would take at the rates of one core:",
                  limits_table(result["limits"])]
    return "\n".join(lines)


def _network(descriptor: Descriptor, side_px: int) -> Work:
    """What the network of a descriptor has to do for an image; nothing where it has none."""
    if not isinstance(descriptor, PromptMid):
        return Work()
    profile = descriptor.profile
    multiplied, moved = operations(onnx_file(profile, None), side_px, profile.embedding(Prompt(Modality.OPTICAL)))
    return Work(multiplied=multiplied, moved=moved)


def _flight(folder: Path, load: Load) -> tuple[ReferenceMap, Recording, list[RecordedImage]]:
    world = simulate_world(folder / "world", WorldOptions.of(seed=load.seed, size_px=WORLD_PX))
    # tiles are of several sizes, which not every backend takes
    describing = load_descriptor(load.descriptor)
    build_map(Sources(world.sar, landcover=world.landcover, dem=world.dem), folder / "map", BuildOptions(describing))
    simulate_flight(world.optical, folder / "bag", FlightOptions.of(frames=min(load.frames + WARM_UP, DISTINCT), seed=load.seed,
                    footprint_px=FOOTPRINT_PX, drift_px=DRIFT_PX, yaw_error_deg=3, altitude_error_percent=2,
                    image_size=load.size), dem=world.dem)
    reference = ReferenceMap.open(folder / "map", prefetch=True)
    recording = Recording(open_bag(folder / "bag"), reference.frame)
    return reference, recording, list(recording.images())
