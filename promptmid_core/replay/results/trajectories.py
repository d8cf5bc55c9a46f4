"""Fix, prior and truth as trajectories in the format of TUM, which evo reads: stamp in seconds, x y z, qx qy qz qw."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from promptmid_core.geometry import Pose
from promptmid_core.replay.run import Flight


def write_trajectories(folder: Path, flight: Flight) -> None:
    """Write `fix.tum`, `prior.tum` and `truth.tum`, at the stamps of the images. Raises OSError where they cannot be written."""
    frames = flight.frames
    priors = ((frame.fix.stamp_ns, frame.fix.candidate.prior) for frame in frames)
    for name, poses in (
        ("fix", ((frame.fix.stamp_ns, frame.fix.pose) for frame in frames)),
        ("prior", ((stamp, prior.pose if prior else None) for stamp, prior in priors)),
        ("truth", ((frame.fix.stamp_ns, frame.truth) for frame in frames)),
    ):
        (folder / f"{name}.tum").write_text("".join(_lines(poses)), encoding="ascii")


def _lines(poses: Iterable[tuple[int, Pose | None]]) -> list[str]:
    """In the order of stamps, each once: programs that read trajectories ask for both."""
    known = {stamp: pose for stamp, pose in poses if pose is not None}
    return [f"{stamp // 1_000_000_000}.{stamp % 1_000_000_000:09d} {_numbers(known[stamp])}\n" for stamp in sorted(known)]


def _numbers(pose: Pose) -> str:
    return " ".join(f"{value:.9f}" for value in (*pose.position, *pose.quaternion()))
