#!/bin/bash
# One run in as many parts as it takes. Submit once, from any folder:   sbatch jobs/requeue.sh INPUT [options of hpcepm]
# Each part stops before its time limit with a checkpoint and puts the job back into the queue; the next goes on from there.

#SBATCH --job-name=hpcepm
#SBATCH --nodes=1
#SBATCH --ntasks=32             # ranks in all
#SBATCH --time=04:00:00         # of one part
#SBATCH --signal=USR1@300       # this long before its end the ranks are told to write a checkpoint and stop
#SBATCH --requeue               # also after a node has failed
#SBATCH --open-mode=append      # one log for all parts
##SBATCH --account=…            # what your cluster wants to know besides: remove one of the two #
##SBATCH --partition=…

set -euo pipefail
here=${0%/*} # SLURM starts a copy of this file, and knows where it came from
[ -e "$here/common.sh" ] || { here=$(scontrol show job "$SLURM_JOB_ID" | sed -n 's/^ *Command=//p') && here=${here%%.sh*} && here=${here%/*}; }
source "$here/common.sh"
part requeue "$@"
