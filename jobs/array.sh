#!/bin/bash
# Many runs of one input, one for each seed. Submit, from any folder:   sbatch jobs/array.sh INPUT [options of hpcepm]
# Each is a job of its own, and a chain of parts as in requeue.sh.

#SBATCH --job-name=hpcepm
#SBATCH --array=1-10            # the seeds; 1-10%4: at most four at a time
#SBATCH --nodes=1
#SBATCH --ntasks=4              # ranks of one run
#SBATCH --time=04:00:00         # of one part of one run
#SBATCH --signal=USR1@300       # this long before its end the ranks are told to write a checkpoint and stop
#SBATCH --requeue
#SBATCH --open-mode=append
##SBATCH --account=…            # what your cluster wants to know besides: remove one of the two #
##SBATCH --partition=…

set -euo pipefail
here=${0%/*} # SLURM starts a copy of this file, and knows where it came from
[ -e "$here/common.sh" ] || { here=$(scontrol show job "$SLURM_JOB_ID" | sed -n 's/^ *Command=//p') && here=${here%%.sh*} && here=${here%/*}; }
source "$here/common.sh"
name=$(basename "${1%.*}")
number=${SLURM_ARRAY_TASK_ID:?submit this by: sbatch jobs/array.sh INPUT}

part requeue "$@" --set seed="$number" --output "runs/$name-seed$number"

# To vary a parameter instead, say --array=0-3 above and put this in place of the line above:
#   values=(0.5 1.0 1.5 2.0)
#   value=${values[$number]}
#   part requeue "$@" --set initial_stress.std="$value" --output "runs/$name-std$value"
