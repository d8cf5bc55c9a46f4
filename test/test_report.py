"""The report is one file that carries everything, says what the figures say, and stands any flight."""

import base64
import os
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import cv2
import numpy as np
import pytest
from flights import DRIFT, KnownLocalizer, PlainMap, messages, stamps, write_bag
from judged import parts_of

from promptmid_core.errors import InputError
from promptmid_core.geometry import Grid, Patch, Pose
from promptmid_core.localization.boresight import Suspicion
from promptmid_core.localization.fix import Fix, GroundPoint
from promptmid_core.localization.tilts import Understated
from promptmid_core.preview.overview import overview
from promptmid_core.reasons import MEANINGS, Reason
from promptmid_core.replay import figures
from promptmid_core.replay.headline import headline
from promptmid_core.replay.metrics import summarise
from promptmid_core.replay.pictures import match_pictures
from promptmid_core.replay.report import render, write_report
from promptmid_core.replay.run import Flight, judge, replay

pytestmark = pytest.mark.slow

VOID = {"meta", "img", "br", "link", "input", "image", "path"}


class Page(HTMLParser):
    """The text, the images and the balance of tags of a page."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.text, self.images, self.open, self.scripts = "", [], [], 0
        self.feed(html)
        self.text = " ".join(self.text.split())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.scripts += tag == "script"
        if tag == "img" and "src" in dict(attrs):
            self.images.append(dict(attrs)["src"] or "")
        if tag == "image":
            self.images.append(dict(attrs)["href"] or "")
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] not in ("style", "title", "script"):
            self.text += data


@pytest.fixture
def undrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Figures stay empty, for tests of what a page says; to draw them is most of its time."""
    monkeypatch.setattr(figures, "encoded", lambda *_: b"")


def fly(path: Path, frames: int = 12, localizer: KnownLocalizer | None = None, truth: bool = True) -> Flight:
    return replay(write_bag(path / "bag", messages(frames, truth)), localizer or KnownLocalizer(), PlainMap())


def page(flight: Flight, command: str | None = None) -> Page:
    result = Page(render(flight, summarise(flight), PlainMap(), command=command))
    assert not result.open
    return result


def squeezed(shown: Page) -> str:
    """The text of a page without its spaces, as cells of tables have none between them."""
    return "".join(shown.text.split())


def noisy(frames: int, metres: float = 5.0) -> dict[int, np.ndarray]:
    rng = np.random.default_rng(3)
    return {stamp: np.append(rng.normal(size=2) * metres, np.zeros(4)) for stamp in stamps(frames)}


def test_the_page_holds_every_part_and_nothing_from_elsewhere(tmp_path: Path) -> None:
    refused = {stamps(12)[4]: Reason.LOW_TEXTURE, stamps(12)[7]: Reason.AMBIGUOUS, stamps(12)[8]: Reason.AMBIGUOUS}
    flight = fly(tmp_path, localizer=KnownLocalizer(noisy(12).__getitem__, refused=refused))
    html = render(flight, summarise(flight), PlainMap(), command="promptmid replay BAG --map MAP")
    whole = Page(html)
    assert "9 of 12 frames localized (75.0 %), no false fix" in whole.text
    for heading in ("Trajectory over the SAR map", "Error over time", "Ground error", "Covariance", "Refused frames",
                    "Example matches", "Time per frame", "Provenance"):
        assert heading in whole.text
    assert "ambiguous2" in whole.text.replace(" ", "")
    assert MEANINGS[Reason.AMBIGUOUS] in whole.text
    assert "frame 7 at 3.50 s: as the test wants" in whole.text
    assert "promptmid replay BAG --map MAP" in whole.text and "EPSG:32611" in whole.text and "known-1" in whole.text
    # the map, five plots, and three examples of three pictures
    assert len(whole.images) == 15
    for source in whole.images:
        head, data = source.split(",", 1)
        content = base64.b64decode(data, validate=True)
        kind = {"data:image/png;base64": b"\x89PNG", "data:image/jpeg;base64": b"\xff\xd8", "data:image/svg+xml;base64": b"<?xml"}
        assert content.startswith(kind[head])
    assert not re.search(r"""(src|href)=["'](?!data:)|url\(|@import|<link|fetch\(|XMLHttp|import\(""", html)
    assert "script-src 'sha256-" in html


def test_what_comes_from_outside_is_escaped(tmp_path: Path) -> None:
    evil = "<script>alert('&')</script>"
    flight = fly(tmp_path, localizer=KnownLocalizer(refused={stamps(12)[2]: Reason.LOW_TEXTURE}))
    frame = flight.frames[2]
    harmed = replace(frame, fix=replace(frame.fix, sentence=evil))
    flight = replace(flight, bag=evil, map=evil, descriptor=evil, fingerprint=evil, crs=evil, notes=(evil,),
                     frames=(*flight.frames[:2], harmed, *flight.frames[3:]))
    result = page(flight, command=evil)
    assert result.scripts == 2 and result.text.count(evil) >= 7


@pytest.mark.parametrize(("frames", "truth", "refuse", "shown"), [
    (1, True, False, "1 of 1 frame localized"),
    (5, True, True, "Most frequent reason: few_tie_points (5 frames)"),
    (1, False, True, "None of 1 frame was localized"),
    (3, False, False, "Without ground truth nothing here says how good the fixes are"),
])
def test_flights_with_little_to_show(tmp_path: Path, frames: int, truth: bool, refuse: bool, shown: str) -> None:
    refused = dict.fromkeys(stamps(frames), Reason.FEW_TIE_POINTS) if refuse else {}
    result = page(fly(tmp_path, frames, KnownLocalizer(refused=refused), truth))
    assert shown in result.text
    assert ("The bag has no ground truth for its fixes" in result.text) == (not truth and not refuse)
    assert ("No frame was accepted" in result.text) == refuse
    assert "None" not in result.text.replace("None of", "") and "nan" not in result.text.split()


def test_a_bag_without_images(tmp_path: Path) -> None:
    flight = replace(fly(tmp_path, 1), frames=(), examples=())
    result = page(flight)
    assert "The bag holds no camera frame" in result.text
    assert not result.images


@pytest.mark.usefixtures("undrawn")
def test_the_page_tells_how_far_errors_repeat_and_what_a_plain_filter_makes_of_them(tmp_path: Path) -> None:
    flight = fly(tmp_path, 30, KnownLocalizer(lambda stamp: np.array([4.0, 0, 0, 0, 0, 0])))
    summary, shown = summarise(flight), squeezed(page(flight))
    # the same error in all frames, and a filter that is ever surer of it
    assert "independentsamples1.00of30fixes" in shown
    assert summary["coverage95"] == 1 and summary["filter"]["coverage95"] < 1
    assert f"{100 * summary['filter']['coverage95']:.1f}%,NEES{summary['filter']['nees']:.2f}" in shown
    assert "groundpointin" not in shown
    told = []
    for frame in flight.frames:
        ground = GroundPoint(np.array([*frame.true_ground, 0.0]), parts_of(), -np.eye(3)[2])
        told.append(judge(replace(frame, fix=replace(frame.fix, ground=ground)), PlainMap().terrain(), PlainMap().gsd))
    assert "groundpointin95%ellipse100.0%90to98%" in squeezed(page(replace(flight, frames=tuple(told))))


def test_verdict_names_false_fixes_and_a_covariance_that_does_not_hold(tmp_path: Path) -> None:
    good = headline(summarise(fly(tmp_path / "good", 60, KnownLocalizer(noisy(60).__getitem__, sigma_m=5.0))))
    assert good.level == "good" and "no false fix" in good.headline
    bold = headline(summarise(fly(tmp_path / "bold", 60, KnownLocalizer(noisy(60).__getitem__, sigma_m=2.0))))
    assert bold.level == "warn" and any("overconfident" in sentence for sentence in bold.sentences)
    shy = headline(summarise(fly(tmp_path / "shy", 60, KnownLocalizer(noisy(60).__getitem__, sigma_m=20.0))))
    assert shy.level == "warn" and any("too cautious" in sentence for sentence in shy.sentences)
    errors = noisy(60) | {stamps(60)[9]: np.array([70.0, 0, 0, 0, 0, 0])}
    false = headline(summarise(fly(tmp_path / "false", 60, KnownLocalizer(errors.__getitem__))))
    assert false.level == "bad" and false.headline.startswith("1 false fix among 60")


@pytest.mark.usefixtures("undrawn")
def test_what_is_found_of_camera_and_attitude_stands_at_the_top_and_is_a_warning(tmp_path: Path) -> None:
    flight = fly(tmp_path, 30, KnownLocalizer(noisy(30).__getitem__))
    camera, tilt = Suspicion(0.9, -0.4, 0.1, 0.2, True), Understated(0.05, 0.2)
    found = replace(flight, suspicion=camera, understated=tilt)
    before, after = headline(summarise(flight)), headline(summarise(found))
    assert after.level == "warn" and len(after.sentences) == len(before.sentences) + 2
    shown = page(found).text
    for sentence in (str(camera), str(tilt)):
        assert f"{sentence[0].upper()}{sentence[1:]}." in shown
    assert "0.1degreesofattitude" in squeezed(page(flight))


@pytest.mark.usefixtures("undrawn")
def test_it_tells_what_was_believed(tmp_path: Path) -> None:
    flight = fly(tmp_path, 3)
    index = flight.examples[0].index
    places = tuple((Pose.from_rpy(np.array([x, -300.0, 900.0]), 0, 0, 0), share)
                   for x, share in ((1200.4, 0.97), (1440.0, 0.0214), (5.0, 1e-6)))
    frames = [replace(frame, fix=replace(frame.fix, places=places if frame.index == index else (), overruled=6.0))
              for frame in flight.frames]
    text = page(replace(flight, frames=tuple(frames))).text
    assert text.count("Most probable: ") == 1
    assert "Most probable: x 1200, y -300 (97.0 %); x 1440, y -300 (2.1 %)." in text
    assert "3fixes further from the prior" in text.replace("3 fixes", "3fixes")


def test_every_reason_has_a_meaning() -> None:
    assert set(MEANINGS) == set(Reason)
    assert all(meaning.endswith(".") for meaning in MEANINGS.values())


@pytest.mark.usefixtures("undrawn")
def test_written_at_once_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    flight = fly(tmp_path, 1)
    target = tmp_path / "report.html"
    target.write_text("old")
    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(InputError, match=r"report\.html cannot be written \(disk full\)"):
        write_report(target, flight, summarise(flight), PlainMap())
    monkeypatch.undo()
    assert target.read_text() == "old"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bag", "report.html"]
    write_report(target, flight, summarise(flight), PlainMap())
    assert target.read_text().startswith("<!doctype html>")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bag", "report.html"]
    with pytest.raises(InputError, match="No such file"):
        write_report(tmp_path / "missing" / "report.html", flight, summarise(flight), PlainMap())


def fail(*_: object, **__: object) -> None:
    raise OSError(28, "disk full")


@pytest.mark.parametrize("further", [None, np.array([-120.0, 30.0, 0, 0, 0, -0.03])], ids=["prior", "elsewhere"])
def test_sar_picture_shows_the_map_where_the_fix_puts_the_frame(tmp_path: Path, further: np.ndarray | None) -> None:
    """A bright spot that the camera saw off its place, by the error of the pose that the frame was laid on the ground from, lies
    at the same pixel of both pictures."""
    flight = fly(tmp_path, 3)
    example = flight.examples[0]
    patch, found = example.candidate.patch, example.candidate.pose
    assert patch is not None and found is not None
    spot = np.array([20.0, 11.0])
    x, y = patch.grid.to_map(*spot)
    # DRIFT: the prior is the truth moved and turned, so a point that it shows at (x, y) lies where the inverse takes it
    laid = example.candidate.prior.pose
    if further is not None:
        laid = laid.corrected(further)
        example = replace(example, candidate=replace(example.candidate, laid=laid))
    place = found.position + found.rotation @ laid.rotation.T @ (np.array([x, y, 0.0]) - laid.position)
    assert further is not None or np.hypot(place[0] - x, place[1] - y) > 0.9 * np.hypot(*DRIFT[:2])

    class Spotted(PlainMap):
        def image(self, col: int, row: int, width: int, height: int) -> Patch:
            window = self.grid.cut(col, row, width, height)
            across, down = window.axes()
            distance = np.hypot(across[None, :] - place[0], down[:, None] - place[1]) / self.gsd
            return Patch((255 * np.exp(-distance**2 / 4)).astype(np.float32), np.ones(window.shape, bool), window)

    pictures = match_pictures(replace(example, candidate=replace(example.candidate, ties=None)), Spotted())
    assert pictures is not None
    sar = cv2.imdecode(np.frombuffer(base64.b64decode(pictures.sar.split(",")[1]), np.uint8), cv2.IMREAD_GRAYSCALE)
    small = sar[::2, ::2].astype(float) - sar.min()
    rows, cols = np.nonzero(small > 0.6 * small.max())
    assert (cols.mean(), rows.mean()) == pytest.approx(tuple(spot), abs=0.5)


def test_a_refused_frame_without_a_patch_has_no_picture(tmp_path: Path) -> None:
    example = fly(tmp_path, 1).examples[0]
    assert match_pictures(replace(example, candidate=replace(example.candidate, patch=None)), PlainMap()) is None


def test_overview_keeps_its_place_when_it_is_thinned() -> None:
    class Wide(PlainMap):
        grid = Grid(0.0, 0.0, 10.0, 4000, 3001)

        def __init__(self) -> None:
            super().__init__(grid=Wide.grid)

        def image(self, col: int, row: int, width: int, height: int) -> Patch:
            assert width * height <= 1 << 22
            rows, cols = np.mgrid[row:row + height, col:col + width]
            valid = (rows < 3001) & (cols < 4000)
            pixels = np.where((cols >= 2000) & valid, 200.0, 50.0).astype(np.float32)
            return Patch(pixels, valid, self.grid.cut(col, row, width, height))

    image, bounds = overview(Wide(), (-50.0, -50.0, 9000.0, 9000.0))
    assert image.shape == (1001, 1334)
    assert bounds == pytest.approx((-5.0, 5.0 - 1001 * 30.0, -5.0 + 1334 * 30.0, 5.0))
    edge = int(np.argmax(image[500] > 128))
    assert bounds[0] + edge * 30.0 == pytest.approx(2000 * 10.0, abs=30.0)


def test_a_fix_without_errors_known_is_still_a_fix(tmp_path: Path) -> None:
    # a truth that looks past the ground has no boresight point; the fix is then not judged by it
    flight = fly(tmp_path, 2)
    frames = tuple(replace(frame, ground_error_px=None) for frame in flight.frames)
    summary = summarise(replace(flight, frames=frames))
    assert (summary["fixes"], summary["false_fixes"], summary["judged"]) == (2, None, 2)
    assert headline(summary).level == "warn"
    assert isinstance(frames[0].fix, Fix)
