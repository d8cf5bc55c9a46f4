"""What a frame was matched with is let go of with its verdict: a refusal holds no stack."""

import gc
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
from overflight import Overflight, overflight  # noqa: F401

from promptmid_core.errors import Refusal
from promptmid_core.geometry import Patch
from promptmid_core.matching.parallel import together
from promptmid_core.reasons import Reason

pytestmark = pytest.mark.slow


@pytest.fixture
def uncollected() -> Iterator[None]:
    """As in a node in flight, whose collector counts few objects, however large they are."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def alive(kind: type) -> int:
    return sum(isinstance(each, kind) for each in gc.get_objects())


@pytest.mark.parametrize(("east", "yaw", "sigma_deg"), [(300.0, 0.0, 0.5), (300.0, 0.6, 25.0), (1e6, 0.0, 0.5)],
                         ids=["another place", "many headings", "off the map"])
def test_frames_that_find_nothing_leave_nothing(
        overflight: Overflight, uncollected: None, east: float, yaw: float, sigma_deg: float) -> None:  # noqa: F811
    track, frame = overflight.localizer(), overflight.frame()
    frame = replace(frame, image=np.ascontiguousarray(frame.image[:, ::-1]))
    sigmas = (30.0, 30.0, 20.0, 1e-3, 1e-3, np.deg2rad(sigma_deg))

    def seen() -> None:
        prior = overflight.prior(east, 400.0, 0.0, 0.0, 0.0, yaw, sigmas=sigmas)
        track.match(frame, prior)

    seen()
    before = alive(Patch)
    for _ in range(3):
        seen()
    assert alive(Patch) <= before


class Held:
    """What stands on the stack."""


def refuse() -> None:
    held = Held()
    raise Refusal(Reason.LOW_TEXTURE, f"{held!r} shows nothing")


@pytest.mark.parametrize("functions", [(refuse, int), (int, refuse), (refuse, refuse)])
def test_what_two_functions_raise_at_the_same_time_is_let_go_of(uncollected: None, functions: tuple) -> None:
    with pytest.raises(Refusal) as caught:
        together(*functions)
    del caught
    for _ in range(2):
        together(int, int)
    assert alive(Held) == 0


def test_a_refusal_that_is_kept_holds_no_stack(uncollected: None) -> None:
    kept = None
    try:
        refuse()
    except Refusal as refusal:
        kept = refusal.anew()
    assert alive(Held) == 0
    assert kept is not None and (kept.reason, kept.__traceback__) == (Reason.LOW_TEXTURE, None) and "shows nothing" in str(kept)
