"""The map's descriptors where frames look for themselves."""

from __future__ import annotations

from promptmid_core.errors import Refusal
from promptmid_core.geometry import Grid
from promptmid_core.matching.window import SearchWindow
from promptmid_core.reasons import Reason
from promptmid_core.refmap import ReferenceMap


class Windows:
    """The map's descriptors where frames look for themselves.

    Headings, a hover, a frame matched again: where they look into the same window, it is read and transformed once.
    """

    def __init__(self, least_valid: float) -> None:
        self._least_valid = least_valid
        self._last: tuple[tuple[int, ...], SearchWindow] | None = None

    def around(self, grid: Grid, level: ReferenceMap, margin: int) -> SearchWindow:
        """Return what the map has under a patch and `margin` pixels around it.

        Raises Refusal MAP_NODATA or MAP_DAMAGED where that is too little.
        """
        col, row = level.grid.to_pixel(grid.x, grid.y)
        place = (round(float(col)) - margin, round(float(row)) - margin, grid.width + 2 * margin, grid.height + 2 * margin)
        last = self._last
        if last and last[0] == (level.level, *place):
            return last[1]
        window = level.descriptors(*place)
        share = float(window.valid.mean())
        if share < self._least_valid:
            if level.lost(*place):
                raise Refusal(Reason.MAP_DAMAGED, "the map is damaged under the search; 'promptmid map verify' names the files")
            raise Refusal(Reason.MAP_NODATA, f"the map has data on {share:.0%} of the search window, "
                                             f"less than {self._least_valid:.0%}")
        self._last = (level.level, *place), SearchWindow(window)
        return self._last[1]
