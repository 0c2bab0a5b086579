#!/bin/bash
# As requeue.sh, for PBS. Submit from the folder of hpcepm:   qsub -v INPUT=inputs/quickstart.yaml jobs/pbs.sh
# From another: qsub -v INPUT=…,HPCEPM=/path/to/hpcepm /path/to/hpcepm/jobs/pbs.sh
# Options of hpcepm: qsub -v INPUT=…,OPTIONS="--set seed=2" jobs/pbs.sh (no commas in them).

#PBS -N hpcepm
#PBS -l select=1:ncpus=32:mpiprocs=32
#PBS -l walltime=04:00:00
#PBS -j oe

max_walltime=03:58:00 # the walltime above less a little for the job to end in: PBS gives no warning of its own

set -euo pipefail
cd "${PBS_O_WORKDIR:?is not set: submit this by: qsub -v INPUT=… jobs/pbs.sh, or on this machine: tools/run INPUT}"
read -ra options <<<"${OPTIONS:-}"
set -- "${INPUT:?qsub -v INPUT=… jobs/pbs.sh}" --max-walltime "$max_walltime" "${options[@]}"
here=${HPCEPM:-.}/jobs
source "$here/common.sh"
launch=(mpiexec)

submit_again() {
    qsub -v "INPUT=$INPUT,HPCEPM=$root,OPTIONS=${OPTIONS:-}" "$root/jobs/pbs.sh"
}
part submit_again "$@"
