#!/bin/bash
# As requeue.sh, for PBS. Submit from the folder of hpcepm:   qsub -v INPUT=inputs/quickstart.yaml jobs/pbs.sh
# From another: qsub -v INPUT=…,HPCEPM=/path/to/hpcepm /path/to/hpcepm/jobs/pbs.sh
# Options of hpcepm: qsub -v INPUT=…,OPTIONS="--set seed=2" jobs/pbs.sh (no commas in them).
# Each part submits this file again, or the copy of it that you submitted: write what you need of PBS below, account and queue too. What
# is given to qsub besides (-l, -A, -q) holds for the first part alone.

#PBS -N hpcepm
#PBS -l select=1:ncpus=32:mpiprocs=32
#PBS -l walltime=04:00:00
#PBS -j oe

max_walltime=03:58:00 # change it with the walltime above: that less a little for the job to end in: PBS gives no warning of its own

set -euo pipefail
cd "${PBS_O_WORKDIR:?is not set: submit this by: qsub -v INPUT=… jobs/pbs.sh, or on this machine: tools/run INPUT}"
read -ra options <<<"${OPTIONS:-}"
set -- "${INPUT:?qsub -v INPUT=… jobs/pbs.sh}" --max-walltime "$max_walltime" "${options[@]}"
here=${HPCEPM:-.}/jobs
[ -e "$here/common.sh" ] || { echo "$here: where is hpcepm? qsub -v INPUT=$INPUT,HPCEPM=/path/to/hpcepm …" >&2; exit 2; }
source "$here/common.sh"
launch=(mpiexec)

submit_again() {
    qsub -v "INPUT=$INPUT,HPCEPM=$root,OPTIONS=${OPTIONS:-}" "$0" # PBS has a copy of it: this job's
}
part submit_again "$@"
