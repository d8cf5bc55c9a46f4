"""Writes what a Python environment holds as a CycloneDX 1.6 bill of materials: `sbom.py ENVIRONMENT FILE`. `make sbom` runs it.

The same environment gives the same bytes, wherever it lies. cyclonedx-bom, which reads it, is installed into an environment of
its own.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import venv
from pathlib import Path
from typing import Any

from packaging.utils import canonicalize_name

TOOL = "cyclonedx-bom==7.5.0"


def without_places(bom: dict[str, Any]) -> dict[str, Any]:
    """Return it without the folders of this machine that packages were installed from."""
    for component in bom["components"]:
        references = component.get("externalReferences", [])
        kept = [each for each in references if not each["url"].startswith("file:")]
        if len(kept) < len(references):
            component["externalReferences"] = kept
    return bom


def differences(bom: dict[str, Any], installed: dict[str, str]) -> list[str]:
    """Return a sentence for each package that is installed and not in it in that version, or in it and not installed."""
    held = {canonicalize_name(each["name"]): each.get("version", "") for each in bom["components"]}
    wanted = {canonicalize_name(name): version for name, version in installed.items()}
    return [f"{name} is {wanted.get(name, 'not')} installed and {held.get(name, 'not')} listed"
            for name in sorted(held.keys() | wanted.keys()) if held.get(name) != wanted.get(name)]


def installed(environment: Path) -> dict[str, str]:
    listed = subprocess.run([environment / "bin/python", "-m", "pip", "list", "--format", "json"], capture_output=True, text=True,
                            check=True)
    return {each["name"]: each["version"] for each in json.loads(listed.stdout)}


def main() -> None:
    environment, file = map(Path, sys.argv[1:])
    if not (environment / "bin/python").exists():
        sys.exit(f"make sbom: {environment} is no Python environment; name one with make sbom ENVIRONMENT=/path/to/venv")
    with tempfile.TemporaryDirectory() as folder:
        venv.create(folder, with_pip=True)
        tool = Path(folder, "bin/python")
        subprocess.run([tool, "-m", "pip", "--disable-pip-version-check", "install", "--quiet", TOOL], check=True)
        told = subprocess.run([tool.with_name("cyclonedx-py"), "environment", "--output-reproducible", "--spec-version", "1.6",
                               environment], stdout=subprocess.PIPE, check=True)
    bom = without_places(json.loads(told.stdout))
    wrong = differences(bom, installed(environment))
    if wrong:
        sys.exit("make sbom: " + "; ".join(wrong))
    file.write_text(json.dumps(bom, indent=2, sort_keys=True) + "\n")
    print(f"{file}: {len(bom['components'])} packages of {environment}")


if __name__ == "__main__":
    main()
