"""What simulations are set by: each value by its name, read once, refused in a sentence that names it."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest

from promptmid_core import cli
from promptmid_core.errors import InputError
from promptmid_core.simulation.flight.options import SETTINGS as FLIGHT
from promptmid_core.simulation.flight.options import FlightOptions
from promptmid_core.simulation.settings import as_option
from promptmid_core.simulation.world.alterations import SETTINGS as ALTERATION
from promptmid_core.simulation.world.alterations import AlterationOptions
from promptmid_core.simulation.world.options import SETTINGS as WORLD
from promptmid_core.simulation.world.options import WorldOptions

OF = {"flight": (FlightOptions, FLIGHT), "world": (WorldOptions, WORLD), "alter": (AlterationOptions, ALTERATION)}


def test_what_is_not_set_is_at_its_default_and_the_bag_tells_what_is_not() -> None:
    plain = FlightOptions.of()
    assert (plain.plan.frames, plain.prior.drift_px, plain.conditions.night) == (300, 40, False)
    assert plain.told() == {"frames": "300", "seed": "1", "footprint_px": "512", "frame_rate_hz": "1.0", "drift_px": "40",
                            "yaw_error_deg": "3", "altitude_error_percent": "2", "attitude_error_deg": "0.2"}
    told = FlightOptions.of(jump=["10:20", (3, 60)], boresight_error_deg=[1, 0, -0.5], night=True,
                            attitude_error_s=math.inf).told()
    assert {name: value for name, value in told.items() if name not in plain.told()} == {
        "jump": "3:60,10:20", "boresight_error_deg": "1,0,-0.5", "night": "True", "attitude_error_s": "inf"}


@pytest.mark.parametrize("given", ["10:20", ["10:20"], [[10, 20]], ((10, 20.0),)])
def test_moments_are_read_as_commands_and_as_files_write_them(given: Any) -> None:
    assert FlightOptions.of(jump=given).prior.jump == ((10, 20.0),)


@pytest.mark.parametrize(("of", "name", "value"), [
    ("flight", "camera_pitch_deg", 61), ("flight", "camera_pitch_deg", -1), ("flight", "camera_pitch_deg", "30"),
    ("flight", "camera_pitch_deg", True), ("flight", "boresight_error_deg", [1, 2]),
    ("flight", "boresight_error_deg", [0, 0, 21]),
    ("flight", "boresight_error_deg", 3), ("flight", "focal_error_percent", 30), ("flight", "principal_point_error_px", [1]),
    ("flight", "camera_delay_s", -0.1), ("flight", "attitude_error_s", -1), ("flight", "attitude_error_s", math.nan),
    ("flight", "drift_px", math.inf), ("flight", "sigma_stated_factor", 0), ("flight", "yaw_sigma_stated_factor", -1),
    ("flight", "sigma_stated_px", 0), ("flight", "jump", "10"), ("flight", "jump", 620), ("flight", "jump", "10:-5"),
    ("flight", "jump", "-1:5"), ("flight", "jump", "x:5"), ("flight", "jump", [[1.5, 5]]), ("flight", "jump", "1:nan"),
    ("flight", "outage", "5:0"), ("flight", "outage_of", "radio"), ("flight", "cloud_percent", 101),
    ("flight", "haze_percent", -1),
    ("flight", "motion_blur_px", 1e9), ("flight", "night", "yes"), ("flight", "season", "spring"), ("flight", "season", 3),
    ("flight", "image_size", "64"), ("flight", "frames", 2.0), ("flight", "frames", None), ("flight", "ground_height_m", 9999),
    ("world", "pattern", "checkers"), ("world", "pattern_px", 4), ("world", "odd_one_in", 1), ("world", "gsd", 0.4),
    ("world", "seed", True), ("world", "size_px", "big"), ("alter", "way", "bend"), ("alter", "part", "middle"),
    ("alter", "shift_px", [1, 2, 3]), ("alter", "share_percent", 130), ("alter", "tile_px", 2), ("alter", "quarters", 4),
])
def test_a_value_that_cannot_be_is_named(of: str, name: str, value: Any) -> None:
    made, table = OF[of]
    wanted = table[name].kind.wanted
    for spelled, written in ((str, name), (as_option, f"--{name.replace('_', '-')}")):
        with pytest.raises(InputError) as refused:
            made.from_dict({name: value}, spelled)
        text = str(refused.value)
        assert text.startswith(f"{written} is ") and text.endswith(f"; it has to be {wanted}.") and len(text) < 300


def test_groups_check_what_they_are_made_of_themselves() -> None:
    with pytest.raises(InputError, match=r"^size_px is 3; it has to be a whole number from 256 to 4096\.$"):
        WorldOptions(size_px=3)
    with pytest.raises(InputError, match=r"^shift_px is 0\.5 0; it has to be two whole numbers\.$"):
        AlterationOptions(shift_px=(0.5, 0))


@pytest.mark.parametrize(("name", "words"), [
    ("drift", "drift is not known here; did you mean drift_px?"), ("Frames", "did you mean frames?"),
    ("xyz", "xyz is not known here; there are frames, seed,"), (7, "7 is not known here"),
])
def test_a_name_that_is_none_is_told_with_the_next(name: Any, words: str) -> None:
    with pytest.raises(InputError) as refused:
        FlightOptions.from_dict({name: 1})
    assert words in str(refused.value)


def test_events_of_frames_that_are_not_flown_are_refused() -> None:
    with pytest.raises(InputError, match=r"^jump names frame 12, but the flight's 12 frames are counted from 0 to 11\.$"):
        FlightOptions.of(frames=12, jump="12:5")
    with pytest.raises(InputError, match="outage names frame 20"):
        FlightOptions.of(frames=12, outage=["3:5", "20:5"])
    assert FlightOptions.of(frames=12, jump="11:5").prior.jump == ((11, 5.0),)


@pytest.mark.parametrize("of", OF)
def test_every_setting_is_an_option_of_its_command(of: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        cli.main(["simulate", of, "--help"])
    text = capsys.readouterr().out
    for name, each in OF[of][1].items():
        assert f" {as_option(name)}" in text and each.meaning.split()[0] in text


def test_the_page_names_every_setting() -> None:
    page = (Path(__file__).resolve().parent.parent / "docs" / "simulation.md").read_text()
    missing = [name for table in (FLIGHT, WORLD, ALTERATION) for name in table if f"{as_option(name)}" not in page]
    assert missing == []


@pytest.mark.parametrize(("words", "told"), [
    (["flight", "--optical", "a", "--out", "b", "--camera-pitch-deg", "90"],
     "--camera-pitch-deg is 90; it has to be from 0 to 60."),
    (["flight", "--optical", "a", "--out", "b", "--jump", "5"], "--jump is ['5']; it has to be a frame, counted from 0, with"),
    (["world", "--out", "b", "--pattern", "dots"], "--pattern is 'dots'; it has to be one of land, chequer, blocks,"),
    (["alter", "a", "--out", "b", "--way", "bend"],
     "--way is 'bend'; it has to be one of shift, replace, turn, mirror, shuffle."),
])
def test_commands_say_it_with_their_own_names(words: list[str], told: str, capsys: pytest.CaptureFixture[str], tmp_path: Any,
                                              monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert cli.main(["simulate", *words]) == 1
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1 and lines[0].startswith(f"promptmid: {told}")
    assert list(tmp_path.iterdir()) == []
