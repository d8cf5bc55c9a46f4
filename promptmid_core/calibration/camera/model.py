"""What a camera that is otherwise than told would show: the measurement equation of a flight's fixes, and its derivatives."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from promptmid_core.arrays import Float64
from promptmid_core.geometry import Camera
from promptmid_core.geometry.pose import rotation_rpy
from promptmid_core.localization.camera_calibration import CameraCalibration

UNKNOWNS = ("roll", "pitch", "yaw", "delay_s", "focal_scale")
ROWS = 4  # of a fix: east and north of its ground point, heading, logarithm of the scale
# radians, seconds, logarithm of the focal length; over less time odometry's own noise would look like motion that shows a delay
STEPS = np.array([1e-4, 1e-4, 1e-4, 0.25, 1e-4])
POSE_STEPS = np.array([1.0, 1.0, 1.0, 1e-4, 1e-4, 1e-4])
BEFORE_S, AFTER_S, STEP_S = 1.0, 0.5, 0.1  # how far around an image's stamp its pose is kept


@dataclass(frozen=True)
class Observations:
    """What the fixes of one flight say, and what odometry says of the aircraft around each.

    `times` (N,): the images' stamps in seconds; `flown` (N,) metres; `positions` (N, M, 3) and `rotations` (N, M, 3, 3) of
    `base_link` by odometry, every STEP_S from BEFORE_S before the stamp on; `camera` as told; `ground` (N, 3): where the middle
    of the image lies on the map, with its `ground_covariance` (N, 2, 2); `seen` (N, 3, 3): the orientation of the housing by the
    image; `scale` (N,): natural logarithm of the height above that ground by the focal length, as the image has it; the
    variances (N,) of heading in rad2 and of `scale`, infinite where an image does not tell; `height_sigma` metres and
    `heading_sigma` radians: by which odometry's height above the map's ground and its heading may be wrong all along.
    """

    times: Float64
    flown: Float64
    positions: Float64
    rotations: Float64
    camera: Camera
    ground: Float64
    ground_covariance: Float64
    seen: Float64
    heading_variance: Float64
    scale: Float64
    scale_variance: Float64
    height_sigma: float
    heading_sigma: float

    def __len__(self) -> int:
        return len(self.times)

    @property
    def height(self) -> float:
        """Metres above ground, as odometry has it over all fixes."""
        return float(np.median(self.positions[:, round(BEFORE_S / STEP_S), 2] - self.ground[:, 2]))


def residuals(flight: Observations, unknowns: Float64, wrong: Float64) -> Float64:
    """Return what was seen less what a camera of these `unknowns` (5,) would show (N, ROWS): metres, metres, radians, and a
    logarithm.

    `unknowns`: roll, pitch, yaw in radians, delay in seconds, logarithm of the focal scale. `wrong` (N, 6): by which odometry's
    position is wrong, in metres along the axes of `map`, and its attitude, in radians about those of `base_link`.
    """
    from scipy.spatial.transform import Rotation

    position, rotation = _pose(flight, float(unknowns[3]))
    position = position + wrong[:, :3]
    rotation = rotation @ Rotation.from_rotvec(wrong[:, 3:]).as_matrix()
    housing = rotation @ rotation_rpy(*unknowns[:3])
    camera = CameraCalibration(focal_scale=float(np.exp(unknowns[4]))).camera(flight.camera)
    sight = housing @ (camera.mount.rotation @ camera.boresight())
    eye = position + rotation @ camera.mount.position
    above = eye[:, 2] - flight.ground[:, 2]
    met = eye[:, :2] - sight[:, :2] * (above / sight[:, 2])[:, None]
    turn = Rotation.from_matrix(flight.seen @ housing.transpose(0, 2, 1)).as_rotvec()[:, 2]
    scale = flight.scale - np.log(np.maximum(above, 1.0) / flight.camera.k[0, 0]) + unknowns[4]
    return np.column_stack([flight.ground[:, :2] - met, turn, scale])


def by_unknowns(flight: Observations, unknowns: Float64, wrong: Float64) -> Float64:
    """Return how what would be seen changes with the unknowns (N, ROWS, 5)."""
    columns = [(residuals(flight, unknowns - step, wrong) - residuals(flight, unknowns + step, wrong)) / (2 * step.sum())
               for step in np.diag(STEPS)]
    return np.stack(columns, axis=2)


def by_pose(flight: Observations, unknowns: Float64, wrong: Float64) -> Float64:
    """Return how what would be seen changes with errors of odometry (N, ROWS, 6), as `residuals` takes them."""
    columns = [(residuals(flight, unknowns, wrong - step) - residuals(flight, unknowns, wrong + step)) / (2 * step.sum())
               for step in np.diag(POSE_STEPS)]
    return np.stack(columns, axis=2)


def _pose(flight: Observations, delay: float) -> tuple[Float64, Float64]:
    """Position (N, 3) and orientation (N, 3, 3) when the images were taken."""
    from scipy.spatial.transform import Rotation

    at = np.clip((BEFORE_S - delay) / STEP_S, 0.0, flight.positions.shape[1] - 1.001)
    first, share = int(at), at - int(at)
    before, after = flight.rotations[:, first], flight.rotations[:, first + 1]
    turn = Rotation.from_matrix(before.transpose(0, 2, 1) @ after).as_rotvec()
    rotation = before @ Rotation.from_rotvec(share * turn).as_matrix()
    position = (1 - share) * flight.positions[:, first] + share * flight.positions[:, first + 1]
    return position, rotation
