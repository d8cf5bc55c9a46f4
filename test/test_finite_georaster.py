"""Places of the Earth and pixels between pixels, of any finite input."""

import numpy as np
import pytest
from finite import METRES, examples, is_finite, no_warning
from hypothesis import example, given
from hypothesis import strategies as st

from promptmid_core.georaster import MapFrame
from promptmid_core.georaster.geodetic import Geodetic
from promptmid_core.georaster.positions import positions
from promptmid_core.georaster.sampling import cubic, nearest
from promptmid_core.georaster.turn import turn_of
from promptmid_core.refmap.sar.amplitude import BRIGHTEST_DB, SCALES, AmplitudeScale

pytestmark = no_warning

CRSS = ("EPSG:32633", "EPSG:32733", "EPSG:32660", "EPSG:32601", "EPSG:3413", "EPSG:32661", "EPSG:32761", "EPSG:2056",
        "+proj=tmerc +lon_0=180 +k=0.9996 +x_0=500000 +datum=WGS84 +units=m +type=crs")
DATUMS = ("unknown", "ellipsoid WGS 84", "EGM96 height")


@pytest.fixture(scope="module")
def frames() -> dict[tuple[str, str], Geodetic]:
    return {(crs, datum): Geodetic(MapFrame(crs, (500_000.0, 5e6)), datum) for crs in CRSS for datum in DATUMS}


@examples(150)
@given(st.sampled_from(CRSS), st.sampled_from(DATUMS), METRES, METRES, METRES)
@example("EPSG:32661", "unknown", 1.5e6, -3e6, 0.0)  # the poles themselves
@example("EPSG:32761", "unknown", 1.5e6, -3e6, 0.0)
@example("EPSG:32633", "ellipsoid WGS 84", 0.0, -5e6, -430.0)
def test_any_place_of_a_map_is_one_on_the_earth_or_none(frames: dict[tuple[str, str], Geodetic], crs: str, datum: str, x: float,
                                                        y: float, z: float) -> None:
    """Beyond what a projection can show PROJ says infinity, of latitude and longitude alike."""
    geodetic = frames[crs, datum]
    latitude, longitude, altitude = geodetic.place(x, y, z)
    assert (altitude == z) == (datum == "ellipsoid WGS 84")
    if not is_finite(latitude, longitude):
        assert np.isinf([latitude, longitude]).all()
        return
    assert abs(latitude) <= 90 and abs(longitude) <= 180
    turned = geodetic.turned(x, y, np.diag([4.0, 1.0, 9.0]))
    assert np.linalg.eigvalsh(turned) == pytest.approx([1.0, 4.0, 9.0])


@examples(150)
@given(st.sampled_from(CRSS), st.sampled_from(DATUMS), st.floats(-90, 90), st.floats(-360, 360), st.floats())
def test_any_place_on_the_earth_is_one_of_a_map_or_none(frames: dict[tuple[str, str], Geodetic], crs: str, datum: str,
                                                        latitude: float, longitude: float, altitude: float) -> None:
    x, y, z = frames[crs, datum].position(latitude, longitude, altitude)
    assert np.isfinite([x, y]).all() or np.isinf([x, y]).all()
    assert np.isfinite(z) or np.isnan(z)


@examples(100)
@given(st.sampled_from(("EPSG:4326", "EPSG:3857", "EPSG:3395")), st.lists(st.floats(-1e9, 1e9), max_size=9), st.floats(-1e9, 1e9))
def test_any_longitudes_lose_full_turns_alone(crs: str, x: list[float], near: float) -> None:
    turn = turn_of(crs)
    assert turn is not None
    unbroken = turn.unbroken(np.array(x), near)
    assert is_finite(unbroken)
    turns = (unbroken - x) / turn.length
    assert np.abs(turns - np.round(turns)).max(initial=0.0) < 1e-6
    if x:
        assert np.ptp(unbroken) <= turn.length * 1.001 and abs(unbroken[len(x) // 2] - near) <= turn.length / 2 * 1.001


@examples(100)
@given(st.integers(1, 40), st.integers(1, 40), st.integers(0, 99), st.floats(0, 1), st.sampled_from((0.0, 1.0, 1e18, 1e36)),
       st.lists(st.floats(-1e9, 1e9), min_size=8, max_size=8))
def test_any_image_is_read_at_any_place(height: int, width: int, seed: int, share: float, top: float,
                                        places: list[float]) -> None:
    """Of values that are not valid nothing is read, whatever they are."""
    rng = np.random.default_rng(seed)
    valid = rng.random((height, width)) < share
    image = np.where(valid, rng.random((2, height, width)) * top, np.nan).astype(np.float32)
    at = np.array(places).reshape(2, 2, 2)
    near = at[0] % (width + 2) - 1, at[1] % (height + 2) - 1
    for read in (nearest, cubic):
        for u, v in (at, near):
            pixels, known = read(image, valid, u.copy(), v.copy())
            assert is_finite(pixels[:, known])


@examples(60)
@given(st.integers(-10**6, 10**6), st.integers(-10**6, 10**6), st.integers(1, 80), st.integers(1, 80), st.floats(0.01, 10),
       st.floats(-7, 7))
def test_positions_of_any_window_are_those_of_the_mapping(col: int, row: int, width: int, height: int, scale: float,
                                                          turn: float) -> None:
    c, s = scale * np.cos(turn), scale * np.sin(turn)
    u, v = positions(lambda x, y: (c * x - s * y, s * x + c * y), col, row, width, height)
    x, y = np.meshgrid(np.arange(col, col + width), np.arange(row, row + height))
    assert np.abs(u - (c * x - s * y)).max() < 3e-4 and np.abs(v - (s * x + c * y)).max() < 3e-4


@examples(150)
@given(st.sampled_from(SCALES), st.floats(-1e18, 1e18), st.floats(0, 1))
def test_any_plausible_value_of_a_product_is_an_amplitude_that_descriptors_take(scale: str, median: float, share: float) -> None:
    """test_finite_matching.py describes a million times as much."""
    if abs(median) < 1e-30 or (scale != "db" and median < 0) or (scale == "db" and not -90 <= median <= 120):
        return
    known = AmplitudeScale(scale, median, "given")
    least, most = known.plausible.least, known.plausible.most
    value = np.float32(least + share * (most - least))
    amplitude = known.amplitude(np.array([value, np.float32(least), np.float32(most)]))
    assert is_finite(amplitude) and (amplitude >= 0).all() and amplitude.max() <= 10 ** (BRIGHTEST_DB / 20) * 1.001
