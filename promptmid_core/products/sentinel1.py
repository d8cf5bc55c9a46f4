"""The annotation of a Sentinel-1 image: how it was taken, and on what its pixels lie."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from xml.etree import ElementTree

import numpy as np

from promptmid_core.arrays import Float64
from promptmid_core.errors import InputError
from promptmid_core.products.orbit import Orbit
from promptmid_core.products.xmlfile import read_xml

EPOCH = datetime(2000, 1, 1)
CURE = "get a whole copy of the product"


@dataclass(frozen=True)
class Annotation:
    """Times are seconds from EPOCH. `points`: line, pixel, latitude, longitude, height (N, 5) of the geolocation grid.

    `first_line` and `line_s`: time of the first line and from one to the next; `bursts`: that of each burst's first, of
    `burst_lines` lines, empty where the image is of one piece. `near_s` and `sample_hz` are slant range time and sampling of the
    first sample; `ground` has of each conversion to ground range its time, first slant range, and coefficients, empty in slant
    range, and `spacing_m` the width of a sample in ground range.
    """

    mode: str
    product: str
    polarisation: str
    acquired: str
    incidence_deg: float
    look_deg: float
    looks: float | None
    points: Float64
    orbit: Orbit
    first_line: float
    line_s: float
    bursts: tuple[float, ...]
    burst_lines: int
    near_s: float
    sample_hz: float
    spacing_m: float
    ground: tuple[tuple[float, float, tuple[float, ...]], ...]


def read_annotation(path: Path) -> Annotation:
    """Return what an annotation tells. Raises InputError where it is none, or lacks what places pixels."""
    root = read_xml(path)
    try:
        return _annotation(root)
    except (AttributeError, TypeError, ValueError, IndexError) as error:
        raise InputError(f"{path} is no whole annotation of a Sentinel-1 image ({error}); {CURE}") from error


def _annotation(root: ElementTree.Element) -> Annotation:
    header, image = _within(root, "adsHeader"), _within(root, "imageAnnotation/imageInformation")
    start = _text(header, "startTime")
    points = np.array([[_number(point, name) for name in ("line", "pixel", "latitude", "longitude", "height")]
                       for point in root.iterfind("geolocationGrid/geolocationGridPointList/geolocationGridPoint")])
    if len(points) < 4 or not np.isfinite(points).all():
        raise ValueError("its geolocation grid has fewer than 4 points")
    states = [(_seconds(_text(state, "time")), [_number(state, f"position/{axis}") for axis in "xyz"])
              for state in root.iterfind("generalAnnotation/orbitList/orbit")]
    if len(states) < 4:
        raise ValueError("it has fewer than 4 state vectors")
    conversions = tuple(
        (_seconds(_text(one, "azimuthTime")), _number(one, "sr0"), tuple(map(float, _text(one, "srgrCoefficients").split())))
        for one in root.iterfind("coordinateConversion/coordinateConversionList/coordinateConversion"))
    heading = _number(root, "generalAnnotation/productInformation/platformHeading")
    return Annotation(
        _text(header, "mode"), _text(header, "productType"), _text(header, "polarisation"), start[:19] + "Z",
        _number(image, "incidenceAngleMidSwath"), (heading + 90) % 360, _looks(root), points,
        Orbit(np.array([time for time, _ in states]), np.array([place for _, place in states])),
        _seconds(_text(image, "productFirstLineUtcTime")), _number(image, "azimuthTimeInterval"),
        tuple(_seconds(_text(burst, "azimuthTime")) for burst in root.iterfind("swathTiming/burstList/burst")),
        int(root.findtext("swathTiming/linesPerBurst", "0")), _number(image, "slantRangeTime"),
        _number(root, "generalAnnotation/productInformation/rangeSamplingRate"), _number(image, "rangePixelSpacing"),
        conversions if _text(header, "productType") == "GRD" else ())


def _looks(root: ElementTree.Element) -> float | None:
    """Range times azimuth looks of the middle swath."""
    swaths = root.findall("imageAnnotation/processingInformation/swathProcParamsList/swathProcParams")
    if not swaths:
        return None
    middle = swaths[len(swaths) // 2]
    return _number(middle, "rangeProcessing/numberOfLooks") * _number(middle, "azimuthProcessing/numberOfLooks")


def _within(element: ElementTree.Element, path: str) -> ElementTree.Element:
    found = element.find(path)
    if found is None:
        raise ValueError(f"it lacks {path}")
    return found


def _text(element: ElementTree.Element, path: str) -> str:
    return (_within(element, path).text or "").strip()


def _number(element: ElementTree.Element, path: str) -> float:
    number = float(_text(element, path))
    if not np.isfinite(number):
        raise ValueError(f"{path} is no finite number")
    return number


def _seconds(text: str) -> float:
    return (datetime.fromisoformat(text) - EPOCH).total_seconds()
