"""``python -m hpcepm``, and the command ``hpcepm``."""

import os
import sys

from hpcepm.cli import main as carry_out
from hpcepm.run.stopping import ignore_requests


def main() -> None:
    """Carry out the command line of this process, and end it."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:  # closed by whoever started this
            setattr(sys, name, open(os.devnull, "w"))  # noqa: SIM115 (till the end)
    code = carry_out(sys.argv[1:])
    ignore_requests()
    sys.exit(code)


if __name__ == "__main__":
    main()
