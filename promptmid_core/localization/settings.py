"""Everything that may be set about a flight, by the names of the node's parameters: for the node and for a replay of it."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from itertools import pairwise
from pathlib import Path
from typing import Any

from promptmid_core.errors import InputError
from promptmid_core.localization.camera_calibration import CameraCalibration
from promptmid_core.localization.options import PARAMETERS as OPTIONS
from promptmid_core.localization.options import Options
from promptmid_core.localization.parameter import Parameter, parameters_of
from promptmid_core.localization.priorform import PriorParameters
from promptmid_core.localization.rig import DefaultSigmas, Rig, RigOptions
from promptmid_core.localization.upkeep import Upkeep
from promptmid_core.runtime.backend import AUTO, BACKENDS, Wanted
from promptmid_core.yamlfile import no_yaml, read_yaml_text

TRUE = ("Y", "y", "yes", "Yes", "YES", "true", "True", "TRUE", "on", "On", "ON")
FALSE = ("N", "n", "no", "No", "NO", "false", "False", "FALSE", "off", "Off", "OFF")
WHOLE = re.compile(r"[-+]?(\d{1,18}|0[xX][0-9a-fA-F]{1,15})")
DECIMAL = re.compile(r"[-+]?((\d+\.?\d*|\.\d+)([eE][-+]?\d+)?|\.inf|\.Inf|\.INF|inf|Inf)|\.nan|\.NaN|\.NAN|nan|NaN")
COMPRESSED, RAW = "compressed", "raw"
NODE = "localizer"
# parameters that gates had which are no more, each with what does their work
RETIRED = {
    "least_margin": "places that match nearly as well stay in the belief until frames tell them apart",
    "most_mahalanobis2": "a fix may lie far from the prior, and says so as prior_overruled",
    "least_evidence": "set risk, of which a place has to leave no more",
    "confirm": "set risk, of which a place has to leave no more, after however many frames that takes",
    "confirm_among": "set risk, of which a place has to leave no more, after however many frames that takes",
    "lose_after": "the track is lost when no place holds half of the belief any more",
    "drift_share": "set odometry_drift, one standard deviation, a third of it",
}
# what every node of rclpy declares itself
FOREIGN = ("use_sim_time", "start_type_description_service", "qos_overrides")

PARAMETERS: dict[str, Parameter] = {
    "map": Parameter("", "Folder of the reference map, as 'promptmid map build' makes it. Required."),
    "region": Parameter("", "Name of a region that 'promptmid map append' gave the map; empty for the map itself. A flight stays "
                        "in one region."),
    "descriptor": Parameter("", "Name of the descriptor; empty for the one that the map was built with."),
    "backend": Parameter(AUTO, "What runs the network of the descriptor: 'tensorrt', 'onnxruntime', 'torch', or 'auto' for the "
                         "best that is there. One that is named runs it, or the node refuses to configure."),
    "network": Parameter("", "ONNX file that 'promptmid export onnx' made, run instead of the profile's own; empty for that."),
    "allow_build": Parameter(False, "Build the TensorRT engine while configuring where there is none, which takes minutes."),
    "image_transport": Parameter(COMPRESSED, "'compressed' to subscribe to image/compressed, 'raw' to subscribe to image."),
    "prior_wait_ms": Parameter(100, "How long an image waits for odometry of a later stamp, in milliseconds.", 0, 2000,
                               live=True),
    "most_fix_age_ms": Parameter(1500, "How old an image may be, in milliseconds by the node's clock, when its fix is published; "
                                 "an older fix is refused as fix_late, and counts for the belief alone. 0 for no limit; without "
                                 "effect where stamps are more than a minute off the clock, as those of a bag are.", 0, 60000,
                                 live=True),
    **parameters_of(PriorParameters),
    **parameters_of(RigOptions),
    **parameters_of(DefaultSigmas),
    **OPTIONS,
    "autostart": Parameter(False, "Configure and activate the node when its process starts; where that fails it ends with "
                           "status 1. Read at the start only."),
    "publish_tf": Parameter(False, "Publish the transform map -> odom, where odometry is given in odom."),
    "match_image_hz": Parameter(1.0, "How often ~/match_image is drawn at most, in pictures a second, where somebody subscribes.",
                                0.01, 30, live=True),
    "snapshot_dir": Parameter("", "Folder that ~/save_snapshot writes to; empty for 'promptmid_snapshots' in the ROS log "
                              "folder."),
    **parameters_of(Upkeep),
}
DEFAULTS = {name: parameter.default for name, parameter in PARAMETERS.items()}


@dataclass(frozen=True)
class Settings:
    """What the parameters come to. Paths are empty, as None, where they are not set."""

    map: Path | None
    region: str
    descriptor: str
    wanted: Wanted
    compressed: bool
    prior_wait_s: float
    most_fix_age_ms: int
    rig: Rig
    options: Options
    publish_tf: bool
    match_image_hz: float
    snapshots: Path | None
    upkeep: Upkeep

    @staticmethod
    def read(values: Mapping[str, Any], calibration: CameraCalibration | None = None) -> Settings:
        """Return the settings of the values of all parameters. Raises InputError where one cannot be or contradicts another.

        A `calibration` that was read before stands for the file that camera_calibration names.
        """
        for name, value in values.items():
            PARAMETERS[name].check(name, value)
        if values["image_transport"] not in (COMPRESSED, RAW):
            raise InputError(f"parameter image_transport is '{values['image_transport']}', not '{COMPRESSED}' or '{RAW}'")
        if values["backend"] not in (AUTO, *BACKENDS):
            raise InputError(f"parameter backend is '{values['backend']}', not one of {', '.join((AUTO, *BACKENDS))}")
        options = Options.read(values)
        wanted = Wanted(values["backend"], network=_path(values["network"]), side_px=options.search.patch_px,
                        allow_build=values["allow_build"])
        rig, file = Rig.read(values, options.track), _path(values["camera_calibration"])
        if calibration is None and file is not None:
            calibration = CameraCalibration.read(file)
        if calibration is not None:
            rig = replace(rig, calibration=calibration)
            options = replace(options, errors=options.errors.calibrated(calibration))
        return Settings(
            _path(values["map"]), values["region"], values["descriptor"], wanted, values["image_transport"] == COMPRESSED,
            values["prior_wait_ms"] / 1e3, values["most_fix_age_ms"], rig, options,
            values["publish_tf"], values["match_image_hz"], _path(values["snapshot_dir"]), Upkeep.read(values))


def parameter_files(words: Sequence[str]) -> list[Path]:
    """Return the files that the words of a ROS command line name with --params-file."""
    return [Path(file) for word, file in pairwise(words) if word == "--params-file"]


def check_names(names: Collection[str], where: str) -> None:
    """Raise InputError for the first of these names that is no parameter, with the one that was perhaps meant."""
    for name in names:
        if name in RETIRED:
            raise InputError(f"{where} sets {name}, which the {NODE} does not have any more; remove it: {RETIRED[name]}")
        if name not in PARAMETERS and name.partition(".")[0] not in FOREIGN:
            near = get_close_matches(name, PARAMETERS, 1)
            meant = f"is {near[0]} meant?" if near else "config/localizer.yaml has all parameters"
            raise InputError(f"{where} sets {name}, which is no parameter of the {NODE}; {meant}")


def read_parameter_file(path: Path, node: str = f"/{NODE}") -> dict[str, Any]:
    """Return the values that a ROS parameter file sets for a node of that full name.

    Raises InputError where the file cannot be read, sets nothing for the node, or sets what is no parameter or no value of it.
    """
    sections = read_sections(path)
    chosen = {name: values for name, values in sections.items() if names_node(name, node)}
    if not chosen:
        raise InputError(f"{path} sets parameters of {', '.join(sections) or 'no node'}, not of {node}; name the node there, or "
                         f"write '/**/{node.rpartition('/')[2]}' for it in any namespace")
    values = {name: value for section in chosen.values() for name, value in section.items()}
    check_names(values, str(path))
    values = {name: value for name, value in values.items() if name in PARAMETERS}
    for name, value in values.items():
        PARAMETERS[name].check(name, value)
    return values


def names_node(pattern: str, node: str) -> bool:
    """Return whether a section of a parameter file is that of a node of this full name: `*` stands for a name, `**` for any
    number."""
    def fits(left: list[str], right: list[str]) -> bool:
        if not left:
            return not right
        if left[0] == "**":
            return any(fits(left[1:], right[i:]) for i in range(len(right) + 1))
        return bool(right) and left[0] in ("*", right[0]) and fits(left[1:], right[1:])

    return fits(pattern.strip("/").split("/"), node.strip("/").split("/"))


def read_sections(path: Path) -> dict[str, dict[str, Any]]:
    """Return the parameters in a file by the name of their node, values as ROS 2 reads them.

    Raises InputError where it is no parameter file.
    """
    import yaml

    shape = (f"{path} is no parameter file; it needs the name of a node, below it 'ros__parameters:', and below that lines such "
             "as 'patch_px: 256'")
    cure = "correct it, or name a file such as config/localizer.yaml"
    try:
        root = yaml.compose(read_yaml_text(path, cure), yaml.SafeLoader)
    except yaml.YAMLError as error:
        raise no_yaml(path, error, cure) from error
    sections: dict[str, dict[str, Any]] = {}

    def collect(name: str, node: Any) -> None:
        if not isinstance(node, yaml.MappingNode):
            raise InputError(shape)
        for key, inner in node.value:
            if not isinstance(key, yaml.ScalarNode):
                raise InputError(shape)
            if key.value == "ros__parameters":
                if not isinstance(inner, yaml.MappingNode):
                    raise InputError(f"{path} has 'ros__parameters' of {name} without parameters below it")
                sections.setdefault(name, {}).update(_parameters(inner))
            else:
                collect(f"{name}/{key.value.strip('/')}" if name else key.value, inner)

    collect("", root)
    return sections


def _parameters(node: Any, above: str = "") -> dict[str, Any]:
    """The values below a node of YAML by their names, those of nested ones joined by dots."""
    import yaml

    found: dict[str, Any] = {}
    for key, inner in node.value:
        name = f"{above}{key.value}"
        if isinstance(inner, yaml.MappingNode):
            found |= _parameters(inner, f"{name}.")
        elif isinstance(inner, yaml.SequenceNode):
            found[name] = [_scalar(each) for each in inner.value]
        else:
            found[name] = _scalar(inner)
    return found


def _scalar(node: Any) -> Any:
    """A value as rcl_yaml_param_parser takes it, which knows fewer kinds than YAML does: no dates, no null, no underscores."""
    text = str(node.value)
    if getattr(node, "style", None) in ("'", '"'):
        return text
    if text in TRUE or text in FALSE:
        return text in TRUE
    if WHOLE.fullmatch(text):
        return int(text, 0) if "x" in text.lower() else int(text)
    if DECIMAL.fullmatch(text):
        return float(text.lower().replace(".inf", "inf").replace(".nan", "nan"))
    return text


def _path(text: str) -> Path | None:
    try:
        return Path(text).expanduser() if text else None
    except RuntimeError as error:
        raise InputError(f"{text} begins with the home of a user who has none; write the whole path") from error
