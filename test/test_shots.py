"""A page shows any frame of a flight and stays of bounded size, however long the flight."""

import base64
import json
import re
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from flights import KnownLocalizer, PlainMap, messages, run, stamps

from promptmid_core.geometry import Grid, Patch
from promptmid_core.localization.belief import Surface
from promptmid_core.localization.fix import Candidate
from promptmid_core.reasons import Reason
from promptmid_core.replay import framedata as pages
from promptmid_core.replay.framedata import framedata, shown
from promptmid_core.replay.mapview import mapview
from promptmid_core.replay.metrics import summarise
from promptmid_core.replay.report import render
from promptmid_core.replay.run import Flight, ReplayedFrame, replay
from promptmid_core.replay.shots import LARGEST, MOST, Shots, shot_of

FRAMES = 8


class Watched:
    """What a replay tells of its frames."""

    def __init__(self) -> None:
        self.seen: list[tuple[ReplayedFrame, Candidate]] = []

    def add(self, frame: ReplayedFrame, candidate: Candidate) -> None:
        self.seen.append((frame, candidate))


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> tuple[Flight, Watched]:
    folder, watch = tmp_path_factory.mktemp("watched"), Watched()
    bag = run(folder, messages(FRAMES)).bag
    localizer = KnownLocalizer(refused={stamps(FRAMES)[2]: Reason.AMBIGUOUS})
    return replay(Path(bag), localizer, PlainMap(), watch=watch.add), watch


def noisy(candidate: Candidate, side: int = 256) -> Candidate:
    """A frame as hard to keep small as any: noise."""
    assert candidate.patch is not None
    grid = candidate.patch.grid
    pixels = np.random.default_rng(candidate.stamp_ns % 1000).integers(0, 255, (side, side), np.uint8)
    return replace(candidate, patch=Patch(pixels, np.ones((side, side), bool), Grid(grid.x, grid.y, grid.gsd, side, side)))


def picture(uri: str) -> np.ndarray:
    head, data = uri.split(",", 1)
    assert head == "data:image/jpeg;base64"
    return np.asarray(cv2.imdecode(np.frombuffer(base64.b64decode(data), np.uint8), cv2.IMREAD_GRAYSCALE))


def test_a_shot_has_the_frame_the_map_there_and_the_score_of_each_place(watched: tuple[Flight, Watched]) -> None:
    _, candidate = watched[1].seen[0]
    east, north = (axis.ravel() for axis in np.meshgrid(np.arange(-200.0, 201.0, 20.0), np.arange(-200.0, 201.0, 20.0)))
    scores = np.exp(-((east - 100.0) ** 2 + (north - 60.0) ** 2) / 2000.0)
    shot = shot_of(replace(candidate, surface=Surface(scores, east, north)), PlainMap(), 64)
    assert shot is not None and (shot.width, shot.height) == (32, 32)
    assert picture(shot.camera).shape == picture(shot.sar).shape == (32, 32)
    assert len(shot.ties) == 3 and shot.ties[0][:2] == [4.0, 5.0] and shot.ties[-1][4] == 1.0
    assert shot.surface is not None and shot.span == [-200.0, -200.0, 200.0, 200.0]
    drawn = picture(shot.surface)
    row, col = np.unravel_index(int(drawn.argmax()), drawn.shape)
    # north is up
    best = -200 + (col + 0.5) / drawn.shape[1] * 400, 200 - (row + 0.5) / drawn.shape[0] * 400
    assert best == pytest.approx((100, 60), abs=25)
    assert shot_of(replace(candidate, patch=None), PlainMap(), 64) is None


@pytest.mark.long
def test_pictures_of_a_thousand_frames_of_noise_fit_a_page(watched: tuple[Flight, Watched]) -> None:
    frame, candidate = watched[1].seen[0]
    shots, kept = Shots(PlainMap(), 1000), noisy(candidate)
    for index in range(1000):
        shots.add(replace(frame, index=index), kept)
    assert len(shots.kept) >= 450 and sum(shot.size for shot in shots.kept.values()) <= MOST
    few = Shots(PlainMap(), 10)
    few.add(frame, kept)
    assert few.kept[0].width == LARGEST


def test_longer_flights_are_thinned_evenly_also_where_their_length_was_not_foretold(watched: tuple[Flight, Watched],
                                                                                    monkeypatch: pytest.MonkeyPatch) -> None:
    frame, candidate = watched[1].seen[0]
    monkeypatch.setattr("promptmid_core.replay.shots.MOST", 60_000)
    shots, kept = Shots(PlainMap(), 4), noisy(candidate, 64)
    for index in range(200):
        shots.add(replace(frame, index=index), kept)
    steps = np.diff(list(shots.kept))
    assert len(steps) > 4 and len(set(steps.tolist())) == 1 and sum(shot.size for shot in shots.kept.values()) <= 60_000


def test_a_page_has_the_data_of_every_frame(watched: tuple[Flight, Watched]) -> None:
    flight, watch = watched
    shots = Shots(PlainMap(), FRAMES)
    for frame, candidate in watch.seen:
        shots.add(frame, candidate)
    html = render(flight, summarise(flight), PlainMap(), shots=shots.kept)
    found = re.search(r'<script type="application/json" id="frames">(.*?)</script>', html, re.DOTALL)
    assert found is not None
    data = json.loads(found[1])
    columns = data["columns"]
    assert columns["frame"] == list(range(FRAMES)) and set(data["shots"]) == {str(index) for index in range(FRAMES)}
    assert [data["reasons"][why] for why in columns["why"]] == [str(frame.fix.reason) for frame in flight.frames]
    assert data["sentences"][columns["said"][2]] == "as the test wants" and columns["error"][2] is None
    view = mapview(flight, PlainMap(), flight.frames)
    assert view is not None
    # where the page has a frame is where the map has it: two frames lie as far apart as they were flown
    apart = np.hypot(columns["x"][7] - columns["x"][0], columns["y"][7] - columns["y"][0]) * view.metres
    assert apart == pytest.approx(np.hypot(21.0, 21.0) * 3.5, rel=1e-3)
    assert columns["y"][7] < columns["y"][0]
    assert view.refused_count == 1 and sum(dots.count for dots in view.dots) == FRAMES - 1


def test_a_page_of_a_long_flight_shows_an_even_share_and_every_false_fix(watched: tuple[Flight, Watched],
                                                                         monkeypatch: pytest.MonkeyPatch) -> None:
    frame = watched[0].frames[0]
    frames = [replace(frame, index=index, ground_error_px=9.0 if index == 41 else 0.5) for index in range(100)]
    monkeypatch.setattr(pages, "MOST", 25)
    those = shown(replace(watched[0], frames=tuple(frames)), 5.0)
    assert [each.index for each in those] == sorted([*range(0, 100, 4), 41])
    assert len(framedata(watched[0], those, None, {})["columns"]["t"]) == 26
