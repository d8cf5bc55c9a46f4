"""The SAR map around the aircraft as an occupancy grid, which RViz can lay on the ground: it cannot place an image."""

from __future__ import annotations

import cv2
import numpy as np

from promptmid_core.geometry import Pose
from promptmid_core.outputs import contents
from promptmid_core.outputs.contents import Content
from promptmid_core.preview.overview import grey
from promptmid_core.refmap import ReferenceMap

CELLS, CELL_PX = 512, 2  # cells of a side, and map pixels of the side of a cell
UNKNOWN, DARKEST = -1, 100


def side_m(reference: ReferenceMap) -> float:
    """Return the metres of a whole side."""
    return CELLS * CELL_PX * reference.grid.gsd


def surroundings(stamp_ns: int, pose: Pose, reference: ReferenceMap) -> Content | None:
    """Return a nav_msgs/OccupancyGrid in `map` of the SAR map around a pose, as far as it reaches; None beyond it.

    0 is the brightest ground and 100 the darkest, so that RViz's colour scheme `map` shows it as it is; -1 where there is no SAR.
    It lies at the height of the ground below the pose. Raises Refusal MAP_DAMAGED where the map cannot be read.
    """
    grid, size = reference.grid, CELLS * CELL_PX
    col, row = (round(float(value)) // CELL_PX * CELL_PX - size // 2
                for value in grid.to_pixel(pose.position[0], pose.position[1]))
    left, top = max(col, 0), max(row, 0)
    width, height = ((min(first + size, last) - start) // CELL_PX
                     for first, last, start in ((col, grid.width, left), (row, grid.height, top)))
    if width < 1 or height < 1:
        return None
    patch = reference.image(left, top, width * CELL_PX, height * CELL_PX)
    known = patch.valid.astype(np.float32)
    image, valid = (cv2.resize(values, (width, height), interpolation=cv2.INTER_AREA)
                    for values in (patch.image.astype(np.float32) * known, known))
    seen = valid > 0
    mean = np.divide(image, valid, out=np.zeros_like(image), where=seen)
    dark = np.where(seen, np.round((255.0 - grey(mean, seen)) * (DARKEST / 255.0)), UNKNOWN).astype(np.int8)
    west, south, _, _ = patch.grid.bounds
    height_m = float(reference.terrain().height(pose.position[0], pose.position[1]))
    return {"header": contents.header(stamp_ns),
            "info": {"map_load_time": contents.time(stamp_ns), "resolution": CELL_PX * grid.gsd, "width": width, "height": height,
                     "origin": contents.UNMOVED | {"position": contents.vector([west, south, np.nan_to_num(height_m)])}},
            # its rows run north
            "data": np.ascontiguousarray(dark[::-1]).ravel()}
