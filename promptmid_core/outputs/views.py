"""One picture of a match: the frame on the ground, the SAR map under it, their tie points, and the scores of all places."""

from __future__ import annotations

import cv2
import numpy as np

from promptmid_core.arrays import Float64, UInt8
from promptmid_core.localization.fix import Fix
from promptmid_core.outputs import contents
from promptmid_core.outputs.contents import Content
from promptmid_core.outputs.markers import verdict_colour
from promptmid_core.outputs.sidebyside import draw_ties, laid, ramp, rgb, tinted
from promptmid_core.outputs.surfaces import drawn
from promptmid_core.refmap import ReferenceMap

TILE, EDGE, TOP, BOTTOM = 384, 8, 60, 28
HEIGHT, WIDTH = TOP + TILE + BOTTOM, 3 * TILE + 4 * EDGE
PAPER, INK, EMPTY = 24, (225, 225, 225), 60
FONT, SIZE = cv2.FONT_HERSHEY_SIMPLEX, 0.5


def match_picture(fix: Fix, summary: str, reference: ReferenceMap) -> UInt8:
    """Return a picture (HEIGHT, WIDTH, 3) in RGB of what a frame was matched by, under its verdict in words.

    From the left: the frame laid on the ground, the SAR map where the fix puts it, or the best place where there is none, and the
    score surface, north up. Tie points are coloured by how far they agree. A tile of what there is not is left empty. Raises
    Refusal MAP_DAMAGED where the map cannot be read.
    """
    picture = np.full((HEIGHT, WIDTH, 3), PAPER, np.uint8)
    _write(picture, f"{fix.state}  {summary}", EDGE, 22, tuple(round(255 * share) for share in verdict_colour(fix)))
    both = laid(fix.candidate, reference)
    if both is not None:
        for place, image, ties in ((0, rgb(both.optical), both.seen), (1, tinted(both.sar), both.found)):
            tile, scale = _fitted(image)
            draw_ties(tile, ties, both.weight, scale, radius=3)
            _tile(picture, place)[:tile.shape[0], :tile.shape[1]] = tile
        metres = fix.candidate.patch.grid.gsd if fix.candidate.patch is not None else reference.grid.gsd
        _caption(picture, 0, f"frame, {both.optical.shape[1] * metres:.0f} m wide")
        _caption(picture, 1, "SAR map under it")
    else:
        _caption(picture, 0, "no frame on the ground")
        _caption(picture, 1, "")
    _draw_scores(picture, fix)
    _draw_legend(picture, 0 if both is None else len(both.weight))
    return picture


def image_content(stamp_ns: int, picture: UInt8) -> Content:
    """Return a picture (H, W, 3) in RGB as a sensor_msgs/Image in `map`."""
    height, width, _ = picture.shape
    return {"header": contents.header(stamp_ns), "height": height, "width": width, "encoding": "rgb8", "step": 3 * width,
            "data": np.ascontiguousarray(picture).ravel()}


def _draw_scores(picture: UInt8, fix: Fix) -> None:
    surface = None if fix.candidate.surface is None else drawn(fix.candidate.surface, TILE)
    if surface is None:
        return _caption(picture, 2, "no scores")
    scores, (west, _, east, _) = surface
    row, col = np.unravel_index(int(np.argmax(scores)), scores.shape)
    enlarged = cv2.resize(scores, (TILE, TILE), interpolation=cv2.INTER_NEAREST)
    _tile(picture, 2)[:] = ramp(enlarged.ravel() / 255).reshape(TILE, TILE, 3)
    centre = (_left(2) + round((int(col) + 0.5) * TILE / len(scores)), TOP + round((int(row) + 0.5) * TILE / len(scores)))
    cv2.circle(picture, centre, 12, (255, 255, 255), 2, cv2.LINE_AA)
    _caption(picture, 2, f"scores, {east - west:.0f} m wide")


def _draw_legend(picture: UInt8, ties: int) -> None:
    baseline, bar = TOP + TILE + 19, ramp(np.linspace(0, 1, 96))
    text = f"{ties} tie points: stray"
    _write(picture, text, EDGE, baseline)
    left = EDGE * 2 + cv2.getTextSize(text, FONT, SIZE, 1)[0][0]
    picture[baseline - 11:baseline + 1, left:left + len(bar)] = bar
    _write(picture, "agreeing", left + len(bar) + EDGE, baseline)
    _write(picture, "scores: low", _left(2), baseline)
    left = _left(2) + EDGE + cv2.getTextSize("scores: low", FONT, SIZE, 1)[0][0]
    picture[baseline - 11:baseline + 1, left:left + len(bar)] = bar
    _write(picture, "high, best in the ring", left + len(bar) + EDGE, baseline)


def _fitted(image: UInt8) -> tuple[UInt8, float]:
    """An image as large as a tile holds it, and how many times as large that is."""
    scale = TILE / max(image.shape[:2])
    size = max(1, round(image.shape[1] * scale)), max(1, round(image.shape[0] * scale))
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR), np.uint8), scale


def _left(place: int) -> int:
    return EDGE + place * (TILE + EDGE)


def _tile(picture: UInt8, place: int) -> UInt8:
    return picture[TOP:TOP + TILE, _left(place):_left(place) + TILE]


def _caption(picture: UInt8, place: int, text: str) -> None:
    tile: Float64 | UInt8 = _tile(picture, place)
    if (tile == PAPER).all():
        tile[:] = EMPTY
    _write(picture, text, _left(place), TOP - 10)


def _write(picture: UInt8, text: str, x: int, y: int, colour: tuple[int, ...] = INK) -> None:
    # the font has no other letters
    cv2.putText(picture, text.encode("ascii", "replace").decode(), (x, y), FONT, SIZE, colour, 1, cv2.LINE_AA)
