#!/bin/bash
# As requeue.sh, where srun cannot start the ranks: mpiexec does.   sbatch jobs/mpiexec.sh INPUT [options of hpcepm]

#SBATCH --job-name=hpcepm
#SBATCH --nodes=1
#SBATCH --ntasks=32             # ranks in all
#SBATCH --time=04:00:00         # of one part
#SBATCH --signal=B:USR1@300     # B: to this script, which tells mpiexec, which tells the ranks
#SBATCH --requeue               # also after a node has failed
#SBATCH --open-mode=append      # one log for all parts
##SBATCH --account=…            # what your cluster wants to know besides: remove one of the two #
##SBATCH --partition=…

set -euo pipefail
here=${0%/*} # SLURM starts a copy of this file, and knows where it came from
[ -e "$here/common.sh" ] || { here=$(scontrol show job "$SLURM_JOB_ID" | sed -n 's/^ *Command=//p') && here=${here%%.sh*} && here=${here%/*}; }
source "$here/common.sh"
launch=(mpiexec) # of the MPI that tools/setup found; it asks SLURM where and how many
part requeue "$@"
