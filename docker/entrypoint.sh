#!/bin/bash
# with ROS 2 and the workspace sourced, whatever the container is to run
set -e
source /opt/ros/jazzy/setup.bash
source /ws/venv/bin/activate
source /ws/install/setup.bash
exec "$@"
