"""``python -m hpcepm``, and the command ``hpcepm``."""

import sys

from hpcepm.cli import main as carry_out
from hpcepm.run.stopping import ignore_requests
from hpcepm.text import flush_streams, open_streams


def main() -> None:
    """Carry out the command line of this process, and end it."""
    open_streams()
    try:
        code = carry_out(sys.argv[1:])
    finally:
        ignore_requests()
        flush_streams()
    sys.exit(code)


if __name__ == "__main__":
    main()
