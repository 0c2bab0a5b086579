"""``python -m hpcepm``."""

import sys

from .cli import main
from .run.stopping import ignore_requests

code = main(sys.argv[1:])
ignore_requests()
sys.exit(code)
