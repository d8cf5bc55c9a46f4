"""The filter of the package robot_localization, by config/ekf.yaml, and the localizer in a closed loop."""
