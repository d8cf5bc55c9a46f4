"""A map to look at: SAR, land use, descriptors, coverage and tiles, as a picture or a page."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from promptmid_core.arrays import Float32, Mask, UInt8
from promptmid_core.files import check_target, write_whole
from promptmid_core.georaster.geodetic import Geodetic
from promptmid_core.plots import encoded, figure, legend_of_areas, styled, uri
from promptmid_core.preview.compass import draw_bar, draw_degrees, draw_north
from promptmid_core.preview.facts import facts
from promptmid_core.preview.overview import overview
from promptmid_core.prompts.prompt import LAND_USES
from promptmid_core.refmap import ReferenceMap, map_info, read_regions

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


DPI = 130
SIDE = 800  # the most elements that are looked at along a side
KINDS = (".png", ".html")
# the colours of ESA WorldCover
COLOURS = {
    "cropland": (240, 150, 255), "grassland": (255, 255, 76), "shrubland": (255, 187, 34), "forest": (0, 100, 0),
    "built-up area": (250, 0, 0), "bare land": (180, 180, 180), "water": (0, 100, 200), "wetland": (0, 150, 160),
    "snow and ice": (240, 240, 240),
}
BORDER_COLOUR = (210, 50, 60)
UNKNOWN_COLOUR = (255, 255, 255)
COVERAGE = {"no data": (226, 230, 236), "SAR alone": (244, 190, 96), "described": (120, 180, 140)}


def write_preview(path: Path, reference: ReferenceMap) -> None:
    """Draw a map into a PNG, or into an HTML page that carries the picture and what `map_info` tells; its regions below it.

    Raises InputError where `path` is of another kind or cannot be written. What is shown, and read tile by tile, is the coarsest
    level that still has SIDE pixels along its longer side.
    """
    check_target(path, KINDS)
    regions = [ReferenceMap.open(reference.path / region.path) for region in read_regions(reference.path)[1:]]
    maps = [(shown, encoded(_drawn(shown), "png", DPI)) for shown in (reference, *regions)]
    write_whole(path, _stacked([picture for _, picture in maps]) if path.suffix.lower() == ".png" else _page(maps))


def components(array: NDArray[np.floating], valid: Mask) -> UInt8:
    """Return descriptors (C, H, W) as colours (H, W, 3): their three principal components, channels scaled alike; white if not
    valid."""
    picture = np.full((*valid.shape, 3), 255, np.uint8)
    sample = array[:, valid].astype(np.float64)
    if sample.shape[1] < 2:
        return picture
    sample -= sample.mean(axis=1, keepdims=True)
    sample /= np.maximum(sample.std(axis=1, keepdims=True), 1e-9)
    _, axes = np.linalg.eigh(sample @ sample.T / sample.shape[1])
    for i in range(min(3, len(array))):
        axis = axes[:, -1 - i]
        values = (axis * np.sign(axis[np.abs(axis).argmax()])) @ sample
        low, high = np.percentile(values, (2, 98))
        picture[valid, i] = np.clip((values - low) / max(high - low, 1e-9) * 255, 0, 255)
    return picture


def _stacked(pictures: list[bytes]) -> bytes:
    """Several PNGs as one, the first at the top."""
    if len(pictures) == 1:
        return pictures[0]
    import cv2

    images = [np.asarray(cv2.imdecode(np.frombuffer(picture, np.uint8), cv2.IMREAD_COLOR)) for picture in pictures]
    across = max(image.shape[1] for image in images)
    white = (255, 255, 255)
    wide = [cv2.copyMakeBorder(image, 0, 0, 0, across - image.shape[1], cv2.BORDER_CONSTANT, value=white) for image in images]
    return bytes(cv2.imencode(".png", np.vstack(wide))[1])


def _shown(reference: ReferenceMap) -> ReferenceMap:
    """The coarsest level that still has SIDE pixels along its longer side, else the finest."""
    fine = [level for level in range(reference.levels) if max(reference.header.pixels(level).shape) >= SIDE]
    return reference.at(max(fine, default=0))


def _drawn(reference: ReferenceMap) -> Figure:
    grid, shown = reference.grid, _shown(reference)
    aspect = min(max(grid.height / grid.width, 0.3), 3.0)
    with styled(grid=False):
        drawn = figure(11.0, 10.4 * aspect + 1.4)
        sar, landuse, described, coverage = drawn.subplots(2, 2, sharex=True, sharey=True).ravel()
        image, (x_min, y_min, x_max, y_max) = overview(shown, (0, 0, shown.grid.width, shown.grid.height))
        sar.imshow(image, cmap="gray", vmin=0, vmax=255, extent=_km(x_min, x_max, y_min, y_max))
        sar.set_title("SAR" + (f": {len(reference.header.scenes)} scenes" if reference.header.scenes else ""))
        _draw_scenes(sar, shown)
        array, valid = _descriptors(shown)
        _show(described, components(array, valid), shown)
        described.set_title(f"descriptor {reference.descriptor_name}: three principal components as colour")
        seen, ids = _pixels(shown)
        _draw_coverage(coverage, shown, seen, valid)
        _draw_landuse(landuse, shown, ids)
        for axes in (landuse, described, coverage):
            axes.set_aspect("equal")
        geodetic = Geodetic(reference.frame, reference.vertical_datum)
        for axes in (sar, landuse, described, coverage):
            _draw_tiles(axes, reference)
        for axes in (sar, landuse):
            draw_degrees(axes, reference, geodetic, "top")
        for axes in (landuse, coverage):
            draw_degrees(axes, reference, geodetic, "right")
        draw_bar(sar, reference)
        draw_north(sar, reference, geodetic)
        described.set(xlabel="x, km", ylabel="y, km")
        coverage.set(xlabel="x, km")
        sar.set(ylabel="y, km")
        east, north = reference.frame.origin
        drawn.suptitle(f"{reference.path.name}: {grid.width}x{grid.height} px of {reference.gsd:.4g} m, {reference.frame.crs}, "
                       f"origin {east:.0f} E {north:.0f} N; shown at {shown.gsd:.4g} m; lines: tiles")
    return drawn


def _descriptors(reference: ReferenceMap) -> tuple[Float32, Mask]:
    """Every so-many-th descriptor (C, H, W) and its validity (H, W)."""
    cells, stride, tile = reference.header.cells(reference.level), reference.stride, reference.header.tile_px // reference.stride
    every = -(-max(cells.shape) // SIDE)
    rows, cols = np.arange(0, cells.height, every), np.arange(0, cells.width, every)
    array = np.zeros((reference.channels, len(rows), len(cols)), np.float32)
    valid = np.zeros((len(rows), len(cols)), bool)
    for top in range(0, cells.height, tile):
        for left in range(0, cells.width, tile):
            down, across = min(tile, cells.height - top), min(tile, cells.width - left)
            window = reference.descriptors(left * stride, top * stride, across * stride, down * stride)
            r, c = (rows >= top) & (rows < top + down), (cols >= left) & (cols < left + across)
            array[np.ix_(np.arange(len(array)), r, c)] = window.array[:, rows[r] - top][:, :, cols[c] - left]
            valid[np.ix_(r, c)] = window.valid[np.ix_(rows[r] - top, cols[c] - left)]
    return array, valid


def _pixels(reference: ReferenceMap) -> tuple[Mask, UInt8 | None]:
    """Every so-many-th pixel: whether it has SAR data (H, W), and its prompt id (H, W) where the map has land use."""
    grid, tile, table = reference.grid, reference.header.tile_px, reference.header.vocabulary.table
    every = -(-max(grid.shape) // SIDE)
    rows, cols = np.arange(0, grid.height, every), np.arange(0, grid.width, every)
    valid = np.zeros((len(rows), len(cols)), bool)
    ids = np.zeros(valid.shape, np.uint8) if table else None
    known = table.prompt_ids() if table else None
    for top in range(0, grid.height, tile):
        for left in range(0, grid.width, tile):
            window = (left, top, min(tile, grid.width - left), min(tile, grid.height - top))
            r, c = (rows >= top) & (rows < top + window[3]), (cols >= left) & (cols < left + window[2])
            picked = np.ix_(rows[r] - top, cols[c] - left)
            valid[np.ix_(r, c)] = reference.image(*window).valid[picked]
            codes = reference.landuse(*window)
            if ids is not None and known is not None and codes is not None:
                ids[np.ix_(r, c)] = np.where(codes.valid, known[codes.image.astype(np.int64)], 0)[picked]
    return valid, ids


def _draw_coverage(axes: Axes, reference: ReferenceMap, seen: Mask, described: Mask) -> None:
    import cv2

    whole = cv2.resize(described.astype(np.uint8), seen.shape[::-1], interpolation=cv2.INTER_NEAREST).astype(bool)
    state = seen.astype(np.uint8) + (seen & whole)
    _show(axes, np.array(list(COVERAGE.values()), np.uint8)[state], reference)
    shares = [float((state == i).mean()) for i in range(len(COVERAGE))]
    legend_of_areas(axes, {f"{name} {share:.1%}": colour for (name, colour), share in zip(COVERAGE.items(), shares, strict=True)})
    axes.set_title("coverage")


def _draw_scenes(axes: Axes, reference: ReferenceMap) -> None:
    """Where one scene of a mosaic ends and another wins."""
    if not reference.header.scenes:
        return
    grid, tile = reference.grid, reference.header.tile_px
    every = -(-max(grid.shape) // SIDE)
    rows, cols = np.arange(0, grid.height, every), np.arange(0, grid.width, every)
    index = np.zeros((len(rows), len(cols)), np.int64)
    for top in range(0, grid.height, tile):
        for left in range(0, grid.width, tile):
            window = reference.scene(left, top, min(tile, grid.width - left), min(tile, grid.height - top))
            r, c = (rows >= top) & (rows < top + tile), (cols >= left) & (cols < left + tile)
            if window:
                index[np.ix_(r, c)] = np.where(window.valid, window.image + 1, 0)[np.ix_(rows[r] - top, cols[c] - left)]
    border = np.zeros((*index.shape, 4), np.uint8)
    for axis in (0, 1):
        here, there = (np.take(index, np.arange(start, index.shape[axis] - 1 + start), axis) for start in (0, 1))
        step = (here != there) & (here > 0) & (there > 0)
        border[:step.shape[0], :step.shape[1]][step] = (*BORDER_COLOUR, 255)
    _show(axes, border, reference)


def _draw_landuse(axes: Axes, reference: ReferenceMap, ids: UInt8 | None) -> None:
    table = reference.header.vocabulary.table
    if ids is None or table is None:
        axes.set_title("land use: no land cover, the prompt is neutral")
        return
    palette = np.array([UNKNOWN_COLOUR, *(COLOURS[word] for word in LAND_USES)], np.uint8)
    _show(axes, palette[ids], reference)
    counts = np.bincount(ids.ravel(), minlength=len(palette)) / ids.size
    order = [i for i in np.argsort(-counts) if counts[i] > 0]
    names = ("unknown", *LAND_USES)
    legend_of_areas(axes, {f"{names[i]} {counts[i]:.1%}": (palette[i][0], palette[i][1], palette[i][2]) for i in order})
    axes.set_title(f"land use ({table.name})")


def _show(axes: Axes, image: UInt8, reference: ReferenceMap) -> None:
    x_min, y_min, x_max, y_max = reference.grid.bounds
    axes.imshow(image, extent=_km(x_min, x_max, y_min, y_max), interpolation="nearest")


def _draw_tiles(axes: Axes, reference: ReferenceMap) -> None:
    grid, step = reference.grid, reference.header.tile_px
    x_min, y_min, x_max, y_max = grid.bounds
    style: dict[str, Any] = {"color": "#1d5fd1", "linewidth": 0.8, "alpha": 0.9}
    # more than some thirty lines would hide what lies under them
    step *= max(1, max(grid.shape) // (30 * step))
    axes.vlines([(x_min + col * grid.gsd) / 1e3 for col in range(0, grid.width, step)], y_min / 1e3, y_max / 1e3, **style)
    axes.hlines([(y_max - row * grid.gsd) / 1e3 for row in range(0, grid.height, step)], x_min / 1e3, x_max / 1e3, **style)
    axes.set(xlim=(x_min / 1e3, x_max / 1e3), ylim=(y_min / 1e3, y_max / 1e3))


def _km(x_min: float, x_max: float, y_min: float, y_max: float) -> tuple[float, float, float, float]:
    return x_min / 1e3, x_max / 1e3, y_min / 1e3, y_max / 1e3


def _page(maps: list[tuple[ReferenceMap, bytes]]) -> str:
    """The page of a map, which is the first, and its regions, each with its picture as PNG."""
    from jinja2 import Environment

    template = files(__package__).joinpath("preview.html.j2").read_text(encoding="utf-8")
    parts = [{
        "name": shown.path.name, "picture": uri(picture), "told": facts(shown),
        "facts": {key: _plain(value) for key, value in map_info(shown.path).items() if key not in ("path", "inputs", "versions")},
    } for shown, picture in maps]
    return Environment(autoescape=True).from_string(template).render(parts=parts)


def _plain(value: Any) -> str:
    """A fact as a reader wants it."""
    if isinstance(value, dict):
        return "; ".join(f"{key}: {_plain(item)}" for key, item in value.items())
    if isinstance(value, list):
        return ", ".join(_plain(item) for item in value)
    return f"{value:.6g}" if isinstance(value, float) else "none" if value is None else str(value)
