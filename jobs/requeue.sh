#!/bin/bash
# One run in as many parts as it takes. Submit once, from the folder of hpcepm:   sbatch jobs/requeue.sh INPUT [options of hpcepm]
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
source jobs/common.sh
part requeue "$@"
