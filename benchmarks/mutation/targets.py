"""Which files are mutated, and which tests hold each: units first, and whole frames for what these let through."""

from __future__ import annotations

MATCHING = ("test_ties.py", "test_correlation.py", "test_search.py", "test_verification.py", "test_matching.py",
            "test_dependence.py")
ROAD = ("test_priors.py", "test_reckoning.py", "test_mounts.py", "test_intake.py", "test_odometry.py",
        "test_prior_buffer.py", "test_odom.py", "test_camera_infos.py")
TRACK = ("test_track.py", "test_prior_errors.py", "test_disagreement.py")

# files below promptmid_core and promptmid_ros: the tests of their own
TARGETS: dict[str, tuple[str, ...]] = {
    "promptmid_core/geometry/camera.py": ("test_camera.py", "test_field_cameras.py", "test_limits_of_messages.py"),
    "promptmid_core/geometry/covariance.py": ("test_covariance.py", "test_limits_of_messages.py", "test_priors.py"),
    "promptmid_core/geometry/grid.py": ("test_grid.py", "test_ortho.py", "test_matching.py"),
    "promptmid_core/geometry/heights.py": ("test_ground.py",),
    "promptmid_core/geometry/image.py": ("test_grid.py", "test_ortho.py", "test_dependence.py"),
    "promptmid_core/geometry/lens.py": ("test_field_cameras.py", "test_camera.py"),
    "promptmid_core/geometry/ortho.py": ("test_ground.py", "test_ortho.py", "test_terrain.py"),
    "promptmid_core/geometry/pose.py": ("test_rotations.py", "test_pose.py", "test_solve.py"),
    "promptmid_core/geometry/terrain.py": ("test_ground.py", "test_terrain.py", "test_ortho.py"),
    "promptmid_core/matching/blocks.py": MATCHING,
    "promptmid_core/matching/correlation.py": MATCHING,
    "promptmid_core/matching/dependence.py": MATCHING,
    "promptmid_core/matching/joint.py": ("test_joint.py",),
    "promptmid_core/matching/overview.py": ("test_survey.py",),
    "promptmid_core/matching/parallel.py": MATCHING,
    "promptmid_core/matching/pool.py": MATCHING,
    "promptmid_core/matching/search.py": MATCHING,
    "promptmid_core/matching/sought.py": MATCHING,
    "promptmid_core/matching/split.py": ("test_split.py",),
    "promptmid_core/matching/similarity.py": MATCHING,
    "promptmid_core/matching/surface.py": MATCHING,
    "promptmid_core/matching/survey.py": ("test_survey.py",),
    "promptmid_core/matching/ties.py": MATCHING,
    "promptmid_core/matching/turn.py": ("test_survey.py",),
    "promptmid_core/matching/verification.py": MATCHING,
    "promptmid_core/matching/warp.py": MATCHING,
    "promptmid_core/matching/window.py": MATCHING,
    "promptmid_core/localization/solve.py": ("test_solve.py",),
    "promptmid_core/descriptors/calibration.py": ("test_calibration.py",),
    "promptmid_core/descriptors/likelihood.py": ("test_likelihood.py",),
    "promptmid_core/localization/anchor.py": ROAD,
    "promptmid_core/localization/apart.py": ("test_split.py",),
    "promptmid_core/localization/attitude.py": ("test_metrics.py", "test_doctor.py"),
    "promptmid_core/localization/belief.py": ("test_belief.py", *TRACK),
    "promptmid_core/localization/boresight.py": ("test_boresight.py",),
    "promptmid_core/localization/camera_calibration.py": ("test_camera_calibration.py",),
    "promptmid_core/localization/cameras.py": ROAD,
    "promptmid_core/localization/clouds.py": ("test_clouds.py",),
    "promptmid_core/localization/dispute.py": ("test_dispute.py", *TRACK),
    "promptmid_core/localization/expectation.py": TRACK,
    "promptmid_core/localization/footprint.py": ("test_footprint.py",),
    "promptmid_core/localization/frozen.py": ("test_frozen.py",),
    "promptmid_core/localization/ground.py": ("test_seen_ground.py",),
    "promptmid_core/localization/independent.py": ("test_independent.py",),
    "promptmid_core/localization/intake.py": ROAD,
    "promptmid_core/localization/drift.py": ("test_whereabouts.py",),
    "promptmid_core/localization/lost.py": ("test_whereabouts.py",),
    "promptmid_core/localization/kept.py": TRACK,
    "promptmid_core/localization/mounts.py": ROAD,
    "promptmid_core/localization/nats.py": ("test_whereabouts.py",),
    "promptmid_core/localization/odometry.py": ROAD,
    "promptmid_core/localization/outlook.py": TRACK,
    "promptmid_core/localization/likeliest.py": ("test_overrule.py",),
    "promptmid_core/localization/overrule.py": ("test_overrule.py",),
    "promptmid_core/localization/parts.py": ("test_solve.py",),
    "promptmid_core/localization/prior.py": ROAD,
    "promptmid_core/localization/protection.py": ("test_protection.py",),
    "promptmid_core/localization/height.py": ("test_height.py",),
    "promptmid_core/localization/separation.py": ("test_separation.py",),
    "promptmid_core/localization/sources.py": ("test_prior_sources.py",),
    "promptmid_core/localization/priorform.py": ("test_prior_sources.py", "test_parameters.py"),
    "promptmid_core/localization/vehicle.py": ("test_prior_sources.py",),
    "promptmid_core/localization/navsat.py": ("test_prior_sources.py",),
    "promptmid_core/localization/formed.py": ("test_prior_sources.py",),
    "promptmid_core/localization/reckoning.py": ("test_reckoning.py", "test_priors.py", "test_prior_buffer.py", "test_odom.py"),
    "promptmid_core/localization/resection.py": ("test_boresight.py",),
    "promptmid_core/localization/rig.py": (*ROAD, "test_field_settings.py"),
    "promptmid_core/localization/stamps.py": TRACK,
    "promptmid_core/localization/tilts.py": ("test_tilts.py",),
    "promptmid_core/localization/track.py": TRACK,
    "promptmid_core/bags/messages.py": ("test_limits_of_messages.py", "test_field_cameras.py", "test_messages.py"),
    "promptmid_core/outputs/contents.py": ("test_conversions.py",),
    "promptmid_ros/conversions.py": ("test_conversions.py",),
}
# whole frames, for what these let through: over a small world, and with messages and priors that just do for them
FRAMES = {"promptmid_core/geometry": ("test_overflight.py",), "promptmid_core/matching": ("test_overflight.py",),
          "promptmid_core/localization": ("test_overflight.py", "test_reasons.py"), "promptmid_core/bags": ("test_reasons.py",)}


def stages(file: str) -> list[tuple[str, ...]]:
    """Return the tests of a file in the order in which they are run."""
    return [TARGETS[file], *(tests for folder, tests in FRAMES.items() if file.startswith(f"{folder}/"))]
