"""Print the directory that a command line of hpcepm writes to.

``jobs/common.sh`` looks for checkpoints there. Of a wrong command line or input nothing is said
here: the run itself will say what is wrong.
"""

import contextlib
import os
import sys

from hpcepm.cli.base import UsageError
from hpcepm.cli.run import run_parser
from hpcepm.cli.sweep import directory_of
from hpcepm.input.problems import InputError
from hpcepm.input.read import read_input

with contextlib.suppress(UsageError, InputError):
    if sys.argv[1:2] == ["sweep"]:
        found = directory_of(sys.argv[2:])
    else:
        options = run_parser().parse_args(sys.argv[1:])
        if options.input is None:
            sys.exit()
        found = read_input(options.input, options.set, options.output).settings.output.directory
    sys.stdout.buffer.write(os.fsencode(found))
