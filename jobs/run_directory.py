"""Print the directory that a command line of hpcepm writes to.

`jobs/common.sh` looks for checkpoints there.

Says nothing about a command line or an input that is wrong: the run itself will.
"""

import contextlib
import sys

import mpi4py

mpi4py.rc.initialize = False  # this is no rank

from hpcepm.cli.base import UsageError
from hpcepm.cli.run import run_parser  # noqa: E402
from hpcepm.input import InputError, read_input  # noqa: E402

with contextlib.suppress(UsageError, InputError):
    options = run_parser().parse_args(sys.argv[1:])
    print(read_input(options.input, options.set, options.output).settings.output.directory)
