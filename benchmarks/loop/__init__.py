"""A filter of someone else's in the loop: its estimate is the localizer's prior, the localizer's fixes are its measurements."""

import sys
from pathlib import Path

# the example's files import each other as they lie in one folder, wherever somebody copies them
sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "examples"))
