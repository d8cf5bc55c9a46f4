"""Every reason code is reached by a frame that just has it, and not by one that just does not."""

import pytest
import reasons_of_matches  # noqa: F401
import reasons_of_messages  # noqa: F401
import reasons_of_tracks  # noqa: F401
import reasons_of_verdicts  # noqa: F401
import reasons_of_views  # noqa: F401
from overflight import Overflight, overflight  # noqa: F401
from reason_pairs import PAIRS, Pair

from promptmid_core.localization.fix import Fix
from promptmid_core.reasons import MEANINGS, Reason

pytestmark = pytest.mark.slow


def test_every_reason_has_a_pair() -> None:
    assert {pair.reason for pair in PAIRS} == set(Reason) - {Reason.FIX}
    assert set(MEANINGS) == set(Reason)


@pytest.mark.parametrize("pair", PAIRS, ids=str)
def test_a_frame_just_has_a_reason_and_another_just_does_not(overflight: Overflight, pair: Pair) -> None:  # noqa: F811
    reached, missed = pair.make(overflight)
    assert (reached.reason, missed.reason) == (pair.reason, pair.otherwise), f"{reached.sentence} | {missed.sentence}"
    assert reached.sentence and "\n" not in reached.sentence
    if isinstance(reached, Fix):
        assert not reached.accepted
    if isinstance(missed, Fix):
        assert missed.accepted is (pair.otherwise is Reason.FIX)
