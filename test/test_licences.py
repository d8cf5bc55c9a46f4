"""docs/licences.md lists what the locks hold, with licences, and no GPL flies."""

import os
import re
import subprocess
import sys
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from packaging.utils import canonicalize_name
from scripts import OWN, script
from small_maps import rasters

from promptmid_core.descriptors.structural import Structural
from promptmid_core.refmap.build import BuildOptions, Sources, build_map

licences = script("licences")
ROOT = Path(__file__).resolve().parent.parent
TEXT = (ROOT / "docs/licences.md").read_text()
ROWS = list(licences.rows(TEXT))
# what binds what is linked with it; an exception for that, such as GCC's, takes the bond away
STRONG = re.compile(r"(?<!L)GPL-(?!\S+ WITH \S+exception)")
WEAK = re.compile(r"LGPL|MPL")
WHOLE_TEXT = re.compile(r"GNU (?:LESSER |AFFERO )?GENERAL PUBLIC LICENSE\s+Version")

FLIGHT = """
import sys
from pathlib import Path
from types import SimpleNamespace
import cv2, numpy, rclpy
from rclpy.parameter import Parameter
from promptmid_core.bags.images import image_from_compressed
from promptmid_core.descriptors import load
from promptmid_core.geometry import Grid, Patch
from promptmid_core.prompts.prompt import Modality, Prompt
from promptmid_core.refmap import ReferenceMap
from promptmid_ros.localizer_node import LocalizerNode

rclpy.init(args=[])
node = LocalizerNode(parameter_overrides=[Parameter("map", value=sys.argv[1])])
assert node.trigger_configure().name == node.trigger_activate().name == "SUCCESS"
pixels = numpy.zeros((64, 64, 3), numpy.uint8)
for kind in (".jpg", ".png"):
    image_from_compressed(SimpleNamespace(format=kind[1:], data=cv2.imencode(kind, pixels)[1].tobytes()))
ReferenceMap.open(Path(sys.argv[1])).descriptors(0, 0, 64, 64)
load("promptmid").describe(Patch(pixels, numpy.ones((64, 64), bool), Grid(0.0, 0.0, 1.0, 64, 64)), Prompt(Modality.OPTICAL))
print(*sorted({name.partition(".")[0] for name in sys.modules}))
"""


def test_it_lists_what_is_locked_and_no_more() -> None:
    assert {name: version for name, version, _, _ in ROWS} == licences.locked(), "run: make licences"
    assert len(ROWS) == len(licences.locked())


@pytest.mark.skipif(not OWN, reason="this is not the environment that make install made")
def test_the_page_is_made_from_what_is_installed() -> None:
    assert licences.page(TEXT) == TEXT, "run: make licences"


def test_no_copyleft_flies_but_what_may() -> None:
    flying = {name: licence for name, _, licence, use in ROWS if use == "flies"}
    assert len(flying) > 30
    assert not {name: licence for name, licence in flying.items() if STRONG.search(licence)}
    assert {name for name, licence in flying.items() if WEAK.search(licence)} == {"certifi"}


@pytest.mark.parametrize(("licence", "strong"), [
    ("GPL-3.0-or-later", True), ("AGPL-3.0-only", True), ("MIT AND GPL-2.0-only", True), ("LGPL-2.1-or-later", False),
    ("GPL-3.0-or-later WITH GCC-exception-3.1", False), ("MPL-2.0", False)])
def test_which_copyleft_is_strong(licence: str, strong: bool) -> None:
    assert bool(STRONG.search(licence)) is strong


def test_copyleft_inside_the_wheels_that_fly_is_told() -> None:
    inside = TEXT.partition("## What lies inside")[2].partition("\n## ")[0]
    told = {name for line in inside.splitlines() if line.startswith("| ") for name in line.split("|")[1].strip().split(", ")}
    found = set()
    for name in (name for name, _, _, use in ROWS if use == "flies"):
        its = licences._installed(name)
        files = [file for file in its.files or () if ".dist-info" in str(file)] if its else []
        texts = [Path(str(file.locate())).read_text(errors="replace") for file in files
                 if re.match("licen|copying|notice", file.name, re.IGNORECASE)]
        found |= {name} if any(WHOLE_TEXT.search(text) for text in texts) else set()
    assert found <= told


def test_what_the_node_loads_is_listed_as_flying(tmp_path: Path) -> None:
    pytest.importorskip("rclpy", reason="needs ROS 2's rclpy")
    folder = build_map(Sources(rasters(tmp_path)["sar"]), tmp_path / "map", BuildOptions(Structural())).path
    done = subprocess.run([sys.executable, "-c", FLIGHT, str(folder)], cwd=ROOT, capture_output=True, text=True, check=False,
                          env=os.environ | {"ROS_LOG_DIR": str(tmp_path), "ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST"})
    assert done.returncode == 0, done.stderr
    providers = packages_distributions()
    flying = {name for name, _, _, use in ROWS if use == "flies"}
    # of several that share a folder, as `cuda` or `backports`, one is enough
    loaded = {name: {canonicalize_name(its) for its in providers.get(name, ())} for name in done.stdout.splitlines()[-1].split()}
    assert {"numpy", "numcodecs", "pyproj", "simplejpeg", "onnxruntime", "rclpy"} <= set(loaded)
    own = {"promptmid-ros"}
    assert not {name: its for name, its in loaded.items() if its and not its & (flying | own)}
