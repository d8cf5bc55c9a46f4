"""Where one image was taken.

usage: python examples/localize_image.py MAP IMAGE CAMERA.yaml LATITUDE LONGITUDE HEIGHT_M YAW_DEG
"""

import sys
import time
from pathlib import Path

import cv2
import numpy as np

from promptmid_core.api import Frame, Geodetic, Localizer, Pose, Prior, ReferenceMap, load, read_camera

folder, image, camera = map(Path, sys.argv[1:4])
latitude, longitude, height, yaw_deg = map(float, sys.argv[4:])
reference = ReferenceMap.open(folder)
earth = Geodetic(reference.frame, reference.vertical_datum)
x, y, _ = earth.position(latitude, longitude, 0.0)
sigmas = np.array([100.0, 100.0, 30.0, 0.01, 0.01, 0.05])  # metres and radians: how far what was told may be wrong
now = time.time_ns()
prior = Prior(now, Pose.from_rpy(np.array([x, y, height]), 0.0, 0.0, np.radians(yaw_deg)), np.diag(sigmas**2))
frame = Frame(now, cv2.imread(str(image))[..., ::-1], read_camera(camera))
localizer = Localizer(reference, load(reference.descriptor_name))
fix = localizer.track(localizer.match(frame, prior, localizer.expect))
if not fix.accepted:
    sys.exit(f"no fix: {fix.reason}: {fix.sentence}")
place, sigma = earth.place(*fix.pose.position), np.sqrt(np.diag(fix.covariance)[:2])
print(f"{place.latitude:.6f} {place.longitude:.6f}, to {sigma[0]:.1f} m east and {sigma[1]:.1f} m north")
