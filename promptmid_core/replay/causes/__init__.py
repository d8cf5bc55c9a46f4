"""Why a flight fails, by small rules on what its frames say: each gives what was seen and what to try."""

from __future__ import annotations

from promptmid_core.geometry.terrain import Terrain
from promptmid_core.replay.causes.camera import turned, turned_about_its_axis
from promptmid_core.replay.causes.cause import Cause
from promptmid_core.replay.causes.heights import datum, too_high, too_low
from promptmid_core.replay.causes.inspection import Inspection
from promptmid_core.replay.causes.odometry import attitude, beyond_sigma, other_frame
from promptmid_core.replay.causes.refused import refused_for
from promptmid_core.replay.run import Flight

RULES = (other_frame, datum, too_low, too_high, turned, turned_about_its_axis, beyond_sigma, attitude)
__all__ = ["Cause", "causes_of"]


def causes_of(flight: Flight, terrain: Terrain) -> tuple[Cause, ...]:
    """Return the likely causes of what went wrong on a flight over `terrain`: those that are measured first, then, of a flight
    with too few fixes, what stands behind the reasons of most refusals."""
    look = Inspection(flight, terrain)
    if not look.frames:
        return ()
    measured = [cause for rule in RULES if (cause := rule(look)) is not None]
    # a prior in another frame, or of another datum, is beyond its sigma too
    if measured and measured[0].name.startswith("odometry"):
        measured = [cause for cause in measured if cause.name not in ("heights_datum", "prior_beyond_sigma", "heading_off")]
    return (*measured, *refused_for(look))
