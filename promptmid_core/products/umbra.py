"""The metadata of Umbra, *_METADATA.json."""

from __future__ import annotations

from promptmid_core.products.acquisition import Acquisition, MetadataFields


def is_umbra(said: MetadataFields) -> bool:
    """Return whether a JSON object is of this kind."""
    return isinstance(said.values.get("collects"), list) and "umbra" in str(said.values.get("vendor", "umbra")).lower()


def acquisition(said: MetadataFields) -> Acquisition:
    """Return what Umbra says. GEC are laid on the ellipsoid, or a plane, and not on the terrain."""
    collect = said.part("collects")
    return Acquisition(
        said.file, collect.time("startAtUTC"), collect.number("angleIncidenceDegrees", 5, 85), _look(collect),
        None, collect.words("polarizations"), "no")


def _look(collect: MetadataFields) -> float | None:
    """The azimuth, or its opposite: whichever lies on the side of the track that the radar looked to."""
    azimuth = collect.number("angleAzimuthDegrees", -360, 360)
    track, side = collect.text("satelliteTrack").upper(), collect.text("observationDirection").upper()
    if azimuth is None or track not in ("ASCENDING", "DESCENDING") or side not in ("LEFT", "RIGHT"):
        return None
    # orbits that see all of the Earth go north or south within some 15 degrees
    eastward = (track == "ASCENDING") == (side == "RIGHT")
    return azimuth % 360 if (0 < azimuth % 360 < 180) == eastward else (azimuth + 180) % 360
