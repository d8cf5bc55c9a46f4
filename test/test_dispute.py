"""Parts of a map that lie apart: which of two corrections the flight speaks for, and when that is not known any more."""

import numpy as np
import pytest
from refusals import refused

from promptmid_core.localization.dispute import AMONG, TRUSTED, Dispute, Witnesses
from promptmid_core.reasons import Reason

CELL = 40.0
MOVE = np.array([300.0, 0.0])


def test_what_belongs_to_the_other_part_is_refused() -> None:
    dispute = Dispute(np.array([50.0, 0.0]), MOVE, np.zeros(2), 1000.0)
    assert dispute.amount == 300.0
    assert not dispute.refuses(np.array([60.0, 20.0]), 1000.0)
    assert not dispute.refuses(np.array([199.0, 0.0]), 1000.0)
    assert dispute.refuses(np.array([201.0, 0.0]), 1000.0)
    assert dispute.refuses(np.array([350.0, 30.0]), 1000.0)
    assert not dispute.refuses(np.array([50.0 - 300.0, 0.0]), 1000.0), "on the far side it is no part of the dispute"


def test_after_a_long_way_odometry_settles_it_no_more() -> None:
    dispute, there = Dispute(np.zeros(2), MOVE, np.zeros(2), 1000.0), MOVE + 10.0
    assert dispute.refuses(there, 1000.0 + 0.99 * 300 / TRUSTED)
    assert not dispute.refuses(there, 1000.0 + 1.01 * 300 / TRUSTED)


def test_it_is_open_as_long_as_it_refuses() -> None:
    dispute = Dispute(np.zeros(2), MOVE, np.zeros(2), 1000.0)
    for way in (0.0, 0.5, 0.99, 1.01, 5.0):
        flown = 1000.0 + way * 300 / TRUSTED
        assert dispute.open(flown) is dispute.refuses(MOVE, flown) is (way < 1)


def test_the_refused_part_shows_how_the_odometry_drifts() -> None:
    """What is held moves with it; what lies further off is another place and shows nothing."""
    dispute = Dispute(np.array([50.0, 0.0]), MOVE, np.zeros(2), 1000.0)
    followed = dispute.after(np.array([362.0, -9.0]), None, 20.0, 1200.0)
    assert followed.held.tolist() == [62.0, -9.0] and followed.against
    assert (followed.move.tolist(), followed.flown, followed.place.tolist()) == ([300.0, 0.0], 1000.0, [0.0, 0.0])
    assert (followed.refused, followed.last) == (1200.0, 1200.0)
    assert dispute.after(np.array([350.0, 21.0]), None, 20.0, 1200.0).held.tolist() == [50.0, 0.0]


def test_a_frame_that_shows_both_tells_where_they_are() -> None:
    """However much the odometry has drifted, as long as each is nearer to where it was than to where the other was."""
    dispute = Dispute(np.zeros(2), MOVE, np.zeros(2), 1000.0)
    there = dispute.after(np.array([160.0, 0.0]), np.array([-280.0, 50.0]), 20.0, 1200.0)
    assert there.against and there.held.tolist() == [-120.0, 50.0]
    assert (there.seen, there.refused) == (1200.0, 1200.0)
    here = dispute.after(np.array([140.0, 0.0]), np.array([280.0, 50.0]), 20.0, 1200.0)
    assert not here.against and here.held.tolist() == [140.0, 0.0]
    assert (here.seen, here.refused) == (1200.0, 0.0)
    far = 1100.0 + 300 / TRUSTED
    assert here.open(far) and not dispute.open(far), "it is known anew"


@pytest.mark.parametrize(("correction", "beside"), [((290.0, 0.0), (280.0, 50.0)), ((10.0, 0.0), (-280.0, 50.0))])
def test_one_that_is_where_the_other_was_is_neither(correction: tuple[float, float], beside: tuple[float, float]) -> None:
    dispute = Dispute(np.zeros(2), MOVE, np.zeros(2), 1000.0).after(np.array(correction), np.array(beside), 20.0, 1200.0)
    assert dispute.against and dispute.held.tolist() == [0.0, 0.0] and dispute.seen == 0.0


def test_a_refusal_names_the_amount_and_the_place() -> None:
    dispute = Dispute(np.zeros(2), MOVE, np.array([5100.0, -420.0]), 1000.0)
    dispute.check(False)
    assert "lie 300 m apart around x 5100, y -420" in refused(Reason.MAP_DISAGREES, dispute.check, True)


def test_what_the_last_frame_was_says_nothing_of_a_place_found_elsewhere() -> None:
    """An aircraft that was lost over the wrong part is found over the right one."""
    against = Dispute(np.zeros(2), MOVE, np.zeros(2), 1000.0).after(MOVE, None, 20.0, 1200.0)
    assert against.against and against.refuses(MOVE, 1300.0) and not against.refuses(np.array([20.0, 0.0]), 1300.0)


def test_two_places_along_another_line_are_no_part_of_it() -> None:
    dispute = Dispute(np.zeros(2), MOVE, np.zeros(2), 1000.0)
    for beside in (np.array([0.0, 300.0]), np.array([-150.0, 0.0]), np.array([-600.0, 0.0])):
        after = dispute.after(np.array([10.0, 0.0]), beside, 20.0, 1200.0)
        assert not after.against and after.seen == 0.0 and after.held.tolist() == [0.0, 0.0], beside


def test_a_place_between_the_two_is_neither() -> None:
    dispute = Dispute(np.zeros(2), MOVE, np.zeros(2), 1000.0)
    for east, against in ((90.0, False), (110.0, True), (149.0, True), (-149.0, False)):
        after = dispute.after(np.array([east, 0.0]), None, 20.0, 1200.0)
        assert after.against is against and after.held.tolist() == [0.0, 0.0], east


def test_two_frames_of_five_that_tell_the_same_are_believed() -> None:
    witnesses = Witnesses()
    told = [witnesses.hear(move, CELL) for move in (MOVE, None, MOVE + CELL, None, MOVE)]
    assert told == [False, False, True, False, True]


def test_frames_that_tell_of_different_places_are_no_witnesses() -> None:
    witnesses = Witnesses()
    rng = np.random.default_rng(0)
    assert not any(witnesses.hear(move, CELL) for move in rng.uniform(-3000, 3000, (30, 2)))
    assert not witnesses.hear(MOVE, CELL)
    assert not witnesses.hear(-MOVE, CELL)
    assert witnesses.hear(MOVE + 1.9 * CELL * np.array([0.0, 1.0]), CELL)
    assert not Witnesses().hear(None, CELL)


def test_what_was_told_long_ago_is_forgotten() -> None:
    for silent, believed in ((AMONG - 2, True), (AMONG - 1, False)):
        witnesses = Witnesses()
        witnesses.hear(MOVE, CELL)
        for _ in range(silent):
            witnesses.hear(None, CELL)
        assert witnesses.hear(MOVE, CELL) is believed
