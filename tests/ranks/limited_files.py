"""A run whose files may not grow beyond a limit: ``limited_files BYTES INPUT [options]``."""

import resource
import sys

from hpcepm.cli import main
from hpcepm.parallel import launch

if __name__ == "__main__":
    launch.initialize()  # MPI writes files of its own as it starts
    limit = int(sys.argv[1])
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
    sys.exit(main(sys.argv[2:]))
