"""Tests run on a mutant, in a fork of this process, which holds what takes long to import and none of what is tested."""

from __future__ import annotations

import importlib.abc
import importlib.util
import os
import resource
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Sequence
from importlib.machinery import ModuleSpec, SourceFileLoader
from pathlib import Path
from types import CodeType
from typing import Any

HELD = ("cv2", "hypothesis", "hypothesis.strategies", "numpy", "pyproj", "pytest", "rasterio", "rasterio.transform",
        "rosbags.typesys", "scipy.fft", "scipy.ndimage", "simplejpeg", "yaml", "zarr")
PACKAGES = ("promptmid_core", "promptmid_ros")
HANG_S = 900.0
SURVIVED, KILLED, BROKEN, ENDED = "survived", "killed", "broken", "ended"


def hold() -> None:
    """Import what the tests need of others, once for all forks."""
    for name in HELD:
        importlib.import_module(name)
    import cv2

    cv2.setNumThreads(1)


class _Changed(importlib.abc.MetaPathFinder):
    """Gives one module other code than its file has."""

    def __init__(self, path: Path, name: str, code: str) -> None:
        self._path, self._name, self._code = path, name, code

    def find_spec(self, fullname: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        if fullname != self._name:
            return None
        code = compile(self._code, str(self._path), "exec")

        class Loader(SourceFileLoader):
            def get_code(self, fullname: str) -> CodeType:
                return code

        return importlib.util.spec_from_file_location(fullname, self._path, loader=Loader(fullname, str(self._path)))


def tried(root: Path, file: str, code: str | None, tests: Sequence[str], seconds: float) -> tuple[str, float, str]:
    """Run tests with a file's code changed, or as it is where that is None, for so many seconds of processor time at most.

    Return SURVIVED, KILLED (a test failed), BROKEN (not even imported) or ENDED (crashed, or its time was over), the processor
    time, and the output.
    """
    assert not any(name in sys.modules for name in PACKAGES), "what is tested must not be held"
    before = os.times()
    with tempfile.TemporaryFile() as output:
        child = os.fork()
        if child == 0:
            for stream in (1, 2):
                os.dup2(output.fileno(), stream)
            os._exit(_run(root, file, code, tests, seconds))
        status = _waited(child)
        output.seek(0)
        text = output.read().decode(errors="replace")
    after = os.times()
    used = (after.children_user + after.children_system) - (before.children_user + before.children_system)
    if not os.WIFEXITED(status):
        return ENDED, used, text
    return {0: SURVIVED, 1: KILLED, 2: BROKEN, 3: BROKEN}.get(os.WEXITSTATUS(status), ENDED), used, text


def _waited(child: int) -> int:
    until = time.monotonic() + HANG_S
    while time.monotonic() < until:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return status
        time.sleep(0.02)
    os.killpg(child, signal.SIGKILL)
    return os.waitpid(child, 0)[1]


def _run(root: Path, file: str, code: str | None, tests: Sequence[str], seconds: float) -> int:
    os.setsid()
    resource.setrlimit(resource.RLIMIT_CPU, (int(seconds) + 1, int(seconds) + 3))
    os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
    sys.dont_write_bytecode = True
    os.chdir(root)
    sys.path[:] = [str(root), *(entry for entry in sys.path if Path(entry or ".").resolve() != root)]
    if code is not None:
        sys.meta_path.insert(0, _Changed(root / file, file.removesuffix(".py").replace("/", "."), code))
    try:
        import hypothesis
        import pytest

        hypothesis.settings.register_profile("mutation", deadline=None, derandomize=True, database=None)
        hypothesis.settings.load_profile("mutation")
        return int(pytest.main(["-q", "-x", "--tb=line", "-p", "no:cacheprovider", *(f"test/{test}" for test in tests)]))
    except BaseException:
        traceback.print_exc()
        return 99
