"""Mutants that were looked at and change nothing that a test could or should notice, each with why."""

from __future__ import annotations

# (file, line as it is, line as it becomes): why
EQUIVALENT: dict[tuple[str, str, str], str] = {}
