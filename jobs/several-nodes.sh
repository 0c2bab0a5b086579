#!/bin/bash
# One run on several nodes. Submit, from any folder:   sbatch jobs/several-nodes.sh INPUT [options of hpcepm]
# If the time does not suffice, submit the same line again: the run goes on from its checkpoint.

#SBATCH --job-name=hpcepm
#SBATCH --nodes=4
#SBATCH --ntasks-per-node=64    # as many as a node has cores
#SBATCH --distribution=cyclic   # neighbouring rows on different nodes: an avalanche is in a part of them (docs/performance.md)
#SBATCH --exclusive             # the ranks wait for the slowest: keep others off these nodes
#SBATCH --time=24:00:00         # hours:minutes:seconds
#SBATCH --signal=USR1@300       # this long before the end the ranks are told to write a checkpoint and stop
#SBATCH --open-mode=append
##SBATCH --account=…            # what your cluster wants to know besides: remove one of the two #
##SBATCH --partition=…

set -euo pipefail
here=${0%/*} # SLURM starts a copy of this file, and knows where it came from
[ -e "$here/common.sh" ] || { here=$(scontrol show job "$SLURM_JOB_ID" | sed -n 's/^ *Command=//p') && here=${here%%.sh*} && here=${here%/*}; }
source "$here/common.sh"
hpcepm "$@"
