"""Checkpoints: points of an optical image and where they lie in its SAR image, and the affine fitted to them."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np

from promptmid_core.arrays import Float64
from promptmid_core.errors import InputError

# (optical x, y, SAR x, y); in the second table the first image is the SAR image
LAYOUTS = (("optical_x", "optical_y", "sar_x", "sar_y"), ("b_x", "b_y", "a_x", "a_y"))
LEAST = 4  # three points fit any affine
FIRST = 1.0  # the tables count pixels from 1, as MATLAB does


def fitted_affine(optical: Path) -> Float64:
    """Return the affine (2, 3), optical to SAR pixels, with the least squared distance at the checkpoints beside the optical
    image.

    X_optical.png and Xb.png have X_checkpoints.csv. Raises InputError where that table is missing, incomplete or too short.
    """
    name = optical.stem.removesuffix("_optical")
    name = name.removesuffix("b") if name == optical.stem else name
    table = optical.with_name(f"{name}_checkpoints.csv")
    try:
        with table.open(newline="") as file:
            rows = list(csv.DictReader(file))
        layout = next(names for names in LAYOUTS if rows and set(names) <= set(rows[0]))
        points = np.array([[float(row[key]) for key in layout] for row in rows]) - FIRST
    except (OSError, StopIteration, ValueError, TypeError) as error:
        raise InputError(
            f"{table} is no table of checkpoints with the columns {','.join(LAYOUTS[0])} or a_x,a_y,b_x,b_y; it says how "
            f"{optical.name} lies on its SAR image, so restore it or take the pair out of pairs.csv") from error
    if len(points) < LEAST:
        raise InputError(f"{table} has {len(points)} checkpoints, too few to fit an affine; it takes at least {LEAST}")
    seen = np.column_stack([points[:, :2], np.ones(len(points))])
    solution, *_ = np.linalg.lstsq(seen, points[:, 2:], rcond=None)
    return np.asarray(solution.T, np.float64)
