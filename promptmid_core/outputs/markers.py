"""What a frame shows of the ground, and where the last fixes were, as markers for RViz and Foxglove."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from promptmid_core.arrays import Float64
from promptmid_core.geometry import Camera, Pose
from promptmid_core.geometry.terrain import Terrain
from promptmid_core.localization.fix import Fix
from promptmid_core.outputs import contents
from promptmid_core.outputs.contents import Content
from promptmid_core.outputs.match_keys import SETUP_REASONS

# as visualization_msgs/Marker has them
LINE_STRIP, ADD, DELETE = 4, 0, 2
FIXED, REFUSED, UNFIT, FLOWN = (0.18, 0.75, 0.25), (0.98, 0.66, 0.10), (0.88, 0.18, 0.18), (0.11, 0.45, 0.95)
WIDTH = 0.01  # of a line, as a share of the footprint's side
THINNEST_M = 0.5


def seen_ground(camera: Camera, pose: Pose, terrain: Terrain) -> list[np.ndarray[Any, np.dtype[np.float64]]] | None:
    """Return where the corners (3,) of an image meet the ground, counter-clockwise from above or clockwise; None where one does
    not."""
    right, bottom = camera.width - 1.0, camera.height - 1.0
    eye = pose @ camera.mount
    rays = camera.rays(np.array([[0.0, 0.0], [right, 0.0], [right, bottom], [0.0, bottom]])) @ eye.rotation.T
    points, hit = terrain.intersect(eye.position, rays)
    return list(points) if hit.all() else None


def verdict_colour(fix: Fix) -> tuple[float, float, float]:
    """Return green for a fix, red where the set-up has to be mended, amber for any other refusal."""
    return FIXED if fix.accepted else UNFIT if fix.reason in SETUP_REASONS else REFUSED


def markers(fix: Fix, camera: Camera | None, terrain: Terrain, trail: Sequence[Float64]) -> Content:
    """Return a MarkerArray in `map`: the ground that a frame shows from its fix, or else from its prior, coloured by its verdict,
    and a line along the positions (3,) of `trail`. What cannot be told is deleted, so that no older one stays."""
    pose = fix.pose or (fix.candidate.prior.pose if fix.candidate.prior else None)
    ring = seen_ground(camera, pose, terrain) if camera is not None and pose is not None else None
    side = float(np.linalg.norm(ring[1] - ring[0])) if ring else 0.0
    outline = [*ring, ring[0]] if ring else []
    return {"markers": [_line(fix.stamp_ns, "footprint", outline, side * WIDTH, verdict_colour(fix)),
                        _line(fix.stamp_ns, "trail", trail if len(trail) > 1 else [], side * WIDTH, FLOWN)]}


def _line(stamp_ns: int, name: str, points: Sequence[Float64], width: float, colour: tuple[float, float, float]) -> Content:
    return {"header": contents.header(stamp_ns), "ns": name, "id": 0, "type": LINE_STRIP,
            "action": ADD if len(points) else DELETE, "pose": contents.UNMOVED,
            "scale": contents.vector([max(width, THINNEST_M), 0.0, 0.0]),
            "color": dict(zip("rgba", (*colour, 1.0), strict=True)), "points": [contents.vector(point) for point in points]}
