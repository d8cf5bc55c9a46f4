"""Pairs of frames and priors for the reasons of what is seen and where it is looked for."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path
from shutil import copytree

import numpy as np
from harmed import Harmed
from overflight import LENIENT, PATCH_PX, SIGMAS, Overflight, narrowed
from reason_pairs import Verdict, above, between, flip, pair

from promptmid_core.geometry import Camera, Grid, Pose, boresight_point
from promptmid_core.geometry.image import MOST_VALUE
from promptmid_core.localization.fix import Candidate, Frame
from promptmid_core.localization.localizer import Localizer
from promptmid_core.localization.options import Options
from promptmid_core.localization.windows import Windows
from promptmid_core.matching.window import SearchWindow
from promptmid_core.reasons import Reason
from promptmid_core.refmap import ReferenceMap


def spotted(frame: Frame, grey: int, count: int) -> Frame:
    """The frame with so many of the pixels that are looked at, one in eight of each axis, set to a grey level: too few to
    hinder a match."""
    image = frame.image.copy()
    image[::8, ::8] = np.clip(image[::8, ::8], 20, 230)
    rows, cols = np.divmod(np.arange(count), (image.shape[1] + 7) // 8)
    image[8 * rows, 8 * cols] = grey
    return replace(frame, image=image)


def sampled(frame: Frame) -> int:
    return frame.image[::8, ::8, 0].size


@pair(Reason.STAMP_ZERO)
def stamp_zero(over: Overflight) -> tuple[Verdict, Verdict]:
    return over.match(frame=over.frame(stamp_ns=0)), over.match(frame=over.frame(stamp_ns=1))


@pair(Reason.IMAGE_SIZE)
def a_row_less(over: Overflight) -> tuple[Verdict, Verdict]:
    frame = over.frame()
    return over.match(frame=replace(frame, image=frame.image[:-1])), over.match(frame=frame)


@pair(Reason.IMAGE_SIZE)
def a_column_more(over: Overflight) -> tuple[Verdict, Verdict]:
    frame = over.frame()
    return over.match(frame=replace(frame, image=np.pad(frame.image, ((0, 0), (0, 1), (0, 0))))), over.match(frame=frame)


@pair(Reason.IMAGE_BLACK)
def nine_tenths_black(over: Overflight) -> tuple[Verdict, Verdict]:
    frame = over.frame()
    limit = sampled(frame) * 9 // 10
    return over.match(frame=spotted(frame, 6, limit + 1)), over.match(frame=spotted(frame, 6, limit))


@pair(Reason.IMAGE_BLACK)
def hardly_black(over: Overflight) -> tuple[Verdict, Verdict]:
    frame = over.frame()
    return over.match(frame=spotted(frame, 6, sampled(frame))), over.match(frame=spotted(frame, 7, sampled(frame)))


@pair(Reason.IMAGE_SATURATED)
def nine_tenths_white(over: Overflight) -> tuple[Verdict, Verdict]:
    frame = over.frame()
    limit = sampled(frame) * 9 // 10
    return over.match(frame=spotted(frame, 249, limit + 1)), over.match(frame=spotted(frame, 249, limit))


@pair(Reason.IMAGE_SATURATED)
def hardly_white(over: Overflight) -> tuple[Verdict, Verdict]:
    frame = over.frame()
    return over.match(frame=spotted(frame, 249, sampled(frame))), over.match(frame=spotted(frame, 248, sampled(frame)))


@pair(Reason.PRIOR_INVALID)
def a_correlation_of_more_than_one(over: Overflight) -> tuple[Verdict, Verdict]:
    def judged(correlation: float) -> Candidate:
        prior = over.prior()
        covariance = prior.covariance.copy()
        covariance[0, 1] = covariance[1, 0] = correlation * SIGMAS[0] * SIGMAS[1]
        return over.match(replace(prior, covariance=covariance))

    return judged(1 + 2e-6), judged(1 + 5e-7)


@pair(Reason.PRIOR_INVALID)
def a_covariance_askew(over: Overflight) -> tuple[Verdict, Verdict]:
    def judged(askew: float) -> Candidate:
        prior = over.prior()
        covariance = prior.covariance.copy()
        covariance[0, 5] = askew * SIGMAS[0] * SIGMAS[5]
        return over.match(replace(prior, covariance=covariance))

    return judged(1.1e-6), judged(0.9e-6)


@pair(Reason.PRIOR_TOO_UNCERTAIN)
def a_tilt_from_high_up(over: Overflight) -> tuple[Verdict, Verdict]:
    """The larger of roll and pitch, by the height above the ground that is looked at."""
    prior = over.prior()
    height = prior.pose.position[2] - boresight_point(over.camera, prior.pose, over.reference.terrain())[2]
    limit = (400 / 3) / height

    def judged(sigma: float) -> Candidate:
        tilted = replace(prior, covariance=np.diag(np.square([30.0, 30.0, 20.0, 0.5 * sigma, sigma, 0.01])))
        return over.match(tilted, most_radius_px=40.0)

    reached, missed = judged(limit * 1.0001), judged(limit * 0.9999)
    assert f"tilt, which is {np.degrees(limit):.1f} degrees, are 40 px at {height:.0f} m" in reached.sentence
    return reached, missed


@pair(Reason.PRIOR_OUTSIDE_MAP)
def beyond_the_western_edge(over: Overflight) -> tuple[Verdict, Verdict]:
    return _beyond(over, -1.0, 0.0, over.reference.grid.x)


@pair(Reason.PRIOR_OUTSIDE_MAP)
def beyond_the_southern_edge(over: Overflight) -> tuple[Verdict, Verdict]:
    # centres lie on whole pixels, and what is not less than the height is outside
    grid = over.reference.grid
    return _beyond(over, 0.0, -1.0, grid.y - grid.height * grid.gsd)


def _beyond(over: Overflight, east: float, north: float, edge: float) -> tuple[Verdict, Verdict]:
    axis = 0 if east else 1

    def at(far: float) -> Pose:
        return over.truth(far * east, far * north)

    def judged(far: float) -> Candidate:
        return over.match(over.prior(truth=at(far)), frame, least_map_valid=0.1, least_valid=0.0, least_ties=3,
                          least_surplus=-10.0, least_spread=0.0)

    frame = over.frame(at(2500.0))
    low, high = 2300.0, 2800.0
    while high - low > 1e-3:
        middle = (low + high) / 2
        place = boresight_point(over.camera, at(middle), over.reference.terrain())[axis]
        low, high = (middle, high) if place > edge else (low, middle)
    return judged(high), judged(low)


@pair(Reason.VIEW_NOT_DOWN, Reason.FRAME_TOO_COARSE)
def a_milliradian_below_the_horizon(over: Overflight) -> tuple[Verdict, Verdict]:
    def judged(below: float) -> Candidate:
        return over.match(replace(over.prior(), pose=Pose.from_rpy(over.truth().position, 0, below - np.pi / 2, 0)))

    reached, missed = flip(Reason.VIEW_NOT_DOWN, judged, -0.1, 0.1, 1e-6)
    between(-1e-3, (_looks(over, reached)[2], _looks(over, missed)[2]), 1e-5)
    return reached, missed


def _looks(over: Overflight, candidate: Candidate) -> np.ndarray:
    """The direction of the middle of the image in `map`."""
    assert candidate.prior is not None
    return candidate.prior.pose.rotation @ over.camera.mount.rotation @ over.camera.boresight()


@pair(Reason.FRAME_TOO_COARSE)
def twice_the_coarsest_level(over: Overflight) -> tuple[Verdict, Verdict]:
    """By the finer axis of the image, along the boresight."""
    camera = Camera(120, 90, np.array([[110.0, 0, 59.5], [0, 115.5, 44.5], [0, 0, 1]]))
    limit = 2 * over.reference.gsd
    low = replace(over, view=replace(over.view, camera=camera), height=115.5 * limit)
    frame = low.frame()

    def judged(up: float) -> Candidate:
        return low.match(low.prior(0, 0, up), frame)

    def resolution(candidate: Candidate) -> float:
        assert candidate.prior is not None
        eye = candidate.prior.pose
        return float(np.linalg.norm(boresight_point(camera, eye, over.reference.terrain()) - eye.position)) / 115.5

    reached, missed = flip(Reason.FRAME_TOO_COARSE, judged, 50.0, -50.0, 0.01)
    between(limit, (resolution(reached), resolution(missed)), 1e-3)
    return reached, missed


@pair(Reason.FOOTPRINT_SMALL)
def too_little_of_the_patch(over: Overflight) -> tuple[Verdict, Verdict]:
    wide = {"patch_px": 256}
    share = over.match(**wide).scores["valid"]
    assert 0.3 < share < 1
    return over.match(least_valid=above(share), **wide), over.match(least_valid=share, **wide)


class Listening(Windows):
    """Remembers the window that was looked into."""

    def around(self, grid: Grid, level: ReferenceMap, margin: int) -> SearchWindow:
        self.window = super().around(grid, level, margin)
        return self.window


@pair(Reason.MAP_NODATA)
def half_beyond_the_map(over: Overflight) -> tuple[Verdict, Verdict]:
    truth = over.truth(-1800.0, 0.0)
    frame, prior, windows = over.frame(truth), over.prior(truth=truth), Listening(0.1)
    over.hypothesis(prior, frame, windows)
    share = float(windows.window.described.valid.mean())
    assert 0.4 < share < 0.95
    return over.match(prior, frame, least_map_valid=above(share)), over.match(prior, frame, least_map_valid=share)


@pair(Reason.MAP_DAMAGED)
def a_shard_is_damaged(over: Overflight) -> tuple[Verdict, Verdict]:
    """The window is short of data by its damage; beyond the map's edge it would be MAP_NODATA."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(copytree(over.reference.path, Path(folder) / "map"))
        shard = path / "0/descriptors/c/0/0/0"
        content = bytearray(shard.read_bytes())
        content[10] ^= 255
        shard.write_bytes(content)
        hurt = over.over(path)
        windows = Listening(0.1)
        prior, frame = over.prior(), over.frame()
        hurt.hypothesis(prior, frame, windows)
        share = float(windows.window.described.valid.mean())
        assert 0.3 < share < 0.9
        reached = over.over(path).match(prior, frame, least_map_valid=above(share))
        return reached, over.over(path).match(prior, frame, least_map_valid=share)


@pair(Reason.LOW_TEXTURE)
def too_little_contrast(over: Overflight) -> tuple[Verdict, Verdict]:
    """The deviation of means of 4 x 4 pixels, of all that are whole."""
    frame = over.frame()
    frame = replace(frame, image=frame.image[:, 110:-110], camera=narrowed(over.camera, 110, 110))
    patch = over.match(frame=frame).patch
    assert patch is not None and 0.3 < patch.valid.mean() < 0.95
    grey, valid = patch.image.astype(np.float64).mean(axis=2), patch.valid
    cells = [(grey[r:r + 4, c:c + 4].mean(), valid[r:r + 4, c:c + 4].all())
             for r in range(0, PATCH_PX, 4) for c in range(0, PATCH_PX, 4)]
    contrast = float(np.std([mean for mean, whole in cells if whole]))
    return (over.match(frame=frame, least_contrast=contrast * (1 + 1e-6)),
            over.match(frame=frame, least_contrast=contrast * (1 - 1e-6)))


@pair(Reason.DESCRIPTOR_INVALID)
def a_value_beyond_what_descriptors_have(over: Overflight) -> tuple[Verdict, Verdict]:
    def judged(value: np.float32) -> Candidate:
        return Localizer(over.reference, Harmed(float(value), share=0.0), Options.of(**LENIENT)).match(over.frame(), over.prior())

    limit = np.float32(MOST_VALUE)
    return judged(np.nextafter(limit, np.float32(np.inf))), judged(limit)
