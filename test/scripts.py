"""The programs of .ci as modules, which no package holds."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

FOLDER = Path(__file__).resolve().parent.parent / ".ci"
VENV = FOLDER.parent / ".venv"
# whether this is the environment that `make install` made
OWN = sys.prefix == str(VENV) and (VENV / "installed").exists()


def script(name: str) -> ModuleType:
    if name not in sys.modules:
        if str(FOLDER) not in sys.path:
            sys.path.append(str(FOLDER))  # where they find each other
        spec = importlib.util.spec_from_file_location(name, FOLDER / f"{name}.py")
        sys.modules[name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules[name])
    return sys.modules[name]
