"""A Sentinel-1 product of a few pixels in the structure of a real one, over a circular orbit."""

from __future__ import annotations

from datetime import datetime, timedelta
from math import cos, radians, sin
from pathlib import Path
from typing import Any

import numpy as np
import pyproj
import rasterio
from numpy.typing import NDArray
from scipy.optimize import fsolve

START = datetime(2023, 5, 1, 12, 0, 0)
LINES, SAMPLES, SPACING_M, LINE_S = 160, 180, 10.0, 0.0015
RADIUS_M, TURN_S, NEAR_M = 7071e3, 5920.0, 850e3
TO_EARTH_FIXED = pyproj.Transformer.from_crs("EPSG:4979", "EPSG:4978", always_xy=True)
# slant range less that of the first sample to ground range and back, metres
GROUND = (0.0, 1.8, -2e-6)


def satellite(seconds: float) -> tuple[NDArray[Any], NDArray[Any]]:
    """Position and velocity in the axes of the Earth, over 30 degrees north going north."""
    angle, rate = radians(30) + 2 * np.pi * seconds / TURN_S, 2 * np.pi / TURN_S
    return (RADIUS_M * np.array([cos(angle), 0.02, sin(angle)]), RADIUS_M * rate * np.array([-sin(angle), 0.0, cos(angle)]))


def place(line: float, pixel: float, height: float) -> tuple[float, float]:
    """Longitude and latitude of a pixel's middle at a height: on the sphere of its range, broadside, to the right."""
    spot, velocity = satellite(line * LINE_S)
    metres = pixel * SPACING_M
    away = NEAR_M + fsolve(lambda s: GROUND[1] * s + GROUND[2] * s * s - metres, metres / GROUND[1])[0]

    def off(at: NDArray[Any]) -> list[float]:
        there = np.array(TO_EARTH_FIXED.transform(*at, height))
        return [(np.linalg.norm(there - spot) - away) / 1e3, ((there - spot) @ velocity) / 1e9]

    lon, lat, _ = TO_EARTH_FIXED.transform(*spot, direction="INVERSE")
    answer = fsolve(off, [lon + 4.5, lat], xtol=1e-13)
    return float(answer[0]), float(answer[1])


def time(seconds: float) -> str:
    return (START + timedelta(seconds=seconds)).isoformat(timespec="microseconds")


def write_safe(folder: Path, pixels: dict[str, NDArray[Any]], sigma: float = 500.0, noise: float = 0.0) -> Path:
    """A GRD product of these pixels (LINES, SAMPLES) by polarisation."""
    (folder / "annotation" / "calibration").mkdir(parents=True)
    (folder / "measurement").mkdir()
    (folder / "manifest.safe").write_text("<xfdu/>")
    for polarisation, image in pixels.items():
        stem = f"s1a-iw-grd-{polarisation.lower()}-20230501t120000-001"
        (folder / "annotation" / f"{stem}.xml").write_text(annotation(polarisation))
        tables = folder / "annotation" / "calibration"
        (tables / f"calibration-{stem}.xml").write_text(table("calibrationVector", "sigmaNought", sigma))
        (tables / f"noise-{stem}.xml").write_text(table("noiseRangeVector", "noiseRangeLut", noise))
        with rasterio.open(folder / "measurement" / f"{stem}.tiff", "w", driver="GTiff", width=SAMPLES, height=LINES, count=1,
                           dtype=image.dtype) as target:
            target.write(image, 1)
    return folder


def table(vector: str, name: str, value: float) -> str:
    rows = "".join(f"<{vector}><line>{line}</line><pixel>0 {SAMPLES - 1}</pixel><{name}>{value} {value}</{name}></{vector}>"
                   for line in (0, LINES))
    return f"<tables><{vector}List>{rows}</{vector}List></tables>"


def annotation(polarisation: str) -> str:
    points = "".join(
        f"<geolocationGridPoint><line>{line}</line><pixel>{pixel}</pixel><latitude>{lat!r}</latitude>"
        f"<longitude>{lon!r}</longitude><height>0.0</height></geolocationGridPoint>"
        for line in np.linspace(0, LINES - 1, 4) for pixel in np.linspace(0, SAMPLES - 1, 4)
        for lon, lat in [place(line, pixel, 0.0)])
    orbits = "".join(
        f"<orbit><time>{time(at)}</time><position><x>{x!r}</x><y>{y!r}</y><z>{z!r}</z></position></orbit>"
        for at in range(-60, 70, 10) for x, y, z in [map(float, satellite(at)[0])])
    return f"""<product><adsHeader><productType>GRD</productType><polarisation>{polarisation}</polarisation><mode>IW</mode>
<startTime>{time(0)}</startTime></adsHeader><generalAnnotation><productInformation><platformHeading>0.5</platformHeading>
<rangeSamplingRate>6.4e7</rangeSamplingRate></productInformation><orbitList>{orbits}</orbitList></generalAnnotation>
<imageAnnotation><imageInformation><productFirstLineUtcTime>{time(0)}</productFirstLineUtcTime>
<slantRangeTime>{2 * NEAR_M / 299792458.0!r}</slantRangeTime><rangePixelSpacing>{SPACING_M}</rangePixelSpacing>
<azimuthTimeInterval>{LINE_S}</azimuthTimeInterval><incidenceAngleMidSwath>38.5</incidenceAngleMidSwath></imageInformation>
<processingInformation><swathProcParamsList><swathProcParams><rangeProcessing><numberOfLooks>5</numberOfLooks></rangeProcessing>
<azimuthProcessing><numberOfLooks>1</numberOfLooks></azimuthProcessing></swathProcParams></swathProcParamsList>
</processingInformation></imageAnnotation><geolocationGrid><geolocationGridPointList>{points}</geolocationGridPointList>
</geolocationGrid><coordinateConversion><coordinateConversionList><coordinateConversion><azimuthTime>{time(-1)}</azimuthTime>
<sr0>{NEAR_M}</sr0><srgrCoefficients>{GROUND[0]} {GROUND[1]} {GROUND[2]}</srgrCoefficients></coordinateConversion>
</coordinateConversionList></coordinateConversion></product>"""
