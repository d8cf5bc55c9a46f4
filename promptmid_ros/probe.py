"""Whether ROS 2 works from this Python: imports what the node needs and prints the middleware's name."""

from diagnostic_msgs.msg import DiagnosticArray
from lifecycle_msgs.srv import ChangeState
from nav_msgs.msg import Odometry
from rclpy.utilities import get_rmw_implementation_identifier
from sensor_msgs.msg import Image
from std_msgs.msg import Header

NEEDED = (DiagnosticArray, ChangeState, Odometry, Image, Header)


def main() -> None:
    print(get_rmw_implementation_identifier())


if __name__ == "__main__":
    main()
