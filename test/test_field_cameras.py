"""Cameras that mean the same by other names and numbers, and those that differ."""

from types import SimpleNamespace as Msg

import numpy as np
import pytest
from refusals import refused

from promptmid_core.bags.messages import camera_from
from promptmid_core.reasons import Reason


def info(**changed):
    fields = {
        "width": 640, "height": 480, "distortion_model": "plumb_bob", "d": [0.0] * 5, "binning_x": 0, "binning_y": 0,
        "k": [500.0, 0.0, 320.5, 0.0, 510.0, 240.5, 0.0, 0.0, 1.0], "r": np.eye(3).ravel(), "p": np.eye(3, 4).ravel(),
        "roi": Msg(x_offset=0, y_offset=0, width=0, height=0, do_rectify=False),
    }
    return Msg(**(fields | changed))


LENS = [0.1, -0.2, 0.001, 0.002]
EIGHT = [*LENS, 0.05, 0.01, 0.02, 0.003]
SKEWED = [500.0, 1e-13, 320.5, -2e-14, 510.0, 240.5, 0.0, 0.0, 1.0]
SAME_CAMERAS = {
    "no name": ({"distortion_model": "", "d": []}, {}),
    "no name with zeros": ({"distortion_model": "", "d": [0.0] * 5}, {}),
    "none": ({"distortion_model": "none", "d": []}, {}),
    "None with zeros": ({"distortion_model": "None", "d": [0.0] * 8}, {}),
    "pinhole": ({"distortion_model": "pinhole", "d": []}, {}),
    "zeros of any number": ({"d": [0.0] * 3}, {}),
    "plumb_bob of four": ({"d": LENS}, {"d": [*LENS, 0.0]}),
    "plumb_bob of eight": ({"d": EIGHT}, {"distortion_model": "rational_polynomial", "d": EIGHT}),
    "plumb_bob of eight with zeros": ({"d": [*LENS, 0.05, 0.0, 0.0, 0.0]}, {"d": [*LENS, 0.05]}),
    "rational of five": ({"distortion_model": "rational_polynomial", "d": [*LENS, 0.05]}, {"d": [*LENS, 0.05]}),
    "rational of four": ({"distortion_model": "rational_polynomial", "d": LENS}, {"d": [*LENS, 0.0]}),
    "rational with zeros to fourteen": ({"distortion_model": "rational_polynomial", "d": [*EIGHT, *[0.0] * 6]},
                                        {"distortion_model": "rational_polynomial", "d": EIGHT}),
    "rational with zeros to ten": ({"distortion_model": "rational_polynomial", "d": [*EIGHT, 0.0, 0.0]},
                                   {"distortion_model": "rational_polynomial", "d": EIGHT}),
    "equidistant with zeros": ({"distortion_model": "equidistant", "d": [0.1, 0.02, 0.003, 0.0004, 0.0, 0.0, 0.0, 0.0]},
                               {"distortion_model": "equidistant", "d": [0.1, 0.02, 0.003, 0.0004]}),
    "fisheye": ({"distortion_model": "fisheye", "d": [0.1, 0.02, 0.003, 0.0004]},
                {"distortion_model": "equidistant", "d": [0.1, 0.02, 0.003, 0.0004]}),
    "radtan": ({"distortion_model": "radtan", "d": LENS}, {"d": [*LENS, 0.0]}),
    "a skew of rounding": ({"k": SKEWED}, {}),
    "no rectification at all": ({"r": np.zeros(9), "p": np.zeros(12)}, {}),
}


@pytest.mark.parametrize("what", SAME_CAMERAS)
def test_cameras_that_mean_the_same_see_the_same(what):
    told, meant = SAME_CAMERAS[what]
    one, other = camera_from(info(**told)), camera_from(info(**meant))
    pixels = np.array([[0.0, 0.0], [639.0, 479.0], [320.5, 240.5], [100.0, 400.0]])
    rays = other.rays(pixels)
    np.testing.assert_allclose(one.rays(pixels), rays, atol=1e-12)
    (seen, inside), (expected, _) = one.project(rays), other.project(rays)
    np.testing.assert_allclose(seen, expected, atol=1e-9)
    np.testing.assert_allclose(seen, pixels, atol=1e-3)
    assert inside.all()


OTHER_CAMERAS = {
    "skew": ({"k": [500.0, 0.5, 320.5, 0.0, 510.0, 240.5, 0.0, 0.0, 1.0]}, ["0.5", "without skew"]),
    "skew of the second row": ({"k": [500.0, 0.0, 320.5, -0.25, 510.0, 240.5, 0.0, 0.0, 1.0]}, ["-0.25", "without skew"]),
    "no name": ({"distortion_model": "", "d": [0.1, 0.0, 0.0, 0.0]}, ["''", "plumb_bob", "rectify"]),
    "none": ({"distortion_model": "none", "d": [0.1]}, ["'none'", "plumb_bob", "rectify"]),
    "an unknown name": ({"distortion_model": "double_sphere", "d": [0.1] * 6}, ["'double_sphere'", "plumb_bob", "rectify"]),
    # whose zeros may be a fisheye all the same
    "an unknown name with zeros": ({"distortion_model": "omni", "d": [0.0] * 5}, ["'omni'", "plumb_bob"]),
    "six": ({"d": [*LENS, 0.05, 0.01]}, ["6 coefficients", "'plumb_bob'", "0, 4, 5, 8, 12, 14"]),
    "three": ({"d": [0.1, 0.2, 0.3]}, ["3 coefficients"]),
    "five of a fisheye": ({"distortion_model": "equidistant", "d": [0.1] * 5}, ["5 coefficients", "'equidistant'"]),
}


@pytest.mark.parametrize("what", OTHER_CAMERAS)
def test_cameras_that_differ_are_refused_by_name_with_the_cure(what):
    told, words = OTHER_CAMERAS[what]
    sentence = refused(Reason.CAMERA_INFO_INVALID, camera_from, info(**told))
    assert all(word in sentence for word in words), sentence
