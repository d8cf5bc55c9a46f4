"""The search of a whole map: what it finds without knowing where, and without describing a frame at each heading."""

from collections.abc import Callable

import cv2
import numpy as np
import pytest
from simulated import Scene

from promptmid_core.bags.bag import open_bag
from promptmid_core.descriptors import load
from promptmid_core.errors import InputError
from promptmid_core.geometry import ChannelGroup, DescriptorMap, Grid, Patch, Pose, Terrain, boresight_point
from promptmid_core.localization.fix import Frame
from promptmid_core.localization.footprint import footprint, moved
from promptmid_core.localization.options import Options
from promptmid_core.matching.overview import MOST_CELLS, Overview, turnable
from promptmid_core.matching.survey import headings_for, headings_within, layers, survey
from promptmid_core.matching.turn import Turnable
from promptmid_core.prompts.prompt import Modality, Prompt
from promptmid_core.replay.recording import Recording

STRUCTURAL = load("structural")
OPTICAL = Prompt(Modality.OPTICAL)


@pytest.fixture(scope="module")
def overview(scene: Scene) -> Overview:
    return Overview.of(scene.reference())


@pytest.fixture(scope="module")
def flown(scene: Scene) -> list[tuple[Frame, Pose]]:
    """Frames of the flight, and their true poses."""
    recording = Recording(open_bag(scene.bag), scene.reference().frame)
    found = []
    for image in recording.images():
        truth = recording.truth(image.stamp_ns)
        assert truth is not None
        found.append((recording.intake.frame(image.message), truth))
    return found[::6]


def land(size: int) -> np.ndarray:
    """Fields of random brightness that no axis prefers."""
    rng = np.random.default_rng(4)
    image = np.full((size, size), 110, np.float32)
    for _ in range(size * size // 600):
        box = cv2.boxPoints((tuple(rng.uniform(0, size, 2)), tuple(rng.uniform(10, 40, 2)), float(rng.uniform(0, 90))))
        cv2.fillConvexPoly(image, box.astype(np.int32), float(rng.uniform(40, 200)), cv2.LINE_AA)
    return cv2.GaussianBlur(image, (0, 0), 1.0)


def described(image: np.ndarray) -> DescriptorMap:
    side = len(image)
    return STRUCTURAL.describe(Patch(image.astype(np.uint8), np.ones(image.shape, bool), Grid(0, 0, 10.0, side, side)), OPTICAL)


@pytest.mark.parametrize("degrees", [-170.0, -90.0, -37.0, 4.0, 45.0, 120.0])
def test_turned_channels_are_those_of_the_turned_image(degrees: float) -> None:
    """Within a quarter of their spread; those of the image as it was are off by more than their spread."""
    image = land(256)
    # OpenCV's angles are counter-clockwise as an image is looked at, as ours are from above
    about = cv2.getRotationMatrix2D((127.5, 127.5), degrees, 1.0)
    truly = described(cv2.warpAffine(image, about, (256, 256), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT))
    middle = truly.grid.to_map(63.5, 63.5)
    place = float(middle[0]), float(middle[1])
    wanted, _ = Turnable.of(truly, 4, place).at(0.0, 1.0)
    found, _ = Turnable.of(described(image), 4, place).at(np.deg2rad(degrees), 1.0)
    near = slice(len(wanted[0]) // 2 - 9, len(wanted[0]) // 2 + 10)
    inner = np.s_[:, near, near]
    spread = float(wanted[inner].std())
    unturned, _ = Turnable.of(described(image), 4, place).at(0.0, 1.0)
    off, were = (float(np.sqrt(((other - wanted)[inner] ** 2).mean())) / spread for other in (found, unturned))
    assert off < 0.25
    assert were > (1 if abs(degrees) > 10 else 2 * off)


def test_a_scaled_patch_is_that_of_the_scaled_image() -> None:
    image = land(256)
    truly = described(cv2.warpAffine(image, cv2.getRotationMatrix2D((127.5, 127.5), 0.0, 1.1), (256, 256), flags=cv2.INTER_CUBIC))
    middle = tuple(float(value) for value in truly.grid.to_map(63.5, 63.5))
    wanted, _ = Turnable.of(truly, 4, middle).at(0.0, 1.0)
    inner = slice(len(wanted[0]) // 2 - 9, len(wanted[0]) // 2 + 10)

    def off(scale: float) -> float:
        found, _ = Turnable.of(described(image), 4, middle).at(0.0, scale)
        own = slice(len(found[0]) // 2 - 9, len(found[0]) // 2 + 10)
        return float(np.sqrt(((found[:, own, own] - wanted[:, inner, inner]) ** 2).mean()) / wanted[:, inner, inner].std())

    assert off(1.1) < 0.4
    assert off(1.0) > 2 * off(1.1)


@pytest.mark.parametrize("error", [0.0, 8.0, 131.0])
def test_a_frame_is_found_wherever_it_is_and_however_it_is_turned(
        scene: Scene, overview: Overview, flown: list[tuple[Frame, Pose]], error: float) -> None:
    """A pose kilometres off, its heading wrong by `error`: moved to the highest peak it sees what the true one sees."""
    reference = scene.reference()
    terrain = reference.terrain()
    reach = np.pi if error > 90 else np.deg2rad(10)
    for frame, truth in flown if error < 90 else flown[:1]:
        here = boresight_point(frame.camera, truth, terrain)
        ground = float(here[2])
        wrong = Pose.from_rpy(truth.position + np.array([7e4, -3e4, 0]), *truth.rpy()[:2], truth.yaw + np.deg2rad(error))
        patch, place = footprint(frame, wrong, Terrain.flat(ground), reference.gsd, Options())
        found = survey(STRUCTURAL.describe(patch, OPTICAL), overview, headings_within(reach, np.deg2rad(4)), place=place)
        best, second = found.peaks(2)
        assert best.z > 7 > second.z
        pose = moved(wrong, best.similarity, ground)
        assert np.linalg.norm(boresight_point(frame.camera, pose, terrain)[:2] - here[:2]) <= 2 * overview.grid.gsd
        assert abs(np.angle(np.exp(1j * (pose.yaw - truth.yaw)))) <= np.deg2rad(4)


@pytest.mark.parametrize("degrees", [0.0, 8.0])
def test_a_place_between_the_middles_of_cells_is_sought_there(
        scene: Scene, overview: Overview, flown: list[tuple[Frame, Pose]], degrees: float) -> None:
    """As if the patch were another one, whose point has the middle of the cell; not between the scores of the cells around."""
    frame, truth = flown[0]
    reference, turn = scene.reference(), np.deg2rad(degrees)
    wrong = Pose.from_rpy(truth.position, *truth.rpy()[:2], truth.yaw - turn)
    here = boresight_point(frame.camera, truth, reference.terrain())
    patch, place = footprint(frame, wrong, Terrain.flat(float(here[2])), reference.gsd, Options())
    seen = STRUCTURAL.describe(patch, OPTICAL)
    col, row = (round(float(value)) for value in overview.grid.to_pixel(*here[:2]))
    rest = here[:2] - np.array(overview.grid.to_map(col, row))
    back = np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]]) @ rest
    one, = layers(seen, overview, [turn], place=place, rests=rest[None])
    same, = layers(seen, overview, [turn], place=(place[0] - back[0], place[1] - back[1]))
    plain, = layers(seen, overview, [turn], place=place)
    assert one.z == pytest.approx(same.z, abs=1e-3)
    assert np.hypot(*rest) > 0.2 * overview.grid.gsd
    assert one.z[row, col] == one.z.max() > plain.z[row, col]


def test_a_frame_of_other_land_is_found_nowhere(overview: Overview) -> None:
    found = survey(described(land(384)), overview, headings_within(np.pi, np.deg2rad(4)), place=(1910.0, -1910.0))
    assert found.peaks(1)[0].z < 6.5


def test_places_that_are_not_true_have_mean_0_and_deviation_1(overview: Overview) -> None:
    for layer in layers(described(land(256)), overview, [0.0, 1.0, 2.0], place=(1270.0, -1270.0)):
        assert abs(float(layer.z[layer.known].mean())) < 0.05
        assert abs(float(layer.z[layer.known].std()) - 1) < 0.1
        assert not layer.z[~layer.known].any()
        assert layer.known.mean() > 0.5


def test_a_known_scale_finds_a_frame_that_was_laid_out_too_small(
        scene: Scene, overview: Overview, flown: list[tuple[Frame, Pose]]) -> None:
    """A quarter too low: nothing is found at its own scale, and at the right one it is, at the right height."""
    reference = scene.reference()
    frame, truth = flown[0]
    here = boresight_point(frame.camera, truth, reference.terrain())
    ground = float(here[2])
    low = Pose(truth.position - np.array([0, 0, 0.2 * (truth.position[2] - ground)]), truth.rotation)
    patch, place = footprint(frame, low, Terrain.flat(ground), reference.gsd, Options())
    seen = STRUCTURAL.describe(patch, OPTICAL)
    wrong, right = (survey(seen, overview, [0.0], place=place, scale=scale).peaks(1)[0] for scale in (1.0, 1.25))
    assert right.z > wrong.z + 3
    pose = moved(low, right.similarity, ground)
    assert np.linalg.norm(boresight_point(frame.camera, pose, reference.terrain())[:2] - here[:2]) <= 2 * overview.grid.gsd
    assert pose.position[2] == pytest.approx(truth.position[2], abs=1.0)


def test_no_heading_is_worked_on_before_it_is_asked_for(overview: Overview, monkeypatch: pytest.MonkeyPatch) -> None:
    """So that a newer frame can replace this one."""
    turned: list[float] = []
    at = Turnable.at

    def counted(self: Turnable, turn: float, scale: float, rest: tuple[float, float]) -> tuple[np.ndarray, np.ndarray]:
        turned.append(turn)
        return at(self, turn, scale, rest)

    monkeypatch.setattr(Turnable, "at", counted)
    going = layers(described(land(128)), overview, headings_within(np.pi, np.deg2rad(4)), place=(630.0, -630.0))
    assert turned == []
    next(going)
    assert len(turned) == 2
    next(going)
    assert len(turned) == 2
    next(going)
    assert len(turned) == 4


def test_the_map_is_transformed_once_for_frames_of_about_one_size(overview: Overview, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[int] = []
    spectra = Overview._spectra

    def counted(self: Overview, margin: int) -> object:
        made.append(margin)
        return spectra(self, margin)

    monkeypatch.setattr(Overview, "_spectra", counted)
    fresh = Overview(overview.described)
    for size in (200, 208, 216):
        list(layers(described(land(size)), fresh, [0.0], place=(5.0 * size, -5.0 * size)))
    assert len(made) == 1


def test_headings_cover_what_was_asked_for() -> None:
    step = np.deg2rad(4)
    for reach in np.deg2rad([0.5, 2.0, 3.0, 10.0, 90.0, 179.0, 180.0, 700.0]):
        headings = headings_within(float(reach), float(step))
        assert np.diff(headings).max(initial=0) <= step + 1e-9
        asked = np.linspace(-min(reach, np.pi), min(reach, np.pi), 1001)
        apart = np.abs(np.angle(np.exp(1j * (asked[:, None] - headings)))).min(axis=1)
        assert apart.max() <= step / 2 + 1e-9
    circle = headings_within(np.pi, float(step))
    assert len(circle) == 90
    assert len(np.unique(np.round(np.rad2deg(circle) % 360, 6))) == 90


def test_a_larger_patch_wants_finer_steps(overview: Overview) -> None:
    small, large = (headings_for(described(land(side)), overview, np.pi) for side in (96, 384))
    step = float(small[1] - small[0])
    assert step == pytest.approx(np.deg2rad(6), rel=0.02)
    rim = 384 / np.sqrt(2) * 10
    assert float(large[1] - large[0]) / 2 * rim == pytest.approx(overview.grid.gsd, rel=0.05)
    assert len(headings_for(described(land(384)), overview, np.pi, swing=1.5)) == pytest.approx(len(large) / 1.5, abs=1)
    blind = described(land(96))
    nothing = DescriptorMap(blind.array, np.zeros_like(blind.valid), blind.grid, blind.stride, blind.groups)
    assert len(headings_for(nothing, overview, np.pi)) == len(small)


def test_peaks_are_apart_and_in_order(overview: Overview) -> None:
    found = survey(described(land(128)), overview, [0.0, 1.0], place=(630.0, -630.0))
    peaks = found.peaks(20, apart=6.0)
    assert [peak.z for peak in peaks] == sorted((peak.z for peak in peaks), reverse=True)
    places = np.array([[peak.similarity.east, peak.similarity.north] for peak in peaks]) / found.grid.gsd
    apart = np.linalg.norm(places[:, None] - places, axis=2) + 99 * np.eye(len(places))
    assert apart.min() >= 6.0
    assert peaks[0].z == pytest.approx(float(found.z.max()))


def test_a_part_of_the_map_has_the_cells_of_the_whole(scene: Scene, overview: Overview) -> None:
    reference = scene.reference()
    x, y = (float(value) for value in reference.grid.to_map(500, 400))
    part = Overview.of(reference, bounds=(x - 1500, y - 1200, x + 1500, y + 1200))
    col, row = (round(float(value)) for value in overview.grid.to_pixel(part.grid.x, part.grid.y))
    rows, cols = part.grid.shape
    assert rows * cols < 0.2 * overview.described.valid.size
    np.testing.assert_array_equal(part.described.array, overview.described.array[:, row:row + rows, col:col + cols])
    x_min, y_min, x_max, y_max = part.grid.bounds
    assert x_min <= x - 1500
    assert x_max >= x + 1500 - overview.grid.gsd
    assert y_min <= y - 1200 + overview.grid.gsd
    assert y_max >= y + 1200


def test_coarser_cells_are_those_read_so(scene: Scene) -> None:
    fine, coarse = (Overview.of(scene.reference(), cell) for cell in (4, 8))
    again = fine.coarser()
    assert again.grid == coarse.grid
    assert again.cell_px == 8
    assert again.described.valid.mean() == pytest.approx(coarse.described.valid.mean(), abs=0.02)
    both = again.described.valid & coarse.described.valid
    np.testing.assert_allclose(again.described.array[:, both], coarse.described.array[:, both], atol=0.05)


def test_where_the_map_has_no_data_there_is_no_score(overview: Overview) -> None:
    hole = overview.described
    valid = hole.valid.copy()
    valid[:, :len(valid[0]) // 2] = False
    half = Overview(DescriptorMap(np.where(valid, hole.array, np.float32(0)), valid, hole.grid, hole.stride))
    layer = next(iter(layers(described(land(256)), half, [0.3], place=(1270.0, -1270.0))))
    assert not layer.known[:, :len(valid[0]) // 2 - 8].any()
    assert layer.known[:, len(valid[0]) // 2 + 8:-20].mean() > 0.8
    empty = Overview(DescriptorMap(np.zeros_like(hole.array), np.zeros_like(valid), hole.grid, hole.stride))
    found = survey(described(land(256)), empty, [0.0, 0.1], place=(1270.0, -1270.0))
    assert not found.known.any()
    assert not found.z.any()
    assert found.peaks() == []


def test_a_patch_that_shows_nothing_is_found_nowhere(overview: Overview) -> None:
    seen = described(land(128))
    for blind in (DescriptorMap(seen.array, np.zeros_like(seen.valid), seen.grid, seen.stride, seen.groups),
                  DescriptorMap(np.zeros_like(seen.array), seen.valid, seen.grid, seen.stride, seen.groups)):
        found = survey(blind, overview, [0.0], place=(630.0, -630.0))
        assert np.isfinite(found.z).all()
        assert not found.known.any()
        assert found.peaks() == []


def test_the_map_of_a_network_is_searched_without_it(overview: Overview) -> None:
    """The channels that turn are the same with a network beside them and without."""
    whole = load("promptmid")
    assert whole.oriented.choice is None
    image = land(128)
    patch = Patch(image.astype(np.uint8), np.ones(image.shape, bool), Grid(0, 0, 10.0, 128, 128))
    kept, alone = (turnable(descriptor.describe(patch, OPTICAL)) for descriptor in (whole, whole.oriented))
    np.testing.assert_array_equal(kept.array, alone.array)
    assert STRUCTURAL.oriented is STRUCTURAL


def test_channels_that_cannot_be_turned_are_refused() -> None:
    seen = described(land(64))
    other = DescriptorMap(seen.array[:3], seen.valid, seen.grid, seen.stride, (ChannelGroup("mean", 3),))
    with pytest.raises(InputError, match=r"no channels called gradient.*promptmid or structural"):
        turnable(other)


def test_a_map_too_large_to_survey_is_refused_before_it_is_read() -> None:
    class Endless:
        grid, stride = Grid(0.0, 0.0, 10.0, 40_000, 40_000), 2

        def descriptors(self, col: int, row: int, width: int, height: int) -> DescriptorMap:
            raise AssertionError("read")

    with pytest.raises(InputError, match=f"more than {MOST_CELLS}; give a first position"):
        Overview.of(Endless())
    with pytest.raises(InputError, match="no ground of the map"):
        Overview.of(Endless(), bounds=(-5000.0, 100.0, -4000.0, 2000.0))
    with pytest.raises(ValueError, match="not in multiples of the stride"):
        Overview.of(Endless(), 7)


@pytest.mark.parametrize(("change", "told"), [
    (lambda seen: {"place": (9e5, 0.0)}, "not on the patch"),
    (lambda seen: {"place": (630.0, -630.0), "scale": 9.0}, "9 times as large"),
    (lambda seen: {"place": (630.0, -630.0), "scale": float("nan")}, "nan times as large"),
])
def test_what_cannot_be_searched_is_refused(
        overview: Overview, change: Callable[[DescriptorMap], dict[str, object]], told: str) -> None:
    seen = described(land(128))
    with pytest.raises(ValueError, match=told):
        list(layers(seen, overview, [0.0], **change(seen)))  # type: ignore[arg-type]


def test_a_patch_of_another_level_is_refused(overview: Overview) -> None:
    seen = described(land(128))
    grid = Grid(0.0, 0.0, 40.0, seen.grid.width, seen.grid.height)
    coarse = DescriptorMap(seen.array, seen.valid, grid, seen.stride, seen.groups)
    with pytest.raises(ValueError, match="not of the level that was surveyed"):
        list(layers(coarse, overview, [0.0], place=(1200.0, -1200.0)))


def test_a_map_folder_is_surveyed_as_it_is_read(scene: Scene, overview: Overview) -> None:
    reference = scene.reference()
    whole = reference.descriptors(0, 0, reference.grid.width // 8 * 8, reference.grid.height // 8 * 8)
    kept = turnable(whole)
    assert len(overview.described.array) == 4
    row, col = 60, 50
    block = np.s_[:, 4 * row:4 * row + 4, 4 * col:4 * col + 4]
    assert kept.valid[block[1:]].all()
    np.testing.assert_allclose(overview.described.array[:, row, col], kept.array[block].mean(axis=(1, 2)), atol=1e-5)
