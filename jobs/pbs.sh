#!/bin/bash
# As requeue.sh, for PBS. Submit from the folder of hpcepm:   qsub -v INPUT=inputs/quickstart.yaml jobs/pbs.sh
# Options of hpcepm: qsub -v INPUT=…,OPTIONS="--set seed=2" jobs/pbs.sh (no commas in them).

#PBS -N hpcepm
#PBS -l select=1:ncpus=32:mpiprocs=32
#PBS -l walltime=04:00:00
#PBS -j oe

time_to_compute=3h55m # the walltime above less five minutes to stop in, as `timeout` reads it: PBS gives no warning of its own

set -euo pipefail
cd "$PBS_O_WORKDIR"
read -ra options <<<"${OPTIONS:-}"
set -- "${INPUT:?qsub -v INPUT=… jobs/pbs.sh}" "${options[@]}"
source jobs/common.sh
# --foreground: only mpiexec is told, and it tells each rank once; a second signal would end them on the spot.
launch=(timeout --foreground --preserve-status --signal=USR1 "$time_to_compute" mpiexec)

submit_again() {
    qsub -v "INPUT=$INPUT,OPTIONS=${OPTIONS:-}" jobs/pbs.sh
}
part submit_again "$@"
