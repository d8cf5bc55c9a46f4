"""Whether ROS 2 works from this Python: imports what the node needs and prints the middleware's name.

With `--node` it makes a node too, in the enclave of this environment where there is one.
"""

import re
import sys

import rclpy
from diagnostic_msgs.msg import DiagnosticArray
from lifecycle_msgs.srv import ChangeState
from nav_msgs.msg import Odometry
from rclpy.utilities import get_rmw_implementation_identifier
from sensor_msgs.msg import Image
from std_msgs.msg import Header

NEEDED = (DiagnosticArray, ChangeState, Odometry, Image, Header)


def main() -> None:
    if "--node" in sys.argv[1:]:
        try:
            rclpy.init(args=[])
            rclpy.create_node("promptmid_doctor").destroy_node()
        except RuntimeError as error:
            # less the places in ROS's own source that it names
            sys.exit(re.sub(r", at \S+:\d+", "", " ".join(str(error).split())))
        rclpy.shutdown()
    print(get_rmw_implementation_identifier())


if __name__ == "__main__":
    main()
