"""Whether ROS 2 can be used from this Python, asked in a process of its own: it may be broken in ways that end a process."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping

PROBE = "promptmid_ros.probe"
WAIT_S = 30.0


def probe_ros(environment: Mapping[str, str] | None = None) -> tuple[str | None, str]:
    """Return the middleware's name and "", or None and what is wrong, in a few words."""
    return _probe(environment)


def probe_node(environment: Mapping[str, str] | None = None) -> str:
    """Return "" where a node can be made in this environment, with its DDS security, or what is wrong, in a few words."""
    return _probe(environment, "--node")[1]


def _probe(environment: Mapping[str, str] | None, *words: str) -> tuple[str | None, str]:
    try:
        probe = subprocess.run([sys.executable, "-m", PROBE, *words], capture_output=True, text=True, check=False, timeout=WAIT_S,
                               env=dict(os.environ if environment is None else environment))
    except subprocess.TimeoutExpired:
        return None, f"no answer within {WAIT_S:g} s"
    told = probe.stdout.split()
    if probe.returncode or not told:
        return None, (probe.stderr.strip().splitlines() or ["the process ended without a word"])[-1]
    return told[-1], ""
