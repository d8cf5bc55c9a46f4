"""Small recorded flights with known truth, and a localizer whose errors are known, for the tests of replay and report."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np

from promptmid_core.bags import telemetry
from promptmid_core.bags.writer import BagWriter
from promptmid_core.descriptors.calibration import Calibration
from promptmid_core.descriptors.likelihood import CAUTIOUS
from promptmid_core.geometry import Camera, Grid, Patch, Pose, Prior, Terrain
from promptmid_core.georaster import MapFrame
from promptmid_core.localization.fix import Candidate, Fix, Frame, State, TiePoints
from promptmid_core.localization.options import ErrorOptions
from promptmid_core.reasons import Reason
from promptmid_core.replay.run import Flight, replay

GSD = 10.0
HEIGHT = 1000.0
START_NS = 1_700_000_000_000_000_000
FRAME_NS, ODOMETRY_NS = 500_000_000, 50_000_000
CAMERA = Camera(64, 48, np.array([[60.0, 0, 31.5], [0, 60.0, 23.5], [0, 0, 1]]))
FRAME = MapFrame("EPSG:32611", (400_000.0, 3_700_000.0))
DRIFT = np.array([70.0, -40.0, 0, 0, 0, 0.02])
Entries = list[tuple[str, int, Any]]
PRIOR_COVARIANCE = np.diag([100.0**2, 100.0**2, 20.0**2, 1e-4, 1e-4, 1e-3])


def true_pose(stamp_ns: int) -> Pose:
    """Level flight to the north-east at 30 m/s."""
    seconds = (stamp_ns - START_NS) * 1e-9
    return Pose.from_rpy(np.array([21.0 * seconds, 21.0 * seconds, HEIGHT]), 0.0, 0.0, np.pi / 4)


def stamps(frames: int) -> list[int]:
    """Stamps of the frames, none of them that of an odometry message."""
    return [START_NS + 517_000_000 + FRAME_NS * i for i in range(frames)]


def odometry(stamp_ns: int, pose: Pose, covariance: np.ndarray = PRIOR_COVARIANCE) -> Any:
    return telemetry.odometry(stamp_ns, pose, covariance, np.zeros(3), np.zeros(3), np.eye(6))


def nan_position(message: Any) -> None:
    message.pose.pose.position.x = float("nan")


def image(stamp_ns: int) -> Any:
    pixels = np.random.default_rng(stamp_ns % 2**32).integers(0, 255, (CAMERA.height, CAMERA.width), np.uint8)
    return telemetry.compressed_image(stamp_ns, cv2.imencode(".jpg", pixels)[1].tobytes())


def messages(frames: int, truth: bool = True) -> Entries:
    """(topic, log time, message) of a flight in the order of recording: every image after its camera_info."""
    entries: Entries = []
    last = stamps(frames)[-1] if frames else START_NS
    for stamp in range(START_NS, last + 2 * ODOMETRY_NS, ODOMETRY_NS):
        entries.append(("/odometry", stamp, odometry(stamp, true_pose(stamp).corrected(DRIFT))))
    for stamp in stamps(frames):
        entries.append(("/camera_info", stamp + 1, telemetry.camera_info(stamp, CAMERA)))
        entries.append(("/image/compressed", stamp + 2, image(stamp)))
        if truth:
            entries.append(("/ground_truth", stamp + 3, odometry(stamp, true_pose(stamp))))
    return sorted(entries, key=lambda entry: entry[1])


def write_bag(path: Path, entries: Iterable[tuple[str, int, Any]], frame: MapFrame | None = FRAME) -> Path:
    custom = {} if frame is None else {
        "map_crs": frame.crs, "map_origin_east": str(frame.origin[0]), "map_origin_north": str(frame.origin[1])}
    with BagWriter(path, custom) as bag:
        for topic, log_ns, content in entries:
            bag.write(topic, content, log_ns)
    return path


@dataclass
class PlainMap:
    """A reference map without a store: random SAR pixels on flat ground, as much of ReferenceMap as a replay uses."""

    path: Path = Path("plain_map")
    frame: MapFrame = FRAME
    gsd: float = GSD
    vertical_datum: str = "unknown"
    grid: Grid = field(default_factory=lambda: Grid(-2000.0, 3000.0, GSD, 500, 400))
    header: Any = field(default_factory=lambda: SimpleNamespace(acquired=()))

    def terrain(self) -> Terrain:
        return Terrain.flat()

    def image(self, col: int, row: int, width: int, height: int) -> Patch:
        window = self.grid.cut(col, row, width, height)
        cols, rows = np.meshgrid(np.arange(col, col + width), np.arange(row, row + height))
        valid = (cols >= 0) & (cols < self.grid.width) & (rows >= 0) & (rows < self.grid.height)
        return Patch(np.where(valid, (cols * 7 + rows * 13) % 256, 0).astype(np.float32), valid, window)


class KnownLocalizer:
    """Answers with the truth plus the error that `error(stamp)` names, under a stated covariance; tracks by stamps only."""

    def __init__(self, error: Callable[[int], np.ndarray] = lambda stamp: np.zeros(6), sigma_m: float = 5.0,
                 refused: dict[int, Reason] | None = None, patch_px: int = 32) -> None:
        self.error, self.refused = error, refused or {}
        self.covariance = np.diag([sigma_m**2, sigma_m**2, 1e6, 1e6, 1e6, 1e-4])
        self.descriptor = SimpleNamespace(name="known", fingerprint="known-1", calibration=Calibration("known-1", CAUTIOUS))
        self.options = SimpleNamespace(search=SimpleNamespace(patch_px=patch_px), errors=ErrorOptions())
        self.newest_ns = 0

    def reset(self) -> None:
        self.newest_ns = 0

    def expect(self, frame: Frame, prior: Prior) -> Any:
        """It needs none."""

    def match(self, frame: Frame, prior: Prior, expect: Any = None) -> Candidate:
        size = self.options.search.patch_px
        centre = prior.pose.position[:2]
        grid = Grid(centre[0] - size / 2 * GSD, centre[1] + size / 2 * GSD, GSD, size, size)
        patch = Patch(np.full((size, size), frame.image.mean(), np.uint8), np.ones((size, size), bool), grid)
        if frame.stamp_ns in self.refused:
            return Candidate(frame.stamp_ns, prior, self.refused[frame.stamp_ns], "as the test wants", patch=patch,
                             stage_ms={"match": 1.0})
        seen = np.column_stack([*grid.to_map([4.0, 20.0, 28.0], [5.0, 9.0, 30.0]), np.zeros(3)])
        ties = TiePoints(seen, seen - np.append(DRIFT[:2], 0), np.tile(np.eye(2), (3, 1, 1)), np.array([0.0, 0.5, 1.0]))
        pose = true_pose(frame.stamp_ns).corrected(self.error(frame.stamp_ns))
        return Candidate(frame.stamp_ns, prior, Reason.FIX, "", pose, self.covariance, ("x", "y", "yaw"), ties=ties,
                         patch=patch, stage_ms={"match": 1.0})

    def track(self, candidate: Candidate) -> Fix:
        reason, sentence = candidate.reason, candidate.sentence
        if 0 < candidate.stamp_ns <= self.newest_ns:
            reason, sentence = Reason.STAMP_BACKWARDS, "the stamp went back"
        elif candidate.prior is not None:
            self.newest_ns = candidate.stamp_ns
        if reason is not Reason.FIX:
            return Fix(candidate.stamp_ns, State.SEARCHING, reason, sentence, None, None, (), candidate)
        return Fix(candidate.stamp_ns, State.TRACKING, reason, "", candidate.pose, candidate.covariance, candidate.observed,
                   candidate)


def without_times(frame: Any) -> Any:
    """A replayed frame without what the clock of the machine put into it."""
    candidate = replace(frame.fix.candidate, stage_ms=dict.fromkeys(frame.fix.candidate.stage_ms, 0.0))
    return replace(frame, latency_ms=0.0, fix=replace(frame.fix, candidate=candidate))


def run(path: Path, entries: Entries, localizer: KnownLocalizer | None = None, **options: Any) -> Flight:
    reference = options.pop("reference", PlainMap())
    return replay(write_bag(path / "bag", entries, **options), localizer or KnownLocalizer(), reference)


def reasons(flight: Flight) -> list[str]:
    return [str(frame.fix.reason) for frame in flight.frames]
