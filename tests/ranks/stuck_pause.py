"""A run whose first pause never comes to an end."""

import sys
import time

from hpcepm.cli import main
from hpcepm.run import run
from hpcepm.run.run import Run


def _stuck(_: Run) -> None:
    print("stuck", flush=True)
    for _k in range(3000):
        time.sleep(0.01)


if __name__ == "__main__":
    run.__dict__["show"] = _stuck
    sys.exit(main(sys.argv[1:]))
