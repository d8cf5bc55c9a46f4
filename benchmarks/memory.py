"""Memory of a node that is active and waits for images, by library, and the processor time that it took to get there."""

from __future__ import annotations

import argparse
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from promptmid_ros.rehearsal.live import isolate

ACTIVE, START_S, STOP_S, SETTLE_S = "the localizer is active", 120.0, 10.0, 3.0
LIBRARY = re.compile(r"(?:site|dist)-packages/([^/]+)")
REGION = re.compile(r"[0-9a-f]+-[0-9a-f]+ ")
SHOWN_MB = 1.0


def library_of(path: str) -> str:
    """Return the package that a mapped file belongs to, or its name; one name for all memory that is of no file."""
    if path.startswith("[") or not path:
        return "no file: heap and arrays"
    found = LIBRARY.search(path)
    return found[1] if found else Path(path).name


def processor_s(pid: int) -> float:
    """Return the processor time that a process has taken, in seconds."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def mapped(pid: int) -> dict[str, float]:
    """Return the proportional memory of a process by library, in MB, the largest first."""
    parts: Counter[str] = Counter()
    library = ""
    for line in Path(f"/proc/{pid}/smaps").read_text().splitlines():
        if REGION.match(line):
            library = library_of([*line.split(None, 5), ""][5])
        elif line.startswith("Pss:"):
            parts[library] += int(line.split()[1])
    return {name: size / 1024 for name, size in parts.most_common()}


def measure(command: list[str]) -> tuple[float, dict[str, float]]:
    """Return the processor time until the node is active, in seconds, and its proportional memory by library, in MB.

    Raises RuntimeError, with what the node said, where it does not become active.
    """
    node = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        assert node.stdout is not None
        said: list[str] = []
        deadline = time.monotonic() + START_S
        for line in node.stdout:
            said.append(line)
            if ACTIVE in line or time.monotonic() > deadline:
                break
        if ACTIVE not in said[-1]:
            raise RuntimeError("the node did not become active: " + "".join(said[-5:]))
        took = processor_s(node.pid)
        time.sleep(SETTLE_S)
        return took, mapped(node.pid)
    finally:
        node.send_signal(signal.SIGINT)
        try:
            node.wait(STOP_S)
        except subprocess.TimeoutExpired:
            node.kill()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("map", type=Path, metavar="MAP")
    args = parser.parse_args()
    localizer = str(Path(sys.executable).parent / "localizer")
    with tempfile.TemporaryDirectory() as logs:
        isolate(Path(logs))
        seconds, parts = measure([localizer, "--ros-args", "-p", f"map:={args.map}", "-p", "autostart:=true"])
    print(f"{seconds:.2f} s of processor time until active, {sum(parts.values()):.0f} MB of memory then, of which")
    for name, size in parts.items():
        if size >= SHOWN_MB:
            print(f"  {size:6.1f} MB  {name}")


if __name__ == "__main__":
    main()
