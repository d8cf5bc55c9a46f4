"""Flights that cannot be flown: options, rasters and maps without room are named, and nothing is left behind."""

import re

import numpy as np
import pytest
from spots import OPTIONS, blobs, hills, sentence, write_raster

from promptmid_core.errors import InputError
from promptmid_core.simulation.flight.options import FlightOptions
from promptmid_core.simulation.flight.simulate import simulate_flight
from promptmid_core.simulation.settings import as_option


def test_maps_without_room_are_refused_with_what_would_fit(folder, spots):
    out = folder / "never"
    text = sentence(spots[0], out, **(OPTIONS | {"footprint_px": 590.0}))
    assert "spots.tif" in text and "too small" in text and "--footprint-px" in text
    share = int(text.split("--footprint-px of ")[1].split("%")[0]) / 100
    simulate_flight(spots[0], folder / "fits", FlightOptions.of(**(OPTIONS | {"frames": 2, "footprint_px": 590.0 * share})))
    assert re.search(r"measures 60\d\d x 60\d\d m", text)
    holes = np.random.default_rng(2).integers(0, 8, (600, 600)).astype(np.uint8)
    path = write_raster(folder / "holes.tif", holes, nodata=0)
    assert "holes" in sentence(path, out, **OPTIONS)
    assert not out.exists()


@pytest.mark.parametrize(("option", "value"), [
    ("frames", 0), ("seed", -1), ("footprint_px", 0.0), ("footprint_px", float("nan")), ("drift_px", -1.0),
    ("yaw_error_deg", 181.0), ("altitude_error_percent", float("inf")), ("gsd", -10.0), ("speed_mps", 0.0),
    ("frame_rate_hz", 0.0), ("image_size", (10, 10)), ("image_size", (1000, 100)),
])
def test_impossible_options_are_named(option, value):
    with pytest.raises(InputError, match=rf"^{option} is [^\n]*; it has to be [^\n]*$"):
        FlightOptions.of(**(OPTIONS | {option: value}))
    with pytest.raises(InputError, match=f"^--{option.replace('_', '-')} is "):
        FlightOptions.from_dict(OPTIONS | {option: value}, as_option)


def test_bad_rasters_are_refused(folder, spots):
    out = folder / "never"
    assert "absent.tif" in sentence(folder / "absent.tif", out, **OPTIONS)
    assert "bare.tif" in sentence(write_raster(folder / "bare.tif", blobs(200)[0], crs=None), out, **OPTIONS)
    truncated = folder / "cut.tif"
    truncated.write_bytes(spots[0].read_bytes()[:100_000])
    assert "cut.tif" in sentence(truncated, out, **OPTIONS)
    corner = write_raster(folder / "corner.tif", hills(60, 50.0), gsd=30.0)
    assert "corner.tif" in sentence(spots[0], out, dem=corner, **OPTIONS)
    cliffs = np.zeros((200, 200), np.float32)
    cliffs[:, ::7] = 9000
    assert "terrain" in sentence(spots[0], out, dem=write_raster(folder / "cliffs.tif", cliffs, gsd=30.0), **OPTIONS)
    assert not out.exists()


def test_nothing_is_left_of_a_flight_that_was_stopped(folder, spots, tmp_path):
    def stop(done, frames):
        assert frames == 12
        if done == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        simulate_flight(spots[0], tmp_path / "stopped", FlightOptions.of(**OPTIONS), progress=stop)
    assert list(tmp_path.iterdir()) == []
