"""A map that disagrees with itself, as a track finds out."""

import numpy as np
import pytest
from sightings import CELL, CLEAR, WEAK, flight, reasons, until_fixed

from promptmid_core.localization.fix import Fix


class TestMapThatDisagrees:
    SEAM = (360.0, 240.0)

    def crossed(self, told: bool = True) -> list[Fix]:
        """Onto a part of the map that lies elsewhere: over its border frames tell of both, then of the other place alone."""
        self.flown = flown = flight()
        fixes = flown.clear(8)
        for share in np.linspace(0.95, 0.05, 10) if told else ():
            other = self.SEAM if share > 0.5 else (-self.SEAM[0], -self.SEAM[1])
            fixes.append(flown.show((0.0, 0.0, CLEAR * share), (*self.SEAM, CLEAR * (1 - share)),
                                    parts=other if 0.15 < share < 0.85 else None))
        if not told:
            flown.later(6)
        return fixes + [flown.show((*self.SEAM, CLEAR)) for _ in range(25)]

    @pytest.mark.parametrize("told", [True, False], ids=["border seen", "border crossed without a frame"])
    def test_the_other_part_is_flagged_and_refused(self, told: bool) -> None:
        fixes = self.crossed(told)
        after = fixes[14 if told else 8:]
        # until the middle of the frame has crossed, it is where the flight says
        assert reasons(fixes[:12 if told else 8]) == ["fix"] * (12 if told else 8)
        assert set(reasons(after)) == {"map_disagrees"}
        assert all(abs(fix.pose.position[1]) < CELL for fix in fixes if fix.pose is not None)
        sentence = after[-1].sentence
        assert "parts of the map lie 4" in sentence and "check the map" in sentence

    def test_back_on_the_first_part_it_is_a_fix_whose_covariance_covers_it(self) -> None:
        before = self.crossed()[0]
        assert until_fixed(self.flown) <= 3
        fix = self.flown.clear()[0]
        assert fix.accepted and before.covariance is not None and fix.covariance is not None
        grown = (fix.covariance - before.covariance)[:2, :2]
        assert grown == pytest.approx(np.outer(self.SEAM, self.SEAM), rel=0.2)

    def test_a_sound_map_never_disagrees(self) -> None:
        """Over minutes of a drift, of weak frames, of jumps of the filter, of outages."""
        flown, fixes = flight(drift=(4.0, -5.0)), []
        for part in range(6):
            fixes += flown.clear(10)
            fixes += [flown.show((0.0, 0.0, WEAK)) for _ in range(5)]
            flown.off = (90.0 * part, -40.0 * part)
            flown.later(5)
        assert "map_disagrees" not in reasons(fixes)
        assert sum(fix.accepted for fix in fixes) > 0.8 * len(fixes)
        assert all(fix.overruled < 1e3 for fix in fixes)

    def test_one_frame_that_tells_of_two_places_is_no_dispute(self) -> None:
        flown = flight()
        flown.clear(5)
        assert flown.clear(1, parts=self.SEAM)[0].accepted
        after = flown.clear(8)
        assert reasons(after) == ["fix"] * 8
        assert after[-1].covariance is not None and after[-1].covariance[0, 0] == pytest.approx(50.0)
