"""The localizer, taken to active; with `bag:=FOLDER` it flies a recorded flight and ends with it."""

from pathlib import Path

from launch import LaunchContext, LaunchDescription, LaunchDescriptionEntity
from launch.actions import DeclareLaunchArgument, OpaqueFunction, RegisterEventHandler, Shutdown, TimerAction
from launch.event_handlers import OnProcessExit
from launch.events.process import ProcessExited
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node
from launch_ros.parameter_descriptions import ParameterValue

from promptmid_ros.transport import set_profile

PACKAGE, NAME = "promptmid_ros", "localizer"
SHARE = Path(__file__).resolve().parent.parent
FLAG = ["true", "false"]
# after the last message of a bag: time for its image to be matched and published
BAG_END_S = 2.0
# the programs take Ctrl-C once they are ready for it; this holds it back while Python itself starts
PREFIX = ["env --block-signal=INT ", LaunchConfiguration("launch-prefix", default="")]

ARGUMENTS = [
    DeclareLaunchArgument("map", description="Folder of the reference map, made with 'promptmid map build'."),
    DeclareLaunchArgument("params_file", default_value=str(SHARE / "config" / "localizer.yaml"),
                          description="The node's parameters, a ROS 2 parameter file."),
    DeclareLaunchArgument("namespace", default_value="", description="Namespace of the node and of its relative topics."),
    DeclareLaunchArgument("namespaces", default_value="",
                          description="Of several cameras over one map, such as left,right: a node in each, all in one process."),
    DeclareLaunchArgument("autostart", default_value="true", choices=FLAG,
                          description="Configure and activate the node; where that fails the launch ends with exit code 1."),
    DeclareLaunchArgument("image_topic", default_value="image",
                          description="Topic of the raw images; the compressed ones are on this name followed by /compressed."),
    DeclareLaunchArgument("camera_info_topic", default_value="camera_info", description="Topic of the camera's calibration."),
    DeclareLaunchArgument("odometry_topic", default_value="odometry", description="Topic of the prior, nav_msgs/Odometry."),
    DeclareLaunchArgument("initialpose_topic", default_value="initialpose", description="Topic that sets the prior by hand."),
    DeclareLaunchArgument("pose_topic", default_value="~/pose", description="Topic of the fixes, PoseWithCovarianceStamped."),
    DeclareLaunchArgument("image_transport", default_value="", choices=["", "compressed", "raw"],
                          description="Which images to subscribe to; empty for what params_file says."),
    DeclareLaunchArgument("bag", default_value="",
                          description="Recorded flight (rosbag2 folder) to play once the node is active; then the launch ends."),
    DeclareLaunchArgument("rate", default_value="1.0", description="How fast the bag is played, times real time."),
    DeclareLaunchArgument("log_level", default_value="info", choices=["debug", "info", "warn", "error", "fatal"],
                          description="Least severity of what the node logs."),
    DeclareLaunchArgument("use_fastdds_profile", default_value="true", choices=FLAG,
                          description="Give the node and the bag's player the Fast DDS profile for images, unless one is set. "
                                      "The camera driver needs it too: see config/fastdds.xml."),
]


def generate_launch_description() -> LaunchDescription:
    return LaunchDescription([*ARGUMENTS, OpaqueFunction(function=_localize)])


def _localize(context: LaunchContext) -> list[LaunchDescriptionEntity]:
    given = context.launch_configurations
    if not Path(given["params_file"]).is_file():
        raise RuntimeError(f"params_file:={given['params_file']} is not a file")
    cameras = [each.strip() for each in given["namespaces"].split(",") if each.strip()]
    if cameras and given["bag"]:
        raise RuntimeError(f"bag:={given['bag']} is the flight of one camera, and namespaces:={given['namespaces']} names "
                           "several; launch without bag, and play each to its camera with 'ros2 run promptmid_ros play'")
    environment = dict(context.environment)
    if given["use_fastdds_profile"] == "true":
        set_profile(environment)
    # for the processes that carry images only: each that has the profile takes 64 MB of shared memory
    profile = dict(environment.items() - context.environment.items())

    inputs = {
        "image": given["image_topic"],
        "image/compressed": f"{given['image_topic']}/compressed",
        "camera_info": given["camera_info_topic"],
        "odometry": given["odometry_topic"],
    }
    names = inputs | {"initialpose": given["initialpose_topic"], "~/pose": given["pose_topic"]}
    # as text: a map folder may have a number for a name
    overrides = {"map": ParameterValue(given["map"], value_type=str), "autostart": given["autostart"] == "true"}
    if given["image_transport"]:
        overrides["image_transport"] = given["image_transport"]
    spaces = [each if each.startswith("/") else f"{given['namespace']}/{each}" for each in cameras or [""]]
    loggers = [".".join([*filter(None, each.split("/")), NAME]) for each in spaces]
    # not a LifecycleNode: that makes a node inside `ros2 launch`, which does not survive every Ctrl-C; this one starts itself
    localizer = Node(
        package=PACKAGE,
        executable="localizer",
        exec_name="localizer",
        prefix=PREFIX,
        # a whole name would be that of the one node which gets the parameters
        name=None if cameras else NAME,
        namespace=given["namespace"],
        arguments=cameras,
        parameters=[given["params_file"], overrides],
        remappings=[(name, topic) for name, topic in names.items() if name != topic],
        ros_arguments=[word for each in loggers for word in ("--log-level", f"{each}:={given['log_level']}")],
        additional_env=profile,
        output="screen",
    )
    entities = [RegisterEventHandler(OnProcessExit(target_action=localizer, on_exit=_localizer_ended)), localizer]
    if given["bag"]:
        entities += _with_bag(given, inputs, profile)
    return entities


def _with_bag(given: dict[str, str], inputs: dict[str, str], profile: dict[str, str]) -> list[LaunchDescriptionEntity]:
    """Play the bag once the localizer is active. A bag of the usual names feeds the localizer whatever its topics are called."""
    player = Node(
        package=PACKAGE,
        executable="play",
        exec_name="play",
        prefix=PREFIX,
        namespace=given["namespace"],
        arguments=[given["bag"], "--rate", given["rate"], "--wait-for-node", NAME, "--wait-for-subscriber"],
        remappings=[(f"/{name}", topic) for name, topic in inputs.items()],
        additional_env=profile,
        output="screen",
    )

    def ended(event: ProcessExited, context: LaunchContext) -> TimerAction | None:
        if context.is_shutdown:
            return None
        if event.returncode != 0:
            raise RuntimeError(f"the bag {given['bag']} was not played; what the player printed says why")
        return TimerAction(period=BAG_END_S, actions=[Shutdown(reason="the bag has ended")])

    return [RegisterEventHandler(OnProcessExit(target_action=player, on_exit=ended)), player]


def _localizer_ended(event: ProcessExited, context: LaunchContext) -> None:
    if not context.is_shutdown or event.returncode != 0:
        raise RuntimeError(f"the localizer ended with exit code {event.returncode}; what it printed says why")
