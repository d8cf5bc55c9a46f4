"""What is looked at live: markers by number, the picture by its pixels, the map around by its cells, each where it is wanted."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from flights import CAMERA, GSD, HEIGHT, PlainMap
from judged import fix_at, refused_at
from simulated import Flown

from promptmid_core.bags.filled import filled
from promptmid_core.errors import Refusal
from promptmid_core.geometry import Patch, Pose, Prior, Terrain
from promptmid_core.localization.fix import Fix
from promptmid_core.outputs.live import MOVED, TRAIL, Live
from promptmid_core.outputs.markers import ADD, DELETE, FIXED, REFUSED, UNFIT, markers
from promptmid_core.outputs.match_keys import Judged
from promptmid_core.outputs.sidebyside import laid, ramp
from promptmid_core.outputs.surroundings import side_m, surroundings
from promptmid_core.outputs.topics import VIEWS
from promptmid_core.outputs.views import EDGE, EMPTY, TILE, TOP, WIDTH, image_content, match_picture
from promptmid_core.outputs.views import HEIGHT as PICTURE_HEIGHT
from promptmid_core.reasons import Reason

NOTHING = np.zeros(2)


def fixed(x: float, y: float, index: int = 0) -> Fix:
    return fix_at(index, np.array([x, y]), NOTHING).fix


def refused(reason: Reason, prior: Pose | None) -> Fix:
    fix = refused_at(0, NOTHING).fix
    given = Prior(fix.stamp_ns, prior, np.eye(6)) if prior is not None else None
    return replace(fix, reason=reason, candidate=replace(fix.candidate, reason=reason, prior=given))


def points(marker: dict[str, Any]) -> np.ndarray:
    return np.array([[point[axis] for axis in "xyz"] for point in marker["points"]])


def test_a_footprint_is_the_ground_under_the_corners_of_the_frame() -> None:
    content = markers(fixed(120.0, -40.0), CAMERA, Terrain.flat(), [np.array([0.0, 0.0, HEIGHT]), np.array([60.0, 0.0, HEIGHT])])
    footprint, trail = content["markers"]
    ring = points(footprint)
    assert len(ring) == 5 and ring[0] == pytest.approx(ring[4])
    # of 64 x 48 pixels at a focal length of 60
    assert sorted(np.ptp(ring[:, :2], axis=0)) == pytest.approx([47 * HEIGHT / 60, 63 * HEIGHT / 60])
    assert ring[:4].mean(axis=0) == pytest.approx([120.0, -40.0, 0.0], abs=1.0)
    assert points(trail).tolist() == [[0.0, 0.0, HEIGHT], [60.0, 0.0, HEIGHT]]
    assert (footprint["action"], footprint["ns"], trail["action"], trail["ns"]) == (ADD, "footprint", ADD, "trail")
    assert footprint["header"]["frame_id"] == "map"
    assert len(filled(VIEWS["footprint"].kind, content).markers) == 2


@pytest.mark.parametrize(("fix", "colour"), [
    (fixed(0.0, 0.0), FIXED), (refused(Reason.AMBIGUOUS, Pose.from_rpy(np.array([0.0, 0.0, HEIGHT]), 0, 0, 0)), REFUSED),
    (refused(Reason.PRIOR_INVALID, Pose.from_rpy(np.array([0.0, 0.0, HEIGHT]), 0, 0, 0)), UNFIT)])
def test_a_footprint_has_the_colour_of_its_verdict(fix: Fix, colour: tuple[float, float, float]) -> None:
    told = markers(fix, CAMERA, Terrain.flat(), [])["markers"][0]["color"]
    assert (told["r"], told["g"], told["b"], told["a"]) == (*colour, 1.0)


@pytest.mark.parametrize(("fix", "camera"), [
    (fixed(0.0, 0.0), None), (refused(Reason.PRIOR_MISSING, None), CAMERA),
    (refused(Reason.AMBIGUOUS, Pose.from_rpy(np.array([0.0, 0.0, HEIGHT]), 0, np.radians(100), 0)), CAMERA)],
    ids=["no camera", "no pose", "above the horizon"])
def test_what_cannot_be_told_takes_the_older_marker_away(fix: Fix, camera: Any) -> None:
    for marker in markers(fix, camera, Terrain.flat(), [])["markers"]:
        assert marker["action"] == DELETE and marker["points"] == []


class Halves(PlainMap):
    """Dark in the west and bright in the east, from the aircraft's place on, and with no data in its northern tenth."""

    def image(self, col: int, row: int, width: int, height: int) -> Patch:
        window = self.grid.cut(col, row, width, height)
        across, down = np.meshgrid(np.arange(col, col + width), np.arange(row, row + height))
        bright = np.where(across >= self.grid.width / 2, 200.0, 10.0).astype(np.float32)
        return Patch(bright, down >= self.grid.height / 10, window)


def test_the_map_around_has_its_origin_in_the_south_west_and_bright_ground_as_free() -> None:
    reference = Halves()
    content = surroundings(5, Pose.from_rpy(np.array([0.0, 1000.0, HEIGHT]), 0, 0, 0), reference)
    assert content is not None
    told = filled(VIEWS["map"].kind, content)
    grid = reference.grid
    assert (told.info.width, told.info.height) == (grid.width // 2, grid.height // 2)
    assert told.info.resolution == pytest.approx(2 * GSD)
    west, south, _, _ = grid.bounds
    assert (told.info.origin.position.x, told.info.origin.position.y) == pytest.approx((west, south))
    assert told.info.origin.orientation.w == 1.0 and told.header.frame_id == "map"
    cells = told.data.reshape(told.info.height, told.info.width)
    half = told.info.width // 2
    known = told.info.height - told.info.height // 10
    assert (cells[:known, half:] == 0).all() and (cells[:known, :half] == 100).all()
    assert (cells[known:] == -1).all()


def test_the_map_around_is_cut_to_the_map_and_none_beyond_it() -> None:
    at_the_rim = surroundings(5, Pose(np.array([-2000.0, 3000.0, HEIGHT]), np.eye(3)), PlainMap())
    assert at_the_rim is not None and max(at_the_rim["info"]["width"], at_the_rim["info"]["height"]) <= 512
    assert surroundings(5, Pose(np.array([1e6, 0.0, HEIGHT]), np.eye(3)), PlainMap()) is None


def test_a_picture_shows_both_sides_with_their_ties_and_the_scores(flown: Flown) -> None:
    localizer = flown.localizer.anew()
    fix = localizer.track(localizer.match(flown.frames[6], flown.priors[6], localizer.expect))
    picture = match_picture(fix, "fix", flown.reference)
    assert picture.shape == (PICTURE_HEIGHT, WIDTH, 3)
    both = laid(fix.candidate, flown.reference)
    assert both is not None and len(both.weight) > 5
    scale = TILE / max(both.optical.shape)
    for place, ties in enumerate((both.seen, both.found)):
        at = np.round((ties + 0.5) * scale - 0.5).astype(int)
        inside = ((at > 4) & (at < TILE - 4)).all(axis=1)
        drawn = picture[TOP + at[inside, 1], EDGE + place * (TILE + EDGE) + at[inside, 0]]
        assert (drawn == ramp(both.weight)[inside]).all()
    bare = match_picture(replace(fix, candidate=replace(fix.candidate, ties=None)), "fix", flown.reference)
    assert (bare[TOP:TOP + TILE] != picture[TOP:TOP + TILE]).any(axis=2).sum() > 20 * len(both.weight)
    # the best place, ringed, is the brightest of the scores
    scores = picture[TOP:TOP + TILE, 2 * (TILE + EDGE) + EDGE:][:, :TILE]
    assert (scores == ramp(np.ones(1))[0]).all(axis=2).any()
    told = filled(VIEWS["match_image"].kind, image_content(fix.stamp_ns, picture))
    assert (told.width, told.height, told.step, told.encoding) == (WIDTH, PICTURE_HEIGHT, 3 * WIDTH, "rgb8")
    assert (told.data.reshape(picture.shape) == picture).all()


def test_the_picture_of_a_frame_that_was_refused_at_once_says_why_over_empty_tiles() -> None:
    picture = match_picture(refused(Reason.PRIOR_MISSING, None), "prior_missing: no odometry", PlainMap())
    assert all((picture[TOP + TILE // 2, EDGE + place * (TILE + EDGE) + TILE // 2] == EMPTY).all() for place in range(3))
    red, green, _ = np.moveaxis(picture[:TOP // 2].astype(int), 2, 0)
    assert (red > 150).any() and (green < red / 2)[red > 150].all()


def wanting(*names: str) -> Callable[[str], bool]:
    return lambda name: name in names


def names_of(live: Live, fix: Fix, reference: Any, *names: str) -> list[str]:
    return [name for name, _ in live.of(Judged(fix.stamp_ns, fix, camera=CAMERA), reference, wanting(*names))]


def test_nothing_is_made_that_nobody_listens_to() -> None:
    assert names_of(Live(1.0), fixed(0.0, 0.0), object()) == []
    assert [name for name in VIEWS if VIEWS[name].on_demand] == list(VIEWS)


def test_the_trail_is_of_the_last_fixes_also_of_those_that_nobody_looked_at() -> None:
    live = Live(1.0)
    for index in range(TRAIL + 5):
        names_of(live, fixed(float(index), 0.0, index), PlainMap())
    fix = refused(Reason.AMBIGUOUS, None)
    ((_, content),) = live.of(Judged(fix.stamp_ns, fix), PlainMap(), wanting("footprint"))
    assert points(content["markers"][1])[:, 0].tolist() == [float(index) for index in range(5, TRAIL + 5)]


def test_pictures_come_no_faster_than_asked_for() -> None:
    now = [100.0]
    live = Live(2.0, lambda: now[0])
    heard = []
    for now[0] in (100.0, 100.2, 100.49, 100.5, 100.6, 101.1):
        heard.append(names_of(live, fixed(0.0, 0.0), PlainMap(), "match_image"))
    assert heard == [["match_image"], [], [], ["match_image"], [], ["match_image"]]


def test_the_map_comes_again_where_the_aircraft_has_gone_or_the_map_is_another() -> None:
    reference, live = PlainMap(), Live(1.0)
    step = MOVED * side_m(reference)
    moves = [*((share * step, reference) for share in (0.0, 0.9, 1.1, 0.2)), (0.2 * step, PlainMap())]
    assert [names_of(live, fixed(x, 1000.0), its, "map") for x, its in moves] == [["map"], [], ["map"], [], ["map"]]


def test_a_map_that_cannot_be_read_has_no_view_and_costs_no_verdict() -> None:
    class Damaged(PlainMap):
        def image(self, *_: int) -> Patch:
            raise Refusal(Reason.MAP_DAMAGED, "broken")

    assert names_of(Live(1.0), fixed(0.0, 0.0), Damaged(), *VIEWS) == ["footprint", "match_image"]
