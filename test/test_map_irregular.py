"""What is no regular file in a map folder: a pipe, a device, a socket or a folder in the place of each file, which nobody waits
for."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

USES = """
import sys
from pathlib import Path
from promptmid_core import cli
from promptmid_core.errors import InputError, Refusal
from promptmid_core.refmap import ReferenceMap, read_regions
from promptmid_core.refmap.format.manifest import Journal
from test_map_irregular import instead

path, kinds = Path(sys.argv[1]), sys.argv[2:]
files = sorted(file for file in path.rglob("*") if file.is_file())
more = [path / name for name in ("regions.json", "building.jsonl")]
for file, kind in [*zip(files, kinds * len(files)), *((file, kind) for file in more for kind in kinds)]:
    there = file.exists()
    if there:
        file.rename(path.parent / "sound")
    instead(file, kind)
    name = file.relative_to(path).as_posix()
    print("at", name, kind, flush=True)
    try:
        Journal(path).finished()
    except InputError as refusal:
        assert name == "building.jsonl" and "\\n" not in str(refusal), name
    try:
        reference = ReferenceMap.open(path)
        for window in ((0, 0, 64, 64), (reference.grid.width // 2 * 2 - 64, 512, 64, 40), (0, 512, 64, 40), (520, 0, 64, 64)):
            reference.descriptors(*window), reference.image(*window), reference.landuse(*window), reference.prompt(*window)
        try:
            reference.terrain().on_grid(reference.grid)
        except Refusal as refusal:
            assert name.startswith("0/dem/c/"), name
    except InputError as refusal:
        assert name.endswith("zarr.json") or name == "manifest.json", name
        assert "\\n" not in str(refusal)
    for words in (["info", str(path)], ["verify", str(path)]):
        assert cli.main(["map", *words]) in (0, 1)
    if kind == "folder":
        file.rmdir()
    else:
        file.unlink()
    if there:
        (path.parent / "sound").rename(file)
assert cli.main(["map", "verify", str(path)]) == 0
print("done")
"""


def instead(path: Path, kind: str) -> None:
    """Put something that is no regular file in a place."""
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "device":
        path.symlink_to("/dev/zero")
    elif kind == "folder":
        path.mkdir()
    else:
        # a name of a socket is short
        with socket.socket(socket.AF_UNIX) as server:
            here = os.open(path.parent, os.O_RDONLY)
            server.bind(f"/proc/self/fd/{here}/{path.name}")
            os.close(here)


KINDS = ["pipe", "device", "socket", "folder"]


@pytest.mark.parametrize("kinds", [KINDS, *(pytest.param([kind], marks=pytest.mark.long) for kind in KINDS)], ids="-".join)
def test_nothing_waits_for_what_is_no_file(copied_map: Path, kinds: list[str]) -> None:
    """Every kind, and every file: each in the place of its share of them, at length in that of all."""
    paths = os.pathsep.join([str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")])
    done = subprocess.run([sys.executable, "-c", USES, str(copied_map), *kinds], env=os.environ | {"PYTHONPATH": paths},
                          capture_output=True, text=True, check=False, timeout=300)
    last = [line for line in done.stdout.splitlines() if line.startswith("at ")][-1]
    assert done.returncode == 0, f"{last}: {done.stderr[-2000:]}"
    assert "done" in done.stdout and "Traceback" not in done.stderr
