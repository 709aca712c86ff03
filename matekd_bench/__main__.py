"""``python -m matekd_bench`` is ``matekd-bench``."""

from __future__ import annotations

import sys

from matekd_bench.cli import main

if __name__ == "__main__":
    sys.exit(main())
