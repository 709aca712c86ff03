"""``python -m matekd_bench`` is ``matekd-bench``."""

from __future__ import annotations

import os
import sys

from matekd_bench.cli import main

if __name__ == "__main__":
    # Python puts the working folder first; what lies there must not pass for a plugin or a library
    sys.path[:1] = [path for path in sys.path[:1] if path not in ("", os.getcwd())]
    sys.exit(main())
