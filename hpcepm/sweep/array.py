"""A sweep as an array of SLURM: the script that submits a job for each point."""

from typing import Final

from hpcepm.run.provenance import JOBS
from hpcepm.text import quoted

from .plan import Sweep

SCRIPT: Final = """\
#!/bin/bash
# The {n} points of a sweep, a job for each, in the way of jobs/array.sh.
# Submit it from the folder that the input and the points are named from: sbatch THIS_FILE
# Submit it again to go on. When all are finished, this makes the table and the figure:
#   {again}

#SBATCH --job-name={name}
#SBATCH --array=1-{n}            # the points; 1-{n}%4: at most four at a time
#SBATCH --nodes=1
#SBATCH --ntasks={ranks}              # ranks of one point
#SBATCH --time=04:00:00         # of one part of one point
#SBATCH --signal=USR1@300       # so long before its end the ranks write a checkpoint and stop
#SBATCH --requeue
#SBATCH --open-mode=append
##SBATCH --account=…            # what your cluster wants to know besides: remove one of the two #
##SBATCH --partition=…

set -euo pipefail
set -- {words} --point "${{SLURM_ARRAY_TASK_ID:?submit this by: sbatch $0}}"
here={jobs} # where common.sh is
source "$here/common.sh"
part requeue "$@"
"""


def script(sweep: Sweep, words: list[str], ranks: int) -> str:
    """Return the script.

    Parameters
    ----------
    sweep
        What its jobs do.
    words
        The command line of hpcepm that means this sweep, from ``sweep`` on.
    ranks
        Of each point.
    """
    name = quoted("".join(c if c.isalnum() or c in "-_." else "-" for c in sweep.folder.name))
    told = " ".join(map(quoted, words))
    again = f".venv/bin/hpcepm {told}"
    jobs, n = quoted(str(JOBS)), len(sweep.points)
    return SCRIPT.format(n=n, name=name, ranks=ranks, words=told, again=again, jobs=jobs)
