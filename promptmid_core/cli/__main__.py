"""For `python -m promptmid_core.cli`."""

import sys

from promptmid_core.cli import main

sys.exit(main())
