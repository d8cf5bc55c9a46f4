"""A folder of images with a CSV file of their stamps and poses, as a bag."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path, PurePath
from typing import Any

import numpy as np

from promptmid_core.arrays import Float64
from promptmid_core.bags import telemetry
from promptmid_core.bags.camerafile import read_camera_info
from promptmid_core.bags.given import Given
from promptmid_core.bags.size import MOST_BYTES_A_PIXEL, MOST_BYTES_BESIDE, MOST_PIXELS
from promptmid_core.bags.storage import METADATA, ROS1, STORAGE
from promptmid_core.bags.table import CURE, TextTable
from promptmid_core.bags.topics import CAMERA_INFO, IMAGE_TYPES
from promptmid_core.errors import InputError
from promptmid_core.files import read_regular

CSV, ENDINGS, CAMERA = ".csv", (".jpg", ".jpeg", ".png"), "camera_info.yaml"
MOST_BYTES = MOST_BYTES_A_PIXEL * MOST_PIXELS + MOST_BYTES_BESIDE
# standard deviations of the poses by axis: x and y, z, roll and pitch, yaw
SIGMAS = {"sigma_xy_m": (0, 1), "sigma_z_m": (2,), "sigma_tilt_deg": (3, 4), "sigma_yaw_deg": (5,)}


def pictures_in(path: Path) -> dict[str, Given] | None:
    """Return images and odometry of a folder of images with one CSV file in it, or of that file; None where it is none.

    The columns: `file`, a time, x y z in metres of the frame `map`, attitude; `sigma_*` where it is known, else the parameters'
    default_sigma_* hold. A camera_info.yaml of camera_calibration beside it is the camera. Raises InputError where a row cannot
    be used, or names what is not in the folder.
    """
    file = _table_in(path)
    if file is None:
        return None
    table, folder = TextTable.read(file), file.parent
    stamps, attitude = table.stamps(), table.attitude()
    if attitude is None:
        raise InputError(f"{file} has no attitude, neither qx qy qz qw nor roll_deg pitch_deg yaw_deg; {CURE}")
    if not table.has("x", "y", "z"):
        raise InputError(f"{file} has no x, y and z of the poses, in metres of the map's frame; it has {', '.join(table.names)}; "
                         f"{CURE}")
    files = [_image(file, folder, line, name) for line, name in table.texts("file")]
    places = zip(*(table.numbers(axis) for axis in "xyz"), strict=True)
    covariances = _covariances(table, len(stamps))
    poses = [(stamp, telemetry.odometry(stamp, replace(attitude(row), position=np.array(place)), covariances[row], np.zeros(3),
                                        np.zeros(3), np.zeros((6, 6))))
             for row, (stamp, place) in enumerate(zip(stamps, places, strict=True))]
    order = sorted(zip(stamps, files, strict=True))
    images = Given(IMAGE_TYPES[0], len(order), order[0][0], order[-1][0], lambda: _images(order))
    given = {"/image/compressed": images, "/odometry": Given.of("nav_msgs/msg/Odometry", poses)}
    if (folder / CAMERA).is_file():
        given["/camera_info"] = Given.of(CAMERA_INFO, [(stamps[0], read_camera_info(folder / CAMERA))])
    return given


def _table_in(path: Path) -> Path | None:
    try:
        if path.suffix == CSV and path.is_file():
            return path
        if not path.is_dir() or (path / METADATA).exists():
            return None
        files = sorted(path.iterdir())
    except OSError:
        # what may not be read is told by who reads recordings
        return None
    tables = [file for file in files if file.suffix == CSV]
    if not tables or any(file.suffix in (*STORAGE, ROS1) for file in files):
        return None
    if len(tables) > 1:
        raise InputError(f"{path} has several CSV files, {', '.join(file.name for file in tables)}; name in its place the one "
                         "that has the stamps and poses of the images")
    return tables[0]


def _image(file: Path, folder: Path, line: int, name: str) -> Path:
    path = PurePath(name)
    if path.is_absolute() or ".." in path.parts or not name:
        raise InputError(f"{file}, line {line}: {name!r:.100} is no file in the folder of the CSV file; {CURE}")
    if path.suffix.lower() not in ENDINGS:
        raise InputError(f"{file}, line {line}: {name!r:.100} is no image that is read ({', '.join(ENDINGS)}); convert it")
    if not (folder / path).is_file():
        raise InputError(f"{file}, line {line}: there is no file {folder / path}; {CURE}")
    return folder / path


def _images(order: list[tuple[int, Path]]) -> Iterator[tuple[int, Any]]:
    for stamp, file in order:
        yield stamp, telemetry.compressed_image(stamp, read_regular(file, MOST_BYTES, "put the image back"))


def _covariances(table: TextTable, count: int) -> list[Float64]:
    """(6, 6) a row; zero, which means unknown, where nothing is stated."""
    variances = np.zeros((count, 6))
    for name, axes in SIGMAS.items():
        if table.has(name):
            unit = np.pi / 180 if name.endswith("_deg") else 1.0
            variances[:, list(axes)] = np.square(table.numbers(name, unit))[:, None]
    return [np.diag(row) for row in variances]
