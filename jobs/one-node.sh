#!/bin/bash
# One run on one node. Submit, from any folder:   sbatch jobs/one-node.sh INPUT [options of hpcepm]
# If the time does not suffice, submit the same line again: the run goes on from its checkpoint.

#SBATCH --job-name=hpcepm
#SBATCH --nodes=1
#SBATCH --ntasks=32             # ranks: not more than a node has cores
#SBATCH --time=04:00:00         # hours:minutes:seconds
#SBATCH --signal=USR1@300       # this long before the end the ranks are told to write a checkpoint and stop
#SBATCH --open-mode=append
##SBATCH --account=…            # what your cluster wants to know besides: remove one of the two #
##SBATCH --partition=…

set -euo pipefail
here=${0%/*} # SLURM starts a copy of this file, and knows where it came from
[ -e "$here/common.sh" ] || { here=$(scontrol show job "$SLURM_JOB_ID" | sed -n 's/^ *Command=//p') && here=${here%%.sh*} && here=${here%/*}; }
source "$here/common.sh"
hpcepm "$@"
