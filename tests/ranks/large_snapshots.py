"""A run for which every snapshot is large: a file of its own."""

import sys

from hpcepm.cli import main
from hpcepm.storage import plan

if __name__ == "__main__":
    plan.LARGE_SNAPSHOT = 1  # type: ignore[misc]
    sys.exit(main(sys.argv[1:]))
